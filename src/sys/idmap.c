/* SPDX-License-Identifier: MIT */
/*
 * idmap.c - /proc/self/uid_map and gid_map, and the overflow ids
 *
 * One line stands for each stretch of ids: the first inside, the first outside, how many. All of them, -1 left out, are mapped by the one
 * line that the first namespace has, and those that were given all of it; any other map counts as one that hides some.
 */
#include "idmap.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	OVERFLOW_ID = 65534, /* the kernel's, where it cannot be asked (include/linux/highuid.h) */
	TEXT_MOST = 64,      /* a line of a map has 33 */
};

/* The first bytes of a file of /proc, or a negative errno. */
static int read_text(const char *path, char text[TEXT_MOST])
{
	own_fd int fd = sys->openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return fd;
	ssize_t length = sys->pread(fd, text, TEXT_MOST - 1, 0);
	if (length < 0)
		return (int)length;
	text[length] = '\0';
	return 0;
}

static bool maps_all(const char *map)
{
	char *end;
	unsigned long inside = strtoul(map, &end, 10), outside = strtoul(end, &end, 10), count = strtoul(end, &end, 10);
	return !inside && !outside && count == UINT32_MAX;
}

/* A kernel without user namespaces has no map, but it has the directory. */
static bool hides(const char *map)
{
	char text[TEXT_MOST];
	int r = read_text(map, text);
	if (r)
		return r != -ENOENT || sys->faccessat(AT_FDCWD, "/proc/self", F_OK, 0);
	return !maps_all(text);
}

static uint32_t overflow_id(const char *path)
{
	char text[TEXT_MOST], *end;
	if (read_text(path, text))
		return OVERFLOW_ID;
	unsigned long id = strtoul(text, &end, 10);
	return end == text ? OVERFLOW_ID : (uint32_t)id;
}

void idmap_read(struct idmap *ret)
{
	*ret = (struct idmap){ .hides_users = hides("/proc/self/uid_map"), .hides_groups = hides("/proc/self/gid_map") };
	if (ret->hides_users)
		ret->user = overflow_id("/proc/sys/kernel/overflowuid");
	if (ret->hides_groups)
		ret->group = overflow_id("/proc/sys/kernel/overflowgid");
}

bool idmap_hides(const struct idmap *idmap, uint32_t uid, uint32_t gid)
{
	return (idmap->hides_users && uid == idmap->user) || (idmap->hides_groups && gid == idmap->group);
}
