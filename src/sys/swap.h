/* SPDX-License-Identifier: MIT */
/*
 * swap.h - the knife drawer: the only calls that change names
 *
 * No function here looks before it acts or decides anything; core/replace.c and core/recover.c do, and law 2 of the
 * house keeps everybody else out.
 */
#ifndef SYS_SWAP_H
#define SYS_SWAP_H

#include "sys.h"

/*
 * Makes `temp` in dirfd another name of the open file fd: the inode that was compared, whatever its paths say now.
 * Uses AT_EMPTY_PATH, or /proc/self/fd where the kernel wants a capability for that (before 6.10). -EEXIST, -EMLINK,
 * -EXDEV ...
 */
MUST_CHECK int swap_stage(int fd, int dirfd, const char *temp);

/* Exchanges two names of dirfd atomically. -EINVAL, -ENOSYS where the file system cannot. */
MUST_CHECK int swap_exchange(int dirfd, const char *temp, const char *name);

/* Renames temp over name: the old file's name is gone at once. For file systems without exchange. */
MUST_CHECK int swap_over(int dirfd, const char *temp, const char *name);

/* Renames temp to a name that must not exist. -EEXIST; where RENAME_NOREPLACE is unsupported: linkat, then
 * unlinkat if that can be done. */
MUST_CHECK int swap_aside(int dirfd, const char *temp, const char *name);

/* Unlinks temp. Only after a look identified it. */
MUST_CHECK int swap_drop(int dirfd, const char *temp);

/* Creates a new file `name` with the bytes of fd (for a late opener's rescue), synced, its name too; holes as remake_copy(). -EEXIST ... */
MUST_CHECK int swap_rescue(int fd, bool holes_true, int dirfd, const char *name);

#endif
