/* SPDX-License-Identifier: MIT */
/*
 * cached.h - which pages of a file are in the page cache, so that they can be left as they were
 *
 * Noted before a file is read, restored before it is closed: pages that came in between are dropped, others' included
 * that were read by somebody else meanwhile. Dirty and mapped pages stay whatever is asked (fadvise). The kernel tells whose
 * pages are cached only to the file's owner, to who may write to it, and to root; else nothing is dropped.
 */
#ifndef SYS_CACHED_H
#define SYS_CACHED_H

#include "../base/vec.h"
#include "sys.h"

/* A stretch of pages that were not in the cache: [begin, end). */
struct cached_gap {
	uint64_t begin, end;
};

/* Zeroed: nothing is known, and nothing will be dropped. */
struct cached {
	VEC(struct cached_gap) gaps; /* ascending */
};

/* Notes what of the file's `size` bytes is not cached. What cannot be found out counts as cached. */
void cached_note(int fd, uint64_t size, struct cached *ret);

/* What of `other` is cached counts as cached here too: its content will be found through this file from now on. */
void cached_join(struct cached *cached, const struct cached *other);

/* Drops what came since. */
void cached_restore(int fd, const struct cached *cached);

void cached_free(struct cached *cached);

#endif
