/* SPDX-License-Identifier: MIT */
/*
 * stream.c - memory, then a spool file, then the reader
 *
 *	put -> waiting ------------------------> thread -> fd
 *	  \--> spool (once waiting is full) --/
 *
 * What is in the spool is younger than all that waits in memory; and as long as there is anything in it, all that comes goes there,
 * so the order is kept. The spool is emptied when the thread has caught up with it.
 */
#include "stream.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "out.h"

enum { PIECE = 64 * 1024 };

/* ---- the spool, under the mutex ---- */

static int spool_open(void)
{
	const char *where = getenv("TMPDIR");
	char name[4096];
	int fd = open(where && *where ? where : "/var/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd >= 0)
		return fd;
	snprintf(name, sizeof(name), "%s/dedupe-link-XXXXXX", where && *where ? where : "/tmp");
	fd = mkostemp(name, O_CLOEXEC);
	if (fd >= 0)
		unlink(name);
	return fd;
}

/* All of it or nothing: half a line is none. */
static bool spool_add(struct stream *stream, const struct text *line)
{
	size_t done = 0;

	if (stream->spool < 0)
		stream->spool = spool_open();
	if (stream->spool < 0)
		return false;
	while (done < line->count) {
		ssize_t n = pwrite(stream->spool, line->at + done, line->count - done, stream->spooled + (off_t)done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		done += (size_t)n;
	}
	stream->spooled += (off_t)line->count;
	return true;
}

static bool spool_is_empty(const struct stream *stream)
{
	return stream->spooled == stream->unspooled;
}

/* The next piece of it, behind what waits. */
static void spool_take(struct stream *stream)
{
	char piece[PIECE];
	off_t left = stream->spooled - stream->unspooled;
	ssize_t n;

	do
		n = pread(stream->spool, piece, left < PIECE ? (size_t)left : PIECE, stream->unspooled);
	while (n < 0 && errno == EINTR);
	if (n <= 0) {
		stream->error = n ? -errno : -EIO;
		return;
	}
	text_add(&stream->waiting, piece, (size_t)n);
	stream->unspooled += n;
	if (spool_is_empty(stream)) {
		stream->spooled = stream->unspooled = 0;
		(void)!ftruncate(stream->spool, 0);
	}
}

/* ---- writing ---- */

/* Writes what waits, with the mutex let go meanwhile. */
static void drain(struct stream *stream)
{
	struct text mine = stream->waiting;

	stream->waiting = (struct text){ 0 };
	pthread_mutex_unlock(&stream->mutex);
	int r = mine.failed ? -ENOMEM : out_write(stream->fd, mine.at, mine.count);
	text_free(&mine);
	pthread_mutex_lock(&stream->mutex);
	if (r && !stream->error)
		stream->error = r;
}

/* Until nothing is left. */
static void drain_all(struct stream *stream)
{
	while (!stream->error && (stream->waiting.count || !spool_is_empty(stream))) {
		if (!stream->waiting.count)
			spool_take(stream);
		drain(stream);
	}
}

static void *run(void *ctx)
{
	struct stream *stream = ctx;
	sigset_t all;

	/* Signals are for the thread that waits for the lock. */
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	pthread_mutex_lock(&stream->mutex);
	for (;;) {
		drain_all(stream);
		if (stream->ending || stream->error)
			break;
		pthread_cond_wait(&stream->filled, &stream->mutex);
	}
	pthread_mutex_unlock(&stream->mutex);
	return NULL;
}

void stream_begin(struct stream *stream, int fd)
{
	*stream = (struct stream){ .fd = fd, .spool = -1 };
	pthread_mutex_init(&stream->mutex, NULL);
	pthread_cond_init(&stream->filled, NULL);
	stream->started = !pthread_create(&stream->thread, NULL, run, stream);
}

void stream_put(struct stream *stream, const struct text *line)
{
	bool kept = !line->failed;

	pthread_mutex_lock(&stream->mutex);
	if (kept && !stream->error) {
		if (spool_is_empty(stream) && stream->waiting.count + line->count <= STREAM_MEMORY) {
			text_add(&stream->waiting, line->at, line->count);
			kept = !stream->waiting.failed;
		} else {
			kept = spool_add(stream, line);
		}
	}
	stream->lost += !kept;
	pthread_cond_signal(&stream->filled);
	pthread_mutex_unlock(&stream->mutex);
}

int stream_end(struct stream *stream, uint64_t *ret_lost)
{
	pthread_mutex_lock(&stream->mutex);
	stream->ending = true;
	pthread_cond_signal(&stream->filled);
	if (!stream->started)
		drain_all(stream);
	pthread_mutex_unlock(&stream->mutex);
	if (stream->started)
		pthread_join(stream->thread, NULL);
	if (stream->spool >= 0)
		close(stream->spool);
	text_free(&stream->waiting);
	pthread_cond_destroy(&stream->filled);
	pthread_mutex_destroy(&stream->mutex);
	*ret_lost = stream->lost;
	return stream->error;
}
