/* SPDX-License-Identifier: MIT */
/*
 * share.h - the other method: equal files stay apart and share their blocks (reflinks)
 *
 * The kernel compares and shares (sys/clone.h); names, inodes and metadata stay what they are, and so no lease, proof or temporary
 * name is needed. A file whose bytes lie where the keeper's do already is left out of the plan.
 */
#ifndef CORE_SHARE_H
#define CORE_SHARE_H

#include "plan.h"
#include "reach.h"

/*
 * In place of plan_foresee: takes out of the sets what shares already and what has nothing to share, and says what each of the
 * rest would free: its extents that no other file shares. A file system that cannot share is told as an error, once. -ENOMEM,
 * -ECANCELED.
 */
MUST_CHECK int share_foresee(struct dlk_plan *plan);

/* One set carried out; `reach` is the calling thread's. Whatever becomes of a file is told and counted. */
void share_set(struct dlk_plan *plan, struct reach *reach, const struct inode_id *inodes, size_t count);

#endif
