/* SPDX-License-Identifier: MIT */
/*
 * sink_html.c - the report as one page that needs no network
 *
 * The page's markup, style and script never change (src/cli/page/). All that differs is data, in script elements of the type
 * application/json, which no browser runs; the script there makes text nodes of it and never markup. So no
 * name can become part of the page's code; and the content security policy, which knows the style and the script by
 * their hashes, would refuse it.
 *
 *	summary    figures, folders, kinds, sizes, ages, what was left
 *	sets       [size, freed, moved, names, place, name, fate, mtime, place, name, ...]
 *	places     directories that sets speak of, by number
 */
#include "sink.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../base/own.h"
#include "page.h"
#include "words.h"

enum {
	SETS_MOST = 100000,  /* what a browser takes with ease */
	NAMES_MOST = 100,    /* of a set */
	KINDS_MOST = 100,
	ISSUES_MOST = 500,
};

struct html {
	struct text shown, json; /* for one name */
	uint64_t least;          /* sets that free less are left out */
	uint64_t room;           /* how many that free just so much are let in */
	bool left_out;           /* the set at hand is */
	uint64_t written;
	VEC(char *) places;
	VEC(uint32_t) numbers;   /* of each directory, one more than its place; 0: no set spoke of it yet */
	bool failed;
};

/* ---- strings ---- */

/* As a person can read it: as it is, or, with control characters or invalid UTF-8, with the escapes of $'...'. */
static const char *readable(struct html *html, const char *name)
{
	struct text *shown = &html->shown;

	shown->count = 0;
	text_add_quoted(shown, name);
	if (shown->failed)
		return "";
	if (strncmp(shown->at, "$'", 2))
		return name;
	shown->at[shown->count - 1] = 0; /* the quotes would stand in the midst of a path */
	return shown->at + 2;
}

/* JSON in a script element: a "<" could end it. */
static void add_string(struct text *text, struct html *html, const char *string)
{
	html->json.count = 0;
	text_add_json(&html->json, string, strlen(string));
	if (html->json.failed)
		return;
	for (const char *at = html->json.at; *at;) {
		size_t plain = strcspn(at, "<");

		text_add(text, at, plain);
		at += plain;
		if (*at) {
			text_puts(text, "\\u003c");
			at++;
		}
	}
}

static void add_name(struct text *text, struct html *html, const char *name)
{
	add_string(text, html, readable(html, name));
}

static void add_number(struct text *text, const char *key, uint64_t value)
{
	text_printf(text, ",\"%s\":%" PRIu64, key, value);
}

static void add_word(struct text *text, struct html *html, const char *key, const char *word)
{
	text_printf(text, ",\"%s\":", key);
	add_string(text, html, word);
}

/* ---- the summary ---- */

static void add_sums(struct text *text, const char *key, const struct survey_sum *sums, size_t count)
{
	text_printf(text, ",\"%s\":[", key);
	for (size_t i = 0; i < count; i++)
		text_printf(text, "%s[%" PRIu64 ",%" PRIu64 "]", i ? "," : "", sums[i].bytes, sums[i].names);
	text_puts(text, "]");
}

static void add_kinds(struct text *text, struct html *html, const struct survey *survey)
{
	text_puts(text, ",\"kinds\":[");
	for (size_t i = 0; i < survey->kinds.count && i < KINDS_MOST; i++) {
		const struct survey_kind *kind = &survey->kinds.at[i];

		text_puts(text, i ? ",[" : "[");
		add_string(text, html, kind->suffix);
		text_printf(text, ",%" PRIu64 ",%" PRIu64 "]", kind->sum.bytes, kind->sum.names);
	}
	text_puts(text, "]");
}

/* The component of a folder's path below its parent. */
static const char *folder_name(const struct survey *survey, const struct survey_folder *folder)
{
	const char *above = folder->parent == SURVEY_NONE ? NULL : survey->folders.at[folder->parent].path;

	if (!above)
		return folder->path;
	return folder->path + strlen(above) + (above[strlen(above) - 1] != '/');
}

