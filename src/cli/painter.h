/* SPDX-License-Identifier: MIT */
/*
 * painter.h - shows how far the work is, on a thread of its own
 *
 * While the library works, files of other programs may be held in leases. A terminal that was stopped (^S) or a pipe that nobody
 * reads must not make them wait, so nobody but the painter's thread ever writes meanwhile.
 */
#ifndef CLI_PAINTER_H
#define CLI_PAINTER_H

#include <pthread.h>

#include "progress.h"

enum painter_mode {
	PAINTER_ASKED, /* a line for each SIGUSR1 */
	PAINTER_LINES, /* and a line at the end of each step, and now and then, for logs */
	PAINTER_DRAWS, /* and a line on a terminal, drawn again and again */
};

enum { PAINTER_ENDED = 8 };

struct painter {
	enum painter_mode mode;
	bool started;
	pthread_t thread;
	pthread_mutex_t mutex;    /* for what follows; held for copying only, never while something is written */
	struct progress progress;
	struct progress ended[PAINTER_ENDED]; /* steps that ended and were not told yet; with PAINTER_LINES */
	size_t ended_count;
	bool ending;
	/* the thread's own */
	int fd;          /* the terminal, opened so that a write never waits; -1: it cannot be */
	unsigned drawn;  /* characters of the line that stands on the terminal */
	int64_t told_ns; /* when the last line went to the log */
};

/* What a terminal on stderr is good for: drawing, unless it can do nothing but print. */
bool painter_can_draw(void);

/* Starts the thread. Without memory for one nothing is shown. After signals_watch(). */
void painter_begin(struct painter *painter, enum painter_mode mode);

/* Takes an event over; for dlk_options.observe. */
void painter_note(struct painter *painter, const struct dlk_event *event);

/* Ends the thread; takes the line off the terminal. progress_line() of painter->progress still tells how far it came. */
void painter_end(struct painter *painter);

#endif
