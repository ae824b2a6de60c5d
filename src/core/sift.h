/* SPDX-License-Identifier: MIT */
/*
 * sift.h - divides buckets by digest, as deep as pays
 *
 *	level   reads                                     of files
 *	HEAD    the first 4 KiB; small files whole        that share a size with another
 *	TAIL    the last 4 KiB                            large, and alike so far
 *	WHOLE   everything, holes skipped                 large, and alike so far
 *
 * Files in a class agree in all that was read. Each level sorts by digest, so a level costs n log n whatever the sizes of the
 * classes. When the result will be applied, small groups of large files are not read whole here: they will be compared
 * byte for byte anyway, and each byte is read once. With a cache, who was unequal then is known by that comparison.
 */
#ifndef CORE_SIFT_H
#define CORE_SIFT_H

#include "bucket.h"
#include "cache.h"
#include "digest.h"
#include "manners.h"
#include "tell.h"

struct sift_member {
	struct inode_id inode;
	uint32_t xattrs; /* digest of the extended attributes; 0: none. Of decided classes only */
};

struct sift_class {
	uint64_t first; /* in members */
	uint32_t count; /* at least 2 */
	bool decided;   /* read whole: alike in every byte and in attributes; else alike at both ends */
};

struct sift {
	/* set by the caller */
	struct catalog *catalog;
	struct tell *tell;
	struct manners *manners; /* may be NULL */
	const struct dlk_options *options;
	const struct digest_key *key;
	size_t batch; /* items in memory at once, but for a larger bucket; 0: as suits the number of files */
	const struct reach_kept *kept; /* NULL, or directories that are open already */
	struct cache *cache; /* NULL, or what it remembers is not read, and what is read is put there; the key is its */
	/* filled */
	VEC(struct sift_member) members;
	VEC(struct sift_class) classes;
	uint64_t bytes_read;
};

enum {
	SIFT_SMALL = 64 * 1024,  /* a file up to this size costs as much to read as its head */
	SIFT_END = 4096,         /* bytes of a head or tail */
	SIFT_UNDECIDED = 32,     /* groups up to this many are left to the comparison when the result will be applied */
};

/* 0, -ENOMEM, -ECANCELED. What cannot be read is told and left out. */
MUST_CHECK int sift_run(struct sift *sift, struct bucket_table *table);
void sift_free(struct sift *sift);

#endif
