/* SPDX-License-Identifier: MIT */
/* keeper.h - who stays: a pure choice among the inodes of one duplicate set, and the split at the link limit */
#ifndef CORE_KEEPER_H
#define CORE_KEEPER_H

#include "../../include/dedupe-link.h"
#include "catalog.h"

/* Which of two inodes rather stays: by policy, then the older mtime, then the first path. <0: a. Never 0 for two inodes. */
int keeper_order(const struct catalog *catalog, enum dlk_keep keep, struct inode_id a, struct inode_id b);

struct keeper_rules {
	enum dlk_keep keep;
	uint64_t limit;  /* of links */
	bool references; /* some roots are: an inode with a name below one stays, and rather than any other */
	bool isolate;    /* no two inodes with names below one root go together */
};

/*
 * Divides equal inodes into sets, each a keeper and its targets. Usually that is one; where the keeper would get more than
 * `limit` links, an inode that does not fit whole becomes a keeper itself, and takes those that come after. Nothing is
 * moved that would not fit, so a second run finds the same keepers with nothing left to move (where all their links were
 * found: links elsewhere count against the limit but do not move, so that room may show that was none before).
 *
 * `members` come in path order. ret_order[0] is the index of the one that rather stays than all others, and so on;
 * ret_keeper[i] is the index of member i's keeper (its own for a keeper). -ENOMEM.
 */
MUST_CHECK int keeper_assign(const struct catalog *catalog, const struct keeper_rules *rules,
			     const struct inode_id *members, size_t count, uint32_t *ret_order, uint32_t *ret_keeper);

#endif
