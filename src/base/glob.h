/* SPDX-License-Identifier: MIT */
/*
 * glob.h - shell patterns over paths, matched in bounded time
 *
 *	*        any characters but '/'
 *	?        one character but '/': a UTF-8 sequence, or a byte that belongs to none
 *	[a-z]    one character of a set but '/'; [!a-z] or [^a-z] one that is not in it; [[:digit:]] as in a shell,
 *	         ASCII only. A '[' without its ']' stands for itself.
 *	**       any characters, '/' too. Where it begins a component and a slash follows, it stands for any number of
 *	         directories, none included: "**" "/a" takes a and x/y/a.
 *	\x       x itself
 *
 * A leading dot is nothing special. The locale does not matter: a name is taken or not, whoever runs us.
 *
 * Matching never recurses and never tries two stars against each other: at most length of the path times length of a
 * component times length of the pattern steps (test_rule: hostile).
 */
#ifndef BASE_GLOB_H
#define BASE_GLOB_H

#include "base.h"

/* Whether the pattern takes the whole string. */
bool glob_match(const char *pattern, const char *string);

/* Whether the pattern has no wildcard, so that it takes one string only. */
bool glob_literal(const char *pattern);

#endif
