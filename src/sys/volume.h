/* SPDX-License-Identifier: MIT */
/*
 * volume.h - which file system this is, by a name that outlives a reboot
 *
 * st_dev is a number the kernel gives out anew at each mount. The UUID stays; on btrfs, where each subvolume has inode numbers
 * of its own, the subvolume's number belongs to it.
 */
#ifndef SYS_VOLUME_H
#define SYS_VOLUME_H

#include "sys.h"

struct volume {
	uint64_t words[3]; /* never all zero */
};

/* About the file system that fd, open for reading, lies on. -ENODATA: it has no lasting name (network, FUSE, FAT ...). */
MUST_CHECK int volume_look(int fd, struct volume *ret);

static inline bool volume_equal(const struct volume *a, const struct volume *b)
{
	return a->words[0] == b->words[0] && a->words[1] == b->words[1] && a->words[2] == b->words[2];
}

#endif
