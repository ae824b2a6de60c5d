/* SPDX-License-Identifier: MIT */
/*
 * record_read.c - the reading half of record.h, by jansson
 *
 * struct record is jansson's own value under another name: no more is ever done with it than to hand it back. What is read may be
 * hostile: jansson bounds the depth, refuses NULs in strings, and every number is looked at for its range.
 */
#include "record.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_MAX = 64 };

static const json_t *in(const struct record *record)
{
	return (const json_t *)(const void *)record;
}

static const struct record *out(const json_t *value)
{
	return (const struct record *)(const void *)value;
}

int record_parse(const char *line, size_t length, struct record **ret)
{
	json_error_t error;
	json_t *value = json_loadb(line, length, JSON_REJECT_DUPLICATES, &error);

	if (!value)
		return json_error_code(&error) == json_error_out_of_memory ? -ENOMEM : -EINVAL;
	if (!json_is_object(value)) {
		json_decref(value);
		return -EINVAL;
	}
	*ret = (struct record *)(void *)value;
	return 0;
}

void record_free(struct record *record)
{
	json_decref((json_t *)(void *)record);
}

int record_object(const struct record *record, const char *key, const struct record **ret)
{
	const json_t *value = json_object_get(in(record), key);

	if (!value)
		return -ENOENT;
	if (!json_is_object(value))
		return -EINVAL;
	*ret = out(value);
	return 0;
}

int record_list(const struct record *record, const char *key, const struct record **ret)
{
	const json_t *value = json_object_get(in(record), key);

	if (!value)
		return -ENOENT;
	if (!json_is_array(value))
		return -EINVAL;
	*ret = out(value);
	return 0;
}

int record_word(const struct record *record, const char *key, const char **ret)
{
	const json_t *value = json_object_get(in(record), key);

	if (!value)
		return -ENOENT;
	if (!json_is_string(value))
		return -EINVAL;
	*ret = json_string_value(value);
	return 0;
}

int record_unsigned(const struct record *record, const char *key, uint64_t max, uint64_t *ret)
{
	const json_t *value = json_object_get(in(record), key);

	if (!value)
		return -ENOENT;
	if (json_is_string(value))
		return text_parse_number(json_string_value(value), max, ret) ? -EINVAL : 0;
	if (!json_is_integer(value) || json_integer_value(value) < 0 || (uint64_t)json_integer_value(value) > max)
		return -EINVAL;
	*ret = (uint64_t)json_integer_value(value);
	return 0;
}

int record_signed(const struct record *record, const char *key, int64_t *ret)
{
	const json_t *value = json_object_get(in(record), key);
	uint64_t magnitude;

	if (!value)
		return -ENOENT;
	if (json_is_integer(value)) {
		*ret = json_integer_value(value);
		return 0;
	}
	if (!json_is_string(value))
		return -EINVAL;
	const char *digits = json_string_value(value);
	bool negative = *digits == '-';

	if (text_parse_number(digits + negative, (uint64_t)INT64_MAX + negative, &magnitude))
		return -EINVAL;
	*ret = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
	return 0;
}

int record_bool(const struct record *record, const char *key, bool *ret)
{
	const json_t *value = json_object_get(in(record), key);

	if (!value)
		return -ENOENT;
	if (!json_is_boolean(value))
		return -EINVAL;
	*ret = json_is_true(value);
	return 0;
}

static int decode(const char *word, char **ret)
{
	struct text text = { 0 };
	int r = text_parse_base64(word, &text);

	if (!r && (!text.count || memchr(text.at, 0, text.count)))
		r = -EINVAL;
	if (r)
		text_free(&text);
	else
		*ret = text.at;
	return r;
}

int record_name(const struct record *record, const char *key, char **ret)
{
	char exact[KEY_MAX];
	const char *word;
	int r;

	snprintf(exact, sizeof(exact), "%s_b64", key);
	r = record_word(record, exact, &word);
	if (!r)
		return decode(word, ret);
	if (r == -ENOENT)
		r = record_word(record, key, &word);
	if (r)
		return r;
	if (!*word)
		return -EINVAL;
	char *name = strdup(word);
	if (!name)
		return -ENOMEM;
	*ret = name;
	return 0;
}

size_t record_count(const struct record *list)
{
	return json_array_size(in(list));
}

int record_item_object(const struct record *list, size_t at, const struct record **ret)
{
	const json_t *value = json_array_get(in(list), at);

	if (!json_is_object(value))
		return -EINVAL;
	*ret = out(value);
	return 0;
}

int record_item_word(const struct record *list, size_t at, const char **ret)
{
	const json_t *value = json_array_get(in(list), at);

	if (!json_is_string(value))
		return -EINVAL;
	*ret = json_string_value(value);
	return 0;
}
