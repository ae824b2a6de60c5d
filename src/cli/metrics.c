/* SPDX-License-Identifier: MIT */
/*
 * metrics.c - written when the run is over, as a new file in the old one's place that was opened before it
 *
 * Every figure has the label `roots`, so that files of several volumes can be collected side by side.
 */
#include "metrics.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "listfile.h"
#include "out.h"

static const char last_success[] = "dedupe_link_last_success_timestamp_seconds";

/* A label's value: backslash, quote and newline are escaped; what is no UTF-8 may not stand there at all. */
static void add_label(struct text *text, const char *value)
{
	bool utf8 = text_utf8(value, strlen(value));

	for (; *value; value++) {
		if (*value == '\n')
			text_puts(text, "\\n");
		else if (*value == '\\' || *value == '"')
			text_printf(text, "\\%c", *value);
		else if (!utf8 && (unsigned char)*value >= 0x80)
			text_puts(text, "?");
		else
			text_add(text, value, 1);
	}
}

/* {roots="a b"} */
static void add_labels(struct text *text, const struct options *options)
{
	text_puts(text, "{roots=\"");
	for (size_t i = 0; i < options->paths.count; i++) {
		text_puts(text, i ? " " : "");
		add_label(text, options->paths.at[i]);
	}
	text_puts(text, "\"}");
}

static void add_metric(struct text *text, const char *labels, const char *name, const char *help, const char *value)
{
	text_printf(text, "# HELP %s %s\n# TYPE %s gauge\n%s%s %s\n", name, help, name, name, labels, value);
}

static void add_figures(struct text *text, const char *labels, const struct report *report)
{
	const struct dlk_tally *tally = report->tally;
	const struct {
		const char *name, *help;
		uint64_t value;
	} figures[] = {
		{ "dedupe_link_files", "Names of files looked at by the last run.", tally->files_seen },
		{ "dedupe_link_bytes_seen", "Sizes of the files looked at, in bytes.", tally->bytes_seen },
		{ "dedupe_link_bytes_read", "Content read, in bytes.", tally->bytes_read },
		{ "dedupe_link_sets", "Sets of equal files in which a name was replaced.", tally->sets },
		{ "dedupe_link_links", "Names replaced by links.", tally->links_made },
		{ "dedupe_link_inodes_freed", "Files whose last link went.", tally->inodes_freed },
		{ "dedupe_link_bytes_saved", "Space freed, in bytes.", tally->bytes_saved },
		{ "dedupe_link_skipped_in_use", "Names left since they were in use.", tally->skipped_in_use },
		{ "dedupe_link_skipped_changed", "Names left since they changed meanwhile.", tally->skipped_changed },
		{ "dedupe_link_skipped_refused", "Names left since they cannot be replaced, as on a read-only file system.", tally->skipped_refused },
		{ "dedupe_link_errors", "What could not be read or linked.", tally->errors },
		{ "dedupe_link_dry_run", "1 if nothing was to be linked.", report->about == REPORT_DRY_RUN },
		{ "dedupe_link_exit_status", "Exit status of the last run.", (uint64_t)report->exit_status },
		{ "dedupe_link_last_run_timestamp_seconds", "When the last run ended.", (uint64_t)time(NULL) },
	};
	char value[32];

	for (size_t i = 0; i < countof(figures); i++) {
		snprintf(value, sizeof(value), "%" PRIu64, figures[i].value);
		add_metric(text, labels, figures[i].name, figures[i].help, value);
	}
	snprintf(value, sizeof(value), "%" PRId64 ".%03d", report->duration_ns / NS_PER_S,
		 (int)(report->duration_ns % NS_PER_S / NS_PER_MS));
	add_metric(text, labels, "dedupe_link_duration_seconds", "How long the last run took.", value);
}

/* The value in the file that is there; "" when there is none. */
static void old_success(const char *path, char *ret, size_t room)
{
	struct text text = { 0 };
	size_t at = 0;

	*ret = '\0';
	if (listfile_read(path, &text))
		return;
	for (char *line; (line = listfile_next(&text, &at, '\n'));) {
		const char *end = strrchr(line, '}');

		if (!strncmp(line, last_success, strlen(last_success)) && end && end[1] == ' ' &&
		    strspn(end + 2, "0123456789") == strlen(end + 2))
			snprintf(ret, room, "%s", end + 2);
	}
	text_free(&text);
}

static void add_success(struct text *text, const char *labels, const char *path, const struct report *report)
{
	char value[32];

	if (report->exit_status)
		old_success(path, value, sizeof(value));
	else
		snprintf(value, sizeof(value), "%" PRIu64, (uint64_t)time(NULL));
	if (*value)
		add_metric(text, labels, last_success, "When a run last ended with status 0.", value);
}

int metrics_write(struct newfile *file, const struct options *options, const struct report *report)
{
	struct text text = { 0 }, labels = { 0 };
	int r;

	add_labels(&labels, options);
	if (labels.at) {
		add_figures(&text, labels.at, report);
		add_success(&text, labels.at, options->metrics, report);
	}
	r = labels.failed || text.failed ? -ENOMEM : out_write(file->fd, text.at, text.count);
	text_free(&labels);
	text_free(&text);
	if (!r)
		return newfile_commit(file);
	newfile_abandon(file);
	return r;
}
