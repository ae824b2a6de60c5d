/* SPDX-License-Identifier: MIT */
/*
 * bucket.h - the size-bucketed hash table: inodes that could be equal stand together
 *
 * The key is the link domain (device and mount; for reflinks those that match) and the size. Owner, mode and the rest of the
 * policy divide later, among files proven alike, since "equal but for the owner" is something the user is told. An inode knows
 * the number of its bucket, so that members are found in the order of the catalog, where neighbours are near in memory.
 */
#ifndef CORE_BUCKET_H
#define CORE_BUCKET_H

#include "catalog.h"

struct bucket {
	uint64_t size;
	uint64_t sum;          /* of the versions of its inodes */
	uint32_t count;        /* of inodes */
	uint32_t match : 27;   /* catalog_match */
	/* with a cache, see settled.h */
	uint32_t settled : 4;  /* 0, or one more than the days since all of it was found to differ, and nothing has changed since */
	uint32_t restless : 1; /* this run has found equals in it, or does not know all of it */
};

struct bucket_table {
	struct catalog *catalog; /* borrowed */
	uint64_t seed;
	struct seq buckets;      /* by number, in the order in which they were met */
	uint32_t *slots;         /* open addressing: numbers; ID_NONE is empty */
	size_t room;             /* of slots; a power of two */
	uint64_t files;          /* inodes that are not alone in their buckets */
};

/*
 * `seed`: a random number of the run. Whoever makes files chooses their sizes, and without it could choose them so that all buckets want
 * one slot, and each is sought for as long as there are buckets.
 */
void bucket_init(struct bucket_table *table, struct catalog *catalog, uint64_t seed);

/* Puts an inode, which was in none, into its bucket. `version`: a number for which inode it is and what it holds; 0 without a cache. -ENOMEM. */
MUST_CHECK int bucket_add(struct bucket_table *table, struct inode_id inode, uint64_t version);

/* NULL: there is none. */
struct bucket *bucket_find(const struct bucket_table *table, uint64_t size, uint32_t match);

static inline struct bucket *bucket_at(const struct bucket_table *table, size_t number)
{
	return seq_at(&table->buckets, number);
}

void bucket_free(struct bucket_table *table);

#endif
