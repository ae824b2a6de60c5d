/* SPDX-License-Identifier: MIT */
/*
 * sink_text.c - the report for people
 *
 *	Looked at    12,345 files in 120 directories: 4.1 GiB (4,402,341,888 bytes)
 *	Would link   812 names in 310 duplicate sets
 *	Would free   1.2 GiB (1,288,490,189 bytes) and 700 inodes
 *	Kept apart   312 files, 4.1 GiB, differ in owner only: --ignore owner
 *
 * A line stands only when it says something. Names are quoted, whether this goes to a terminal or not.
 */
#include "sink.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "words.h"

enum {
	LABEL_WIDTH = 13,
	APART_SHOWN = 4, /* ways to differ, unless all are asked for */
	FOLDERS_SHOWN = 4,
	KINDS_SHOWN = 3,
	SETS_SHOWN = 3,
};

static const char bold[] = "\033[1m", yellow[] = "\033[33m", plain[] = "\033[0m";

static void color(struct sink *sink, const char *code)
{
	if (sink->report->color)
		text_puts(&sink->out.text, code);
}

static void label(struct sink *sink, const char *name)
{
	text_printf(&sink->out.text, "%-*s", LABEL_WIDTH, name);
}

static void end_line(struct sink *sink)
{
	text_puts(&sink->out.text, "\n");
	out_check(&sink->out);
}

/* ---- every set ---- */

static void text_set(struct sink *sink, const struct dlk_set *set)
{
	struct text *text = &sink->out.text;

	if (sink->report->detail == 0)
		return;
	words_add_count(text, set->names, "name", "names");
	text_puts(text, " of ");
	words_add_size(text, set->size);
	text_puts(text, " each:\n");
}

static void add_inode(struct text *text, const struct dlk_member *member)
{
	time_t seconds = (time_t)(member->mtime / NS_PER_S - (member->mtime % NS_PER_S < 0));
	char when[32] = "?";
	struct tm local;

	if (localtime_r(&seconds, &local))
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &local);
	text_printf(text, "  [inode %" PRIu64 ", %" PRIu32 " %s, %s]", member->inode, member->links,
		    member->links == 1 ? "link" : "links", when);
}

static void add_why_left(struct sink *sink, const char *path)
{
	const struct issue_cause *why = issues_why(sink->report->issues, path);

	if (!why)
		return;
	text_printf(&sink->out.text, "  (%s)", why->kind == DLK_EVENT_ERROR ? "error" : words_because(why->reason));
}

static void text_member(struct sink *sink, const struct dlk_set *set, const struct dlk_member *member)
{
	static const char *const fates[] = { [DLK_FATE_KEEPER] = "keep",
					     [DLK_FATE_PLANNED] = "link",
					     [DLK_FATE_LINKED] = "linked",
					     [DLK_FATE_LEFT] = "left" };
	struct text *text = &sink->out.text;

	if (sink->report->detail == 0)
		return;
	color(sink, member->fate == DLK_FATE_KEEPER ? bold : member->fate == DLK_FATE_LEFT ? yellow : "");
	text_printf(text, "  %-6s", (size_t)member->fate < countof(fates) ? fates[member->fate] : "");
	color(sink, member->fate == DLK_FATE_KEEPER || member->fate == DLK_FATE_LEFT ? plain : "");
	text_puts(text, "  ");
	text_add_quoted(text, member->path);
	if (sink->report->detail > 1)
		add_inode(text, member);
	if (member->fate == DLK_FATE_LEFT)
		add_why_left(sink, member->path);
	text_puts(text, sink->members + 1 == set->names ? "\n\n" : "\n");
}

static void text_apart(struct sink *sink, const struct dlk_set *set, const struct dlk_member *member)
{
	struct text *text = &sink->out.text;
	bool first = sink->members == 0;

	if (first) {
		words_add_count(text, set->names, "file", "files");
		text_puts(text, " of ");
		words_add_size(text, set->size);
		text_puts(text, " each, equal but kept apart:\n");
	}
	text_printf(text, "  %-6s  ", first ? "like" : "apart");
	text_add_quoted(text, member->path);
	if (sink->report->detail > 1)
		add_inode(text, member);
	if (!first) {
		text_puts(text, member->differ ? "  (differs in " : "  (differs in encryption or fs-verity");
		words_add_respect(text, member->differ, " and ");
		text_puts(text, member->differ ? ": --ignore " : "");
		words_add_respect(text, member->differ, ",");
		text_puts(text, ")");
	}
	text_puts(text, sink->members + 1 == set->names ? "\n\n" : "\n");
}

