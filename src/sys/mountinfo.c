/* SPDX-License-Identifier: MIT */
/* mountinfo.c - the lines of /proc/self/mountinfo, cut where they stand */
#include "mountinfo.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../base/fail.h"

/* "\040" and its like in /proc/self/mountinfo are octal bytes. */
static void unescape(char *text)
{
	char *to = text;
	for (const char *from = text; *from;) {
		if (from[0] == '\\' && from[1] && from[2] && from[3]) {
			*to++ = (char)((from[1] - '0') * 64 + (from[2] - '0') * 8 + (from[3] - '0'));
			from += 4;
		} else {
			*to++ = *from++;
		}
	}
	*to = '\0';
}

static bool parse_mount(char *line, struct mount_line *ret)
{
	int at = 0;
	if (sscanf(line, "%llu %llu %u:%u %n", &ret->id, &ret->parent, &ret->major, &ret->minor, &at) != 4 || !at)
		return false;
	ret->root = line + at;
	ret->point = strchr(ret->root, ' ');
	if (!ret->point)
		return false;
	*ret->point++ = '\0';
	char *end = strchr(ret->point, ' '), *dash = end ? strstr(end, " - ") : NULL;
	ret->type = dash ? dash + 3 : ret->point + strlen(ret->point);
	ret->type[strcspn(ret->type, " ")] = '\0';
	if (end)
		*end = '\0';
	unescape(ret->root);
	unescape(ret->point);
	return true;
}

static int read_file(const char *path, struct text *ret)
{
	char buffer[4096];
	own_fd int fd = sys->openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
	off_t at = 0;
	ssize_t n = fd;
	while (fd >= 0 && (n = sys->pread(fd, buffer, sizeof(buffer), at)) > 0) {
		text_add(ret, buffer, (size_t)n);
		at += n;
	}
	return n < 0 ? (int)n : ret->failed ? -ENOMEM : 0;
}

int mounts_read(struct mounts *ret)
{
	int r = read_file("/proc/self/mountinfo", &ret->info);
	for (char *line = ret->info.at, *next; !r && line && *line; line = next) {
		struct mount_line mount;
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		if (parse_mount(line, &mount))
			r = vec_push(&ret->lines, mount);
	}
	return fail_kind(r) == FAIL_RESOURCE ? r : 0;
}

void mounts_free(struct mounts *mounts)
{
	vec_free(&mounts->lines);
	text_free(&mounts->info);
}

/* The root of a file system is a directory, but a FUSE server's may be a file. */
static bool may_be_file(const struct mount_line *mount)
{
	return strcmp(mount->root, "/") || !strncmp(mount->type, "fuse", 4);
}

/* Nothing is asked of what is mounted there: a server may be away. autofs would mount at this look. */
static bool is_file(const struct mount_line *mount)
{
	if (!strcmp(mount->type, "autofs"))
		return false;
	own_fd int fd = sys->openat(AT_FDCWD, mount->point, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
	return fd == -ENOTDIR;
}

bool mounts_cover_file(const struct mounts *mounts, uint64_t mount)
{
	for (size_t i = 0; i < mounts->lines.count; i++) {
		const struct mount_line *line = &mounts->lines.at[i];
		if (line->parent == mount && line->id != mount && may_be_file(line) && is_file(line))
			return true;
	}
	return false;
}
