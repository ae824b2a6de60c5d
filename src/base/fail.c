/* SPDX-License-Identifier: MIT */
/* fail.c - one switch over errno; what is not listed is FAIL_OTHER, the kind nobody treats gently */
#include "fail.h"

#include <errno.h>

enum fail_kind fail_kind(int error)
{
	switch (error < 0 ? -error : error) {
	case ENOENT:
	case ENOTDIR:
	case ESTALE:
		return FAIL_GONE;
	case ELOOP:
	case EXDEV:
	case EISDIR:
	case ENXIO:
	case ENODEV:
	case ESPIPE:
		return FAIL_SWAPPED;
	case EACCES:
	case EPERM:
		return FAIL_DENIED;
	case ENOSPC:
	case EDQUOT:
		return FAIL_FULL;
	case EROFS:
		return FAIL_READ_ONLY;
	case ENOSYS:
	case EOPNOTSUPP:
	case EINVAL:
	case ENOTTY:
		return FAIL_UNSUPPORTED;
	case EAGAIN:
	case EBUSY:
	case ETXTBSY:
		return FAIL_IN_USE;
	case ENOMEM:
	case EMFILE:
	case ENFILE:
		return FAIL_RESOURCE;
	default:
		return FAIL_OTHER;
	}
}

bool fail_changed(int error)
{
	enum fail_kind kind = fail_kind(error);
	return kind == FAIL_GONE || kind == FAIL_SWAPPED;
}
