/* SPDX-License-Identifier: MIT */
/*
 * swap.c - link to a temporary name, exchange, rename, unlink: one kernel call each, and what stands in for it
 */
#include "swap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "remake.h"
#include "stamp.h"

/*
 * The kernel answers ENOENT when it wants CAP_DAC_READ_SEARCH for AT_EMPTY_PATH (before 6.10, fs/namei.c). A file
 * without any link left answers ENOENT both ways.
 */
int swap_stage(int fd, int dirfd, const char *temp)
{
	int r = sys->linkat(fd, "", dirfd, temp, AT_EMPTY_PATH);
	if (r != -ENOENT)
		return r;
	char path[sizeof("/proc/self/fd/-2147483648")];
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return sys->linkat(AT_FDCWD, path, dirfd, temp, AT_SYMLINK_FOLLOW);
}

int swap_exchange(int dirfd, const char *temp, const char *name)
{
	return sys->renameat2(dirfd, temp, dirfd, name, RENAME_EXCHANGE);
}

int swap_over(int dirfd, const char *temp, const char *name)
{
	return sys->renameat2(dirfd, temp, dirfd, name, 0);
}

/*
 * With link and unlink there is time between the two: temp is unlinked only if it is still what was linked. If it stays,
 * the file is kept all the same, and the next run finds a second name of it.
 */
int swap_aside(int dirfd, const char *temp, const char *name)
{
	int r = sys->renameat2(dirfd, temp, dirfd, name, RENAME_NOREPLACE);
	if (r != -EINVAL && r != -ENOSYS)
		return r;
	r = sys->linkat(dirfd, temp, dirfd, name, 0);
	struct stamp old, new;
	if (r < 0)
		return r;
	if (!stamp_at(dirfd, temp, &old) && !stamp_at(dirfd, name, &new) && stamp_same_file(&old, &new))
		sys->unlinkat(dirfd, temp, 0);
	return 0;
}

int swap_drop(int dirfd, const char *temp)
{
	return sys->unlinkat(dirfd, temp, 0);
}

/* ---- rescue ---- */

enum { RESCUE_TRIES = 3 };

static int no_pause(void *ctx)
{
	(void)ctx;
	return 0;
}

/* What was cut meanwhile is copied again as it is now. */
static int copy_synced(int from, int to, bool holes_true)
{
	struct stamp stamp;
	int r = -ENODATA;
	for (int tries = 0; r == -ENODATA && tries < RESCUE_TRIES; tries++) {
		r = stamp_fd(from, &stamp);
		if (r == 0)
			r = remake_copy(from, to, stamp.size, holes_true, no_pause, NULL);
	}
	return r < 0 ? r : sys->fdatasync(to);
}

/* Takes back the name we made, unless another file stands at it by now. */
static void take_back(int fd, int dirfd, const char *name)
{
	struct stamp made, there;
	if (!stamp_fd(fd, &made) && !stamp_at(dirfd, name, &there) && stamp_same_file(&made, &there))
		sys->unlinkat(dirfd, name, 0);
}

/*
 * The name of a new file is on disk with the file on ext4, XFS and btrfs; elsewhere its directory is asked. That this failed
 * is not told: the copy is there, and an error would say that there is none.
 */
static void sync_names(int dirfd)
{
	own_fd int fd = sys->openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	if (fd >= 0)
		sys->fdatasync(fd);
}

/* 0600: the copy's owner may be another than the file's, and its readers must not become more. */
int swap_rescue(int fd, bool holes_true, int dirfd, const char *name)
{
	own_fd int copy = sys->openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (copy < 0)
		return copy;
	int r = copy_synced(fd, copy, holes_true);
	if (r < 0)
		take_back(copy, dirfd, name);
	else
		sync_names(dirfd);
	return r;
}
