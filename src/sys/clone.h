/* SPDX-License-Identifier: MIT */
/*
 * clone.h - one file's bytes on the blocks of another, by FIDEDUPERANGE
 *
 * The kernel locks both files, compares the bytes itself, and lets the target share the source's extents only where they are
 * equal, so that no lease and no comparison of ours is needed. Names, inodes and metadata stay what they are.
 */
#ifndef SYS_CLONE_H
#define SYS_CLONE_H

#include "sys.h"

enum { CLONE_MOST = 16 << 20 }; /* bytes of one call: btrfs takes no more at once */

/*
 * Lets [offset, offset + length) of `target` share the blocks of `source`; both bounds on block boundaries, or the end at the
 * end of both files. Either descriptor may be open for reading only, if the target is ours, or may be written, or we
 * are root. *ret_done: bytes from the offset on that are shared now, at least 1.
 *
 * -EILSEQ: they are not equal. -EOPNOTSUPP: no such thing here (file system, kernel, or two mounts). -EPERM, -EROFS, -ETXTBSY ...
 */
MUST_CHECK int clone_range(int source, int target, uint64_t offset, uint64_t length, uint64_t *ret_done);

/* Whether files of the file system of fd (open for reading, not empty) can share extents. Changes nothing. */
bool clone_possible(int fd);

#endif
