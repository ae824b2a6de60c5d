/* SPDX-License-Identifier: MIT */
/*
 * beneath.h - opening without ever leaving the tree: openat2, or component by component where it is missing
 *
 * A path below a trusted directory descriptor is resolved with RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV:
 * a directory swapped for a symlink, a ".." or a mount in the way is an error (-ELOOP, -EXDEV), not a detour.
 */
#ifndef SYS_BENEATH_H
#define SYS_BENEATH_H

#include "sys.h"

/*
 * Opens the directory at `path` (relative, below PATH_MAX, several components allowed) for further *at calls. With
 * `readable` it can be listed too (O_RDONLY); else it is O_PATH. -ELOOP, -EXDEV, -ENOTDIR when something else stands
 * in the way.
 */
MUST_CHECK int beneath_dir(int dirfd, const char *path, bool readable, int *ret_fd);

/* As beneath_dir, but one component, which may be a mount point. */
MUST_CHECK int beneath_mount(int dirfd, const char *name, bool readable, int *ret_fd);

/*
 * Opens the regular file `name` (one component) for reading: O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, and
 * O_NOATIME where allowed (owner, CAP_FOWNER). `mine`: the file's owner is our effective uid or we are root, so that
 * O_NOATIME is worth trying. A FIFO or device swapped in opens without waiting: look at the stamp before reading.
 */
MUST_CHECK int beneath_file(int dirfd, const char *name, bool mine, int *ret_fd);

/*
 * Opens what a descriptor stands for once more, for reading: an O_PATH descriptor, so that nothing is read that was not looked at; or
 * one for writing that is in the way of a lease. No name is looked up. -ENOENT where /proc is not mounted.
 */
MUST_CHECK int beneath_again(int fd, int *ret_fd);

#endif
