/* SPDX-License-Identifier: MIT */
/* xattr.h - all extended attributes of an open file, ACLs and capabilities included, as one comparable value */
#ifndef SYS_XATTR_H
#define SYS_XATTR_H

#include "sys.h"

/* Bytes that are equal for two files exactly when their attributes are: names in order, each with its value. */
struct xattrs {
	char *bytes; /* NULL when there are none */
	size_t length;
};

/*
 * Reads them. A file system without attributes has none (0). Names that appear in the list but cannot be read for
 * lack of permission make it fail (-EACCES ...): unreadable is not equal. -EAGAIN: one went meanwhile. -ENOMEM, -EIO
 * ...; the caller frees with xattrs_free.
 */
MUST_CHECK int xattrs_read(int fd, struct xattrs *ret);

/* One of them; borrowed. */
struct xattr {
	const char *name, *value;
	size_t size;
};

/* The one at *at, which is moved past it; 0 is where the first is. False: there is no further one. */
bool xattrs_next(const struct xattrs *xattrs, size_t *at, struct xattr *ret);

/* The one of this name. False: there is none. */
bool xattrs_find(const struct xattrs *xattrs, const char *name, struct xattr *ret);

bool xattrs_equal(const struct xattrs *a, const struct xattrs *b);
void xattrs_free(struct xattrs *xattrs);

#endif
