/* SPDX-License-Identifier: MIT */
/* fail.h - kinds of errno in one place, so that no caller keeps a list of its own */
#ifndef BASE_FAIL_H
#define BASE_FAIL_H

#include <stdbool.h>

enum fail_kind {
	FAIL_GONE,        /* the file or a directory above it is not there any more: ENOENT, ENOTDIR, ESTALE */
	FAIL_SWAPPED,     /* something else stands there: ELOOP, EXDEV of openat2, EISDIR, ENXIO, ENODEV, ESPIPE */
	FAIL_DENIED,      /* EACCES, EPERM */
	FAIL_FULL,        /* no room: ENOSPC, EDQUOT */
	FAIL_READ_ONLY,   /* EROFS */
	FAIL_UNSUPPORTED, /* the kernel or file system has no such call: ENOSYS, EOPNOTSUPP, EINVAL, ENOTTY */
	FAIL_IN_USE,      /* EAGAIN, EBUSY, ETXTBSY */
	FAIL_RESOURCE,    /* ours, not the file's: ENOMEM, EMFILE, ENFILE */
	FAIL_OTHER,       /* EIO and the rest */
};

/* The kind of an errno, positive or negative. */
enum fail_kind fail_kind(int error);

/* Whether it says only that the tree is not as it was: gone or swapped. 0 does not. */
bool fail_changed(int error);

#endif
