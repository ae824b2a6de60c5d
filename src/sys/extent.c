/* SPDX-License-Identifier: MIT */
/*
 * extent.c - SEEK_DATA, SEEK_HOLE and FIEMAP
 *
 * What the file system does not say is taken for the case that costs time, never correctness: no SEEK_DATA, all is
 * data; no FIEMAP, nothing is shared.
 */
#include "extent.h"

#include <errno.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/fail.h"

int extent_data(int fd, uint64_t from, uint64_t size, uint64_t *ret_begin, uint64_t *ret_end)
{
	off_t begin = from < size ? sys->lseek(fd, (off_t)from, SEEK_DATA) : -ENXIO;
	if (begin == -ENXIO || (begin >= 0 && (uint64_t)begin >= size)) {
		*ret_begin = *ret_end = size;
		return 0;
	}
	if (begin < 0 && fail_kind((int)begin) != FAIL_UNSUPPORTED)
		return (int)begin;
	off_t end = begin < 0 ? -ENXIO : sys->lseek(fd, begin, SEEK_HOLE);
	/* -ENXIO: truncated since the first call; who reads the range meets the end of the file */
	if (end < 0 && end != -ENXIO)
		return (int)end;
	/* A server behind FUSE may answer anything, and a hole may be punched in between: whoever follows the ranges must get on. */
	bool sensible = begin >= (off_t)from && (end < 0 || end > begin);
	*ret_begin = sensible ? (uint64_t)begin : from;
	*ret_end = sensible && end >= 0 ? u64_min((uint64_t)end, size) : size;
	return 0;
}

enum { EXTENTS = 64 };

/* A struct fiemap is followed by its extents. */
union fiemap_room {
	struct fiemap map;
	char room[sizeof(struct fiemap) + EXTENTS * sizeof(struct fiemap_extent)];
};

/* Extents from byte `from` on, `room` at most. Without FIEMAP_FLAG_SYNC: to look must not make the disk write. */
static int fiemap(int fd, uint32_t flags, uint64_t from, uint32_t room, union fiemap_room *ret)
{
	*ret = (union fiemap_room){
		.map = {
			.fm_start = from,
			.fm_length = FIEMAP_MAX_OFFSET - from,
			.fm_flags = flags,
			.fm_extent_count = room,
		},
	};
	return sys->ioctl(fd, FS_IOC_FIEMAP, &ret->map);
}

int extent_shared(int fd, uint64_t *ret_bytes)
{
	union fiemap_room room;
	uint64_t from = 0, bytes = 0;
	for (;;) {
		int r = fiemap(fd, 0, from, EXTENTS, &room);
		if (r < 0 && (fail_kind(r) != FAIL_UNSUPPORTED || from))
			return r;
		if (r < 0 || room.map.fm_mapped_extents == 0)
			break;
		const struct fiemap_extent *extents = room.map.fm_extents;
		const struct fiemap_extent *last = &extents[size_min(room.map.fm_mapped_extents, EXTENTS) - 1];
		for (const struct fiemap_extent *e = extents; e <= last; e++)
			if (e->fe_flags & FIEMAP_EXTENT_SHARED)
				bytes += e->fe_length;
		/* a file system that does not get on must not keep us here for ever */
		if (last->fe_flags & FIEMAP_EXTENT_LAST || last->fe_logical + last->fe_length <= from)
			break;
		from = last->fe_logical + last->fe_length;
	}
	*ret_bytes = bytes;
	return 0;
}

static int map_add(struct extent_map *map, const struct fiemap_extent *e)
{
	const uint32_t unplaced = FIEMAP_EXTENT_UNKNOWN | FIEMAP_EXTENT_DELALLOC | FIEMAP_EXTENT_DATA_INLINE;
	struct extent_run *last = map->count ? &map->runs[map->count - 1] : NULL;
	if (e->fe_flags & unplaced)
		map->placed = false;
	if (!(e->fe_flags & FIEMAP_EXTENT_DATA_INLINE)) {
		map->shareable += e->fe_length;
		map->exclusive += e->fe_flags & FIEMAP_EXTENT_SHARED ? 0 : e->fe_length;
	}
	/* Compressed bytes do not lie side by side as they do in the file. */
	if (last && !(e->fe_flags & FIEMAP_EXTENT_ENCODED) && last->logical + last->length == e->fe_logical &&
	    last->physical + last->length == e->fe_physical) {
		last->length += e->fe_length;
		return 0;
	}
	if (map->count == map->room) {
		size_t room = map->room ? map->room * 2 : 8;
		struct extent_run *runs = realloc(map->runs, room * sizeof(*runs));
		if (!runs)
			return -ENOMEM;
		map->runs = runs;
		map->room = room;
	}
	map->runs[map->count++] = (struct extent_run){ e->fe_logical, e->fe_physical, e->fe_length };
	return 0;
}

int extent_map_read(int fd, struct extent_map *ret)
{
	struct extent_map map = { .placed = true };
	union fiemap_room room;
	bool more = true;
	int r = 0;
	for (uint64_t from = 0; more && !r;) {
		r = fiemap(fd, 0, from, EXTENTS, &room);
		if (r || room.map.fm_mapped_extents == 0)
			break;
		const struct fiemap_extent *extents = room.map.fm_extents;
		const struct fiemap_extent *last = &extents[size_min(room.map.fm_mapped_extents, EXTENTS) - 1];
		for (const struct fiemap_extent *e = extents; e <= last && !r; e++)
			r = map_add(&map, e);
		more = !(last->fe_flags & FIEMAP_EXTENT_LAST) && last->fe_logical + last->fe_length > from;
		from = last->fe_logical + last->fe_length;
	}
	if (r)
		extent_map_free(&map);
	else
		*ret = map;
	return r;
}

void extent_map_free(struct extent_map *map)
{
	free(map->runs);
	*map = (struct extent_map){ 0 };
}

/* The block that holds the extended attributes; false when they lie in the inode, or in more than one. */
static bool attribute_block(int fd, struct fiemap_extent *ret)
{
	const uint32_t nowhere = FIEMAP_EXTENT_UNKNOWN | FIEMAP_EXTENT_DATA_INLINE;
	union fiemap_room room;
	if (fiemap(fd, FIEMAP_FLAG_XATTR, 0, 2, &room) || room.map.fm_mapped_extents != 1)
		return false;
	*ret = room.map.fm_extents[0];
	return !(ret->fe_flags & nowhere);
}

uint64_t extent_attributes_shared(int fd, int other)
{
	struct fiemap_extent a, b;
	if (!attribute_block(fd, &a) || !attribute_block(other, &b))
		return 0;
	return a.fe_physical == b.fe_physical && a.fe_length == b.fe_length ? a.fe_length : 0;
}

int extent_physical(int fd, uint64_t *ret_address)
{
	const uint32_t nowhere = FIEMAP_EXTENT_UNKNOWN | FIEMAP_EXTENT_DELALLOC | FIEMAP_EXTENT_DATA_INLINE;
	union fiemap_room room;
	int r = fiemap(fd, 0, 0, 1, &room);
	if (r < 0)
		return fail_kind(r) == FAIL_UNSUPPORTED ? -EOPNOTSUPP : r;
	if (room.map.fm_mapped_extents == 0 || room.map.fm_extents[0].fe_flags & nowhere)
		return -EOPNOTSUPP;
	*ret_address = room.map.fm_extents[0].fe_physical;
	return 0;
}
