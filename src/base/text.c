/* SPDX-License-Identifier: MIT */
/*
 * text.c - bytes made safe to show, numbers read and written for people
 *
 * Parts: the growing string; UTF-8; quoting (terminal, JSON, base64); parsing; printing.
 *
 * All quoting rests on one decoder, utf8_next, which cuts any bytes into characters and bad pieces. A file name is
 * bytes: it is judged character by character, and what is not known to be harmless is escaped byte by byte.
 */
#include "text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vec.h"

/* ---- the growing string ---- */

/* Room for `more` bytes and a NUL; false once anything failed. */
static bool make_room(struct text *text, size_t more)
{
	size_t wanted;
	if (__builtin_add_overflow(text->count, more, &wanted) || __builtin_add_overflow(wanted, 1, &wanted))
		text->failed = true;
	if (!text->failed && vec_grow((void **)&text->at, &text->room, wanted, 1))
		text->failed = true;
	return !text->failed;
}

void text_add(struct text *text, const char *bytes, size_t length)
{
	if (!make_room(text, length))
		return;
	memcpy(text->at + text->count, bytes, length);
	text->count += length;
	text->at[text->count] = '\0';
}

void text_puts(struct text *text, const char *string)
{
	text_add(text, string, strlen(string));
}

void text_printf(struct text *text, const char *format, ...)
{
	va_list arguments, again;
	va_start(arguments, format);
	va_copy(again, arguments);
	int length = vsnprintf(NULL, 0, format, arguments);
	if (length < 0)
		text->failed = true;
	else if (make_room(text, (size_t)length)) {
		vsnprintf(text->at + text->count, (size_t)length + 1, format, again);
		text->count += (size_t)length;
	}
	va_end(again);
	va_end(arguments);
}

void text_free(struct text *text)
{
	free(text->at);
	*text = (struct text){ 0 };
}

/* ---- UTF-8 ---- */

struct utf8_char {
	int32_t code;  /* -1: not valid */
	size_t length; /* bytes; of a bad piece too, at least 1 */
};

/* What a lead byte asks for: Unicode 15, table 3-7. `low` and `high` bound the second byte, the rest are 80..BF. */
struct utf8_lead {
	unsigned char first, last, length, low, high;
};

static const struct utf8_lead utf8_leads[] = {
	{ 0xc2, 0xdf, 2, 0x80, 0xbf }, { 0xe0, 0xe0, 3, 0xa0, 0xbf }, { 0xe1, 0xec, 3, 0x80, 0xbf },
	{ 0xed, 0xed, 3, 0x80, 0x9f }, { 0xee, 0xef, 3, 0x80, 0xbf }, { 0xf0, 0xf0, 4, 0x90, 0xbf },
	{ 0xf1, 0xf3, 4, 0x80, 0xbf }, { 0xf4, 0xf4, 4, 0x80, 0x8f },
};

static const struct utf8_lead *utf8_lead_of(unsigned char byte)
{
	for (size_t i = 0; i < countof(utf8_leads); i++)
		if (byte >= utf8_leads[i].first && byte <= utf8_leads[i].last)
			return &utf8_leads[i];
	return NULL;
}

/*
 * The first character of `length` (at least 1) bytes. A bad piece is the longest beginning of a character that goes
 * wrong after it ("maximal subpart", Unicode 15 section 3.9), as most decoders count replacement characters.
 */
static struct utf8_char utf8_next(const char *bytes, size_t length)
{
	unsigned char first = (unsigned char)bytes[0];
	if (first < 0x80)
		return (struct utf8_char){ first, 1 };
	const struct utf8_lead *lead = utf8_lead_of(first);
	if (!lead)
		return (struct utf8_char){ -1, 1 };
	int32_t code = first & (0x7f >> lead->length);
	for (size_t i = 1; i < lead->length; i++) {
		unsigned char byte = i < length ? (unsigned char)bytes[i] : 0;
		unsigned char low = i == 1 ? lead->low : 0x80, high = i == 1 ? lead->high : 0xbf;
		if (byte < low || byte > high)
			return (struct utf8_char){ -1, i };
		code = code << 6 | (byte & 0x3f);
	}
	return (struct utf8_char){ code, lead->length };
}

