/* SPDX-License-Identifier: MIT */
/*
 * recover.h - finishes or undoes what a dead run left
 *
 * A leftover is a temporary name (temp.h) found by the walk, under the lock, so that no live run can own it. What it says of itself is
 * proven before anything is done, under lease, grace and probe; what cannot be proven safe is kept and told. Of more links of one file
 * than a dead run leaves, some are left to the next run.
 */
#ifndef CORE_RECOVER_H
#define CORE_RECOVER_H

#include "confirm.h"
#include "journal.h"
#include "reach.h"
#include "walk.h"

/* Goes through the walk's temporary names. Trouble is told; -ENOMEM and -ECANCELED are returned. */
/* `journal` may be NULL; else a replacement is finished only once it stands there. */
MUST_CHECK int recover_run(const struct walk *walk, struct confirm *confirm, struct tell *tell,
			   struct journal *journal);

#endif
