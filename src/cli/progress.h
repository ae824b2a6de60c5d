/* SPDX-License-Identifier: MIT */
/*
 * progress.h - how far the work is, in words
 *
 * Takes the library's events and samples of the clock; gives one line of text, either for a log or for a terminal of some width. It
 * neither waits nor writes: painter.h does.
 */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include "../../include/dedupe-link.h"
#include "../base/text.h"

enum {
	PROGRESS_SAMPLES = 64,
	PROGRESS_SAMPLE_MS = 200, /* the window of rates is the product: 12.8 s */
};

struct progress_sample {
	int64_t time_ns;
	uint64_t done, bytes;
};

/* Zeroed is valid: nothing has begun. */
struct progress {
	struct dlk_event at; /* the last one about progress, its paths left out */
	bool begun;          /* there was one */
	struct progress_sample samples[PROGRESS_SAMPLES]; /* of the step in hand; a ring */
	size_t sample_count; /* taken so far */
	struct progress_sample first;
	int64_t left_ns;      /* about; -1: not known */
	uint64_t files_rate, bytes_rate; /* a second; 0: not known */
};

/* Takes an event about a phase or progress over; others are none of its business. True: another phase or step began. */
bool progress_take(struct progress *progress, const struct dlk_event *event);

/* Looks at the clock: to be called now and then, for rates and time left. */
void progress_sample(struct progress *progress, int64_t now_ns);

/* Appends "walking: 1,234 files, 1.2 GiB", "reading 3/3: 12 of 345 files, 1.2 GiB of 3.4 GiB, ...". */
void progress_line(struct text *text, const struct progress *progress);

/*
 * Appends one line of at most `columns` - 1 characters for a terminal (a full line would wrap on some). What it shows stands at the
 * same place each time; narrow terminals are shown less.
 */
void progress_draw(struct text *text, const struct progress *progress, unsigned columns);

#endif