bool text_utf8(const char *bytes, size_t length)
{
	for (size_t at = 0; at < length;) {
		struct utf8_char c = utf8_next(bytes + at, length - at);
		if (c.code < 0)
			return false;
		at += c.length;
	}
	return true;
}

size_t text_cut(const char *string, size_t most)
{
	const size_t longest = 4; /* bytes of a character */
	size_t length = strnlen(string, most + 1), cut = most;
	if (length <= most)
		return length;
	while (cut && most - cut < longest - 1 && ((unsigned char)string[cut] & 0xc0) == 0x80)
		cut--;
	return cut;
}

/* C0, DEL, C1; line and paragraph separators; bidirectional embeddings, overrides and isolates. */
static bool is_control(int32_t code)
{
	return code < 0x20 || (code >= 0x7f && code < 0xa0) || (code >= 0x2028 && code <= 0x202e) ||
	       (code >= 0x2066 && code <= 0x2069);
}

/* ---- quoting ---- */

enum quoting { QUOTE_NONE, QUOTE_SINGLE, QUOTE_ESCAPES };

/* Whether a shell takes the character as itself. '#' and '~' mean something at the beginning of a word only. */
static bool is_plain(int32_t code, bool first)
{
	if (code >= 0x80 || (code >= 'a' && code <= 'z') || (code >= 'A' && code <= 'Z') ||
	    (code >= '0' && code <= '9'))
		return true;
	return strchr(first ? "%+,-./:@]_" : "%+,-./:@]_#~", code) != NULL;
}

static enum quoting quoting_of(const char *name, size_t length)
{
	enum quoting quoting = length ? QUOTE_NONE : QUOTE_SINGLE;
	for (size_t at = 0; at < length;) {
		struct utf8_char c = utf8_next(name + at, length - at);
		if (c.code < 0 || is_control(c.code))
			return QUOTE_ESCAPES;
		if (!is_plain(c.code, at == 0))
			quoting = QUOTE_SINGLE;
		at += c.length;
	}
	return quoting;
}

/* A single quote cannot stand inside single quotes: double ones if nothing else would be read in them, else '\''. */
static void add_single_quoted(struct text *text, const char *name)
{
	if (strchr(name, '\'') && !strpbrk(name, "\"$`\\!")) {
		text_printf(text, "\"%s\"", name);
		return;
	}
	text_puts(text, "'");
	for (const char *rest = name; *rest;) {
		size_t run = strcspn(rest, "'");
		text_add(text, rest, run);
		rest += run;
		if (*rest) {
			text_puts(text, "'\\''");
			rest++;
		}
	}
	text_puts(text, "'");
}

/* Three octal digits always, so that a digit after the escape is not taken into it. */
static void add_octal(struct text *text, const char *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++)
		text_printf(text, "\\%03o", (unsigned)(unsigned char)bytes[i]);
}

static void add_escaped_char(struct text *text, const char *bytes, struct utf8_char c)
{
	if (c.code == '\n')
		text_puts(text, "\\n");
	else if (c.code == '\t')
		text_puts(text, "\\t");
	else if (c.code == '\'' || c.code == '\\')
		text_printf(text, "\\%c", (char)c.code);
	else if (c.code < 0 || is_control(c.code))
		add_octal(text, bytes, c.length);
	else
		text_add(text, bytes, c.length);
}

static void add_escaped(struct text *text, const char *name, size_t length)
{
	text_puts(text, "$'");
	for (size_t at = 0; at < length;) {
		struct utf8_char c = utf8_next(name + at, length - at);
		add_escaped_char(text, name + at, c);
		at += c.length;
	}
	text_puts(text, "'");
}

void text_add_quoted(struct text *text, const char *name)
{
	size_t length = strlen(name);
	switch (quoting_of(name, length)) {
	case QUOTE_NONE:
		text_add(text, name, length);
		break;
	case QUOTE_SINGLE:
		add_single_quoted(text, name);
		break;
	case QUOTE_ESCAPES:
		add_escaped(text, name, length);
		break;
	}
}

