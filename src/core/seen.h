/* SPDX-License-Identifier: MIT */
/*
 * seen.h - inodes with several links that are in the catalog already: asked by many walkers, filled by one owner
 *
 * In a tree of snapshots most names lead to inodes that were met before. A walker that finds the number of a directory entry
 * here needs no statx for it, and the owner no search in the catalog. Without locks: one thread adds; slots only ever go from empty to full, and a grown table is
 * published whole while readers finish in the old one (kept until seen_free). A reader may miss what was just added, which
 * costs a statx and nothing else.
 */
#ifndef CORE_SEEN_H
#define CORE_SEEN_H

#include "catalog.h"

struct seen_table;

struct seen {
	struct seen_table *table; /* atomic */
};

/* Adds (by the owner). -ENOMEM. Numbers beyond 48 bits or domains beyond 16 are not kept: never seen. */
MUST_CHECK int seen_add(struct seen *seen, uint32_t domain, uint64_t ino, struct inode_id inode);

/* Whether it was added, and as which (any thread). */
bool seen_find(const struct seen *seen, uint32_t domain, uint64_t ino, struct inode_id *ret_inode);

/* When no thread asks any more. */
void seen_free(struct seen *seen);

#endif
