/* SPDX-License-Identifier: MIT */
/*
 * reach.h - from a catalogued directory or file to an open descriptor, never through a symlink
 *
 * Each worker has a cache of directory descriptors. A directory is opened from its nearest cached ancestor, beneath it and
 * without following anything, and must turn out to be the one the scan saw (device, inode, mount): else -ESTALE.
 */
#ifndef CORE_REACH_H
#define CORE_REACH_H

#include "catalog.h"

struct reach_slot {
	int fd;         /* O_PATH */
	uint32_t pins;
	uint64_t used;  /* the clock when it was last asked for */
};

struct reach {
	const struct catalog *catalog; /* borrowed */
	VEC(struct reach_slot *) slots;
	VEC(uint32_t) dirs;  /* of the slots, side by side, to be looked through quickly */
	VEC(uint32_t) chain; /* from the directory that is being opened up to one that is open */
	size_t last;         /* the slot found last: files come directory by directory */
	size_t limit;        /* unpinned slots to keep */
	uint64_t clock;
};

/* Keeps about `limit` directories open, at least 4, and more while they are pinned. */
void reach_init(struct reach *reach, const struct catalog *catalog, size_t limit);
void reach_free(struct reach *reach);

/* The directory's descriptor (O_PATH), valid until the next call unless pinned. -ESTALE, -ENOENT, -ELOOP, -EXDEV, -EMFILE ... */
MUST_CHECK int reach_dir(struct reach *reach, struct dir_id dir, int *ret_fd);

/* The same, and it stays open until reach_unpin. */
MUST_CHECK int reach_pin(struct reach *reach, struct dir_id dir, struct reach_slot **ret_slot);
void reach_unpin(struct reach *reach, struct reach_slot *slot);

/* Opens the file of a path for reading; whether it is still the file of the scan is for the caller to look. */
MUST_CHECK int reach_file(struct reach *reach, struct path_id path, bool mine, int *ret_fd);

#endif
