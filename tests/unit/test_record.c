/* SPDX-License-Identifier: MIT */
/* What is written as JSON lines is read back the same, whatever the names and numbers; what is no such line is refused. */
#include "unit.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "../../src/base/record.h"

static struct record *parse(const char *line)
{
	struct record *record = NULL;
	int r = record_parse(line, strlen(line), &record);
	ck_assert_msg(!r, "%s: %d", line, r);
	return record;
}

START_TEST(members_are_written_with_commas_where_they_belong)
{
	struct text text = { 0 };
	record_begin(&text, NULL, '{');
	record_add_number(&text, "a", 1);
	record_begin(&text, "b", '[');
	record_add_word(&text, NULL, "x");
	record_add_word(&text, NULL, "y");
	record_begin(&text, NULL, '{');
	record_end(&text, '}');
	record_end(&text, ']');
	record_begin(&text, "c", '{');
	record_add_bool(&text, "d", true);
	record_end(&text, '}');
	record_add_exact(&text, "e", -5);
	record_end(&text, '}');
	ck_assert_str_eq(text.at, "{\"a\": 1, \"b\": [\"x\", \"y\", {}], \"c\": {\"d\": true}, \"e\": -5}");
	text_free(&text);
}
END_TEST

START_TEST(every_name_comes_back)
{
	static const char *const names[] = { "a", "\xff", "a\nb", "\"\\", "\xc3\xa4", "\xed\xa0\x80", "\x01\x7f\xc2\x80",
					     "a\xff", "ab\xff", "abc\xff", " ", "{" };
	for (size_t i = 0; i < countof(names); i++) {
		struct text text = { 0 };
		char *name = NULL;
		record_begin(&text, NULL, '{');
		record_add_name(&text, "path", names[i]);
		record_end(&text, '}');
		ck_assert_int_eq(strstr(text.at, "path_b64") != NULL, !text_utf8(names[i], strlen(names[i])));
		struct record *record = parse(text.at);
		ck_assert_int_eq(record_name(record, "path", &name), 0);
		ck_assert_str_eq(name, names[i]);
		free(name);
		record_free(record);
		text_free(&text);
	}
}
END_TEST

START_TEST(every_byte_comes_back_by_base64)
{
	char bytes[256];
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)i;
	for (size_t length = 0; length <= sizeof(bytes); length++) {
		struct text coded = { 0 }, back = { 0 };
		text_puts(&coded, "");
		text_add_base64(&coded, bytes, length);
		must(!text_parse_base64(length ? coded.at : "", &back));
		must(back.count == length && (!length || !memcmp(back.at, bytes, length)));
		text_free(&coded);
		text_free(&back);
	}
	static const char *const bad[] = { "A", "AA", "AAA", "AAA=A", "====", "A===", "AB==", "AAB=", "AA-A", "AA A", "QQ==QQ==" };
	for (size_t i = 0; i < countof(bad); i++) {
		struct text back = { 0 };
		ck_assert_msg(text_parse_base64(bad[i], &back) == -EINVAL, "%s", bad[i]);
		text_free(&back);
	}
}
END_TEST

/* jq before 1.7 keeps numbers as doubles. */
START_TEST(exact_numbers_are_quoted_where_doubles_would_round)
{
	static const struct {
		int64_t number;
		const char *written;
	} numbers[] = {
		{ 0, "0" }, { -1, "-1" }, { INT64_C(1) << 53, "9007199254740992" },
		{ (INT64_C(1) << 53) + 1, "\"9007199254740993\"" }, { INT64_MAX, "\"9223372036854775807\"" },
		{ INT64_MIN, "\"-9223372036854775808\"" },
	};
	for (size_t i = 0; i < countof(numbers); i++) {
		struct text text = { 0 };
		int64_t back = 99;
		record_begin(&text, NULL, '{');
		record_add_exact(&text, "n", numbers[i].number);
		record_end(&text, '}');
		ck_assert(!strncmp(strstr(text.at, ": ") + 2, numbers[i].written, strlen(numbers[i].written)));
		struct record *record = parse(text.at);
		ck_assert_int_eq(record_signed(record, "n", &back), 0);
		ck_assert_int_eq(back, numbers[i].number);
		record_free(record);
		text_free(&text);
	}
	struct text text = { 0 };
	uint64_t back = 0;
	record_begin(&text, NULL, '{');
	record_add_exact_unsigned(&text, "n", UINT64_MAX);
	record_end(&text, '}');
	struct record *record = parse(text.at);
	ck_assert_int_eq(record_unsigned(record, "n", UINT64_MAX, &back), 0);
	ck_assert(back == UINT64_MAX);
	record_free(record);
	text_free(&text);
}
END_TEST