/* JSON needs only C0, '"' and '\' escaped; the rest of is_control is, too, since people look at it on terminals. */
static void add_json_char(struct text *text, const char *bytes, struct utf8_char c)
{
	static const char named[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
	const char *found = c.code > 0 ? strchr(named, c.code) : NULL;
	if (c.code < 0)
		text_puts(text, "\xef\xbf\xbd");
	else if (c.code < 0x80 && found)
		text_printf(text, "\\%c", letters[found - named]);
	else if (is_control(c.code))
		text_printf(text, "\\u%04x", (unsigned)c.code);
	else
		text_add(text, bytes, c.length);
}

void text_add_json(struct text *text, const char *bytes, size_t length)
{
	text_puts(text, "\"");
	for (size_t at = 0; at < length;) {
		struct utf8_char c = utf8_next(bytes + at, length - at);
		add_json_char(text, bytes + at, c);
		at += c.length;
	}
	text_puts(text, "\"");
}

void text_add_base64(struct text *text, const char *bytes, size_t length)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	for (size_t at = 0; at < length; at += 3) {
		size_t have = size_min(length - at, 3);
		uint32_t bits = 0;
		for (size_t i = 0; i < 3; i++)
			bits = bits << 8 | (i < have ? (unsigned char)bytes[at + i] : 0);
		char group[4];
		for (size_t i = 0; i < 4; i++)
			group[i] = i <= have ? digits[bits >> (18 - 6 * i) & 63] : '=';
		text_add(text, group, sizeof(group));
	}
}

/* ---- parsing ---- */

/* The value of a base64 digit, -1 for anything else. */
static int base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

int text_parse_base64(const char *string, struct text *ret)
{
	size_t length = strlen(string), padding = 0;
	while (padding < 2 && padding < length && string[length - 1 - padding] == '=')
		padding++;
	if (length % 4)
		return -EINVAL;
	for (size_t at = 0; at < length; at += 4) {
		uint32_t bits = 0;
		for (size_t i = at; i < at + 4; i++) {
			int value = i < length - padding ? base64_value(string[i]) : 0;
			if (value < 0)
				return -EINVAL;
			bits = bits << 6 | (uint32_t)value;
		}
		const char bytes[] = { (char)(bits >> 16), (char)(bits >> 8), (char)bits };
		size_t spare = at + 4 == length ? padding : 0;
		if (spare && bits & (spare == 2 ? 0xffff : 0xff)) /* bits that stand for nothing: two spellings of one name */
			return -EINVAL;
		text_add(ret, bytes, sizeof(bytes) - spare);
	}
	return ret->failed ? -ENOMEM : 0;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Digits at *at into *ret, moving *at behind them. */
static int parse_digits(const char **at, uint64_t *ret)
{
	uint64_t value = 0;
	const char *p = *at;
	if (!is_digit(*p))
		return -EINVAL;
	for (; is_digit(*p); p++)
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value))
			return -ERANGE;
	*at = p;
	*ret = value;
	return 0;
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* The number of bytes a unit stands for; 0 when it is none. */
static uint64_t size_unit(const char *suffix)
{
	static const char letters[] = "kmgtpe";
	if (!*suffix || (lower(*suffix) == 'b' && !suffix[1]))
		return 1;
	const char *letter = strchr(letters, lower(*suffix));
	if (!letter)
		return 0;
	bool decimal = lower(suffix[1]) == 'b' && !suffix[2];
	if (!decimal && suffix[1] && !(lower(suffix[1]) == 'i' && lower(suffix[2]) == 'b' && !suffix[3]))
		return 0;
	uint64_t unit = 1;
	for (const char *p = letters; p <= letter; p++)
		unit *= decimal ? 1000 : 1024;
	return unit;
}

