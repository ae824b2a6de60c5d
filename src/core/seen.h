/* SPDX-License-Identifier: MIT */
/*
 * seen.h - inodes with several links that are known already: asked by many walkers, filled by one owner
 *
 * In a tree of snapshots most names lead to inodes that were met before. A walker that finds the number of a directory entry
 * here needs no statx for it. Without locks: one thread adds; slots only ever go from empty to full, and a grown table is
 * published whole while readers finish in the old one (kept until seen_free). Another thread than the owner may miss what was
 * just added, which costs a statx and nothing else.
 */
#ifndef CORE_SEEN_H
#define CORE_SEEN_H

#include "../base/base.h"

struct seen_table;

/*
 * Zeroed is valid. `seed`, set before anything is added: a random number of the run. Numbers of inodes are given out one after the other,
 * and who makes and removes files keeps those that suit: without it, very many that want one place.
 */
struct seen {
	struct seen_table *table; /* atomic */
	uint64_t seed;
};

/* Adds what was not added yet (by the owner). `inode` is below UINT32_MAX. -ENOMEM. */
MUST_CHECK int seen_add(struct seen *seen, uint32_t domain, uint64_t ino, uint32_t inode);

/* Whether it was added, and as which (any thread). */
bool seen_find(const struct seen *seen, uint32_t domain, uint64_t ino, uint32_t *ret_inode);

/* Begins to fetch what seen_find will look at: for a number that is asked for soon (any thread). */
void seen_prefetch(const struct seen *seen, uint32_t domain, uint64_t ino);

/* When no thread asks any more. */
void seen_free(struct seen *seen);

#endif
