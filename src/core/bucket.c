/* SPDX-License-Identifier: MIT */
/* bucket.c - open addressing over chain heads; see bucket.h */
#include "bucket.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void bucket_init(struct bucket_table *table, struct catalog *catalog)
{
	*table = (struct bucket_table){ .catalog = catalog };
}

void bucket_free(struct bucket_table *table)
{
	free(table->heads);
	bucket_init(table, table->catalog);
}

static const struct catalog_inode *inode_at(const struct bucket_table *table, uint32_t id)
{
	return catalog_inode(table->catalog, (struct inode_id){ id });
}

static size_t slot_of(const struct bucket_table *table, const struct catalog_inode *inode)
{
	uint32_t match = catalog_match(table->catalog, inode);
	size_t mask = table->room - 1;
	size_t slot = mix64(inode->size ^ (uint64_t)match << 48) & mask;
	for (;; slot = (slot + 1) & mask) {
		if (table->heads[slot] == ID_NONE)
			return slot;
		const struct catalog_inode *head = inode_at(table, table->heads[slot]);
		if (head->size == inode->size && catalog_match(table->catalog, head) == match)
			return slot;
	}
}

static int grow(struct bucket_table *table)
{
	size_t old_room = table->room, room = old_room ? old_room * 2 : 1024;
	uint32_t *old = table->heads, *heads = malloc(room * sizeof(*heads));
	if (!heads)
		return -ENOMEM;
	memset(heads, 0xff, room * sizeof(*heads));
	table->heads = heads;
	table->room = room;
	for (size_t i = 0; i < old_room; i++)
		if (old[i] != ID_NONE)
			heads[slot_of(table, inode_at(table, old[i]))] = old[i];
	free(old);
	return 0;
}

/* One that joins others: the first of them was not counted yet when it was alone. */
static void count_member(struct bucket_table *table, const struct catalog_inode *inode)
{
	const struct catalog_inode *next = inode_at(table, inode->chain);
	bool was_alone = next->chain == ID_NONE;
	table->files += 1 + was_alone;
	table->bytes += catalog_bytes(inode) + (was_alone ? catalog_bytes(next) : 0);
}

int bucket_add(struct bucket_table *table, struct inode_id id)
{
	if (table->count * 3 >= table->room * 2 && grow(table))
		return -ENOMEM;
	struct catalog_inode *inode = catalog_inode(table->catalog, id);
	size_t slot = slot_of(table, inode);
	inode->chain = table->heads[slot]; /* ID_NONE for the first of its bucket */
	if (inode->chain == ID_NONE)
		table->count++;
	else
		count_member(table, inode);
	table->heads[slot] = id.v;
	return 0;
}

bool bucket_next(const struct bucket_table *table, size_t *cursor, struct inode_id *ret_first)
{
	while (*cursor < table->room) {
		uint32_t head = table->heads[(*cursor)++];
		if (head != ID_NONE && inode_at(table, head)->chain != ID_NONE) {
			ret_first->v = head;
			return true;
		}
	}
	return false;
}
