/* SPDX-License-Identifier: MIT */
/*
 * settled.h - sizes of which it is known that no two files are equal
 *
 * Night after night most files are those of the night before. A bucket in which all is known to the cache by now, and was found to
 * differ, is remembered: its size, its file system, and the sum of the versions of its inodes. As long as that sum stays there is
 * nothing to find in it, and none of its records is looked up. One file more, less or changed, and all of it is looked at again.
 *
 * Versions are those by which records are believed, and to notice what they do not show a bucket is looked at again after
 * a week. Two sums that agree by chance (one in 2^64) hide equal files until then.
 */
#ifndef CORE_SETTLED_H
#define CORE_SETTLED_H

#include "bucket.h"
#include "cache.h"

/* Of one run. Zeroed is valid. */
struct settled {
	uint32_t *numbers; /* of each domain: its file system's, if no other domain has to do with it; else 0 */
	VEC(uint32_t) domains; /* the same the other way: by number; ID_NONE: none */
	size_t listed;     /* buckets that were remembered */
	uint64_t files;    /* inodes of those that have not changed */
};

/* Marks the buckets that have not changed: after cache_begin. -ENOMEM. */
MUST_CHECK int settled_recall(struct settled *settled, struct cache *cache, const struct bucket_table *table);

/* Remembers those that are settled now: all but the restless. -ENOMEM. */
MUST_CHECK int settled_remember(const struct settled *settled, struct cache *cache, const struct bucket_table *table);

void settled_free(struct settled *settled);

#endif