static void add_folders(struct sink *sink)
{
	const struct survey *survey = sink->report->survey;
	struct text *text = &sink->out.text;

	text_puts(text, ",\"folders\":[");
	for (size_t i = 0; i < survey->folders.count; i++) {
		const struct survey_folder *folder = &survey->folders.at[i];

		text_puts(text, i ? ",\n[" : "[");
		add_name(text, sink->own, folder_name(survey, folder));
		text_printf(text, ",%d,%" PRIu64 ",%" PRIu64 ",%" PRIu64 "]", folder->parent, folder->all.bytes,
			    folder->own.bytes, folder->all.names);
		out_check(&sink->out);
	}
	text_puts(text, "]");
}

static void add_apart(struct text *text, const struct dlk_tally *tally)
{
	const char *before = "";

	text_puts(text, ",\"apart\":[");
	for (unsigned i = 0; i < countof(tally->apart); i++) {
		if (!tally->apart[i].files)
			continue;
		text_printf(text, "%s[\"", before);
		words_add_respect(text, i, ",");
		text_printf(text, "\",%" PRIu64 ",%" PRIu64 "]", tally->apart[i].files, tally->apart[i].bytes);
		before = ",";
	}
	text_puts(text, "]");
}

static void add_issues(struct sink *sink)
{
	const struct issues *issues = sink->report->issues;
	struct text *text = &sink->out.text;
	struct html *html = sink->own;
	const char *before = "";

	text_puts(text, ",\"issues\":[");
	for (size_t i = 0; i < issues->causes.count && i < ISSUES_MOST; i++) {
		const struct issue_cause *cause = &issues->causes.at[i];
		const char *path = issues_path(issues, cause->first);

		text_printf(text, "%s{\"kind\":\"%s\"", before, words_event(cause->kind));
		add_number(text, "count", cause->count);
		if (cause->kind == DLK_EVENT_ERROR)
			add_word(text, html, "attempt", words_attempt(cause->stage));
		add_word(text, html, "why", cause->error ? strerror(cause->error) : words_because(cause->reason));
		if (path)
			add_word(text, html, "path", readable(html, path));
		text_puts(text, "}");
		before = ",";
	}
	text_puts(text, "]");
}

static void add_summary(struct sink *sink)
{
	const struct report *report = sink->report;
	struct text *text = &sink->out.text;

	text_printf(text, "<script type=\"application/json\" id=\"data-summary\">{\"dry\":%s,\"complete\":%s",
		    report->about == REPORT_DRY_RUN ? "true" : "false",
		    report->complete ? "true" : "false");
	add_word(text, sink->own, "version", DEDUPE_LINK_VERSION);
	add_number(text, "when", (uint64_t)time(NULL));
	add_number(text, "duration_ns", (uint64_t)report->duration_ns);
	text_puts(text, ",\"paths\":[");
	for (size_t i = 0; i < report->path_count; i++) {
		text_puts(text, i ? "," : "");
		add_name(text, sink->own, report->paths[i]);
	}
	text_puts(text, "]");
	sink_json_figures(text, report->tally);
	add_apart(text, report->tally);
	add_issues(sink);
	if (report->survey) {
		add_kinds(text, sink->own, report->survey);
		add_sums(text, "sizes", report->survey->sizes, SURVEY_SIZES);
		add_sums(text, "ages", report->survey->ages, SURVEY_AGES);
		add_folders(sink);
	}
	text_puts(text, "}</script>\n");
}

/* ---- sets ---- */

static int order_numbers(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x > y ? -1 : x < y;
}

/* Finds out which sets there is room for: those that free most. */
static void choose_sets(struct html *html, const struct survey *survey)
{
	size_t count = survey ? survey->set_bytes.count : 0;
	uint64_t *bytes;

	html->room = SETS_MOST;
	if (count <= SETS_MOST)
		return;
	bytes = malloc(count * sizeof(*bytes));
	if (!bytes) {
		html->failed = true;
		return;
	}
	memcpy(bytes, survey->set_bytes.at, count * sizeof(*bytes));
	qsort(bytes, count, sizeof(*bytes), order_numbers);
	html->least = bytes[SETS_MOST - 1];
	for (size_t i = 0; i < SETS_MOST; i++)
		html->room -= bytes[i] > html->least;
	free(bytes);
}

