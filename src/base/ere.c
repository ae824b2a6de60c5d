/* SPDX-License-Identifier: MIT */
/*
 * ere.c - extended regular expressions that can do no harm
 *
 * An expression is weighed in one pass before regcomp sees it. The pass need not understand everything, it must only
 * never weigh too little. What glibc 2.36 was seen to do (test_rule: heavy_regex_is_refused):
 *   - "x{n}" becomes n copies of x, "x+" two, at each level of nesting: "a" and twenty "+" take 700 MB;
 *   - copies that are optional take memory by the square of their number: "a*{0,10000}" takes 2.7 GB;
 *   - sequences of repetitions of what may be empty take time exponential in their number: "((a|b*)*){0,2}{0,20}".
 */
#include "ere.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* A part of an expression, as regcomp expands it. */
struct part {
	uint64_t atoms; /* characters and sets */
	uint64_t loops; /* repetitions of what may be empty */
	bool empty;     /* it may match nothing at all */
};

/* A parenthesis, or the whole. */
struct level {
	struct part sum;  /* what is finished; empty: of the branch at hand */
	bool empty_branch; /* another branch may match nothing */
};

struct weighing {
	struct level levels[ERE_DEPTH_MAX + 1];
	unsigned depth;
	struct part last; /* what a repetition would repeat */
	bool back_reference, too_deep;
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

/* What is at hand can be repeated no more: something else follows. */
static void finish(struct weighing *w)
{
	struct part *sum = &w->levels[w->depth].sum;

	sum->atoms += w->last.atoms;
	sum->loops += w->last.loops;
	sum->empty &= w->last.empty;
	w->last = (struct part){ .empty = true };
}

static void add_atom(struct weighing *w, bool empty)
{
	finish(w);
	w->last = (struct part){ .atoms = 1, .empty = empty };
}

static void open_level(struct weighing *w)
{
	finish(w);
	w->too_deep |= w->depth == ERE_DEPTH_MAX;
	if (!w->too_deep)
		w->levels[++w->depth] = (struct level){ .sum.empty = true };
}

static void next_branch(struct weighing *w)
{
	struct level *level = &w->levels[w->depth];

	finish(w);
	level->empty_branch |= level->sum.empty;
	level->sum.empty = true;
}

static void close_level(struct weighing *w)
{
	next_branch(w);
	w->last = w->levels[w->depth].sum;
	w->last.atoms++;
	w->last.empty = w->levels[w->depth].empty_branch;
	w->depth--;
}

/* Beyond any bound it need not be exact, only not overflow. */
static uint64_t times(uint64_t a, uint64_t b)
{
	uint64_t product;

	return __builtin_mul_overflow(a, b, &product) || product > UINT32_MAX ? UINT32_MAX : product;
}

static void repeat(struct weighing *w, uint64_t copies, bool optional)
{
	w->last.loops = times(w->last.loops + w->last.empty, copies);
	w->last.atoms = times(w->last.atoms, copies);
	w->last.empty |= optional;
}

static const char *read_bound(const char *at, uint64_t *ret)
{
	for (*ret = 0; *at >= '0' && *at <= '9'; at++)
		*ret = times(*ret, 10) + (uint64_t)(*at - '0');
	return at;
}

/* "{m}", "{m,}", "{,n}", "{m,n}" with the '{' at `at`: returns its end. Any other brace is a character. */
static const char *repeat_counted(struct weighing *w, const char *at)
{
	uint64_t least, most;
	const char *end = read_bound(at + 1, &least);

	most = least;
	if (*end == ',') {
		end = read_bound(end + 1, &most);
		if (end[-1] == ',') /* no end: as many as are asked for at least, and one that is repeated */
			most = least + 1;
	}
	if (*end != '}' || end == at + 1) {
		add_atom(w, false);
		return at;
	}
	repeat(w, u64_max(u64_max(least, most), 1), !least || !most);
	return end;
}

/* One character, or all that stands in brackets or braces; returns its last byte. */
static const char *weigh_one(struct weighing *w, const char *at)
{
	switch (*at) {
	case '[':
		add_atom(w, false);
		return skip_brackets(at + 1);
	case '(':
		open_level(w);
		return at;
	case ')':
		if (w->depth)
			close_level(w);
		return at;
	case '|':
		next_branch(w);
		return at;
	case '*':
	case '?':
		repeat(w, 1, true);
		return at;
	case '+':
		repeat(w, 2, false);
		return at;
	case '{':
		return repeat_counted(w, at);
	case '\\':
		w->back_reference |= at[1] >= '1' && at[1] <= '9';
		add_atom(w, at[1] && strchr("bB<>`'", at[1]));
		return at + (at[1] != '\0');
	default:
		add_atom(w, *at == '^' || *at == '$');
		return at;
	}
}

/* Why the expression is refused before it is compiled; NULL when it is not. */
static const char *objection(const char *pattern)
{
	struct weighing w = { .levels[0].sum.empty = true, .last.empty = true };
	size_t length = strlen(pattern);

	if (!length)
		return "It is empty";
	if (length > ERE_LENGTH_MAX)
		return "It is too long";
	for (const char *at = pattern; *at && !w.too_deep; at++) {
		at = weigh_one(&w, at);
		if (!*at) /* a bracket that does not end */
			break;
	}
	while (w.depth)
		close_level(&w);
	finish(&w);
	if (w.back_reference)
		return "Back references are not supported";
	if (w.too_deep)
		return "Too many parentheses inside each other";
	if (w.levels[0].sum.atoms > length + ERE_COPIES_MAX || w.levels[0].sum.loops > ERE_EMPTY_MAX)
		return "Too many repetitions";
	return NULL;
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
