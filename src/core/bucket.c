/* SPDX-License-Identifier: MIT */
/* bucket.c - open addressing over the numbers of buckets; see bucket.h */
#include "bucket.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void bucket_init(struct bucket_table *table, struct catalog *catalog)
{
	*table = (struct bucket_table){ .catalog = catalog };
	seq_init(&table->buckets, sizeof(struct bucket));
}

void bucket_free(struct bucket_table *table)
{
	free(table->slots);
	seq_free(&table->buckets);
	bucket_init(table, table->catalog);
}

static const struct catalog_inode *first_of(const struct bucket_table *table, uint32_t number)
{
	return catalog_inode(table->catalog, (struct inode_id){ bucket_at(table, number)->first });
}

/* The slot of its bucket, or the empty one where that would go. */
static size_t slot_of(const struct bucket_table *table, const struct catalog_inode *inode)
{
	uint32_t match = catalog_match(table->catalog, inode);
	size_t mask = table->room - 1;
	size_t slot = mix64(inode->size ^ (uint64_t)match << 48) & mask;
	for (;; slot = (slot + 1) & mask) {
		if (table->slots[slot] == ID_NONE)
			return slot;
		const struct catalog_inode *first = first_of(table, table->slots[slot]);
		if (first->size == inode->size && catalog_match(table->catalog, first) == match)
			return slot;
	}
}

static int grow(struct bucket_table *table)
{
	size_t room = table->room ? table->room * 2 : 1024;
	uint32_t *slots = malloc(room * sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	memset(slots, 0xff, room * sizeof(*slots));
	free(table->slots);
	table->slots = slots;
	table->room = room;
	for (uint32_t number = 0; number < table->buckets.count; number++)
		slots[slot_of(table, first_of(table, number))] = number;
	return 0;
}

static int add_bucket(struct bucket_table *table, size_t slot, struct inode_id first)
{
	size_t number = table->buckets.count;
	if (seq_resize(&table->buckets, number + 1))
		return -ENOMEM;
	*(struct bucket *)seq_at(&table->buckets, number) = (struct bucket){ .first = first.v };
	table->slots[slot] = (uint32_t)number;
	return 0;
}

/* One that joins others: the first of them was not counted yet when it was alone. */
static void count_member(struct bucket_table *table, const struct bucket *bucket, const struct catalog_inode *inode)
{
	const struct catalog_inode *first = catalog_inode(table->catalog, (struct inode_id){ bucket->first });
	bool was_alone = bucket->count == 2;
	table->files += 1 + was_alone;
	table->bytes += catalog_bytes(inode) + (was_alone ? catalog_bytes(first) : 0);
}

int bucket_add(struct bucket_table *table, struct inode_id id)
{
	if (table->buckets.count * 3 >= table->room * 2 && grow(table))
		return -ENOMEM;
	struct catalog_inode *inode = catalog_inode(table->catalog, id);
	size_t slot = slot_of(table, inode);
	if (table->slots[slot] == ID_NONE && add_bucket(table, slot, id))
		return -ENOMEM;
	inode->bucket = table->slots[slot];
	struct bucket *bucket = seq_at(&table->buckets, inode->bucket);
	if (++bucket->count > 1)
		count_member(table, bucket, inode);
	return 0;
}
