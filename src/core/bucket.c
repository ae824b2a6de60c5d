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

/* The slot of a bucket like this, or the empty one where it would go. */
static size_t slot_of(const struct bucket_table *table, const struct bucket *like)
{
	size_t mask = table->room - 1;
	size_t slot = mix64(like->size ^ (uint64_t)like->match << 48) & mask;
	for (;; slot = (slot + 1) & mask) {
		if (table->slots[slot] == ID_NONE)
			return slot;
		const struct bucket *bucket = bucket_at(table, table->slots[slot]);
		if (bucket->size == like->size && bucket->match == like->match)
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
		slots[slot_of(table, bucket_at(table, number))] = number;
	return 0;
}

static int add_bucket(struct bucket_table *table, size_t slot, const struct bucket *bucket)
{
	size_t number = table->buckets.count;
	if (seq_resize(&table->buckets, number + 1))
		return -ENOMEM;
	*(struct bucket *)seq_at(&table->buckets, number) = *bucket;
	table->slots[slot] = (uint32_t)number;
	return 0;
}

int bucket_add(struct bucket_table *table, struct inode_id id)
{
	if (table->buckets.count * 3 >= table->room * 2 && grow(table))
		return -ENOMEM;
	struct catalog_inode *inode = catalog_inode(table->catalog, id);
	const struct bucket like = { .size = inode->size, .match = catalog_match(table->catalog, inode) };
	size_t slot = slot_of(table, &like);
	if (table->slots[slot] == ID_NONE && add_bucket(table, slot, &like))
		return -ENOMEM;
	inode->bucket = table->slots[slot];
	struct bucket *bucket = seq_at(&table->buckets, inode->bucket);
	bucket->count++;
	if (bucket->count > 1)
		table->files += bucket->count == 2 ? 2 : 1; /* the first was alone until now */
	return 0;
}