START_TEST(what_is_no_object_is_refused)
{
	static const char *const bad[] = { "", " ", "[]", "1", "\"a\"", "{", "{}x", "{} {}", "{\"a\":1,\"a\":2}", "{\"a\":1,}",
					   "{\"a\":\"\xff\"}", "{\"a\":\"\\u0000\"}", "null", "{\"a\": 01}", "{'a': 1}" };
	struct record *record = NULL;
	for (size_t i = 0; i < countof(bad); i++)
		ck_assert_msg(record_parse(bad[i], strlen(bad[i]), &record) == -EINVAL, "%s", bad[i]);
	struct text deep = { 0 };
	for (int i = 0; i < 100000; i++)
		text_puts(&deep, "{\"a\":");
	ck_assert_int_eq(record_parse(deep.at, deep.count, &record), -EINVAL);
	text_free(&deep);
}
END_TEST

START_TEST(members_of_another_kind_are_refused)
{
	struct record *record = parse("{\"n\": 5, \"m\": -1, \"s\": \"x\", \"e\": \"\", \"b\": true, \"o\": {}, \"l\": [1, \"w\", {}], "
				      "\"r\": 1.5, \"p_b64\": \"AA==\", \"q_b64\": \"?\", \"big\": \"18446744073709551616\"}\n");
	const struct record *inner;
	const char *word;
	char *name;
	uint64_t number = 7;
	int64_t integer = 7;
	bool flag;
	ck_assert_int_eq(record_unsigned(record, "n", 4, &number), -EINVAL);
	ck_assert_int_eq(record_unsigned(record, "n", 5, &number), 0);
	ck_assert_int_eq(number, 5);
	ck_assert_int_eq(record_unsigned(record, "m", 9, &number), -EINVAL);
	ck_assert_int_eq(record_unsigned(record, "r", 9, &number), -EINVAL);
	ck_assert_int_eq(record_unsigned(record, "big", UINT64_MAX, &number), -EINVAL);
	ck_assert_int_eq(record_unsigned(record, "none", 9, &number), -ENOENT);
	ck_assert_int_eq(number, 5);
	ck_assert_int_eq(record_signed(record, "m", &integer), 0);
	ck_assert_int_eq(integer, -1);
	ck_assert_int_eq(record_signed(record, "s", &integer), -EINVAL);
	ck_assert_int_eq(record_word(record, "n", &word), -EINVAL);
	ck_assert_int_eq(record_bool(record, "n", &flag), -EINVAL);
	ck_assert_int_eq(record_bool(record, "b", &flag), 0);
	ck_assert_int_eq(record_object(record, "l", &inner), -EINVAL);
	ck_assert_int_eq(record_list(record, "o", &inner), -EINVAL);
	ck_assert_int_eq(record_name(record, "e", &name), -EINVAL);
	ck_assert_int_eq(record_name(record, "p", &name), -EINVAL); /* a NUL */
	ck_assert_int_eq(record_name(record, "q", &name), -EINVAL);
	ck_assert_int_eq(record_name(record, "none", &name), -ENOENT);
	ck_assert_int_eq(record_list(record, "l", &inner), 0);
	ck_assert_int_eq(record_count(inner), 3);
	ck_assert_int_eq(record_item_word(inner, 0, &word), -EINVAL);
	ck_assert_int_eq(record_item_word(inner, 1, &word), 0);
	ck_assert_str_eq(word, "w");
	ck_assert_int_eq(record_item_object(inner, 2, &inner), 0);
	ck_assert_int_eq(record_item_object(inner, 9, &inner), -EINVAL);
	record_free(record);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		members_are_written_with_commas_where_they_belong,
		every_name_comes_back,
		every_byte_comes_back_by_base64,
		exact_numbers_are_quoted_where_doubles_would_round,
		what_is_no_object_is_refused,
		members_of_another_kind_are_refused,
	};
	return unit_run("record", tests, countof(tests));
}
