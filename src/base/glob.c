/* SPDX-License-Identifier: MIT */
/*
 * glob.c - shell patterns over paths, matched in bounded time
 *
 * Two places to resume from are enough, however many stars a pattern has: the last `*`, and the last `**`. What stands
 * before a star has matched as early as it can, and whatever a later match of it would leave to the star, the star can
 * take itself; so earlier stars need no second try. A `*` cannot cross a slash, a `**` can: hence two. When the element
 * at hand does not fit, the last `*` takes one character more; when it may not, the last `**` does and the `*` is
 * forgotten; when there is none, the answer is no. test_rule compares this with a naive matcher.
 */
#include "glob.h"

#include <ctype.h>
#include <string.h>

/* Where to go on with a star that takes more. pattern NULL: none. */
struct resume {
	const char *pattern; /* what follows the star */
	const char *string;  /* where the star ends now */
	bool by_directory;   /* it takes whole directories only */
};

struct match {
	const char *begin, *pattern, *string;
	struct resume star, deep;
};

/* Length of the UTF-8 sequence that begins with `lead`, 1 for a byte that begins none. */
static size_t sequence_length(unsigned char lead)
{
	if (lead >= 0xc2 && lead <= 0xdf)
		return 2;
	if (lead >= 0xe0 && lead <= 0xef)
		return 3;
	return lead >= 0xf0 && lead <= 0xf4 ? 4 : 1;
}

/* The character at `string` and its length. A byte that belongs to no sequence is a number no character has. */
static size_t character(const char *string, uint32_t *ret)
{
	const unsigned char *s = (const unsigned char *)string;
	size_t length = sequence_length(s[0]);
	uint32_t code = length == 1 ? s[0] : s[0] & (0xffu >> (length + 1));

	for (size_t i = 1; i < length; i++) {
		if ((s[i] & 0xc0) != 0x80) {
			length = 1;
			break;
		}
		code = code << 6 | (s[i] & 0x3f);
	}
	if (length == 1)
		code = s[0] < 0x80 ? s[0] : 0x80000000u + s[0];
	*ret = code;
	return length;
}

/* ASCII only, for the same answer in every locale. */
static bool in_class(const char *name, size_t length, uint32_t c)
{
	static const struct {
		const char *name;
		int (*is)(int);
	} classes[] = {
		{ "alnum", isalnum }, { "alpha", isalpha }, { "blank", isblank }, { "cntrl", iscntrl },
		{ "digit", isdigit }, { "graph", isgraph }, { "lower", islower }, { "print", isprint },
		{ "punct", ispunct }, { "space", isspace }, { "upper", isupper }, { "xdigit", isxdigit },
	};

	for (size_t i = 0; i < countof(classes); i++)
		if (strlen(classes[i].name) == length && !memcmp(classes[i].name, name, length))
			return c < 0x80 && classes[i].is((int)c);
	return false;
}

/* One end of a range, after a backslash if there is one. */
static const char *set_end(const char *at, uint32_t *ret)
{
	if (at[0] == '\\' && at[1])
		at++;
	return at + character(at, ret);
}

/* One item of a set: a character, a range or a class. Returns what follows it; says whether c is in it. */
static const char *set_item(const char *at, uint32_t c, bool *inside)
{
	uint32_t low, high;

	if (at[0] == '[' && at[1] == ':') {
		const char *close = strstr(at + 2, ":]");

		if (close) {
			*inside |= in_class(at + 2, (size_t)(close - at - 2), c);
			return close + 2;
		}
	}
	at = set_end(at, &low);
	high = low;
	if (at[0] == '-' && at[1] && at[1] != ']')
		at = set_end(at + 1, &high);
	*inside |= low <= c && c <= high;
	return at;
}

/* Whether c is in the set at `at`, just past its '['. Returns what follows the ']', or NULL when there is none. */
static const char *set_has(const char *at, uint32_t c, bool *ret)
{
	bool negated = *at == '!' || *at == '^', inside = false;

	if (negated)
		at++;
	/* A ']' that comes first is a character of the set. */
	for (bool first = true; first || *at != ']'; first = false) {
		if (!*at)
			return NULL;
		at = set_item(at, c, &inside);
	}
	*ret = inside != negated;
	return at + 1;
}

/* Matches one element that is no star against one character and steps over both. */
static bool step(struct match *match)
{
	const char *pattern = match->pattern, *after;
	uint32_t c, wanted;
	size_t length;
	bool inside;

	if (!*match->string || !*pattern)
		return false;
	length = character(match->string, &c);
	if (*pattern == '?') {
		inside = c != '/';
		after = pattern + 1;
	} else if (*pattern == '[' && (after = set_has(pattern + 1, c, &inside))) {
		inside &= c != '/';
	} else {
		if (pattern[0] == '\\' && pattern[1])
			pattern++;
		after = pattern + character(pattern, &wanted);
		inside = wanted == c;
	}
	if (!inside)
		return false;
	match->pattern = after;
	match->string += length;
	return true;
}

/* Takes note of the star or stars at hand, which take nothing at first. */
static void star(struct match *match)
{
	const char *at = match->pattern;
	size_t stars = strspn(at, "*");
	bool begins = at == match->begin || at[-1] == '/';

	if (stars == 1) {
		match->star = (struct resume){ .pattern = at + 1, .string = match->string };
		match->pattern = at + 1;
		return;
	}
	at += stars;
	match->deep = (struct resume){ .string = match->string, .by_directory = begins && *at == '/' };
	match->deep.pattern = match->pattern = at + match->deep.by_directory;
	match->star.pattern = NULL;
}

/* The last star takes as little more as it can. False when there is nothing left to try. */
static bool resume(struct match *match)
{
	bool star_may = match->star.pattern && *match->star.string && *match->star.string != '/';
	struct resume *last = star_may ? &match->star : &match->deep;
	const char *next;
	uint32_t c;

	if (!last->pattern || !*last->string)
		return false;
	if (last == &match->deep)
		match->star.pattern = NULL;
	next = last->string + character(last->string, &c);
	if (last->by_directory) {
		const char *slash = strchr(last->string, '/');

		if (!slash)
			return false;
		next = slash + 1;
	}
	last->string = next;
	match->pattern = last->pattern;
	match->string = next;
	return true;
}

bool glob_match(const char *pattern, const char *string)
{
	struct match match = { .begin = pattern, .pattern = pattern, .string = string };

	for (;;) {
		if (*match.pattern == '*') {
			star(&match);
			continue;
		}
		if (!*match.pattern && !*match.string)
			return true;
		if (!step(&match) && !resume(&match))
			return false;
	}
}

bool glob_literal(const char *pattern)
{
	for (const char *at = pattern; *at; at++) {
		if (at[0] == '\\' && at[1])
			at++;
		else if (strchr("*?[", *at))
			return false;
	}
	return true;
}