/* ---- the figures ---- */

static void say_seen(struct sink *sink)
{
	const struct dlk_tally *tally = sink->report->tally;
	struct text *text = &sink->out.text;

	label(sink, "Looked at");
	words_add_count(text, tally->files_seen, "file", "files");
	if (tally->dirs_seen) { /* a plan names files */
		text_puts(text, " in ");
		words_add_count(text, tally->dirs_seen, "directory", "directories");
	}
	text_puts(text, ": ");
	words_add_size(text, tally->bytes_seen);
	end_line(sink);
}

static void say_read(struct sink *sink)
{
	int64_t tenths = sink->report->duration_ns / (NS_PER_S / 10);
	struct text *text = &sink->out.text;

	if (!sink->report->tally->bytes_read)
		return;
	label(sink, "Read");
	words_add_size(text, sink->report->tally->bytes_read);
	text_printf(text, " in %" PRId64 ".%" PRId64 " s", tenths / 10, tenths % 10);
	end_line(sink);
}

static void say_domains(struct sink *sink)
{
	char number[TEXT_COUNT_MAX];

	if (sink->report->tally->domains < 2)
		return;
	label(sink, "Across");
	text_printf(&sink->out.text, "%s file systems or mounts: %s", text_count(sink->report->tally->domains, number),
		    sink->report->reflinks ? "blocks are shared only within a file system" :
					     "hard links are made only within each");
	end_line(sink);
}

/* Nothing equal was left, for any reason. */
static bool all_is_linked(const struct report *report)
{
	const struct dlk_tally *tally = report->tally;
	uint64_t left = tally->errors + tally->skipped_in_use + tally->skipped_changed + tally->skipped_refused;

	for (size_t i = 0; i < countof(tally->apart); i++)
		left += tally->apart[i].files;
	return !left && report->complete;
}

static void say_linked(struct sink *sink)
{
	const struct dlk_tally *tally = sink->report->tally;
	bool dry = sink->report->about == REPORT_DRY_RUN;
	struct text *text = &sink->out.text;

	if (!tally->links_made) {
		label(sink, "Duplicates");
		text_puts(text, all_is_linked(sink->report) ? "none left to link" :
				dry		     ? "none that would be linked" :
						       "none that were linked");
		end_line(sink);
		return;
	}
	if (sink->report->reflinks)
		label(sink, dry ? "Would share" : "Shared");
	else
		label(sink, dry ? "Would link" : "Linked");
	words_add_count(text, tally->links_made, "name in ", "names in ");
	words_add_count(text, tally->sets, "duplicate set", "duplicate sets");
	end_line(sink);
	label(sink, dry ? "Would free" : "Freed");
	color(sink, bold);
	words_add_size(text, tally->bytes_saved);
	color(sink, plain);
	if (!sink->report->reflinks) {
		text_puts(text, " and ");
		words_add_count(text, tally->inodes_freed, "inode", "inodes");
	}
	end_line(sink);
}

/* ---- where it lies ---- */

/* "  612.0 MiB   51%  ", after the label. */
static void add_share(struct sink *sink, const char *name, uint64_t bytes)
{
	double share = (double)bytes * 100 / (double)sink->report->survey->all.bytes;
	char size[TEXT_SIZE_MAX], percent[8] = " <1";

	if (share >= 0.5)
		snprintf(percent, sizeof(percent), "%3.0f", share);
	label(sink, name);
	text_printf(&sink->out.text, "%10s %s%%  ", text_size(bytes, size), percent);
}

