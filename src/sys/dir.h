/* SPDX-License-Identifier: MIT */
/* dir.h - the entries of an open directory, by getdents64 */
#ifndef SYS_DIR_H
#define SYS_DIR_H

#include "sys.h"

enum dir_type { DIR_UNKNOWN, DIR_FILE, DIR_DIR, DIR_OTHER };

struct dir_entry {
	const char *name; /* valid until the next dir_next */
	size_t length;
	uint64_t ino;     /* d_ino: not the entry's real inode at a mount point, nor on some file systems (see mount.h) */
	enum dir_type type;
};

enum { DIR_BUFFER = 64 * 1024 };

/* The caller owns fd and buffer (DIR_BUFFER bytes, aligned for uint64_t). */
struct dir {
	int fd;
	char *buffer;
	size_t filled, at;
};

static inline struct dir dir_begin(int fd, char *buffer)
{
	return (struct dir){ .fd = fd, .buffer = buffer };
}

/* 1 and an entry ("." and ".." left out), 0 at the end, or a negative errno. */
MUST_CHECK int dir_next(struct dir *dir, struct dir_entry *ret);

#endif
