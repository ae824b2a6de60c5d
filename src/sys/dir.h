/* SPDX-License-Identifier: MIT */
/* dir.h - the entries of an open directory, by getdents64 */
#ifndef SYS_DIR_H
#define SYS_DIR_H

#include "sys.h"

enum dir_type { DIR_UNKNOWN, DIR_FILE, DIR_DIR, DIR_OTHER };

/*
 * Longest name of an entry. Not NAME_MAX: 255 UTF-16 units of exFAT, NTFS or CIFS are up to 765 bytes, a FUSE server may give
 * 1024, since Linux 6.15 anything that a path can hold.
 */
enum { DIR_NAME_MAX = 4095 };

struct dir_entry {
	const char *name; /* valid until the next dir_next */
	size_t length;    /* 1 to DIR_NAME_MAX */
	uint64_t ino;     /* d_ino: not the entry's real inode at a mount point, nor on some file systems (see mount.h) */
	enum dir_type type;
};

enum { DIR_BUFFER = 64 * 1024 };

/* The caller owns fd and buffer (DIR_BUFFER bytes, aligned for uint64_t). */
struct dir {
	int fd;
	char *buffer;
	size_t filled, at;
	bool ended; /* the last entry was reached */
	/* What follows is false or NULL unless the caller sets it. */
	bool end_told; /* an offset of INT64_MAX says that there is nothing behind (see mount.h): a call fewer for each directory */
	/* called with the numbers of many entries at once, before dir_next gives them out one by one; "." and ".." are among them */
	void (*ahead)(void *ctx, uint64_t ino);
	void *ctx;
};

static inline struct dir dir_begin(int fd, char *buffer)
{
	return (struct dir){ .fd = fd, .buffer = buffer };
}

/*
 * 1 and an entry ("." and ".." left out), 0 at the end, which a directory that was removed has reached, or a negative errno; -EIO for
 * a name that cannot be one.
 */
MUST_CHECK int dir_next(struct dir *dir, struct dir_entry *ret);

#endif