static void say_folders(struct sink *sink)
{
	const struct survey *survey = sink->report->survey;
	int folders[FOLDERS_SHOWN];
	size_t count = survey_pick_folders(survey, countof(folders), folders);
	uint64_t rest = survey->all.bytes;

	for (size_t i = 0; i < count; i++) {
		const struct survey_folder *folder = &survey->folders.at[folders[i]];

		rest -= folder->all.bytes;
		add_share(sink, i ? "" : "By folder", folder->all.bytes);
		if (folder->path[0])
			text_add_quoted(&sink->out.text, folder->path);
		else
			text_puts(&sink->out.text, "files given by name");
		end_line(sink);
	}
	if (count && rest) {
		add_share(sink, "", rest);
		text_puts(&sink->out.text, "elsewhere");
		end_line(sink);
	}
}

static void say_kinds(struct sink *sink)
{
	const struct survey *survey = sink->report->survey;
	struct text *text = &sink->out.text;
	struct survey_sum rest = survey->all;

	for (size_t i = 0; i < survey->kinds.count && i < KINDS_SHOWN; i++) {
		const struct survey_kind *kind = &survey->kinds.at[i];

		if (!kind->sum.bytes)
			break;
		rest.bytes -= kind->sum.bytes;
		rest.names -= kind->sum.names;
		add_share(sink, i ? "" : "By kind", kind->sum.bytes);
		text_printf(text, kind->suffix[0] ? "*.%s, " : "without a suffix, ", kind->suffix);
		words_add_count(text, kind->sum.names, "name", "names");
		end_line(sink);
	}
	if (!rest.bytes)
		return;
	add_share(sink, "", rest.bytes);
	text_puts(text, "other kinds, ");
	words_add_count(text, rest.names, "name", "names");
	end_line(sink);
}

static void say_largest(struct sink *sink)
{
	const struct survey *survey = sink->report->survey;
	struct text *text = &sink->out.text;

	for (size_t i = 0; i < survey->set_count && i < SETS_SHOWN; i++) {
		const struct survey_set *set = &survey->sets[i];

		if (!set->bytes)
			break;
		add_share(sink, i ? "" : "Largest", set->bytes);
		words_add_count(text, set->names, "copy of ", "copies of ");
		text_add_quoted(text, set->path);
		end_line(sink);
	}
}

/* What would repeat the line above is left out. */
static void say_where(struct sink *sink)
{
	const struct survey *survey = sink->report->survey;

	if (!survey || !survey->all.bytes || survey->set_bytes.count < 2)
		return;
	say_folders(sink);
	if (survey->kinds.count > 1)
		say_kinds(sink);
	say_largest(sink);
}

static void say_held(struct sink *sink)
{
	if (!sink->report->tally->bytes_held_elsewhere)
		return;
	label(sink, "Still held");
	words_add_size(&sink->out.text, sink->report->tally->bytes_held_elsewhere);
	text_puts(&sink->out.text, " by links outside the PATHs");
	end_line(sink);
}

/* ---- equal files kept apart ---- */

/* The next way to differ in the order of bytes, after `last` (0: the first); 0: no more. */
static unsigned next_apart(const struct dlk_tally *tally, unsigned last)
{
	unsigned best = 0;

	for (unsigned i = 1; i < countof(tally->apart); i++) {
		const struct dlk_apart *at = &tally->apart[i], *limit = &tally->apart[last],
				       *most = &tally->apart[best];

		if (!at->files || i == last)
			continue;
		if (last && (at->bytes > limit->bytes || (at->bytes == limit->bytes && i < last)))
			continue;
		if (!best || at->bytes > most->bytes)
			best = i;
	}
	return best;
}

static void say_one_apart(struct sink *sink, unsigned words, bool first)
{
	const struct dlk_apart *apart = &sink->report->tally->apart[words];
	struct text *text = &sink->out.text;
	char size[TEXT_SIZE_MAX];

	label(sink, first ? "Kept apart" : "");
	words_add_count(text, apart->files, "file, ", "files, ");
	text_printf(text, "%s, %s in ", text_size(apart->bytes, size), apart->files == 1 ? "differs" : "differ");
	words_add_respect(text, words, " and ");
	text_puts(text, words ? " only: --ignore " : "encryption or fs-verity");
	words_add_respect(text, words, ",");
	end_line(sink);
}

