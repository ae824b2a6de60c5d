/* SPDX-License-Identifier: MIT */
/* remake.h - a second file of the same bytes, without a name until it is whole */
#ifndef SYS_REMAKE_H
#define SYS_REMAKE_H

#include "stamp.h"
#include "xattr.h"

/* A new file without a name in dirfd, to be written. -EOPNOTSUPP where the file system makes none (NFS, some FUSE). */
MUST_CHECK int remake_open(int dirfd, int *ret_fd);

/*
 * Copies the first `size` bytes and makes `to` so long; the file system shares them where it can. Holes are left out: what it calls
 * a hole where `holes_true` (sys/mount.h), elsewhere what was read and is all zeros. `between` is called every some megabytes; not
 * 0 ends the copy and is returned. -ENODATA: the file ended before.
 */
MUST_CHECK int remake_copy(int from, int to, uint64_t size, bool holes_true, int (*between)(void *ctx), void *ctx);

/*
 * Gives it owner, mode, attributes and mtime of the stamp, and takes all other attributes away, such as an ACL that its directory
 * handed down; but for labels that a security module gives every file. -EPERM: it is another in the end.
 */
MUST_CHECK int remake_dress(int fd, const struct stamp *stamp, const struct xattrs *xattrs);

#endif
