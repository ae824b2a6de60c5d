/* SPDX-License-Identifier: MIT */
/*
 * mount.h - the link domain of a file, and what its file system can do
 *
 * The kernel links only within one mount: two bind mounts of one file system share st_dev, yet link(2) says EXDEV. So
 * a link domain is a device and a mount id together.
 */
#ifndef SYS_MOUNT_H
#define SYS_MOUNT_H

#include "stamp.h"

struct mount_facts {
	uint64_t dev, mount;    /* as in struct stamp */
	uint32_t link_limit;    /* most links an inode may have; UINT32_MAX where unknown or none */
	bool read_only;
	bool dirent_ino_true;   /* d_ino equals st_ino here (not at mount points), see speed: names already seen */
	bool dirent_end_told;   /* d_off of the last entry, and of no other, is INT64_MAX */
	bool shares_extents;    /* reflinks are possible: ask extent_shared before counting bytes as freed */
	bool holes_true;        /* what SEEK_DATA calls a hole holds zeros, for certain */
	bool leases;            /* leases bind every writer */
	bool leases_here;       /* leases bind at least those who open a file through this mount: worth taking */
	uint32_t block;         /* blocks of files come in multiples of so many bytes, less is none at all; 0: not known */
	uint32_t name_max;      /* most bytes of a name; 0: not told */
	bool no_links;          /* no hard link can be made here; false where that is not known */
	uint64_t whole[2];      /* of which file system this is a part; zeros: not asked, or it has no parts */
};

/* About the file system that fd (any open descriptor, O_PATH too) lies on. */
MUST_CHECK int mount_look(int fd, struct mount_facts *ret);

/*
 * Subvolumes of btrfs have devices of their own, between which no hard link can be made, but blocks can be shared. Asks which
 * file system they are parts of, by its UUID: facts->whole. fd is a directory.
 */
void mount_look_whole(int fd, struct mount_facts *facts);

#endif
