/* SPDX-License-Identifier: MIT */
/* text.h - bytes made safe to show: names quoted for terminals and JSON; sizes and durations parsed and printed */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include "base.h"

/*
 * A growing string for building output. Zeroed is valid. After a failed append `failed` stays set and appends do
 * nothing.
 */
struct text {
	char *at; /* NUL-terminated once anything was added; else NULL */
	size_t count, room;
	bool failed;
};

void text_add(struct text *text, const char *bytes, size_t length);
void text_puts(struct text *text, const char *string);
FORMAT_PRINTF(2, 3) void text_printf(struct text *text, const char *format, ...);
void text_free(struct text *text);

/*
 * Appends a name as `ls` shows it on a terminal: as it is when plain; in single quotes when it holds spaces or shell
 * characters; as $'...' with \n, \t, \ooo escapes when it holds control characters or invalid UTF-8, so that pasting
 * it into a shell gives the name back and no raw escape ever reaches the terminal. C1 controls, line and paragraph
 * separators (U+2028-9) and the bidirectional overrides (U+202A-E, U+2066-9) count as control characters.
 */
void text_add_quoted(struct text *text, const char *name);

/* True when all bytes are valid UTF-8 (no surrogates, no overlong forms, up to U+10FFFF). */
bool text_utf8(const char *bytes, size_t length);

/* The longest beginning of a string, in bytes and of at most `most`, that cuts no character of UTF-8 in two. */
size_t text_cut(const char *string, size_t most);

/*
 * Appends a JSON string with its quotes. Control characters, as above, are escaped; each maximal bad piece of invalid
 * UTF-8 becomes one U+FFFD.
 */
void text_add_json(struct text *text, const char *bytes, size_t length);

/* Appends base64 (RFC 4648, padded). */
void text_add_base64(struct text *text, const char *bytes, size_t length);

/* Appends the bytes that base64 stands for. -EINVAL for anything text_add_base64 would not have written; -ENOMEM. */
MUST_CHECK int text_parse_base64(const char *string, struct text *ret);

/*
 * Parses a size: digits, optionally a decimal fraction, then B, K, M, G, T, P, E (powers of 1024, also KiB ...) or
 * KB, MB ... (powers of 1000). Case does not matter, but for the rule above. A fraction needs a unit above bytes and
 * is rounded down to bytes. -EINVAL, -ERANGE beyond UINT64_MAX.
 */
MUST_CHECK int text_parse_size(const char *string, uint64_t *ret_bytes);

/*
 * Parses a duration: digits, then s, m, h, d, w (seconds when none), e.g. "90", "15m", "1h". Returned in ns. -EINVAL,
 * -ERANGE.
 */
MUST_CHECK int text_parse_duration(const char *string, int64_t *ret_ns);

/* Parses a whole number, decimal, nothing around it. -EINVAL, -ERANGE above max. */
MUST_CHECK int text_parse_number(const char *string, uint64_t max, uint64_t *ret_number);

/* A number for a text, for tables. Under a random seed nobody knows which texts share a place. */
uint64_t text_hash(uint64_t seed, const char *text);

/* "0 B", "999 B", "1.0 KiB", "12.3 GiB": at most one decimal, powers of 1024. */
enum { TEXT_SIZE_MAX = 16 };
const char *text_size(uint64_t bytes, char ret_buffer[TEXT_SIZE_MAX]);

/* "1,234,567". */
enum { TEXT_COUNT_MAX = 32 };
const char *text_count(uint64_t number, char ret_buffer[TEXT_COUNT_MAX]);

#endif
