/* SPDX-License-Identifier: MIT */
/*
 * reach.h - from a catalogued directory or file to an open descriptor, never through a symlink
 *
 * Each worker has a cache of directory descriptors. A directory is opened from its nearest cached ancestor, beneath it and
 * without following anything, and must turn out to be the one the scan saw (device, inode, mount): else -ESTALE.
 */
#ifndef CORE_REACH_H
#define CORE_REACH_H

#include "../base/pool.h"
#include "catalog.h"

struct reach_slot {
	int fd;         /* O_PATH */
	uint32_t pins;
	uint64_t used;  /* the clock when it was last asked for */
};

/*
 * Directories that the walk left open, by id, so that who reads the files right afterwards need not open them again. Each is
 * the very directory that was walked, even if it was moved since: for reading only.
 */
struct reach_kept {
	int *fds; /* of the first `room` directories; -1: not kept */
	uint32_t room;
	unsigned others; /* descriptors that are left to others, with all room taken */
	uint32_t next;   /* atomic: the first that nobody is closing yet */
	struct pool closing;
};

struct reach {
	const struct catalog *catalog; /* borrowed */
	const struct reach_kept *kept; /* NULL, or borrowed */
	VEC(struct reach_slot *) slots;
	VEC(uint32_t) dirs;  /* of the slots, side by side, to be looked through quickly */
	VEC(uint32_t) chain; /* from the directory that is being opened up to one that is open */
	size_t last;         /* the slot found last: files come directory by directory */
	size_t limit;        /* unpinned slots to keep */
	uint64_t clock;
};

/* Room for as many as leave half of the descriptors to others. -ENOMEM. */
MUST_CHECK int reach_kept_init(struct reach_kept *kept);

/* Takes the descriptor over when there is room for this directory (any thread, for ids of its own). */
static inline bool reach_keep(struct reach_kept *kept, struct dir_id dir, int fd)
{
	if (dir.v >= kept->room)
		return false;
	kept->fds[dir.v] = fd;
	return true;
}

/*
 * Lets the kernel grow its table of descriptors once. When several threads share it, it waits for all processors at each
 * doubling; so this is called while they begin to walk, by a thread that has nothing to do yet.
 */
void reach_kept_expect(const struct reach_kept *kept);

/* Nobody reads any more: begins to close them, many on a thread of its own, since that takes milliseconds. */
void reach_kept_close(struct reach_kept *kept);

/* Closes what is still open, and waits for that thread. A zeroed one is fine. */
void reach_kept_free(struct reach_kept *kept);

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

/* Whether what was opened is this very inode: by now a name may lead to another. */
bool reach_is(const struct catalog *catalog, const struct catalog_inode *inode, int fd);

/*
 * As reach_file with an inode, by the first of its names that still leads to it; else what the last one says, -ESTALE: to another. Where
 * it has a single name, that is for the caller to look.
 */
MUST_CHECK int reach_inode(struct reach *reach, const struct catalog_inode *inode, bool mine, int *ret_fd);

/* By the first of its names that leads somewhere: one call less for each inode, for who may read another and be put right later. */
MUST_CHECK int reach_inode_or_other(struct reach *reach, const struct catalog_inode *inode, bool mine, int *ret_fd);

#endif
