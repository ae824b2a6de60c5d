/* SPDX-License-Identifier: MIT */
/*
 * stream.h - output that never makes its writer wait, in bounded memory
 *
 * While the library works, files of other programs may be held in leases; a pipe that nobody reads must not make them wait. So what
 * is put here is written by a thread of its own. What it cannot get rid of waits in memory up to STREAM_MEMORY,
 * then in a nameless file below $TMPDIR (or /var/tmp), in order. Only where even that cannot be written, lines are lost, and counted.
 */
#ifndef CLI_STREAM_H
#define CLI_STREAM_H

#include <pthread.h>
#include <sys/types.h>

#include "../base/text.h"

enum { STREAM_MEMORY = 1 << 20 };

struct stream {
	int fd;
	bool started;
	pthread_t thread;
	pthread_mutex_t mutex; /* for what follows; never held while fd is written */
	pthread_cond_t filled;
	struct text waiting;   /* older than what is in the spool */
	int spool;             /* -1: not made yet */
	off_t spooled, unspooled;
	bool ending;
	int error;             /* of the first write that failed; nothing is written after it */
	uint64_t lost;         /* lines */
};

/* Begins to write to fd. Without memory for a thread all is kept until stream_end. */
void stream_begin(struct stream *stream, int fd);

/* Takes a copy of a line with its newline. Waits for nobody who reads. */
void stream_put(struct stream *stream, const struct text *line);

/* Writes what is left, waiting for the reader. 0, or why not all was written; *ret_lost: lines for which there was no place. */
MUST_CHECK int stream_end(struct stream *stream, uint64_t *ret_lost);

#endif
