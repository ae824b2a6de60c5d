/* SPDX-License-Identifier: MIT */
/* seen.c - an insert-only table of 64-bit keys with one writer; see seen.h */
#include "seen.h"

#include <errno.h>
#include <stdlib.h>

/* Key and id side by side: a look-up is one cache line, and in a tree of snapshots nearly each name is one look-up. */
struct seen_slot {
	uint64_t key; /* 0: empty; published after the id */
	uint64_t inode;
};

struct seen_table {
	struct seen_table *older; /* outgrown, but perhaps still read */
	size_t room, count;       /* room: a power of two */
	struct seen_slot slots[];
};

/* 0 for what cannot be a key. Inode numbers are never 0. */
static uint64_t key_of(uint32_t domain, uint64_t ino)
{
	return ino >> 48 || domain >> 16 ? 0 : (uint64_t)domain << 48 | ino;
}

/* The key's slot, or the empty one where it would go. */
static size_t table_slot(const struct seen_table *table, uint64_t key, bool *ret_found)
{
	size_t mask = table->room - 1;
	for (size_t slot = mix64(key) & mask;; slot = (slot + 1) & mask) {
		uint64_t at = __atomic_load_n(&table->slots[slot].key, __ATOMIC_ACQUIRE);
		if (at == key || !at) {
			*ret_found = at == key;
			return slot;
		}
	}
}

static void table_put(struct seen_table *table, uint64_t key, uint32_t inode)
{
	bool found;
	size_t slot = table_slot(table, key, &found);
	if (found)
		return;
	table->slots[slot].inode = inode;
	__atomic_store_n(&table->slots[slot].key, key, __ATOMIC_RELEASE);
	table->count++;
}

static struct seen_table *grown(struct seen_table *old)
{
	size_t room = old ? old->room * 2 : 1024;
	struct seen_table *table = calloc(1, sizeof(*table) + room * sizeof(*table->slots));
	if (!table)
		return NULL;
	table->older = old;
	table->room = room;
	for (size_t i = 0; old && i < old->room; i++)
		if (old->slots[i].key)
			table_put(table, old->slots[i].key, (uint32_t)old->slots[i].inode);
	return table;
}

int seen_add(struct seen *seen, uint32_t domain, uint64_t ino, struct inode_id inode)
{
	struct seen_table *table = seen->table;
	uint64_t key = key_of(domain, ino);
	if (!key)
		return 0;
	if (!table || table->count * 2 >= table->room) {
		table = grown(table);
		if (!table)
			return -ENOMEM;
		__atomic_store_n(&seen->table, table, __ATOMIC_RELEASE);
	}
	table_put(table, key, inode.v);
	return 0;
}

bool seen_find(const struct seen *seen, uint32_t domain, uint64_t ino, struct inode_id *ret_inode)
{
	const struct seen_table *table = __atomic_load_n(&seen->table, __ATOMIC_ACQUIRE);
	uint64_t key = key_of(domain, ino);
	bool found = false;
	size_t slot = table && key ? table_slot(table, key, &found) : 0;
	if (found)
		ret_inode->v = (uint32_t)table->slots[slot].inode;
	return found;
}

void seen_free(struct seen *seen)
{
	for (struct seen_table *table = seen->table; table;) {
		struct seen_table *older = table->older;
		free(table);
		table = older;
	}
	seen->table = NULL;
}
