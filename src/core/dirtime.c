/* SPDX-License-Identifier: MIT */
/*
 * dirtime.c - a table of directories touched, by catalog id and by watch
 *
 * An exchange of T and D comes as two renames, each with a cookie: T to D and D to T. So an event about D is ours when T stands at
 * the other end. Half of a rename without T may have its other half in the next event; it is foreign once none comes.
 */
#include "dirtime.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "../sys/watch.h"
#include "temp.h"

struct touched {
	struct dir_id dir;
	int watch;
	int error;       /* why it could not be watched, or 0 */
	int64_t mtime;   /* before */
	bool foreign;    /* somebody else changed it */
	uint32_t cookie; /* of a first half of a rename; 0: none */
	bool ours;       /* that half was T */
};

struct indices {
	uint32_t *at;
	size_t count, room;
};

struct dirtimes {
	pthread_mutex_t mutex;
	struct watch watch;
	uint64_t run; /* as names have it */
	VEC(struct touched) touched;
	struct indices by_dir;   /* of each directory of the catalog: its index in touched + 1 */
	struct indices by_watch; /* likewise of each watch */
	bool lost;              /* events were: nothing is known any more */
	bool setting;           /* our own change of times is on its way */
};

/* What a name keeps of the number. */
static uint64_t run_in_names(uint32_t run)
{
	char name[TEMP_ROOM];
	struct temp temp = { .run = run };
	temp_write(&temp, name);
	return temp_parse(name, TEMP_LENGTH, &temp) ? temp.run : run;
}

int dirtimes_begin(uint32_t run, struct dirtimes **ret)
{
	struct dirtimes *dirtimes = calloc(1, sizeof(*dirtimes));
	if (!dirtimes)
		return -ENOMEM;
	dirtimes->run = run_in_names(run);
	dirtimes->watch.fd = -1;
	pthread_mutex_init(&dirtimes->mutex, NULL);
	int r = watch_init(&dirtimes->watch);
	if (r)
		dirtimes_free(dirtimes);
	else
		*ret = dirtimes;
	return r;
}

void dirtimes_free(struct dirtimes *dirtimes)
{
	if (!dirtimes)
		return;
	watch_free(&dirtimes->watch);
	vec_free(&dirtimes->touched);
	vec_free(&dirtimes->by_dir);
	vec_free(&dirtimes->by_watch);
	pthread_mutex_destroy(&dirtimes->mutex);
	free(dirtimes);
}

/* ---- events ---- */

static bool is_ours(const struct dirtimes *dirtimes, const char *name)
{
	struct temp temp;
	return temp_parse(name, strlen(name), &temp) && temp.run == dirtimes->run;
}

/* The two halves of a rename within a directory follow each other: it is locked meanwhile. */
static void note(struct dirtimes *dirtimes, struct touched *touched, const struct watch_event *event)
{
	bool ours = is_ours(dirtimes, event->name);
	if (event->attributes) {
		touched->foreign |= !*event->name && !dirtimes->setting; /* else a file's, which is no affair of its directory */
		return;
	}
	if (event->cookie && !event->from && event->cookie == touched->cookie)
		ours |= touched->ours;
	else if (touched->cookie && !touched->ours)
		touched->foreign = true; /* its other half was elsewhere */
	touched->cookie = event->from ? event->cookie : 0;
	touched->ours = ours;
	if (!event->from)
		touched->foreign |= !ours;
}

static void look(struct dirtimes *dirtimes)
{
	struct watch_event event;
	int r;
	while ((r = watch_next(&dirtimes->watch, &event)) > 0) {
		uint32_t index = event.id >= 0 && (size_t)event.id < dirtimes->by_watch.count ?
					 dirtimes->by_watch.at[event.id] : 0;
		if (event.id < 0)
			dirtimes->lost = true;
		else if (index)
			note(dirtimes, &dirtimes->touched.at[index - 1], &event);
	}
	dirtimes->lost |= r < 0;
}

void dirtimes_look(struct dirtimes *dirtimes)
{
	pthread_mutex_lock(&dirtimes->mutex);
	look(dirtimes);
	pthread_mutex_unlock(&dirtimes->mutex);
}

/* ---- directories ---- */

/* Room for `index`, zeros up to it. */
static int grow(struct indices *list, size_t index)
{
	while (list->count <= index)
		if (vec_push(list, 0))
			return -ENOMEM;
	return 0;
}

/* Watched first, then looked at: a change in between is seen as an event. */
static int add(struct dirtimes *dirtimes, struct dir_id dir, int dirfd)
{
	struct touched touched = { .dir = dir, .watch = -1 };
	struct stamp stamp;
	int r = grow(&dirtimes->by_dir, dir.v);
	if (r)
		return r;
	touched.error = watch_add(&dirtimes->watch, dirfd, &touched.watch);
	if (!touched.error && (r = grow(&dirtimes->by_watch, (size_t)touched.watch)))
		return r;
	if (!touched.error && dirtimes->by_watch.at[touched.watch]) { /* known by another mount */
		dirtimes->by_dir.at[dir.v] = dirtimes->by_watch.at[touched.watch];
		return 0;
	}
	if (!touched.error)
		touched.error = stamp_fd(dirfd, &stamp);
	if (!touched.error)
		touched.mtime = stamp.mtime;
	r = vec_push(&dirtimes->touched, touched);
	if (r)
		return r;
	dirtimes->by_dir.at[dir.v] = (uint32_t)dirtimes->touched.count;
	if (touched.watch >= 0)
		dirtimes->by_watch.at[touched.watch] = (uint32_t)dirtimes->touched.count;
	return 0;
}

void dirtimes_touch(struct dirtimes *dirtimes, struct dir_id dir, int dirfd)
{
	pthread_mutex_lock(&dirtimes->mutex);
	bool known = dir.v < dirtimes->by_dir.count && dirtimes->by_dir.at[dir.v];
	if (!known && add(dirtimes, dir, dirfd))
		dirtimes->lost = true; /* without memory nothing is put back */
	pthread_mutex_unlock(&dirtimes->mutex);
}

/* ---- the end ---- */

static bool may_be_set(struct dirtimes *dirtimes, struct touched *touched)
{
	look(dirtimes);
	if (touched->cookie && !touched->ours)
		touched->foreign = true;
	return !dirtimes->lost && !touched->foreign;
}

static int put_back(struct dirtimes *dirtimes, struct touched *touched, int dirfd)
{
	own_fd int fd = sys->openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	if (fd < 0)
		return fd;
	if (!may_be_set(dirtimes, touched))
		return 0;
	dirtimes->setting = true;
	int r = sys->futimens(fd, touched->mtime);
	if (!r && !may_be_set(dirtimes, touched))
		r = sys->futimens(fd, sys->wall()); /* somebody changed it at just that moment: that is now */
	dirtimes->setting = false;
	return r;
}

void dirtimes_end(struct dirtimes *dirtimes, int (*open)(void *ctx, struct dir_id dir, int *ret_fd),
		  void (*trouble)(void *ctx, struct dir_id dir, int error), void *ctx)
{
	for (size_t i = 0; i < dirtimes->touched.count; i++) {
		struct touched *touched = &dirtimes->touched.at[i];
		int dirfd, r = touched->error;
		if (!r && !may_be_set(dirtimes, touched))
			continue;
		if (!r)
			r = open(ctx, touched->dir, &dirfd);
		if (!r)
			r = put_back(dirtimes, touched, dirfd);
		if (r)
			trouble(ctx, touched->dir, r);
		if (touched->watch >= 0)
			watch_remove(&dirtimes->watch, touched->watch);
	}
}