static void say_apart(struct sink *sink)
{
	const struct dlk_tally *tally = sink->report->tally;
	unsigned shown = 0, hidden = 0;

	for (unsigned words = next_apart(tally, 0); words; words = next_apart(tally, words)) {
		if (shown >= APART_SHOWN && sink->report->detail == 0)
			hidden++;
		else
			say_one_apart(sink, words, shown++ == 0);
	}
	if (tally->apart[0].files) /* last, and always: no option would link them */
		say_one_apart(sink, 0, shown == 0);
	if (!hidden)
		return;
	label(sink, "");
	text_printf(&sink->out.text, "and %u more %s to differ: -v lists them", hidden, hidden == 1 ? "way" : "ways");
	end_line(sink);
}

/* ---- names left alone ---- */

enum group { GROUP_IN_USE, GROUP_CHANGED, GROUP_REFUSED };

/* As the tally counts them. */
static enum group group_of(enum dlk_reason reason)
{
	if (reason == DLK_REASON_IN_USE)
		return GROUP_IN_USE;
	return reason == DLK_REASON_CHANGED || reason == DLK_REASON_UNEQUAL ? GROUP_CHANGED : GROUP_REFUSED;
}

static void list_group(struct sink *sink, enum group group)
{
	const struct issues *issues = sink->report->issues;

	for (size_t i = 0; i < issues->records.count; i++) {
		const struct issue_cause *cause = issues_cause(issues, i);

		if (cause->kind != DLK_EVENT_SKIP || group_of(cause->reason) != group || !issues_path(issues, i))
			continue;
		label(sink, "");
		text_puts(&sink->out.text, "  ");
		text_add_quoted(&sink->out.text, issues_path(issues, i));
		text_printf(&sink->out.text, "  (%s)", words_because(cause->reason));
		end_line(sink);
	}
}

/* Whether a cause before this one (at another stage) has the same reason. */
static bool said_before(const struct issues *issues, size_t number)
{
	for (size_t i = 0; i < number; i++)
		if (issues->causes.at[i].kind == DLK_EVENT_SKIP &&
		    issues->causes.at[i].reason == issues->causes.at[number].reason)
			return true;
	return false;
}

/* ": immutable or append-only, not permitted". */
static void add_reasons(struct sink *sink, enum group group)
{
	const struct issues *issues = sink->report->issues;
	const char *before = ": ";

	for (size_t i = 0; i < issues->causes.count; i++) {
		const struct issue_cause *cause = &issues->causes.at[i];

		if (cause->kind != DLK_EVENT_SKIP || group_of(cause->reason) != group || said_before(issues, i))
			continue;
		text_printf(&sink->out.text, "%s%s", before, words_because(cause->reason));
		before = ", ";
	}
}

static void say_group(struct sink *sink, enum group group, const char *name, uint64_t count)
{
	if (!count)
		return;
	label(sink, name);
	words_add_count(&sink->out.text, count, "name", "names");
	if (group == GROUP_REFUSED)
		add_reasons(sink, group);
	else if (group == GROUP_CHANGED && report_of_undo(sink->report))
		text_puts(&sink->out.text, count == 1 ? " since, left as it is" : " since, left as they are");
	else
		text_puts(&sink->out.text, ", left for the next run");
	end_line(sink);
	if (sink->report->detail)
		list_group(sink, group);
}

static void say_left(struct sink *sink)
{
	const struct dlk_tally *tally = sink->report->tally;

	say_group(sink, GROUP_IN_USE, "In use", tally->skipped_in_use);
	say_group(sink, GROUP_CHANGED, "Changed", tally->skipped_changed);
	say_group(sink, GROUP_REFUSED, "Refused", tally->skipped_refused);
}

/* ---- the rest ---- */

static void say_count(struct sink *sink, const char *name, uint64_t count, const char *one, const char *many)
{
	if (!count)
		return;
	label(sink, name);
	words_add_count(&sink->out.text, count, one, many);
	end_line(sink);
}

/* No line above and no complaint tells it, and somebody wants to know. */
static bool worth_a_note(struct sink *sink, enum dlk_reason reason)
{
	if (issues_urgent(reason) || reason == DLK_REASON_MANY_DOMAINS)
		return false;
	return reason == DLK_REASON_CROSS_DEVICE || reason == DLK_REASON_CACHE_ELSEWHERE || sink->report->detail;
}