static void html_begin(struct sink *sink)
{
	struct html *html = calloc(1, sizeof(*html));

	sink->own = html;
	if (!html)
		return;
	choose_sets(html, sink->report->survey);
	text_puts(&sink->out.text, page_begin);
	add_summary(sink);
	text_puts(&sink->out.text, "<script type=\"application/json\" id=\"data-sets\">[");
}

static void end_set(struct sink *sink)
{
	struct html *html = sink->own;

	if (html->written && !html->left_out)
		text_puts(&sink->out.text, "]");
}

static void html_set(struct sink *sink, const struct dlk_set *set)
{
	struct html *html = sink->own;
	const struct survey *survey = sink->report->survey;
	uint64_t bytes = survey && set->index < survey->set_bytes.count ? survey->set_bytes.at[set->index] : 0;

	if (!html)
		return;
	end_set(sink);
	html->left_out = bytes < html->least || (bytes == html->least && !html->room);
	if (html->left_out)
		return;
	html->room -= bytes == html->least;
	text_printf(&sink->out.text, "%s\n[%" PRIu64 ",%" PRIu64 ",%" PRIu64, html->written ? "," : "", set->size, bytes,
		    set->names);
	html->written++;
}

/* The place of a directory; a new one perhaps. */
static uint32_t place_of(struct html *html, uint64_t dir, const char *path, size_t length)
{
	own_free char *place = NULL;

	while (!html->failed && html->numbers.count <= dir)
		html->failed = vec_push(&html->numbers, 0) != 0;
	if (!html->failed && !html->numbers.at[dir]) {
		place = strndup(path, length);
		html->failed = !place || vec_push(&html->places, place);
		if (html->failed)
			return 0;
		place = NULL;
		html->numbers.at[dir] = (uint32_t)html->places.count;
	}
	return html->failed ? 0 : html->numbers.at[dir] - 1;
}

static void html_member(struct sink *sink, const struct dlk_set *set UNUSED, const struct dlk_member *member)
{
	struct html *html = sink->own;
	struct text *text = &sink->out.text;
	const char *slash = strrchr(member->path, '/');
	size_t length = slash == member->path ? 1 : slash ? (size_t)(slash - member->path) : 0;

	if (!html || html->left_out || sink->members >= NAMES_MOST)
		return;
	text_printf(text, ",%" PRIu32 ",", place_of(html, member->dir, length ? member->path : ".", length ? length : 1));
	add_name(text, html, slash ? slash + 1 : member->path);
	text_printf(text, ",%d,%" PRId64, (int)member->fate, member->mtime / NS_PER_S);
}

static void html_free(struct html *html)
{
	for (size_t i = 0; i < html->places.count; i++)
		free(html->places.at[i]);
	vec_free(&html->places);
	vec_free(&html->numbers);
	text_free(&html->shown);
	text_free(&html->json);
	free(html);
}

static void html_end(struct sink *sink)
{
	struct html *html = sink->own;
	struct text *text = &sink->out.text;

	if (!html) {
		text->failed = true;
		return;
	}
	end_set(sink);
	text_puts(text, "]</script>\n<script type=\"application/json\" id=\"data-places\">[");
	for (size_t i = 0; i < html->places.count; i++) {
		text_puts(text, i ? ",\n" : "\n");
		add_name(text, html, html->places.at[i]);
		out_check(&sink->out);
	}
	text_puts(text, "]</script>\n");
	text_puts(text, page_end);
	text->failed |= html->failed || html->shown.failed || html->json.failed;
	html_free(html);
	sink->own = NULL;
}

const struct sink_kind sink_html = { .begin = html_begin, .set = html_set, .member = html_member, .end = html_end };
