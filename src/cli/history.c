/* SPDX-License-Identifier: MIT */
/*
 * history.c - what runs freed, night after night
 *
 * Table and chart are plain text for a terminal of 80 columns; the chart shows what was freed until then, a column for each run, or
 * for several when there are many.
 */
#include "history.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../base/own.h"
#include "../base/record.h"
#include "../base/vec.h"
#include "../../include/dedupe-link.h"
#include "out.h"
#include "words.h"

enum { CHART_WIDTH = 60, CHART_HEIGHT = 8 };

struct history {
	struct out out;
	VEC(uint64_t) sums; /* freed up to and with each run */
	uint64_t links;
	int64_t first, last; /* when they started */
};

enum { DATE = sizeof("2026-11-23") - 1, DATE_AND_TIME = sizeof("2026-11-23 22:08") - 1 };

/* The first `length` characters of a local date and time. */
static void add_time(struct text *text, int64_t ns, size_t length)
{
	time_t seconds = (time_t)(ns / NS_PER_S);
	struct tm when;
	char string[64];

	if (localtime_r(&seconds, &when) && strftime(string, sizeof(string), "%Y-%m-%d %H:%M", &when) >= length)
		text_add(text, string, length);
	else
		text_puts(text, "?");
}

/* ---- JSON ---- */

static void add_roots(struct text *text, const struct dlk_past_run *run)
{
	bool all_utf8 = true;

	record_begin(text, "roots", '[');
	for (size_t i = 0; i < run->root_count; i++) {
		record_add_word(text, NULL, run->roots[i]);
		all_utf8 &= text_utf8(run->roots[i], strlen(run->roots[i]));
	}
	record_end(text, ']');
	if (all_utf8)
		return;
	record_begin(text, "roots_b64", '[');
	for (size_t i = 0; i < run->root_count; i++) {
		text_puts(text, i ? ", \"" : "\"");
		text_add_base64(text, run->roots[i], strlen(run->roots[i]));
		text_puts(text, "\"");
	}
	record_end(text, ']');
}

static int add_object(void *ctx, const struct dlk_past_run *run)
{
	struct history *history = ctx;
	struct text *text = &history->out.text;
	const struct {
		const char *key;
		uint64_t value;
	} figures[] = {
		{ "files_seen", run->files_seen },     { "inodes_seen", run->inodes_seen },
		{ "sets", run->sets },                 { "links_made", run->links_made },
		{ "inodes_freed", run->inodes_freed }, { "bytes_saved", run->bytes_saved },
		{ "bytes_read", run->bytes_read },     { "errors", run->errors },
		{ "seconds", (uint64_t)(run->duration / NS_PER_S) },
		{ "duration_ns", (uint64_t)run->duration },
	};
	time_t seconds = (time_t)(run->started / NS_PER_S);
	struct tm when;
	char utc[32] = "";

	text_puts(text, history->links++ ? ",\n" : "\n");
	record_begin(text, NULL, '{');
	text_printf(text, "\"started\": %lld", (long long)run->started);
	if (gmtime_r(&seconds, &when) && strftime(utc, sizeof(utc), "%Y-%m-%dT%H:%M:%SZ", &when))
		record_add_word(text, "started_utc", utc);
	record_add_bool(text, "complete", run->complete);
	add_roots(text, run);
	for (size_t i = 0; i < countof(figures); i++)
		record_add_number(text, figures[i].key, figures[i].value);
	record_end(text, '}');
	out_check(&history->out);
	return history->out.error;
}

/* ---- the table ---- */

static void add_row(struct text *text, const struct dlk_past_run *run)
{
	char links[TEXT_COUNT_MAX], freed[TEXT_SIZE_MAX], errors[TEXT_COUNT_MAX], seconds[TEXT_COUNT_MAX];

	add_time(text, run->started, DATE_AND_TIME);
	text_printf(text, " %11s %10s %9s %7s ", text_count(run->links_made, links), text_size(run->bytes_saved, freed),
		    text_count((uint64_t)(run->duration / NS_PER_S), seconds), text_count(run->errors, errors));
	for (size_t i = 0; i < run->root_count; i++) {
		text_puts(text, " ");
		text_add_quoted(text, run->roots[i]);
	}
	text_puts(text, run->complete ? "\n" : " (stopped)\n");
}

static int add_run(void *ctx, const struct dlk_past_run *run)
{
	struct history *history = ctx;
	size_t count = history->sums.count;
	uint64_t sum = count ? history->sums.at[count - 1] : 0;

	if (!count) {
		history->first = run->started;
		text_puts(&history->out.text, "Started                Links      Freed   Seconds  Errors  Paths\n");
	}
	history->last = run->started;
	history->links += run->links_made;
	add_row(&history->out.text, run);
	out_check(&history->out);
	if (vec_push(&history->sums, sum + run->bytes_saved))
		return -ENOMEM;
	return history->out.error;
}

/* What was freed by the last run of column `column` of `columns`. */
static uint64_t sum_at(const struct history *history, size_t column, size_t columns)
{
	return history->sums.at[(column + 1) * history->sums.count / columns - 1];
}

/* One line of the chart: a mark where the sum reaches above that line's lower edge. */
static void add_line(struct text *text, const struct history *history, unsigned line, size_t columns)
{
	uint64_t most = history->sums.at[history->sums.count - 1];
	size_t wide = columns <= CHART_WIDTH / 3 ? 3 : 1;
	char size[TEXT_SIZE_MAX];

	text_printf(text, "%10s |", line == CHART_HEIGHT - 1 ? text_size(most, size) : line ? "" : "0 B");
	for (size_t column = 0; column < columns; column++) {
		bool reached = (double)sum_at(history, column, columns) * CHART_HEIGHT > (double)most * line;

		for (size_t i = 0; i < wide; i++)
			text_puts(text, reached ? "#" : " ");
	}
	while (text->count && text->at[text->count - 1] == ' ')
		text->at[--text->count] = '\0';
	text_puts(text, "\n");
}

static void add_chart(struct history *history)
{
	struct text *text = &history->out.text;
	char freed[TEXT_SIZE_MAX];
	size_t columns = history->sums.count < CHART_WIDTH ? history->sums.count : CHART_WIDTH;

	text_puts(text, "\nFreed until then\n");
	for (unsigned line = CHART_HEIGHT; line-- > 0;)
		add_line(text, history, line, columns);
	text_printf(text, "%12s", "");
	add_time(text, history->first, DATE);
	text_puts(text, " to ");
	add_time(text, history->last, DATE);
	text_puts(text, ": ");
	words_add_count(text, history->sums.count, "run", "runs");
	text_puts(text, ", ");
	words_add_count(text, history->links, "link", "links");
	text_printf(text, ", %s\n", text_size(history->sums.at[history->sums.count - 1], freed));
}

int history_print(const char *path, bool json, int *ret_written)
{
	struct history history = { .out = { .fd = STDOUT_FILENO } };
	int r;

	if (json)
		text_puts(&history.out.text, "[");
	r = dlk_history_each(path, json ? add_object : add_run, &history);
	if (r == -ENOENT || (r && r == history.out.error)) /* the latter: add_run gave up, and the cache is well */
		r = 0;
	if (json)
		text_puts(&history.out.text, "\n]\n");
	else if (!history.sums.count && !r)
		text_puts(&history.out.text, "No run has left a row yet: runs do so with --cache.\n");
	else if (history.sums.count && history.sums.at[history.sums.count - 1])
		add_chart(&history);
	*ret_written = out_finish(&history.out);
	vec_free(&history.sums);
	return r;
}
