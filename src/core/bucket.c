/* SPDX-License-Identifier: MIT */
/* bucket.c - open addressing over the numbers of buckets; see bucket.h */
#include "bucket.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MATCH_MOST = (1 << 27) - 1 }; /* as the field is wide */

void bucket_init(struct bucket_table *table, struct catalog *catalog, uint64_t seed)
{
	*table = (struct bucket_table){ .catalog = catalog, .seed = seed };
	seq_init(&table->buckets, sizeof(struct bucket));
}

void bucket_free(struct bucket_table *table)
{
	free(table->slots);
	seq_free(&table->buckets);
	bucket_init(table, table->catalog, table->seed);
}

/* The slot of the bucket, or the empty one where it would go. */
static size_t slot_of(const struct bucket_table *table, uint64_t size, uint32_t match)
{
	size_t mask = table->room - 1;
	size_t slot = mix64(size ^ (uint64_t)match << 48 ^ table->seed) & mask;
	for (;; slot = (slot + 1) & mask) {
		if (table->slots[slot] == ID_NONE)
			return slot;
		const struct bucket *bucket = bucket_at(table, table->slots[slot]);
		if (bucket->size == size && bucket->match == match)
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
		slots[slot_of(table, bucket_at(table, number)->size, bucket_at(table, number)->match)] = number;
	return 0;
}

static int add_bucket(struct bucket_table *table, size_t slot, uint64_t size, uint32_t match)
{
	size_t number = table->buckets.count;
	assert(match <= MATCH_MOST); /* there are not so many mounts */
	if (seq_resize(&table->buckets, number + 1))
		return -ENOMEM;
	*bucket_at(table, number) = (struct bucket){ .size = size, .match = match & MATCH_MOST };
	table->slots[slot] = (uint32_t)number;
	return 0;
}

int bucket_add(struct bucket_table *table, struct inode_id id, uint64_t version)
{
	if (table->buckets.count * 3 >= table->room * 2 && grow(table))
		return -ENOMEM;
	struct catalog_inode *inode = catalog_inode(table->catalog, id);
	uint32_t match = catalog_match(table->catalog, inode);
	size_t slot = slot_of(table, inode->size, match);
	if (table->slots[slot] == ID_NONE && add_bucket(table, slot, inode->size, match))
		return -ENOMEM;
	inode->bucket = table->slots[slot];
	struct bucket *bucket = bucket_at(table, inode->bucket);
	bucket->sum += version;
	bucket->count++;
	if (bucket->count > 1)
		table->files += bucket->count == 2 ? 2 : 1; /* the first was alone until now */
	return 0;
}

struct bucket *bucket_find(const struct bucket_table *table, uint64_t size, uint32_t match)
{
	uint32_t number = table->room ? table->slots[slot_of(table, size, match)] : ID_NONE;
	return number == ID_NONE ? NULL : bucket_at(table, number);
}
