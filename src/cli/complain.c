/* SPDX-License-Identifier: MIT */
/* complain.c - what goes to stderr at the end of a run */
#include "complain.h"

#include <errno.h>
#include <string.h>

#include "out.h"
#include "words.h"

static const char *reason_of(const struct issue_cause *cause)
{
	/* The errno is ENOTDIR, of which the words tell half. */
	if (cause->stage == DLK_STAGE_ROOT && cause->reason == DLK_REASON_NOT_REGULAR)
		return "neither a directory nor a regular file";
	if (cause->stage == DLK_STAGE_JOURNAL && cause->reason == DLK_REASON_NO_PLAN)
		return "no line of a journal";
	if (cause->stage == DLK_STAGE_JOURNAL && cause->reason == DLK_REASON_NEWER)
		return "the journal was written by a newer version";
	/* What a FUSE file system can do is known only when it was tried. */
	if (cause->stage == DLK_STAGE_LINK && cause->error == EPERM)
		return "Operation not permitted (protected, or on a file system without hard links)";
	return cause->error ? strerror(cause->error) : words_because(cause->reason);
}

static void add_name(struct text *text, const char *path)
{
	if (path)
		text_add_quoted(text, path);
	else
		text_puts(text, "something");
}

/* Of a plan `path` is a name in it, or "line 7" when that line is none of a plan. */
static bool about_line(const struct issue_cause *cause)
{
	return cause->stage == DLK_STAGE_PLAN && (cause->reason == DLK_REASON_NO_PLAN || cause->reason == DLK_REASON_TORN ||
						  cause->reason == DLK_REASON_NEWER);
}

static void add_plan(struct text *text, const char *plan)
{
	if (plan && !strcmp(plan, "-"))
		text_puts(text, "standard input");
	else
		add_name(text, plan);
}

/* Of a journal `path` is "line 7" or nothing. */
static void add_object(struct text *text, const struct issue_cause *cause, const char *path, const struct options *options)
{
	text_puts(text, " ");
	if (cause->stage == DLK_STAGE_JOURNAL) {
		add_name(text, options->journal);
		if (path)
			text_printf(text, ", %s", path);
	} else if (about_line(cause) && path) {
		text_printf(text, "%s of ", path);
		add_plan(text, options->plan_from);
	} else {
		add_name(text, path);
	}
}

/* "cannot read 'a b' and 11 others: Permission denied". */
static void add_error(struct text *text, const struct issues *issues, size_t number, const struct options *options)
{
	const struct issue_cause *cause = issues_cause(issues, number);
	uint64_t others = issues->keep_all ? 0 : cause->count - 1;

	text_printf(text, "cannot %s",
		    cause->reason == DLK_REASON_NO_REFLINKS ? "share the blocks of" : words_attempt(cause->stage));
	add_object(text, cause, issues_path(issues, number), options);
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

void complain_issues(const struct issues *issues, const struct options *options)
{
	struct text text = { 0 };

	for (size_t i = 0; i < issues->records.count; i++) {
		const struct issue_cause *cause = issues_cause(issues, i);

		text.count = 0;
		if (about_cache(cause))
			add_cache(&text, issues, i);
		else if (issues_urgent(cause->reason))
			add_urgent(&text, issues, i);
		else if (cause->kind == DLK_EVENT_ERROR && !cause->told)
			add_error(&text, issues, i, options);
		else
			continue;
		out_say(cause->kind == DLK_EVENT_ERROR ? OUT_ERROR : OUT_WARNING, "%s", text.failed ? "out of memory" : text.at);
	}
	if (issues->failed)
		out_complain("out of memory: some of what went wrong is not listed");
	text_free(&text);
}
