/* SPDX-License-Identifier: MIT */
/* watch.c - inotify, by way of /proc/self/fd since it takes paths only */
#include "watch.h"

#include <errno.h>
#include <stdio.h>
#include <sys/inotify.h>

enum { BUFFER = 64 * 1024 };

int watch_init(struct watch *ret)
{
	int fd = sys->inotify_init(IN_NONBLOCK | IN_CLOEXEC);
	if (fd < 0)
		return fd;
	char *buffer = malloc(BUFFER);
	if (!buffer) {
		sys->close(fd);
		return -ENOMEM;
	}
	*ret = (struct watch){ .fd = fd, .buffer = buffer };
	return 0;
}

void watch_free(struct watch *watch)
{
	close_fd(&watch->fd);
	free(watch->buffer);
	watch->buffer = NULL;
}

int watch_add(struct watch *watch, int dirfd, int *ret_id)
{
	char path[sizeof("/proc/self/fd/-2147483648")];
	snprintf(path, sizeof(path), "/proc/self/fd/%d", dirfd);
	int id = sys->inotify_add_watch(watch->fd, path, IN_CREATE | IN_DELETE | IN_MOVE | IN_ATTRIB | IN_ONLYDIR);
	if (id < 0)
		return id;
	*ret_id = id;
	return 0;
}

void watch_remove(struct watch *watch, int id)
{
	sys->inotify_rm_watch(watch->fd, id);
}

/* The kernel fills in whole events, aligned as the struct wants it. */
int watch_next(struct watch *watch, struct watch_event *ret)
{
	if (watch->at == watch->filled) {
		ssize_t n = sys->read(watch->fd, watch->buffer, BUFFER);
		if (n <= 0)
			return n == -EAGAIN ? 0 : (int)n;
		watch->filled = (size_t)n;
		watch->at = 0;
	}
	const struct inotify_event *event = (const struct inotify_event *)(const void *)(watch->buffer + watch->at);
	watch->at += sizeof(*event) + event->len;
	*ret = (struct watch_event){
		.id = event->mask & IN_Q_OVERFLOW ? -1 : event->wd,
		.name = event->len ? event->name : "",
		.cookie = event->cookie,
		.from = event->mask & IN_MOVED_FROM,
		.attributes = event->mask & IN_ATTRIB,
	};
	return 1;
}