static void say_note(struct sink *sink, size_t number)
{
	const struct issues *issues = sink->report->issues;
	const struct issue_cause *cause = issues_cause(issues, number);
	struct text *text = &sink->out.text;

	if (cause->reason == DLK_REASON_TORN) { /* of a plan it is an error */
		text_printf(text, "%s of the journal is torn, and passed over", issues_path(issues, number));
		return;
	}
	text_add_quoted(text, issues_path(issues, number));
	if (issues_other(issues, number)) {
		text_puts(text, ", ");
		text_add_quoted(text, issues_other(issues, number));
	}
	text_printf(text, ": %s", words_because(cause->reason));
}

static void say_notes(struct sink *sink)
{
	const struct issues *issues = sink->report->issues;

	for (size_t i = 0; i < issues->records.count; i++) {
		const struct issue_cause *cause = issues_cause(issues, i);

		if (cause->kind != DLK_EVENT_NOTE || !worth_a_note(sink, cause->reason) || !issues_path(issues, i))
			continue;
		label(sink, "Note");
		say_note(sink, i);
		end_line(sink);
	}
}

static void say_recovered(struct sink *sink)
{
	if (!sink->report->tally->recovered && sink->report->about == REPORT_RECOVERED) {
		text_puts(&sink->out.text, "No interrupted run left anything here\n");
		return;
	}
	say_count(sink, "Recovered", sink->report->tally->recovered, "name that an interrupted run left",
		  "names that an interrupted run left");
}

static void list_restored(struct sink *sink, bool dry)
{
	const struct text *restored = sink->report->restored;

	for (size_t at = 0; sink->report->detail && at < restored->count; at += strlen(restored->at + at) + 1) {
		text_puts(&sink->out.text, dry ? "  undo    " : "  undone  ");
		text_add_quoted(&sink->out.text, restored->at + at);
		end_line(sink);
	}
	if (sink->report->detail && restored->count)
		end_line(sink);
}

static void say_undone(struct sink *sink)
{
	const struct dlk_tally *tally = sink->report->tally;
	bool dry = report_dry(sink->report);
	struct text *text = &sink->out.text;

	list_restored(sink, dry);
	label(sink, dry ? "Would undo" : "Undone");
	words_add_count(text, tally->restored, dry ? "name would have" : "name has", dry ? "names would have" : "names have");
	text_puts(text, tally->restored == 1 ? " a file of its own again" : " files of their own again");
	end_line(sink);
	if (!tally->bytes_copied)
		return;
	label(sink, dry ? "Would take" : "Took");
	words_add_size(text, tally->bytes_copied);
	text_puts(text, " for ");
	words_add_count(text, tally->copies, "file", "files");
	end_line(sink);
}

static void say_stopped(struct sink *sink, const char *what)
{
	label(sink, "Stopped");
	text_puts(&sink->out.text, what);
	end_line(sink);
}

static void say_figures(struct sink *sink)
{
	const struct dlk_tally *tally = sink->report->tally;

	if (report_of_undo(sink->report)) {
		say_undone(sink);
	} else if (sink->report->about != REPORT_RECOVERED) {
		say_seen(sink);
		say_read(sink);
		say_domains(sink);
		say_linked(sink);
		say_where(sink);
		say_held(sink);
		say_apart(sink);
	}
	say_left(sink);
	if (sink->report->out_of_time) {
		label(sink, "Out of time");
		text_puts(&sink->out.text, "what was not looked at or linked is left for the next run");
		end_line(sink);
	}
	say_count(sink, "Weaker proof", tally->weaker, "name was replaced without leases (see the manual)",
		  "names were replaced without leases (see the manual)");
	say_recovered(sink);
	say_notes(sink);
	say_count(sink, "Errors", tally->errors, "thing could not be read or linked: see standard error",
		  "things could not be read or linked: see standard error");
}

static void text_end(struct sink *sink)
{
	switch (sink->report->outcome) {
	case REPORT_STOPPED_LINKING:
		say_stopped(sink, "before the end; the figures are of what was done");
		say_figures(sink);
		break;
	case REPORT_STOPPED_EARLY:
		say_stopped(sink, "before anything was linked");
		break;
	case REPORT_COMPLETE:
		say_figures(sink);
		break;
	case REPORT_FAILED:
		break;
	}
}

const struct sink_kind sink_text = { .set = text_set, .member = text_member, .apart = text_apart, .end = text_end };
