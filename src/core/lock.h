/* SPDX-License-Identifier: MIT */
/*
 * lock.h - two runs over overlapping trees never meet
 *
 * Each root directory is locked for this run alone, each directory above it shared (flock(2) on the directories themselves). So a
 * run on a tree and a run on a part of it collide, whichever came first, under whatever spelling of the path, from
 * whatever user or container on this kernel, and a run that dies leaves nothing behind. Where a root is seen through a bind
 * mount, the directories above it in its own file system are sought through other mounts of it. The top of a mount below a root is
 * locked as the root is: the same files may lie in another run's tree. Where there are many roots, or few descriptors, the whole
 * mount of each is locked.
 */
#ifndef CORE_LOCK_H
#define CORE_LOCK_H

#include "roots.h"

struct lock;

/*
 * Locks the roots. -EAGAIN when another run holds one of them or a part of it, told as an error event with its path; with `wait` it
 * waits instead (-ECANCELED when stopped meanwhile). A directory above that may not be opened is left out, a root directory is marked,
 * so that it is not walked, and what is above it is locked; any other trouble is told, and returned. `below`: mounts below the roots
 * will be entered.
 */
MUST_CHECK int lock_take(const struct catalog *catalog, struct roots *roots, struct tell *tell, bool below, bool wait,
			 struct lock **ret);
/* Locks one open directory (O_PATH will do) and what is above it, all shared: no run over it can begin. -EAGAIN, -ENOMEM, -EMFILE ... */
MUST_CHECK int lock_take_dir(int dirfd, struct lock **ret);

void lock_free(struct lock *lock);

#endif
