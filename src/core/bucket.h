/* SPDX-License-Identifier: MIT */
/*
 * bucket.h - the size-bucketed hash table: inodes that could be equal stand together
 *
 * The key is the link domain (device and mount; for reflinks those that match) and the size. Owner, mode and the rest of the
 * policy divide later, among files proven alike, since "equal but for the owner" is something the user is told. A bucket is a chain through the inodes'
 * own `chain` fields, so the table holds four bytes for each distinct key, twice.
 */
#ifndef CORE_BUCKET_H
#define CORE_BUCKET_H

#include "catalog.h"

struct bucket_table {
	struct catalog *catalog; /* borrowed */
	uint32_t *heads;         /* open addressing; ID_NONE is empty */
	size_t room, count;      /* room: a power of two */
	uint64_t files, bytes;   /* of all inodes that are not alone in their buckets: how many, and catalog_bytes */
};

void bucket_init(struct bucket_table *table, struct catalog *catalog);
MUST_CHECK int bucket_add(struct bucket_table *table, struct inode_id inode);

/*
 * The first inode of the next bucket that has two or more; follow `chain`. *cursor begins at 0. False: there is no further
 * one. The order is that of hashes of sizes.
 */
bool bucket_next(const struct bucket_table *table, size_t *cursor, struct inode_id *ret_first);

void bucket_free(struct bucket_table *table);

#endif
