/* SPDX-License-Identifier: MIT */
/* dir.c - getdents64 into the caller's buffer; no allocation, no copy of names */
#include "dir.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "stamp.h"

static enum dir_type type_of(unsigned char d_type)
{
	switch (d_type) {
	case DT_UNKNOWN:
		return DIR_UNKNOWN;
	case DT_REG:
		return DIR_FILE;
	case DT_DIR:
		return DIR_DIR;
	default:
		return DIR_OTHER;
	}
}

static bool is_dot(const char *name)
{
	return name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]));
}

/* Since it was opened: POSIX has readdir(3) say that this is the end. Without that, ENOENT would be something else. */
static bool is_removed(int fd)
{
	struct stamp now;
	return !stamp_fd(fd, &now) && !now.links;
}

static void look_ahead(const struct dir *dir)
{
	for (size_t at = 0; at < dir->filled;) {
		const struct dirent64 *entry = (const void *)(dir->buffer + at);
		dir->ahead(dir->ctx, entry->d_ino);
		at += entry->d_reclen;
	}
}

int dir_next(struct dir *dir, struct dir_entry *ret)
{
	for (;;) {
		if (dir->at == dir->filled && dir->ended)
			return 0;
		if (dir->at == dir->filled) {
			ssize_t filled = sys->getdents(dir->fd, dir->buffer, DIR_BUFFER);
			if (filled == -ENOENT && is_removed(dir->fd))
				return 0;
			if (filled <= 0)
				return (int)filled;
			dir->filled = (size_t)filled;
			dir->at = 0;
			if (dir->ahead)
				look_ahead(dir);
		}
		const struct dirent64 *entry = (const void *)(dir->buffer + dir->at);
		dir->at += entry->d_reclen;
		dir->ended = dir->end_told && entry->d_off == INT64_MAX;
		if (is_dot(entry->d_name))
			continue;
		size_t length = strlen(entry->d_name);
		/* As getdents64 itself says since Linux 5.5: a FUSE server may answer anything. */
		if (!length || length > DIR_NAME_MAX || memchr(entry->d_name, '/', length))
			return -EIO;
		*ret = (struct dir_entry){
			.name = entry->d_name,
			.length = length,
			.ino = entry->d_ino,
			.type = type_of(entry->d_type),
		};
		return 1;
	}
}
