/* SPDX-License-Identifier: MIT */
/*
 * arena.h - many short byte strings, kept for the whole run, named by 32-bit handles
 *
 * Bytes are appended to 1 MiB blocks that never move; a handle is block number and offset. A million names of ten
 * bytes cost eleven million bytes and eleven allocations.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base.h"

struct arena {
	char **blocks;
	uint32_t block_count, block_room; /* block_room: how many pointers fit in `blocks` */
	uint32_t used;                    /* bytes of the last block */
};

enum { ARENA_BLOCK = 1 << 20 };

/* Appends `length` bytes (below ARENA_BLOCK) and a NUL. -ENOMEM, or -EOVERFLOW beyond 4 GiB in all. */
MUST_CHECK int arena_add(struct arena *arena, const char *bytes, size_t length, uint32_t *ret_handle);

/* The NUL-terminated string of a handle; stays where it is until arena_free. */
static inline const char *arena_at(const struct arena *arena, uint32_t handle)
{
	return arena->blocks[handle / ARENA_BLOCK] + handle % ARENA_BLOCK;
}

/* Bytes of memory it holds. */
size_t arena_bytes(const struct arena *arena);

void arena_free(struct arena *arena);

#endif
