/* SPDX-License-Identifier: MIT */
/*
 * painter.c - shows how far the work is, on a thread of its own
 *
 * The thread sleeps until SIGUSR1, a signal to stop or the next time to draw, copies what the events said, and writes. The terminal is
 * opened a second time, not to wait when it is stopped: the flag on descriptor 2 itself would be that of the shell as well.
 */
#include "painter.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "out.h"
#include "signals.h"

enum {
	DRAW_MS = 200,
	DRAW_AFTER_MS = 400,  /* a run that is over by then is not worth a flash */
	LOG_MS = 10000,
	GIVE_UP_MS = 1000,    /* on a thread that waits for a reader who does not come */
	COLUMNS_UNKNOWN = 80,
};

static int64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * NS_PER_S + time.tv_nsec;
}

bool painter_can_draw(void)
{
	const char *terminal = getenv("TERM");

	return isatty(STDERR_FILENO) && terminal && strcmp(terminal, "dumb");
}

/* ---- the terminal ---- */

static unsigned columns(void)
{
	struct winsize size;

	return !ioctl(STDERR_FILENO, TIOCGWINSZ, &size) && size.ws_col ? size.ws_col : COLUMNS_UNKNOWN;
}

static bool in_foreground(void)
{
	pid_t group = tcgetpgrp(STDERR_FILENO);

	return group < 0 || group == getpgrp();
}

/* Writes if that can be done at once. True: all of it went out. */
static bool write_now(const struct painter *painter, const struct text *text)
{
	struct pollfd ready = { .fd = painter->fd < 0 ? STDERR_FILENO : painter->fd, .events = POLLOUT };

	if (text->failed || poll(&ready, 1, 0) != 1 || !(ready.revents & POLLOUT))
		return false;
	return write(ready.fd, text->at, text->count) == (ssize_t)text->count;
}

/* Goes to the begin of what is drawn. Terminals that became narrower have wrapped it into several rows. */
static void add_erase(const struct painter *painter, struct text *text)
{
	unsigned rows = painter->drawn ? (painter->drawn - 1) / columns() : 0;

	if (rows)
		text_printf(text, "\033[%uA", rows);
	text_puts(text, rows ? "\r\033[J" : "\r\033[K");
}

static void draw(struct painter *painter, const struct progress *progress)
{
	struct text text = { 0 };
	size_t begin;

	if (!progress->begun || !in_foreground())
		return;
	add_erase(painter, &text);
	begin = text.count;
	if (signals_stopped())
		text_puts(&text, "Stopping: the file in hand is finished or undone");
	else
		progress_draw(&text, progress, columns());
	if (write_now(painter, &text))
		painter->drawn = (unsigned)(text.count - begin);
	text_free(&text);
}

static void erase(struct painter *painter)
{
	struct text text = { 0 };

	if (!painter->drawn)
		return;
	add_erase(painter, &text);
	/* The work is over, or we were asked for a line: who stopped the terminal will let it go on. */
	if (!text.failed)
		(void)!write(STDERR_FILENO, text.at, text.count);
	painter->drawn = 0;
	text_free(&text);
}

/* ---- lines ---- */

static void say(struct painter *painter, const struct progress *progress)
{
	struct text text = { 0 };

	progress_line(&text, progress);
	erase(painter);
	if (!text.failed)
		out_say(OUT_INFO, "%s", text.at);
	painter->told_ns = now();
	text_free(&text);
}

static void say_ended(struct painter *painter)
{
	struct progress ended[PAINTER_ENDED];
	size_t count;

	pthread_mutex_lock(&painter->mutex);
	count = painter->ended_count;
	memcpy(ended, painter->ended, count * sizeof(*ended));
	painter->ended_count = 0;
	pthread_mutex_unlock(&painter->mutex);
	for (size_t i = 0; i < count; i++)
		say(painter, &ended[i]);
}

/* ---- the thread ---- */

/* What there is to show; false: it is over. */
static bool look(struct painter *painter, struct progress *ret)
{
	bool ending;

	pthread_mutex_lock(&painter->mutex);
	progress_sample(&painter->progress, now());
	*ret = painter->progress;
	ending = painter->ending;
	pthread_mutex_unlock(&painter->mutex);
	return !ending;
}

static void *paint(void *ctx)
{
	struct painter *painter = ctx;
	int64_t begun = now();
	struct progress progress;

	painter->told_ns = begun;
	while (look(painter, &progress)) {
		if (signals_asked_for_progress())
			say(painter, &progress);
		if (painter->mode == PAINTER_LINES) {
			say_ended(painter);
			if (now() - painter->told_ns >= LOG_MS * NS_PER_MS)
				say(painter, &progress);
		}
		if (painter->mode == PAINTER_DRAWS && now() - begun >= DRAW_AFTER_MS * NS_PER_MS)
			draw(painter, &progress);
		signals_wait(painter->mode == PAINTER_ASKED ? -1 : DRAW_MS);
	}
	if (painter->mode == PAINTER_LINES)
		say_ended(painter);
	erase(painter);
	return NULL;
}

void painter_begin(struct painter *painter, enum painter_mode mode)
{
	sigset_t all, before;

	painter->mode = mode;
	painter->fd = -1;
	pthread_mutex_init(&painter->mutex, NULL);
	if (mode == PAINTER_DRAWS)
		painter->fd = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	/* Signals are for the thread that works: one that waits for the lock must be woken by them. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	painter->started = !pthread_create(&painter->thread, NULL, paint, painter);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void painter_note(struct painter *painter, const struct dlk_event *event)
{
	struct progress before;

	pthread_mutex_lock(&painter->mutex);
	before = painter->progress;
	if (progress_take(&painter->progress, event) && before.begun && painter->ended_count < PAINTER_ENDED)
		painter->ended[painter->ended_count++] = before;
	pthread_mutex_unlock(&painter->mutex);
}

/* The last step has ended as well. */
static void tell_to_end(struct painter *painter)
{
	pthread_mutex_lock(&painter->mutex);
	painter->ending = true;
	if (painter->progress.begun && painter->ended_count < PAINTER_ENDED)
		painter->ended[painter->ended_count++] = painter->progress;
	pthread_mutex_unlock(&painter->mutex);
	signals_wake();
}

void painter_end(struct painter *painter)
{
	struct timespec until;

	if (!painter->started)
		return;
	tell_to_end(painter);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += GIVE_UP_MS / 1000;
	/* One that is stuck in a write is left behind: it holds nothing that we need. */
	if (!pthread_timedjoin_np(painter->thread, NULL, &until) && painter->fd >= 0)
		close(painter->fd);
	painter->started = false;
}