/* unit * 0.DIGITS, rounded down: from the last digit on, since floor((d + floor(x)) / 10) is floor((d + x) / 10). */
static uint64_t size_fraction(const char *digits, size_t count, uint64_t unit)
{
	uint64_t value = 0;
	while (count--)
		value = ((uint64_t)(digits[count] - '0') * unit + value) / 10; /* below 10 * 2^60 */
	return value;
}

int text_parse_size(const char *string, uint64_t *ret_bytes)
{
	const char *at = string;
	uint64_t whole = 0;
	int r = parse_digits(&at, &whole);
	if (r == -EINVAL)
		return r;
	at = string + strspn(string, "0123456789");
	const char *fraction = at + (*at == '.');
	size_t count = *at == '.' ? strspn(fraction, "0123456789") : 0;
	if (*at == '.' && count == 0)
		return -EINVAL;
	uint64_t unit = size_unit(fraction + count);
	if (unit == 0 || (unit == 1 && count))
		return -EINVAL;
	if (r || __builtin_mul_overflow(whole, unit, &whole) ||
	    __builtin_add_overflow(whole, size_fraction(fraction, count, unit), &whole))
		return -ERANGE;
	*ret_bytes = whole;
	return 0;
}

int text_parse_duration(const char *string, int64_t *ret_ns)
{
	static const struct {
		char letter;
		int64_t seconds;
	} units[] = { { '\0', 1 }, { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 }, { 'w', 604800 } };
	const char *at = string;
	uint64_t number = 0;
	int r = parse_digits(&at, &number);
	if (r == -EINVAL)
		return r;
	at = string + strspn(string, "0123456789");
	for (size_t i = 0; i < countof(units); i++) {
		if (*at != units[i].letter || (*at && at[1]))
			continue;
		int64_t ns;
		if (r || __builtin_mul_overflow(number, units[i].seconds * NS_PER_S, &ns))
			return -ERANGE;
		*ret_ns = ns;
		return 0;
	}
	return -EINVAL;
}

int text_parse_number(const char *string, uint64_t max, uint64_t *ret_number)
{
	const char *at = string;
	uint64_t number = 0;
	int r = parse_digits(&at, &number);
	if (string[strspn(string, "0123456789")])
		return -EINVAL;
	if (r)
		return r;
	if (number > max)
		return -ERANGE;
	*ret_number = number;
	return 0;
}

/* ---- printing ---- */

/* Rounded to the nearest tenth; 1023.96 KiB is 1.0 MiB, not 1024.0 KiB. */
const char *text_size(uint64_t bytes, char ret_buffer[TEXT_SIZE_MAX])
{
	static const char letters[] = "KMGTPE";
	if (bytes < 1024) {
		snprintf(ret_buffer, TEXT_SIZE_MAX, "%u B", (unsigned)bytes);
		return ret_buffer;
	}
	unsigned shift = 10;
	uint64_t tenths;
	for (;; shift += 10) {
		uint64_t half = UINT64_C(1) << (shift - 1), rest = bytes & ((UINT64_C(1) << shift) - 1);
		tenths = (bytes >> shift) * 10 + ((rest * 10 + half) >> shift);
		if (tenths < 10240 || shift == 60)
			break;
	}
	snprintf(ret_buffer, TEXT_SIZE_MAX, "%u.%u %ciB", (unsigned)(tenths / 10), (unsigned)(tenths % 10),
		 letters[shift / 10 - 1]);
	return ret_buffer;
}

const char *text_count(uint64_t number, char ret_buffer[TEXT_COUNT_MAX])
{
	char digits[TEXT_COUNT_MAX];
	int length = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)number);
	char *out = ret_buffer;
	for (int i = 0; i < length; i++) {
		if (i && (length - i) % 3 == 0)
			*out++ = ',';
		*out++ = digits[i];
	}
	*out = '\0';
	return ret_buffer;
}

uint64_t text_hash(uint64_t seed, const char *text)
{
	uint64_t hash = seed;
	for (size_t length = strlen(text); length;) {
		uint64_t word = 0;
		size_t n = size_min(length, sizeof(word));
		memcpy(&word, text, n);
		hash = mix64(hash ^ word) + n;
		text += n;
		length -= n;
	}
	return hash;
}
