/* SPDX-License-Identifier: MIT */
/*
 * Globs and regular expressions: globs take what a slower matcher takes, and neither ever takes long.
 *
 * The input: a pattern, NUL, a string.
 */
#include "fuzz.h"

#include <ctype.h>
#include <errno.h>

#include "../../src/base/ere.h"
#include "../../src/base/glob.h"

/* ---- the slower matcher: every choice tried, each pair of places once ---- */

enum { SLOW_MOST = 200, TEXT_MOST = 4096 };

struct slow {
	const char *pattern, *string;
	size_t pattern_length, string_length;
	signed char known[SLOW_MOST + 1][SLOW_MOST + 1]; /* 0: not yet, 1 yes, -1 no */
};

/* A character by glob.h: a sequence by its lead byte and as many bytes that continue it, or else one byte, which is none. */
static int64_t character(const char *at, const char *end, size_t *ret_length)
{
	const uint8_t *s = (const uint8_t *)at;
	size_t length = s[0] < 0xc2 || s[0] > 0xf4 ? 1 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	int64_t code = length == 1 ? s[0] : s[0] & (0x7f >> length);
	for (size_t i = 1; i < length; i++) {
		if (at + i >= end || (s[i] & 0xc0) != 0x80) {
			*ret_length = 1;
			return -1 - s[0];
		}
		code = code * 64 + (s[i] & 0x3f);
	}
	*ret_length = length;
	return length == 1 && s[0] >= 0x80 ? -1 - s[0] : code;
}

/* Bytes of no character come after all characters in a range, in the order of the bytes. */
static int64_t place(int64_t code)
{
	return code < 0 ? INT64_C(1) << 32 | -code : code;
}

static bool in_class(const char *name, size_t length, int64_t c)
{
	static const char *const names[] = { "alnum", "alpha", "blank", "cntrl", "digit", "graph",
					     "lower", "print", "punct", "space", "upper", "xdigit" };
	int (*const functions[])(int) = { isalnum, isalpha, isblank, iscntrl, isdigit, isgraph,
					  islower, isprint, ispunct, isspace, isupper, isxdigit };
	for (size_t i = 0; i < countof(names); i++)
		if (strlen(names[i]) == length && !memcmp(names[i], name, length))
			return c >= 0 && c < 128 && functions[i]((int)c);
	return false;
}

/* A set whose '[' is at `p`: where it ends (past the ']'), 0 when it does not, and whether c is in it. */
static size_t set(const struct slow *slow, size_t p, int64_t c, bool *ret_in)
{
	const char *pattern = slow->pattern, *end = pattern + slow->pattern_length;
	bool negated = pattern[p + 1] == '!' || pattern[p + 1] == '^', in = false;
	size_t at = p + 1 + negated, begin = at, length;
	for (;;) {
		int64_t ends[2];
		if (pattern + at >= end)
			return 0;
		if (pattern[at] == ']' && at > begin)
			break;
		const char *close = pattern[at] == '[' && pattern[at + 1] == ':' ? strstr(pattern + at + 2, ":]") : NULL;
		if (close) {
			in |= in_class(pattern + at + 2, (size_t)(close - pattern) - at - 2, c);
			at = (size_t)(close - pattern) + 2;
			continue;
		}
		for (unsigned e = 0; e < 2; e++) {
			at += pattern[at] == '\\' && pattern[at + 1];
			ends[e] = ends[1] = place(character(pattern + at, end, &length));
			at += length;
			if (e || pattern[at] != '-' || !pattern[at + 1] || pattern[at + 1] == ']')
				break;
			at++;
		}
		in |= ends[0] <= place(c) && place(c) <= ends[1];
	}
	*ret_in = in != negated;
	return at + 1;
}

static bool slow_match(struct slow *slow, size_t p, size_t s);

static bool slow_stars(struct slow *slow, size_t p, size_t s)
{
	const char *pattern = slow->pattern, *string = slow->string;
	size_t stars = strspn(pattern + p, "*"), length;
	bool directories = stars > 1 && (p == 0 || pattern[p - 1] == '/') && pattern[p + stars] == '/';
	if (directories) {
		if (slow_match(slow, p + stars + 1, s))
			return true;
		for (; string[s]; s++)
			if (string[s] == '/' && slow_match(slow, p + stars + 1, s + 1))
				return true;
		return false;
	}
	for (;; s += length) {
		if (slow_match(slow, p + stars, s))
			return true;
		if (!string[s] || (stars == 1 && string[s] == '/'))
			return false;
		character(string + s, string + slow->string_length, &length);
	}
}

static bool slow_element(struct slow *slow, size_t p, size_t s)
{
	const char *pattern = slow->pattern, *string = slow->string;
	size_t length, own, after;
	bool in;
	if (pattern[p] == '*')
		return slow_stars(slow, p, s);
	if (!pattern[p] || !string[s])
		return !pattern[p] && !string[s];
	int64_t c = character(string + s, string + slow->string_length, &length);
	if (pattern[p] == '?')
		return c != '/' && slow_match(slow, p + 1, s + length);
	after = pattern[p] == '[' ? set(slow, p, c, &in) : 0;
	if (after)
		return in && c != '/' && slow_match(slow, after, s + length);
	p += pattern[p] == '\\' && pattern[p + 1];
	return character(pattern + p, pattern + slow->pattern_length, &own) == c && slow_match(slow, p + own, s + length);
}

static bool slow_match(struct slow *slow, size_t p, size_t s)
{
	signed char *known = &slow->known[p][s];
	if (!*known)
		*known = slow_element(slow, p, s) ? 1 : -1;
	return *known > 0;
}

/* ---- both ---- */

static void try_glob(const char *pattern, const char *string)
{
	static struct slow slow;
	bool got = glob_match(pattern, string);
	if (glob_literal(pattern) && !strchr(pattern, '\\'))
		fuzz_check(got == !strcmp(pattern, string));
	if (strlen(pattern) > SLOW_MOST || strlen(string) > SLOW_MOST)
		return;
	slow = (struct slow){ pattern, string, strlen(pattern), strlen(string), { { 0 } } };
	fuzz_check(got == slow_match(&slow, 0, 0));
}

static void try_regex(const char *pattern, const char *string)
{
	char why[ERE_WHY_MAX] = "";
	regex_t regex;
	int r = ere_compile(pattern, &regex, why);
	fuzz_check(!r || r == -EINVAL || r == -ENOMEM);
	fuzz_check(!r == !*why && memchr(why, 0, sizeof(why)));
	if (r)
		return;
	/* Plain letters are searched for. */
	if (pattern[strspn(pattern, "abcdefghijklmnopqrstuvwxyz/ ")] == '\0')
		fuzz_check(!regexec(&regex, string, 0, NULL, 0) == (strstr(string, pattern) != NULL));
	else
		regexec(&regex, string, 0, NULL, 0);
	regfree(&regex);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = { data, size };
	char *pattern = fuzz_string(&input), *string = fuzz_string(&input);
	if (strlen(string) > TEXT_MOST)
		string[TEXT_MOST] = '\0';
	double begun = fuzz_seconds();
	try_glob(pattern, string);
	fuzz_check(fuzz_seconds() - begun < 5);
	try_regex(pattern, string);
	fuzz_check(fuzz_seconds() - begun < 20);
	free(pattern);
	free(string);
	return 0;
}
