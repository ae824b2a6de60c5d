/* SPDX-License-Identifier: MIT */
/*
 * sink_json.c - the report as one JSON object, written as it comes
 *
 * Every number is an integer: bytes, nanoseconds, counts. A name is "path" when it is valid UTF-8; else "path_b64" has
 * its bytes beside a "path" to look at. dedupe-link.1 lists the keys.
 */
#include "sink.h"

#include <inttypes.h>
#include <string.h>

#include "words.h"

/* "key": value, after a comma unless it is the first of its object. */
static void add_number(struct text *text, const char *key, uint64_t value)
{
	text_printf(text, ", \"%s\": %" PRIu64, key, value);
}

static void add_word(struct text *text, const char *key, const char *word)
{
	text_printf(text, ", \"%s\": ", key);
	text_add_json(text, word, strlen(word));
}

static void add_bool(struct text *text, const char *key, bool value)
{
	text_printf(text, ", \"%s\": %s", key, value ? "true" : "false");
}

/* The members of a name under `key`, the first without a comma before it. */
static void add_path(struct text *text, const char *key, const char *path)
{
	size_t length = strlen(path);

	text_printf(text, "\"%s\": ", key);
	text_add_json(text, path, length);
	if (text_utf8(path, length))
		return;
	text_printf(text, ", \"%s_b64\": \"", key);
	text_add_base64(text, path, length);
	text_puts(text, "\"");
}

/* In what files differ that are kept apart, and what would link them. */
static void add_differ(struct text *text, unsigned respect)
{
	text_puts(text, "\"differ\": [\"");
	words_add_respect(text, respect, "\", \"");
	text_puts(text, respect ? "\"], \"option\": \"--ignore " : "protection\"], \"option\": \"");
	words_add_respect(text, respect, ",");
	text_puts(text, "\"");
}

static void add_apart(struct text *text, unsigned respect, const struct dlk_apart *apart)
{
	text_puts(text, "{");
	add_differ(text, respect);
	add_number(text, "files", apart->files);
	add_number(text, "bytes", apart->bytes);
	text_puts(text, "}");
}

static void add_all_apart(struct text *text, const struct dlk_tally *tally)
{
	const char *before = "";

	text_puts(text, ", \"apart\": [");
	for (unsigned i = 0; i < countof(tally->apart); i++) {
		if (!tally->apart[i].files)
			continue;
		text_puts(text, before);
		add_apart(text, i, &tally->apart[i]);
		before = ", ";
	}
	text_puts(text, "]");
}

void sink_json_figures(struct text *text, const struct dlk_tally *tally)
{
	const struct {
		const char *key;
		uint64_t value;
	} figures[] = {
		{ "files_seen", tally->files_seen },
		{ "inodes_seen", tally->inodes_seen },
		{ "bytes_seen", tally->bytes_seen },
		{ "dirs_seen", tally->dirs_seen },
		{ "sets", tally->sets },
		{ "links_made", tally->links_made },
		{ "inodes_freed", tally->inodes_freed },
		{ "bytes_saved", tally->bytes_saved },
		{ "bytes_held_elsewhere", tally->bytes_held_elsewhere },
		{ "bytes_read", tally->bytes_read },
		{ "skipped_in_use", tally->skipped_in_use },
		{ "skipped_changed", tally->skipped_changed },
		{ "skipped_refused", tally->skipped_refused },
		{ "weaker", tally->weaker },
		{ "restored", tally->restored },
		{ "copies", tally->copies },
		{ "bytes_copied", tally->bytes_copied },
		{ "recovered", tally->recovered },
		{ "errors", tally->errors },
		{ "domains", tally->domains },
	};

	for (size_t i = 0; i < countof(figures); i++)
		add_number(text, figures[i].key, figures[i].value);
}

void sink_json_summary(struct text *text, const struct report *report)
{
	text_printf(text, "{\"dry_run\": %s", report_dry(report) ? "true" : "false");
	add_bool(text, "complete", report->complete);
	add_number(text, "exit_status", (uint64_t)report->exit_status);
	sink_json_figures(text, report->tally);
	add_all_apart(text, report->tally);
	add_number(text, "seconds", (uint64_t)(report->duration_ns / NS_PER_S));
	add_number(text, "duration_ns", (uint64_t)report->duration_ns);
	text_puts(text, "}");
}

