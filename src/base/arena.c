/* SPDX-License-Identifier: MIT */
/*
 * arena.c - strings appended to blocks of one size
 *
 * A string never spans two blocks, so the rest of a block is lost when the next string does not fit: at most a name's
 * length in a megabyte. In return a handle is turned into an address by two additions.
 */
#include "arena.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vec.h"

/* Blocks a 32-bit handle can name. */
enum { BLOCKS_MAX = (UINT64_C(1) << 32) / ARENA_BLOCK };

static int add_block(struct arena *arena)
{
	if (arena->block_count == BLOCKS_MAX)
		return -EOVERFLOW;
	if (arena->block_count == arena->block_room) {
		size_t room = arena->block_room;
		if (vec_grow((void **)&arena->blocks, &room, room + 1, sizeof(*arena->blocks)))
			return -ENOMEM;
		arena->block_room = (uint32_t)room;
	}
	char *block = malloc(ARENA_BLOCK);
	if (!block)
		return -ENOMEM;
	arena->blocks[arena->block_count++] = block;
	arena->used = 0;
	return 0;
}

int arena_add(struct arena *arena, const char *bytes, size_t length, uint32_t *ret_handle)
{
	assert(length < ARENA_BLOCK);
	if (arena->block_count == 0 || length + 1 > ARENA_BLOCK - arena->used) {
		int r = add_block(arena);
		if (r)
			return r;
	}
	char *at = arena->blocks[arena->block_count - 1] + arena->used;
	memcpy(at, bytes, length);
	at[length] = '\0';
	*ret_handle = (arena->block_count - 1) * ARENA_BLOCK + arena->used;
	arena->used += (uint32_t)length + 1;
	return 0;
}

size_t arena_bytes(const struct arena *arena)
{
	return (size_t)arena->block_count * ARENA_BLOCK + arena->block_room * sizeof(*arena->blocks);
}

void arena_free(struct arena *arena)
{
	for (uint32_t i = 0; i < arena->block_count; i++)
		free(arena->blocks[i]);
	free(arena->blocks);
	*arena = (struct arena){ 0 };
}
