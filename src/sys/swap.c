/* SPDX-License-Identifier: MIT */
/*
 * swap.c - link to a temporary name, exchange, rename, unlink: one kernel call each, and what stands in for it
 */
#include "swap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "extent.h"
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

/* Writes all of it; a short write is followed by another, which says why. */
static int write_all(int fd, const char *bytes, size_t length, uint64_t at)
{
	while (length) {
		ssize_t written = sys->pwrite(fd, bytes, length, (off_t)at);
		if (written < 0)
			return (int)written;
		if (written == 0)
			return -EIO;
		bytes += written;
		length -= (size_t)written;
		at += (uint64_t)written;
	}
	return 0;
}

/* Copies [at, end); ends early, without error, at the end of the file. */
static int copy_range(int from, int to, uint64_t at, uint64_t end)
{
	char buffer[16 * 1024];
	while (at < end) {
		ssize_t length = sys->pread(from, buffer, (size_t)u64_min(sizeof(buffer), end - at), (off_t)at);
		if (length <= 0)
			return (int)length;
		int r = write_all(to, buffer, (size_t)length, at);
		if (r < 0)
			return r;
		at += (uint64_t)length;
	}
	return 0;
}

/* The data, not the holes: a sparse file may be larger than the disk. Then a last byte, if the end is a hole. */
static int copy_data(int from, int to, uint64_t size)
{
	uint64_t copied = 0, begin, end;
	for (uint64_t at = 0; at < size; at = end) {
		int r = extent_data(from, at, size, &begin, &end);
		if (r == 0)
			r = copy_range(from, to, begin, end);
		if (r < 0)
			return r;
		if (begin < end)
			copied = end;
	}
	char last = 0;
	if (copied == size)
		return 0;
	ssize_t length = sys->pread(from, &last, 1, (off_t)size - 1);
	return length <= 0 ? (int)length : write_all(to, &last, 1, size - 1);
}

static int copy_synced(int from, int to)
{
	struct stamp stamp;
	int r = stamp_fd(from, &stamp);
	if (r == 0)
		r = copy_data(from, to, stamp.size);
	return r < 0 ? r : sys->fdatasync(to);
}

/* Takes back the name we made, unless another file stands at it by now. */
static void take_back(int fd, int dirfd, const char *name)
{
	struct stamp made, there;
	if (!stamp_fd(fd, &made) && !stamp_at(dirfd, name, &there) && stamp_same_file(&made, &there))
		sys->unlinkat(dirfd, name, 0);
}

/* 0600: the copy's owner may be another than the file's, and its readers must not become more. */
int swap_rescue(int fd, int dirfd, const char *name)
{
	own_fd int copy = sys->openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (copy < 0)
		return copy;
	int r = copy_synced(fd, copy);
	if (r < 0)
		take_back(copy, dirfd, name);
	return r;
}
