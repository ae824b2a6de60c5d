/* SPDX-License-Identifier: MIT */
/* seen.c - an insert-only table with one writer; see seen.h */
#include "seen.h"

#include <errno.h>
#include <stdlib.h>

/* All of a key and what it leads to, side by side: a look-up is one cache line, and in a tree of snapshots nearly each name is one. */
struct seen_slot {
	uint64_t ino;
	uint64_t entry; /* domain, and the inode plus one; 0: empty. Published after ino */
};

struct seen_table {
	struct seen_table *older; /* outgrown, but perhaps still read */
	size_t room, count;       /* room: a power of two */
	uint64_t seed;
	struct seen_slot *slots;  /* behind it, aligned to cache lines */
	uint64_t *marks;          /* behind them, one bit for each of MARKS keys that might be there; set before an entry is published */
};

enum {
	NEAR_BITS = 2,
	LINE = 64,             /* bytes of a cache line */
	MARKS = 8,             /* bits for a slot */
	REGION_BITS = 9,       /* so many numbers side by side have their marks in one cache line */
	WORD_BITS = 6,
	PAGE = 4096,           /* bytes, at least */
};
_Static_assert(sizeof(struct seen_slot) << NEAR_BITS == LINE, "neighbours stand in one cache line");

/*
 * Where the search for it begins. Files of one directory were mostly made together and have numbers side by side; so four neighbours
 * stand in one cache line.
 */
static uint64_t hash_of(const struct seen_table *table, uint32_t domain, uint64_t ino)
{
	uint64_t near = ino & ((1 << NEAR_BITS) - 1);
	return mix64(ino >> NEAR_BITS ^ (uint64_t)domain << 48 ^ table->seed) << NEAR_BITS | near;
}

/*
 * Most files have one link, and then most questions are answered by the marks alone. A directory's files lie in few regions, so
 * theirs stay in the nearest cache, where slots would come from memory, one by one.
 */
static size_t mark_of(const struct seen_table *table, uint32_t domain, uint64_t ino)
{
	uint64_t region = mix64(ino >> REGION_BITS ^ (uint64_t)domain << 48 ^ table->seed);
	return (region << REGION_BITS | (ino & ((1 << REGION_BITS) - 1))) & (table->room * MARKS - 1);
}

static bool is_marked(const struct seen_table *table, uint32_t domain, uint64_t ino)
{
	size_t mark = mark_of(table, domain, ino);
	uint64_t word = __atomic_load_n(&table->marks[mark >> WORD_BITS], __ATOMIC_RELAXED);
	return word >> (mark & ((1 << WORD_BITS) - 1)) & 1;
}

/* By the owner. */
static void set_mark(struct seen_table *table, uint32_t domain, uint64_t ino)
{
	size_t mark = mark_of(table, domain, ino);
	__atomic_fetch_or(&table->marks[mark >> WORD_BITS], UINT64_C(1) << (mark & ((1 << WORD_BITS) - 1)), __ATOMIC_RELAXED);
}

/* The slot of the key, or the empty one where it would go. Returns its entry. */
static uint64_t table_find(const struct seen_table *table, uint32_t domain, uint64_t ino, size_t *ret_slot)
{
	size_t mask = table->room - 1;
	for (size_t slot = hash_of(table, domain, ino) & mask;; slot = (slot + 1) & mask) {
		uint64_t entry = __atomic_load_n(&table->slots[slot].entry, __ATOMIC_ACQUIRE);
		*ret_slot = slot;
		if (!entry || (table->slots[slot].ino == ino && entry >> 32 == domain))
			return entry;
	}
}

static void table_put(struct seen_table *table, uint64_t ino, uint64_t entry)
{
	size_t slot;
	if (table_find(table, (uint32_t)(entry >> 32), ino, &slot))
		return;
	set_mark(table, (uint32_t)(entry >> 32), ino);
	table->slots[slot].ino = ino;
	__atomic_store_n(&table->slots[slot].entry, entry, __ATOMIC_RELEASE);
	table->count++;
}

/*
 * Zeros that have memory of their own. A page that is read before it is written to is one that all share; the first write has it
 * replaced, and every processor at work told to forget it, in the middle of what it does.
 */
static void *zeros(size_t size)
{
	volatile char *at = calloc(1, size);
	for (size_t i = 0; at && i < size; i += PAGE)
		at[i] = 0;
	return (void *)at;
}

static struct seen_table *grown(struct seen_table *old, uint64_t seed)
{
	size_t room = old ? old->room * 2 : 1024;
	struct seen_table *table = zeros(sizeof(*table) + LINE + room * sizeof(*table->slots) + room * MARKS / 8);
	if (!table)
		return NULL;
	table->slots = (struct seen_slot *)(((uintptr_t)(table + 1) + LINE - 1) / LINE * LINE);
	table->marks = (uint64_t *)(table->slots + room);
	table->older = old;
	table->room = room;
	table->seed = seed;
	for (size_t i = 0; old && i < old->room; i++)
		if (old->slots[i].entry)
			table_put(table, old->slots[i].ino, old->slots[i].entry);
	return table;
}

int seen_add(struct seen *seen, uint32_t domain, uint64_t ino, uint32_t inode)
{
	struct seen_table *table = seen->table;
	if (!table || table->count * 2 >= table->room) {
		table = grown(table, seen->seed);
		if (!table)
			return -ENOMEM;
		__atomic_store_n(&seen->table, table, __ATOMIC_RELEASE);
	}
	table_put(table, ino, (uint64_t)domain << 32 | (inode + 1));
	return 0;
}

void seen_prefetch(const struct seen *seen, uint32_t domain, uint64_t ino)
{
	const struct seen_table *table = __atomic_load_n(&seen->table, __ATOMIC_ACQUIRE);
	if (!table)
		return;
	__builtin_prefetch(&table->marks[mark_of(table, domain, ino) >> WORD_BITS]);
	__builtin_prefetch(&table->slots[hash_of(table, domain, ino) & (table->room - 1)]);
}

bool seen_find(const struct seen *seen, uint32_t domain, uint64_t ino, uint32_t *ret_inode)
{
	const struct seen_table *table = __atomic_load_n(&seen->table, __ATOMIC_ACQUIRE);
	size_t slot;
	uint64_t entry = table && is_marked(table, domain, ino) ? table_find(table, domain, ino, &slot) : 0;
	if (entry)
		*ret_inode = (uint32_t)entry - 1;
	return entry;
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