static void json_begin(struct sink *sink)
{
	struct text *text = &sink->out.text;

	text_puts(text, "{\"schema\": 1,\n\"summary\": ");
	sink_json_summary(text, sink->report);
	text_puts(text, ",\n\"sets\": [");
}

static void end_set(struct sink *sink)
{
	if (sink->sets)
		text_puts(&sink->out.text, "]}");
}

static void json_set(struct sink *sink, const struct dlk_set *set)
{
	end_set(sink);
	text_printf(&sink->out.text, "%s\n{\"size\": %" PRIu64 ", \"names\": [", sink->sets ? "," : "", set->size);
}

static void add_inode(struct text *text, const struct dlk_member *member)
{
	add_number(text, "inode", member->inode);
	add_number(text, "allocated", member->blocks * 512);
	text_printf(text, ", \"mtime\": %" PRId64, member->mtime);
	add_number(text, "links", member->links);
}

static void json_member(struct sink *sink, const struct dlk_set *set UNUSED, const struct dlk_member *member)
{
	struct text *text = &sink->out.text;
	const struct issue_cause *why = NULL;

	text_printf(text, "%s\n {", sink->members ? "," : "");
	add_path(text, "path", member->path);
	add_word(text, "fate", words_fate(member->fate));
	if (member->fate == DLK_FATE_LEFT)
		why = issues_why(sink->report->issues, member->path);
	if (why)
		add_word(text, "reason", why->kind == DLK_EVENT_ERROR ? "error" : words_reason(why->reason));
	add_inode(text, member);
	text_puts(text, "}");
}

static void begin_aparts(struct sink *sink)
{
	end_set(sink);
	text_puts(&sink->out.text, "],\n\"apart\": [");
}

static void json_apart(struct sink *sink, const struct dlk_set *set, const struct dlk_member *member)
{
	struct text *text = &sink->out.text;
	bool first = sink->members == 0;

	if (first && !sink->aparts)
		begin_aparts(sink);
	if (first)
		text_printf(text, "%s\n{\"size\": %" PRIu64 ", \"names\": [", sink->aparts ? "," : "", set->size);
	text_printf(text, "%s\n {", first ? "" : ",");
	add_path(text, "path", member->path);
	if (!first) {
		text_puts(text, ", ");
		add_differ(text, member->differ);
	}
	add_inode(text, member);
	text_puts(text, sink->members + 1 == set->names ? "}]}" : "}");
}

static void add_issue(struct text *text, const struct issues *issues, size_t number)
{
	const struct issue_cause *cause = issues_cause(issues, number);

	text_printf(text, "{\"kind\": \"%s\"", words_event(cause->kind));
	if (cause->kind != DLK_EVENT_NOTE)
		add_word(text, "stage", words_stage(cause->stage));
	if (cause->reason)
		add_word(text, "reason", words_reason(cause->reason));
	if (cause->error) {
		add_number(text, "errno", (uint64_t)cause->error);
		add_word(text, "error", strerror(cause->error));
	}
	if (issues_path(issues, number)) {
		text_puts(text, ", ");
		add_path(text, "path", issues_path(issues, number));
	}
	if (issues_other(issues, number)) {
		text_puts(text, ", ");
		add_path(text, "other", issues_other(issues, number));
	}
	text_puts(text, "}");
}

static void add_restored(struct sink *sink)
{
	const struct text *restored = sink->report->restored;

	text_puts(&sink->out.text, "],\n\"restored\": [");
	for (size_t at = 0; at < restored->count; at += strlen(restored->at + at) + 1) {
		text_puts(&sink->out.text, at ? ",\n {" : "\n {");
		add_path(&sink->out.text, "path", restored->at + at);
		text_puts(&sink->out.text, "}");
		out_check(&sink->out);
	}
}

static void json_end(struct sink *sink)
{
	const struct issues *issues = sink->report->issues;

	if (!sink->aparts)
		begin_aparts(sink);
	if (report_of_undo(sink->report))
		add_restored(sink);
	text_puts(&sink->out.text, "],\n\"issues\": [");
	for (size_t i = 0; i < issues->records.count; i++) {
		text_puts(&sink->out.text, i ? ",\n" : "\n");
		add_issue(&sink->out.text, issues, i);
		out_check(&sink->out);
	}
	text_puts(&sink->out.text, "]}\n");
}

const struct sink_kind sink_json = { json_begin, json_set, json_member, json_apart, json_end };
