/* SPDX-License-Identifier: MIT */
/* complain.c - what goes to stderr at the end of a run */
#include "complain.h"

#include <string.h>

#include "out.h"
#include "words.h"

static const char *reason_of(const struct issue_cause *cause)
{
	/* The errno is ENOTDIR, of which the words tell half. */
	if (cause->stage == DLK_STAGE_ROOT && cause->reason == DLK_REASON_NOT_REGULAR)
		return "neither a directory nor a regular file";
	return cause->error ? strerror(cause->error) : words_because(cause->reason);
}

static void add_name(struct text *text, const char *path)
{
	if (path)
		text_add_quoted(text, path);
	else
		text_puts(text, "something");
}

/* What was attempted may say it all: of a journal there is one, and `path` is "line 7" or nothing. */
static void add_object(struct text *text, enum dlk_stage stage, const char *path)
{
	if (stage != DLK_STAGE_JOURNAL) {
		text_puts(text, " ");
		add_name(text, path);
	} else if (path) {
		text_printf(text, ", %s", path);
	}
}

/* "cannot read 'a b' and 11 others: Permission denied". */
static void add_error(struct text *text, const struct issues *issues, size_t number)
{
	const struct issue_cause *cause = issues_cause(issues, number);
	uint64_t others = issues->keep_all ? 0 : cause->count - 1;

	text_printf(text, "cannot %s",
		    cause->reason == DLK_REASON_NO_REFLINKS ? "share the blocks of" : words_attempt(cause->stage));
	add_object(text, cause->stage, issues_path(issues, number));
	if (others) {
		text_puts(text, " and ");
		words_add_count(text, others, "other", "others");
	}
	text_printf(text, ": %s", reason_of(cause));
}

/* Trouble with the cache: the run went on, so it is no error, but whoever wants one wants to know. */
static void add_cache(struct text *text, const struct issues *issues, size_t number)
{
	const struct issue_cause *cause = issues_cause(issues, number);

	text_puts(text, "cache ");
	add_name(text, issues_path(issues, number));
	if (cause->reason == DLK_REASON_CACHE_UNUSED) {
		text_printf(text, " is not used: %s", words_cache_trouble(cause->error));
	} else if (cause->reason == DLK_REASON_CACHE_UNWRITTEN) {
		text_printf(text, " is used as it is, and not all is remembered: %s", words_cache_trouble(cause->error));
	} else if (issues_other(issues, number)) {
		text_puts(text, " was damaged: it is now ");
		text_add_quoted(text, issues_other(issues, number));
		text_puts(text, ", and a new one was begun");
	} else {
		text_puts(text, " is damaged in places, which are not used");
	}
}

static bool about_cache(const struct issue_cause *cause)
{
	return cause->reason == DLK_REASON_CACHE_UNUSED || cause->reason == DLK_REASON_CACHE_DAMAGED ||
	       cause->reason == DLK_REASON_CACHE_UNWRITTEN;
}

static void add_urgent(struct text *text, const struct issues *issues, size_t number)
{
	enum dlk_reason reason = issues_cause(issues, number)->reason;

	add_name(text, issues_path(issues, number));
	if (reason == DLK_REASON_KEPT_ASIDE)
		text_puts(text, " is a file that could not be put back where it was: please look at it");
	else if (reason == DLK_REASON_LATE_OPENER)
		text_puts(text, " has what another program wrote to an old file at the last moment: please look at it");
	else
		text_puts(text, " is left from an interrupted run and was kept: nothing proves that it is of no use");
	if (issues_other(issues, number)) {
		text_puts(text, " (");
		text_add_quoted(text, issues_other(issues, number));
		text_puts(text, ")");
	}
}

void complain_issues(const struct issues *issues)
{
	struct text text = { 0 };

	for (size_t i = 0; i < issues->records.count; i++) {
		const struct issue_cause *cause = issues_cause(issues, i);

		text.count = 0;
		if (about_cache(cause))
			add_cache(&text, issues, i);
		else if (issues_urgent(cause->reason))
			add_urgent(&text, issues, i);
		else if (cause->kind == DLK_EVENT_ERROR)
			add_error(&text, issues, i);
		else
			continue;
		out_say(cause->kind == DLK_EVENT_ERROR ? OUT_ERROR : OUT_WARNING, "%s", text.failed ? "out of memory" : text.at);
	}
	if (issues->failed)
		out_complain("out of memory: some of what went wrong is not listed");
	text_free(&text);
}
