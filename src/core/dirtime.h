/* SPDX-License-Identifier: MIT */
/*
 * dirtime.h - mtimes of directories put back, when nobody else changed them meanwhile
 *
 * A directory is watched from before our first change until its time is put back. Events about our temporary names, and the other
 * halves of renames with them, are ours; any other means that somebody changed it, and its time stays as it is. One that
 * changes it just while the time is put back is seen right after, and the time is made the present again.
 */
#ifndef CORE_DIRTIME_H
#define CORE_DIRTIME_H

#include "catalog.h"

struct dirtimes;

/* `run` is the one in the names of our temporary links. Errors of watch_init. */
MUST_CHECK int dirtimes_begin(uint32_t run, struct dirtimes **ret);

/* Before a name in the open directory is replaced. What cannot be watched keeps the time that the change gives it. */
void dirtimes_touch(struct dirtimes *dirtimes, struct dir_id dir, int dirfd);

/* Takes note of what was seen. To be called now and then, so that the kernel need not keep it. */
void dirtimes_look(struct dirtimes *dirtimes);

/*
 * Puts the times back, when all names are settled. `open` opens a directory (O_PATH), `trouble` hears of one whose time could not be
 * set.
 */
void dirtimes_end(struct dirtimes *dirtimes, int (*open)(void *ctx, struct dir_id dir, int *ret_fd),
		  void (*trouble)(void *ctx, struct dir_id dir, int error), void *ctx);
void dirtimes_free(struct dirtimes *dirtimes);

#endif
