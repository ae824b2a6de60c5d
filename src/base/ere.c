/* SPDX-License-Identifier: MIT */
/*
 * ere.c - extended regular expressions that can do no harm
 *
 * An expression is weighed in one pass before regcomp sees it. The pass need not understand everything, it must only
 * never weigh too little.
 */
#include "ere.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* What makes an expression too much to compile or, with a back reference, to match. */
struct weight {
	unsigned depth;
	uint64_t repeat;
	bool back_reference;
};

/* Steps over the bracket expression whose '[' is before `at`. */
static const char *skip_brackets(const char *at)
{
	if (*at == '^')
		at++;
	if (*at == ']')
		at++;
	for (; *at && *at != ']'; at++) {
		if (at[0] == '[' && at[1] && strchr(":.=", at[1])) {
			char close[] = { at[1], ']', 0 };
			const char *end = strstr(at + 2, close);

			if (end)
				at = end + 1;
		}
	}
	return at;
}

/* The larger bound of a repetition "{m,n}", at least 1. */
static uint64_t repetition(const char *at)
{
	uint64_t largest = 1, number = 0;

	for (at++; *at && *at != '}'; at++) {
		if (*at >= '0' && *at <= '9' && number <= ERE_REPEAT_MAX)
			number = number * 10 + (uint64_t)(*at - '0');
		else
			number = 0;
		largest = u64_max(largest, number);
	}
	return largest;
}

static struct weight weigh(const char *at)
{
	struct weight weight = { .repeat = 1 };
	unsigned depth = 0;

	for (; *at; at++) {
		if (at[0] == '\\' && at[1]) {
			at++;
			weight.back_reference |= *at >= '1' && *at <= '9';
		} else if (*at == '[') {
			at = skip_brackets(at + 1);
			if (!*at)
				break;
		} else if (*at == '(') {
			depth++;
			weight.depth = depth > weight.depth ? depth : weight.depth;
		} else if (*at == ')') {
			depth -= depth > 0;
		} else if (*at == '{' && weight.repeat <= ERE_REPEAT_MAX) {
			weight.repeat *= repetition(at);
		}
	}
	return weight;
}

/* Why the expression is refused before it is compiled; NULL when it is not. */
static const char *objection(const char *pattern)
{
	struct weight weight;

	if (!*pattern)
		return "It is empty";
	if (strlen(pattern) > ERE_LENGTH_MAX)
		return "It is too long";
	weight = weigh(pattern);
	if (weight.back_reference)
		return "Back references are not supported";
	if (weight.depth > ERE_DEPTH_MAX)
		return "Too many parentheses inside each other";
	return weight.repeat > ERE_REPEAT_MAX ? "Too many repetitions" : NULL;
}

int ere_compile(const char *pattern, regex_t *ret, char ret_why[ERE_WHY_MAX])
{
	const char *why = objection(pattern);
	int r;

	if (why) {
		snprintf(ret_why, ERE_WHY_MAX, "%s", why);
		return -EINVAL;
	}
	r = regcomp(ret, pattern, REG_EXTENDED | REG_NOSUB);
	if (!r)
		return 0;
	regerror(r, ret, ret_why, ERE_WHY_MAX);
	return r == REG_ESPACE ? -ENOMEM : -EINVAL;
}
