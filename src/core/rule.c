/* SPDX-License-Identifier: MIT */
/*
 * rule.c - the user's policy, compiled once
 *
 * Each filter is sorted out when it is compiled: whether it looks at the path or the last component only, and what it
 * means for directories. Asking is then one pass over the filters; the first that matches decides.
 *
 * An excluded directory is not entered, so a filter may only speak for a directory when it would speak the same for all
 * below it: it ends in a slash, it names the directory without wildcards, or it is an exclusion of all below it
 * ("x/" "**") with no inclusion before it that could take something back.
 */
#include "rule.h"

#include "../base/ere.h"
#include "../base/glob.h"
#include "../base/own.h"

#include <errno.h>
#include <string.h>

struct filter {
	enum dlk_filter_verdict verdict;
	enum dlk_filter_syntax syntax;
	bool whole;            /* matched against the path, not the last component */
	bool directories_only; /* ended in a slash */
	bool names_directory;  /* no wildcard but a leading "**" and slash: means directories as well as files */
	char *glob;            /* without leading and trailing slash; NULL for a regex */
	char *below;           /* an exclusion of all below a directory: the directory's pattern; else NULL */
	regex_t regex;
};

struct rule {
	uint64_t min_size, max_size;
	int64_t newest; /* mtime */
	unsigned respect;
	bool needs_path;
	size_t count; /* of filters that are compiled */
	struct filter filters[];
};

/* ---- globs ---- */

/* Notes that "DIR/" "**" excludes all below DIR, so that DIR need not be entered. */
static int note_below(struct filter *filter)
{
	size_t length = strlen(filter->glob);

	if (length < 4 || strcmp(filter->glob + length - 3, "/**"))
		return 0;
	filter->below = strndup(filter->glob, length - 3);
	return filter->below ? 0 : -ENOMEM;
}

static int compile_glob(struct filter *filter, const char *pattern, bool anything_included)
{
	size_t length = strlen(pattern);
	bool anchored = *pattern == '/';

	filter->directories_only = length > 0 && pattern[length - 1] == '/';
	length -= filter->directories_only;
	/* What is left of "/": nothing that a name could match. */
	if (length <= anchored)
		return -EINVAL;
	filter->glob = strndup(pattern + anchored, length - anchored);
	if (!filter->glob)
		return -ENOMEM;
	filter->whole = anchored || strchr(filter->glob, '/');
	filter->names_directory = glob_literal(filter->glob + (strncmp(filter->glob, "**/", 3) ? 0 : 3));
	if (filter->verdict == DLK_EXCLUDE && !anything_included)
		return note_below(filter);
	return 0;
}

/* ---- the whole ---- */

static int compile_filter(struct rule *rule, const struct dlk_filter *from, bool anything_included)
{
	struct filter *filter = &rule->filters[rule->count];
	char why[ERE_WHY_MAX];
	int r;

	*filter = (struct filter){ .verdict = from->verdict, .syntax = from->syntax };
	if (from->syntax == DLK_REGEX) {
		filter->whole = true;
		r = ere_compile(from->pattern, &filter->regex, why);
	} else {
		r = compile_glob(filter, from->pattern, anything_included);
	}
	if (r) {
		free(filter->glob);
		return r;
	}
	rule->needs_path |= filter->whole;
	rule->count++;
	return 0;
}

static void rule_cleanup(struct rule **rule)
{
	rule_free(*rule);
}

int rule_compile(const struct dlk_options *options, struct rule **ret)
{
	OWN(rule_cleanup) struct rule *rule = NULL;
	bool anything_included = false;

	rule = calloc(1, sizeof(*rule) + options->filter_count * sizeof(rule->filters[0]));
	if (!rule)
		return -ENOMEM;
	rule->min_size = options->min_size;
	rule->max_size = options->max_size;
	rule->newest = INT64_MAX;
	if (options->min_age > 0)
		rule->newest = sys->wall() - options->min_age;
	rule->respect = options->respect;
	for (size_t i = 0; i < options->filter_count; i++) {
		int r = compile_filter(rule, &options->filters[i], anything_included);

		if (r)
			return r;
		anything_included |= options->filters[i].verdict == DLK_INCLUDE;
	}
	*ret = steal(&rule);
	return 0;
}

void rule_free(struct rule *rule)
{
	if (!rule)
		return;
	for (size_t i = 0; i < rule->count; i++) {
		struct filter *filter = &rule->filters[i];

		if (filter->syntax == DLK_REGEX)
			regfree(&filter->regex);
		free(filter->glob);
		free(filter->below);
	}
	free(rule);
}

bool rule_needs_path(const struct rule *rule)
{
	return rule->needs_path;
}

static bool regex_matches(const struct filter *filter, const char *path)
{
	int r = regexec(&filter->regex, path, 0, NULL, 0);

	/* Not decided, for want of memory: the answer that leaves the file alone. */
	if (r == REG_ESPACE)
		return filter->verdict == DLK_EXCLUDE;
	return r == 0;
}

static bool matches(const struct filter *filter, const char *path, const char *base)
{
	if (filter->syntax == DLK_REGEX)
		return regex_matches(filter, path);
	return glob_match(filter->glob, filter->whole ? path : base);
}

static bool speaks_for_directory(const struct filter *filter, const char *path, const char *base)
{
	if (filter->syntax == DLK_REGEX)
		return false;
	if (filter->below && glob_match(filter->below, path))
		return true;
	return (filter->directories_only || filter->names_directory) && matches(filter, path, base);
}

bool rule_takes_file(const struct rule *rule, const char *path, const char *base)
{
	for (size_t i = 0; i < rule->count; i++) {
		const struct filter *filter = &rule->filters[i];

		if (!filter->directories_only && matches(filter, path, base))
			return filter->verdict == DLK_INCLUDE;
	}
	return true;
}

bool rule_enters_dir(const struct rule *rule, const char *path, const char *base)
{
	for (size_t i = 0; i < rule->count; i++) {
		const struct filter *filter = &rule->filters[i];

		if (speaks_for_directory(filter, path, base))
			return filter->verdict == DLK_INCLUDE;
	}
	return true;
}

bool rule_takes_size(const struct rule *rule, uint64_t size)
{
	return size >= rule->min_size && size <= rule->max_size;
}

bool rule_takes_time(const struct rule *rule, int64_t mtime)
{
	return mtime <= rule->newest;
}

unsigned rule_stamp_differs(const struct stamp *a, const struct stamp *b)
{
	unsigned differs = 0;

	if (a->uid != b->uid || a->gid != b->gid)
		differs |= DLK_RESPECT_OWNER;
	if (a->mode != b->mode)
		differs |= DLK_RESPECT_MODE;
	if (a->mtime != b->mtime)
		differs |= DLK_RESPECT_TIME;
	return differs;
}

unsigned rule_respects(const struct rule *rule)
{
	return rule->respect;
}
