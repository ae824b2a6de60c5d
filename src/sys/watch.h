/* SPDX-License-Identifier: MIT */
/*
 * watch.h - inotify(7): who puts names into a directory or takes them out, or sets its times
 *
 * Changes that another host makes on a network file system are not seen.
 */
#ifndef SYS_WATCH_H
#define SYS_WATCH_H

#include "sys.h"

struct watch_event {
	int id;           /* of watch_add; -1: events were lost */
	const char *name; /* "" for the directory itself; valid until the next watch_next */
	uint32_t cookie;  /* the same for both names of a rename; 0: no rename */
	bool from;        /* of a rename: the name that went */
	bool attributes;  /* not the names but owner, mode or times changed */
};

struct watch {
	int fd;
	char *buffer;
	size_t filled, at;
};

/* -EMFILE: too many for this user; -ENOMEM ... */
MUST_CHECK int watch_init(struct watch *ret);
void watch_free(struct watch *watch);

/* Watches an open directory (O_PATH will do). -ENOSPC: too many for this user. *ret_id: the same for the same directory. */
MUST_CHECK int watch_add(struct watch *watch, int dirfd, int *ret_id);
void watch_remove(struct watch *watch, int id);

/* 1 and an event, 0 when there is none at the moment, or a negative errno. Never waits. */
MUST_CHECK int watch_next(struct watch *watch, struct watch_event *ret);

#endif
