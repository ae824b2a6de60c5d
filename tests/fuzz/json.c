/* SPDX-License-Identifier: MIT */
/*
 * JSON: a string is valid whatever bytes it was made of and reads back as they are read as UTF-8; a report of names is one valid
 * object, in which each name can be recovered.
 *
 * The input: names, each ended by NUL.
 */
#include "fuzz.h"

#include "../../src/cli/sink.h"

/* ---- a validator: RFC 8259, and nothing harmful on a terminal besides ---- */

struct json {
	const char *at;
	unsigned depth;
};

static void skip_space(struct json *json)
{
	while (*json->at == ' ' || *json->at == '\n')
		json->at++;
}

static void expect(struct json *json, char c)
{
	skip_space(json);
	fuzz_check(*json->at == c);
	json->at++;
}

static unsigned hex(struct json *json)
{
	unsigned value = 0;
	for (unsigned i = 0; i < 4; i++) {
		static const char digits[] = "0123456789abcdef";
		const char *digit = *json->at ? strchr(digits, *json->at) : NULL;
		fuzz_check(digit);
		value = value * 16 + (unsigned)(digit - digits);
		json->at++;
	}
	return value;
}

static size_t encode(int32_t code, char *ret)
{
	if (code < 0x80) {
		ret[0] = (char)code;
		return 1;
	}
	if (code < 0x800) {
		ret[0] = (char)(0xc0 | code >> 6);
		ret[1] = (char)(0x80 | (code & 63));
		return 2;
	}
	ret[0] = (char)(0xe0 | code >> 12);
	ret[1] = (char)(0x80 | (code >> 6 & 63));
	ret[2] = (char)(0x80 | (code & 63));
	return 3;
}

/* A string, decoded into `ret` (as large as the source), with its length. */
static size_t string(struct json *json, char *ret)
{
	static const char letters[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
	size_t length = 0, n;
	expect(json, '"');
	while (*json->at != '"') {
		if (*json->at != '\\') {
			int32_t code = fuzz_utf8((const uint8_t *)json->at, strlen(json->at), &n);
			fuzz_check(*json->at && code >= 0 && !fuzz_harmful(code));
			memcpy(ret + length, json->at, n);
			length += n;
			json->at += n;
			continue;
		}
		json->at++;
		if (*json->at == 'u') {
			json->at++;
			unsigned code = hex(json);
			fuzz_check(code < 0xd800 || code > 0xdfff); /* nothing beyond the first plane needs an escape */
			length += encode((int32_t)code, ret + length);
			continue;
		}
		const char *letter = *json->at ? strchr(letters, *json->at) : NULL;
		fuzz_check(letter);
		ret[length++] = meant[letter - letters];
		json->at++;
	}
	json->at++;
	return length;
}

/* An integer: no fraction, no exponent, no leading zero. */
static void number(struct json *json)
{
	json->at += *json->at == '-';
	fuzz_check(*json->at >= '0' && *json->at <= '9');
	if (*json->at == '0')
		json->at++;
	else
		json->at += strspn(json->at, "0123456789");
	fuzz_check(!strchr(".eE0123456789", *json->at) || !*json->at);
}

static void value(struct json *json, char *scratch);

static void members(struct json *json, char *scratch, char end)
{
	json->at++;
	skip_space(json);
	fuzz_check(++json->depth < 8);
	for (bool first = true; *json->at != end; first = false) {
		if (!first)
			expect(json, ',');
		if (end == '}') {
			skip_space(json);
			string(json, scratch);
			expect(json, ':');
		}
		value(json, scratch);
		skip_space(json);
	}
	json->at++;
	json->depth--;
}

static void value(struct json *json, char *scratch)
{
	skip_space(json);
	if (*json->at == '"')
		string(json, scratch);
	else if (*json->at == '{' || *json->at == '[')
		members(json, scratch, *json->at == '{' ? '}' : ']');
	else if (!strncmp(json->at, "true", 4))
		json->at += 4;
	else if (!strncmp(json->at, "false", 5))
		json->at += 5;
	else
		number(json);
}

/* ---- a string by itself ---- */

/* Each maximal bad piece becomes one U+FFFD. */
static size_t as_utf8(const uint8_t *bytes, size_t size, char *ret)
{
	size_t length = 0;
	for (size_t at = 0, n; at < size; at += n) {
		if (fuzz_utf8(bytes + at, size - at, &n) < 0) {
			memcpy(ret + length, "\xef\xbf\xbd", 3);
			length += 3;
		} else {
			memcpy(ret + length, bytes + at, n);
			length += n;
		}
	}
	return length;
}

static void try_string(const uint8_t *data, size_t size)
{
	struct text text = { 0 };
	char *expected = malloc(3 * size + 1), *decoded;
	text_add_json(&text, (const char *)data, size);
	decoded = malloc(text.count + 1);
	fuzz_check(expected && decoded && !text.failed);
	struct json json = { .at = text.at };
	size_t length = string(&json, decoded), wanted = as_utf8(data, size, expected);
	fuzz_check(json.at == text.at + text.count);
	fuzz_check(length == wanted && !memcmp(decoded, expected, length));
	fuzz_check(text_utf8((const char *)data, size) == (wanted == size && !memcmp(expected, data, size)));
	text_free(&text);
	free(expected);
	free(decoded);
}

/* ---- a report ---- */

static void try_report(struct fuzz_input *input)
{
	struct issues issues = { .keep_all = true };
	struct dlk_tally tally = { .files_seen = input->left, .apart[3] = { 1, 2 } };
	struct report report = { .tally = &tally, .issues = &issues, .about = REPORT_DRY_RUN, .detail = 1 };
	struct sink sink = { .kind = &sink_json, .report = &report, .out = { .fd = -1 } };
	struct fuzz_input names = *input;
	for (unsigned i = 0; names.left && i < 40; i++) {
		char *name = fuzz_string(&names);
		struct dlk_event event = { .kind = DLK_EVENT_ERROR + i % 3, .stage = i % 12, .reason = i % 20,
					   .error = (int)i % 3 * 7, .path = name, .other = i % 4 ? NULL : name };
		issues_note(&issues, &event);
		free(name);
	}
	issues_index(&issues);
	sink_json.begin(&sink);
	names = *input;
	for (unsigned i = 0; names.left && i < 40; i++) {
		char *name = fuzz_string(&names);
		struct dlk_set set = { .index = i / 3, .size = UINT64_MAX, .names = 3 };
		struct dlk_member member = { .path = name, .inode = i, .mtime = INT64_MIN, .links = UINT32_MAX,
					     .fate = i % 5 };
		if (i % 3 == 0) {
			sink_json.set(&sink, &set);
			sink.sets++;
			sink.members = 0;
		}
		sink_json.member(&sink, &set, &member);
		sink.members++;
		free(name);
	}
	sink_json.end(&sink);
	if (sink.out.text.count) { /* all of it: less than what is written at once */
		char *scratch = malloc(sink.out.text.count + 1);
		struct json json = { .at = sink.out.text.at };
		fuzz_check(scratch && !sink.out.text.failed && !sink.out.error);
		value(&json, scratch);
		fuzz_check(!strcmp(json.at, "\n"));
		free(scratch);
	}
	text_free(&sink.out.text);
	issues_free(&issues);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = { data, size };
	try_string(data, size);
	if (size <= 512)
		try_report(&input);
	return 0;
}
