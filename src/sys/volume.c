/* SPDX-License-Identifier: MIT */
/*
 * volume.c - a file system's UUID, by whichever way this kernel has
 *
 *	FS_IOC_GETFSUUID      Linux 6.9: ext4, xfs, btrfs, tmpfs (made anew at each mount, as its files are), f2fs, bcachefs
 *	XFS_IOC_FSGEOMETRY    xfs before that; its f_fsid is the device's number
 *	statfs f_fsid         ext2 to 4, btrfs (with the subvolume's number in it), tmpfs, ZFS and overlay: made from the UUID
 *
 * Other types put the device's number into f_fsid, which tomorrow may stand for another disk.
 */
#include "volume.h"

#include <errno.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/ioctl.h>

/* Missing from the headers of Linux 6.1. */
#define MAGIC_ZFS 0x2fc12fc1

struct fs_uuid {
	uint8_t length;
	uint8_t bytes[16];
};
#define GET_FS_UUID _IOR(0x15, 0, struct fs_uuid)

/* struct xfs_fsop_geom_v1 of xfs_fs.h, which Linux does not export: only the UUID's place in it matters. */
struct xfs_geometry {
	uint32_t sizes[8];
	uint64_t counts[4];
	uint8_t uuid[16];
	uint32_t rest[8];
};
#define GET_XFS_GEOMETRY _IOR('X', 100, struct xfs_geometry)
_Static_assert(sizeof(struct xfs_geometry) == 112, "as the kernel's");

static bool fsid_is_true(uint32_t magic)
{
	return magic == EXT4_SUPER_MAGIC || magic == BTRFS_SUPER_MAGIC || magic == TMPFS_MAGIC || magic == MAGIC_ZFS ||
	       magic == OVERLAYFS_SUPER_MAGIC;
}

static void take_uuid(const uint8_t *bytes, struct volume *ret)
{
	memcpy(ret->words, bytes, 16);
}

int volume_look(int fd, struct volume *ret)
{
	struct volume volume = { 0 };
	struct fs_uuid uuid = { 0 };
	struct xfs_geometry geometry = { 0 };
	struct statfs statfs;
	int r = sys->fstatfs(fd, &statfs);
	if (r)
		return r;
	uint32_t magic = (uint32_t)statfs.f_type;
	if (sys->ioctl(fd, GET_FS_UUID, &uuid) >= 0 && uuid.length == sizeof(uuid.bytes))
		take_uuid(uuid.bytes, &volume);
	else if (magic == XFS_SUPER_MAGIC && sys->ioctl(fd, GET_XFS_GEOMETRY, &geometry) >= 0)
		take_uuid(geometry.uuid, &volume);
	if (fsid_is_true(magic))
		memcpy(&volume.words[2], &statfs.f_fsid, sizeof(volume.words[2]));
	if (!volume.words[0] && !volume.words[1] && !volume.words[2])
		return -ENODATA;
	*ret = volume;
	return 0;
}
