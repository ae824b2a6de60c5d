/* SPDX-License-Identifier: MIT */
/*
 * remake.c - O_TMPFILE, copy_file_range, then owner, mode, attributes and last the time
 *
 * In this order: chown takes setuid bits away, an ACL sets the mode's group bits, and each of them but the last moves ctime only.
 * copy_file_range shares blocks on btrfs and xfs, and copies inside the kernel elsewhere.
 */
#include "remake.h"

#include <errno.h>
#include <string.h>

#include "extent.h"

enum { STEP = 16 << 20, BUFFER = 64 * 1024 };

int remake_open(int dirfd, int *ret_fd)
{
	int fd = sys->openat(dirfd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd == -EISDIR || fd == -ENOENT) /* kernels and file systems that do not know it take it for O_DIRECTORY */
		return -EOPNOTSUPP;
	if (fd < 0)
		return fd;
	*ret_fd = fd;
	return 0;
}

static int write_all(int fd, const char *bytes, size_t length, uint64_t at)
{
	while (length) {
		ssize_t n = sys->pwrite(fd, bytes, length, (off_t)at);
		if (n <= 0)
			return n ? (int)n : -EIO;
		bytes += n;
		length -= (size_t)n;
		at += (uint64_t)n;
	}
	return 0;
}

static bool all_zero(const char *bytes, size_t length)
{
	return !length || (!bytes[0] && !memcmp(bytes, bytes + 1, length - 1));
}

/* Zeros need not be written: `to` was empty, and made as long as the file. */
static int copy_by_hand(int from, int to, uint64_t at, uint64_t end)
{
	char buffer[BUFFER];
	while (at < end) {
		ssize_t n = sys->pread(from, buffer, (size_t)u64_min(sizeof(buffer), end - at), (off_t)at);
		if (n <= 0)
			return n ? (int)n : -ENODATA;
		int r = all_zero(buffer, (size_t)n) ? 0 : write_all(to, buffer, (size_t)n, at);
		if (r)
			return r;
		at += (uint64_t)n;
	}
	return 0;
}

struct copy {
	int from, to;
	bool holes_true;
	int (*between)(void *ctx);
	void *ctx;
};

/* Where holes cannot be trusted, neither can a copy that the file system makes of them by itself: what is read can. */
static int copy_step(const struct copy *copy, uint64_t at, uint64_t end)
{
	int from = copy->from, to = copy->to;
	if (!copy->holes_true)
		return copy_by_hand(from, to, at, end);
	while (at < end) {
		ssize_t n = sys->copy_file_range(from, (off_t)at, to, (off_t)at, (size_t)(end - at));
		if (n <= 0) /* 0: some file systems do not say better that they cannot (/proc); reading tells */
			return copy_by_hand(from, to, at, end);
		at += (uint64_t)n;
	}
	return 0;
}

static int copy_range(const struct copy *copy, uint64_t at, uint64_t end)
{
	int r = 0;
	for (uint64_t next; at < end && !r; at = next) {
		next = u64_min(end, at + STEP);
		r = copy_step(copy, at, next);
		if (!r)
			r = copy->between(copy->ctx);
	}
	return r;
}

int remake_copy(int from, int to, uint64_t size, bool holes_true, int (*between)(void *ctx), void *ctx)
{
	const struct copy copy = { from, to, holes_true, between, ctx };
	int r = sys->ftruncate(to, (off_t)size);
	if (!holes_true)
		return r ? r : copy_range(&copy, 0, size);
	uint64_t begin, end;
	for (uint64_t at = 0; at < size && !r; at = end) {
		r = extent_data(from, at, size, &begin, &end);
		if (!r)
			r = copy_range(&copy, begin, end);
	}
	return r;
}

static int add_attributes(int fd, const struct xattrs *xattrs)
{
	struct xattrs there;
	const char *at = xattrs->bytes, *end = at + xattrs->length;
	int r = xattrs_read(fd, &there);
	if (r)
		return r;
	bool same = xattrs_equal(&there, xattrs);
	xattrs_free(&there);
	while (!same && !r && at < end) {
		const char *name = at;
		uint64_t size;
		at += strlen(at) + 1;
		memcpy(&size, at, sizeof(size));
		at += sizeof(size);
		r = sys->fsetxattr(fd, name, at, (size_t)size);
		at += size;
	}
	return r;
}

int remake_dress(int fd, const struct stamp *stamp, const struct xattrs *xattrs)
{
	int r = sys->fchown(fd, stamp->uid, stamp->gid);
	if (!r)
		r = sys->fchmod(fd, stamp->mode & 07777);
	if (!r)
		r = add_attributes(fd, xattrs);
	return r ? r : sys->futimens(fd, stamp->mtime);
}
