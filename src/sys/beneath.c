/* SPDX-License-Identifier: MIT */
/*
 * beneath.c - openat2 and what stands in for it
 *
 * openat2 is missing before Linux 5.6 (ENOSYS) and under seccomp filters that do not know it (ENOSYS or EPERM). Then
 * each component is opened by itself, O_NOFOLLOW | O_DIRECTORY, and looked at: another mount is -EXDEV.
 *
 * ".." is refused by our own look before either: RESOLVE_BENEATH would allow it inside the tree, but no path of ours
 * has one, and resolved component by component it could lead out.
 */
#include "beneath.h"

#include <errno.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>

#include "../base/fail.h"
#include "stamp.h"

static bool missing(int r)
{
	return r == -ENOSYS || r == -EPERM;
}

/* Without O_NOFOLLOW: openat2 would then answer ENOTDIR, not ELOOP, for a symlink at the end. */
static int dir_flags(bool readable)
{
	return (readable ? O_RDONLY : O_PATH) | O_DIRECTORY | O_CLOEXEC;
}

/* One component, opened by openat. A symlink answers ENOTDIR, because of O_DIRECTORY: told apart here. */
static int open_component(int dirfd, const char *name, bool readable)
{
	int fd = sys->openat(dirfd, name, dir_flags(readable) | O_NOFOLLOW, 0);
	struct stamp stamp;
	if (fd == -ENOTDIR && !stamp_at(dirfd, name, &stamp) && S_ISLNK(stamp.mode))
		return -ELOOP;
	return fd;
}

/*
 * Mount ids where the kernel has them (RESOLVE_NO_XDEV goes by mounts, so btrfs subvolumes are no border), else
 * devices.
 */
static bool same_mount(const struct stamp *a, const struct stamp *b)
{
	return a->mount && b->mount ? a->mount == b->mount : a->dev == b->dev;
}

static int open_on_mount(int dirfd, const char *name, bool readable, const struct stamp *top)
{
	own_fd int fd = open_component(dirfd, name, readable);
	struct stamp stamp;
	int r = fd < 0 ? fd : stamp_fd(fd, &stamp);
	if (r < 0)
		return r;
	return same_mount(&stamp, top) ? steal_fd(&fd) : -EXDEV;
}

/* Cuts the next component off *path into `ret`, slashes before and behind it too. */
static int next_component(const char **path, char ret[NAME_MAX + 1])
{
	const char *begin = *path + strspn(*path, "/");
	size_t length = strcspn(begin, "/");
	if (length > NAME_MAX)
		return -ENAMETOOLONG;
	memcpy(ret, begin, length);
	ret[length] = '\0';
	*path = begin + length + strspn(begin + length, "/");
	return 0;
}

static int walk_components(int dirfd, const char *path, bool readable)
{
	struct stamp top;
	int r = stamp_fd(dirfd, &top);
	if (r < 0)
		return r;
	own_fd int at = -1;
	do {
		char name[NAME_MAX + 1];
		r = next_component(&path, name);
		if (r < 0)
			return r;
		int fd = open_on_mount(at < 0 ? dirfd : at, name, readable && !*path, &top);
		if (fd < 0)
			return fd;
		close_fd(&at);
		at = fd;
	} while (*path);
	return steal_fd(&at);
}

/* -EXDEV, as openat2 has it, for a path that could lead out by its text alone. */
static int check_path(const char *path)
{
	if (*path == '/')
		return -EXDEV;
	for (const char *at = path; *at; at += strspn(at, "/")) {
		size_t length = strcspn(at, "/");
		if (length == 2 && at[0] == '.' && at[1] == '.')
			return -EXDEV;
		at += length;
	}
	return 0;
}

static int check_name(const char *name)
{
	return strchr(name, '/') ? -EXDEV : check_path(name);
}

int beneath_dir(int dirfd, const char *path, bool readable, int *ret_fd)
{
	int fd = check_path(path);
	if (fd < 0)
		return fd;
	const struct open_how how = {
		.flags = (uint64_t)dir_flags(readable),
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV,
	};
	fd = sys->openat2(dirfd, path, &how);
	if (missing(fd))
		fd = walk_components(dirfd, path, readable);
	if (fd < 0)
		return fd;
	*ret_fd = fd;
	return 0;
}

/* For one component O_NOFOLLOW says all that openat2 could. */
int beneath_mount(int dirfd, const char *name, bool readable, int *ret_fd)
{
	int fd = check_name(name);
	if (fd < 0)
		return fd;
	fd = open_component(dirfd, name, readable);
	if (fd < 0)
		return fd;
	*ret_fd = fd;
	return 0;
}

/*
 * O_NOCTTY: a terminal swapped in must not become ours. O_NOATIME is refused (EPERM) when owner or capability is not
 * what the caller believed, e.g. root in a user namespace, or an NFS server that maps root away.
 */
int beneath_file(int dirfd, const char *name, bool mine, int *ret_fd)
{
	const int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	int fd = check_name(name);
	if (fd < 0)
		return fd;
	fd = sys->openat(dirfd, name, mine ? flags | O_NOATIME : flags, 0);
	if (fd == -EPERM && mine)
		fd = sys->openat(dirfd, name, flags, 0);
	if (fd < 0)
		return fd;
	*ret_fd = fd;
	return 0;
}

int beneath_again(int fd, int *ret_fd)
{
	char path[sizeof("/proc/self/fd/-2147483648")];
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	int again = sys->openat(AT_FDCWD, path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0);
	if (again < 0)
		return again;
	*ret_fd = again;
	return 0;
}
