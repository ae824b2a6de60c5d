/* SPDX-License-Identifier: MIT */
/*
 * remake.c - O_TMPFILE, copy_file_range, then owner, attributes, mode, attributes and last the time
 *
 * In this order: chown takes setuid bits and capabilities away; user.* attributes may only be set, but by root, while the mode lets
 * the owner write; an ACL that is taken away leaves its mask in the mode's group bits, and one that is set goes with the mode it had;
 * and each of them but the last moves ctime only.
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

/* ---- dress ---- */

/*
 * What a security module (SELinux, Smack, IMA) gives every file by itself and nobody may take away. It says nothing that the owner
 * said, and where a label is wanted it is set like all else. Capabilities have the same prefix, and are no label.
 */
static bool is_label(const char *name)
{
	static const char prefix[] = "security.";
	return !strncmp(name, prefix, sizeof(prefix) - 1) && strcmp(name, "security.capability") != 0;
}

static bool is_user(const char *name)
{
	static const char prefix[] = "user.";
	return !strncmp(name, prefix, sizeof(prefix) - 1);
}

static bool has(const struct xattrs *xattrs, const struct xattr *one)
{
	struct xattr found;
	return xattrs_find(xattrs, one->name, &found) && found.size == one->size &&
	       !memcmp(found.value, one->value, one->size);
}

static bool is_unwanted(const struct xattrs *wanted, const char *name)
{
	struct xattr found;
	return !is_label(name) && !xattrs_find(wanted, name, &found);
}

/* A new file has what its directory hands down: above all an ACL, which would let in whom the old file did not. */
static int drop_unwanted(int fd, const struct xattrs *there, const struct xattrs *wanted)
{
	struct xattr one;
	int r = 0;
	for (size_t at = 0; !r && xattrs_next(there, &at, &one);)
		if (is_unwanted(wanted, one.name))
			r = sys->fremovexattr(fd, one.name);
	return r;
}

enum when { BEFORE_MODE, AFTER_MODE };

/* One that is there already is not set: a label may be the right one, and not ours to set. */
static int add_wanted(int fd, const struct xattrs *there, const struct xattrs *wanted, enum when when)
{
	struct xattr one;
	int r = 0;
	for (size_t at = 0; !r && xattrs_next(wanted, &at, &one);)
		if (is_user(one.name) == (when == BEFORE_MODE) && !has(there, &one))
			r = sys->fsetxattr(fd, one.name, one.value, one.size);
	return r;
}

static bool as_wanted(const struct xattrs *there, const struct xattrs *wanted)
{
	struct xattr one;
	if (xattrs_equal(there, wanted))
		return true;
	for (size_t at = 0; xattrs_next(there, &at, &one);)
		if (is_unwanted(wanted, one.name))
			return false;
	for (size_t at = 0; xattrs_next(wanted, &at, &one);)
		if (!has(there, &one))
			return false;
	return true;
}

/* What each call did may have been undone by the next, or not been done at all: -EPERM. */
static int look_at_dress(int fd, const struct stamp *stamp, const struct xattrs *xattrs)
{
	struct stamp now;
	struct xattrs there;
	int r = stamp_fd(fd, &now);
	if (!r && (now.uid != stamp->uid || now.gid != stamp->gid || (now.mode & 07777) != (stamp->mode & 07777)))
		r = -EPERM;
	if (!r)
		r = xattrs_read(fd, &there);
	if (r)
		return r;
	r = as_wanted(&there, xattrs) ? 0 : -EPERM;
	xattrs_free(&there);
	return r;
}

int remake_dress(int fd, const struct stamp *stamp, const struct xattrs *xattrs)
{
	struct xattrs there;
	int r = sys->fchown(fd, stamp->uid, stamp->gid);
	if (!r)
		r = xattrs_read(fd, &there);
	if (r)
		return r;
	r = drop_unwanted(fd, &there, xattrs);
	if (!r)
		r = add_wanted(fd, &there, xattrs, BEFORE_MODE);
	if (!r)
		r = sys->fchmod(fd, stamp->mode & 07777);
	if (!r)
		r = add_wanted(fd, &there, xattrs, AFTER_MODE);
	xattrs_free(&there);
	if (!r)
		r = look_at_dress(fd, stamp, xattrs);
	return r ? r : sys->futimens(fd, stamp->mtime);
}
