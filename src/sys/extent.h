/* SPDX-License-Identifier: MIT */
/* extent.h - where a file's bytes lie: holes, and extents shared with other files */
#ifndef SYS_EXTENT_H
#define SYS_EXTENT_H

#include "sys.h"

/*
 * The next range of data at or after `from`, bounded by `size` (bytes of the file to be looked at): [*ret_begin,
 * *ret_end), not empty and not before `from`. Both equal `size` when only a hole is left. Where SEEK_DATA is not known, or the answers
 * make no sense, all is data. Errors as lseek.
 */
MUST_CHECK int extent_data(int fd, uint64_t from, uint64_t size, uint64_t *ret_begin, uint64_t *ret_end);

/*
 * Bytes of the file that lie in extents shared with other files (reflinks), by FIEMAP. 0 where FIEMAP is unsupported.
 */
MUST_CHECK int extent_shared(int fd, uint64_t *ret_bytes);

/*
 * Bytes of the file's extended attributes that lie in the very block in which those of `other` lie: ext4 stores equal ones once,
 * and counts the block as each file's. 0 where there is none, or where it cannot be known.
 */
uint64_t extent_attributes_shared(int fd, int other);

/* Where all bytes of a file lie, by FIEMAP, for comparing and counting. */
struct extent_map {
	struct extent_run {
		uint64_t logical, physical, length;
	} *runs;             /* next to each other on disk and in the file: one run */
	size_t count, room;
	bool placed;         /* all of it has a place that is known */
	uint64_t shareable;  /* bytes in extents of their own, not in the inode */
	uint64_t exclusive;  /* of these, bytes that no other file shares */
};

/* Errors of FIEMAP; -ENOMEM. Freed with extent_map_free. */
MUST_CHECK int extent_map_read(int fd, struct extent_map *ret);
void extent_map_free(struct extent_map *map);

/* Physical byte address of the first extent, for reading in disk order; -EOPNOTSUPP where unknown. */
MUST_CHECK int extent_physical(int fd, uint64_t *ret_address);

#endif
