/* SPDX-License-Identifier: MIT */
/*
 * mount.c - what a file system can do, by its type
 *
 * The kernel tells none of this, so there is a table of the types whose source was read. What is not in it is taken for
 * the worst: entries' inode numbers and holes not to be trusted, extents perhaps shared, leases not known to bind every writer.
 */
#include "mount.h"

#include <errno.h>
#include <linux/btrfs.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* Missing from <linux/magic.h> of Linux 6.1. */
#define MAGIC_ZFS      0x2fc12fc1
#define MAGIC_BCACHEFS 0xca451a4e
/* In none: fs/hfs/hfs.h, fs/vboxsf/super.c. */
#define MAGIC_HFS    0x4244
#define MAGIC_VBOXSF 0x786f4256

struct kind {
	uint32_t magic;
	uint32_t link_limit;
	bool dirent_ino_true, dirent_end_told, shares_extents, holes_true, leases, leases_here;
};

/*
 * Limits: EXT4_LINK_MAX 65000 (for ext3 too by the ext4 driver; the old ext2 driver stops at 32000 and says EMLINK:
 * ext2, 3 and 4 share one magic), XFS_MAXLINK 2^31 - 1, BTRFS_LINK_MAX 65535. An overlay's is that of its upper
 * layer.
 *
 * Leases: on network and FUSE file systems they bind at best the writers on this machine. An overlay gives a lease on
 * its own inode while a shared writable mapping is held on the one below (seen on 6.18: test_sys with TMPDIR on an
 * overlay and this line changed). Both still show who opens a file above; a network file system's answer may say
 * nothing at all.
 *
 * Entries' inode numbers: btrfs gives the entry of a subvolume another number than its root's inode, but that is a
 * directory, and the names of files are true. An overlay makes numbers up (Documentation/filesystems/overlayfs.rst,
 * "Inode properties").
 *
 * Where the entries end: ext4 keeps the highest offset for what lies behind the last one, and gives no hash of a name that value
 * (fs/ext4/hash.c, ext4fs_dirhash; directories without hashes have offsets below their size). btrfs and tmpfs have INT_MAX there, which
 * an entry could have, too.
 *
 * Holes: ZFS told them where data was not written out yet, more than once (openzfs/zfs issues 11900, 15526), and it, or anything, may
 * lie behind FUSE, a network file system or an overlay.
 */
static const struct kind kinds[] = {
	{ EXT4_SUPER_MAGIC, 65000, true, true, false, true, true, true },
	{ XFS_SUPER_MAGIC, 2147483647, true, false, true, true, true, true },
	{ BTRFS_SUPER_MAGIC, 65535, true, false, true, true, true, true },
	{ TMPFS_MAGIC, UINT32_MAX, true, false, false, true, true, true },
	{ RAMFS_MAGIC, UINT32_MAX, true, false, false, true, true, true },
	{ F2FS_SUPER_MAGIC, UINT32_MAX, true, false, false, true, true, true },
	{ OVERLAYFS_SUPER_MAGIC, UINT32_MAX, false, false, true, false, false, true },
	{ FUSE_SUPER_MAGIC, UINT32_MAX, false, false, true, false, false, true },
	{ MAGIC_ZFS, UINT32_MAX, false, false, true, false, true, true },
	{ MAGIC_BCACHEFS, UINT32_MAX, false, false, true, false, true, true },
};

static const struct kind *kind_of(uint32_t magic)
{
	static const struct kind unknown = { 0, UINT32_MAX, false, false, true, false, false, false };
	for (size_t i = 0; i < countof(kinds); i++)
		if (kinds[i].magic == magic)
			return &kinds[i];
	return &unknown;
}

/*
 * link(2) says EPERM where the inode_operations of directories have no link (fs/namei.c, vfs_link), as those of fs/fat, fs/exfat, fs/hpfs,
 * fs/hfs and fs/vboxsf. What lies behind FUSE nobody knows before it was tried.
 */
static bool no_links(uint32_t magic)
{
	static const uint32_t without[] = { MSDOS_SUPER_MAGIC, EXFAT_SUPER_MAGIC, HPFS_SUPER_MAGIC, MAGIC_HFS, MAGIC_VBOXSF };
	for (size_t i = 0; i < countof(without); i++)
		if (without[i] == magic)
			return true;
	return false;
}

/*
 * A read-only subvolume or snapshot of btrfs lies on a mount that may be written: statfs does not tell, asking for write access
 * does, even root (fs/btrfs/inode.c, btrfs_permission).
 */
static bool read_only(int fd, const struct statfs *statfs)
{
	return statfs->f_flags & ST_RDONLY || sys->faccessat(fd, "", W_OK, AT_EACCESS | AT_EMPTY_PATH) == -EROFS;
}

/*
 * Of a file that lies in its inode (inline_data) ext4 tells as many blocks as its bytes would need, so that nobody takes it for a hole
 * (fs/ext4/inode.c, ext4_file_getattr). They are less than a block of the file system, and nothing is freed with them.
 */
static uint32_t block_of(const struct statfs *statfs)
{
	return (uint32_t)statfs->f_type == EXT4_SUPER_MAGIC ? (uint32_t)statfs->f_bsize : 0;
}

int mount_look(int fd, struct mount_facts *ret)
{
	struct stamp stamp;
	int r = stamp_fd(fd, &stamp);
	if (r < 0)
		return r;
	struct statfs statfs;
	r = sys->fstatfs(fd, &statfs);
	if (r < 0)
		return r;
	/* f_type is a signed long on some machines: compare what the magic numbers have, 32 bits */
	const struct kind *kind = kind_of((uint32_t)statfs.f_type);
	*ret = (struct mount_facts){
		.dev = stamp.dev,
		.mount = stamp.mount,
		.link_limit = kind->link_limit,
		.read_only = read_only(fd, &statfs),
		.dirent_ino_true = kind->dirent_ino_true,
		.dirent_end_told = kind->dirent_end_told,
		.shares_extents = kind->shares_extents,
		.holes_true = kind->holes_true,
		.leases = kind->leases,
		.leases_here = kind->leases_here,
		.block = block_of(&statfs),
		.name_max = statfs.f_namelen > 0 ? (uint32_t)statfs.f_namelen : 0,
		.no_links = no_links((uint32_t)statfs.f_type),
	};
	return 0;
}

void mount_look_whole(int fd, struct mount_facts *facts)
{
	struct btrfs_ioctl_fs_info_args info = { 0 };
	struct statfs statfs;
	_Static_assert(sizeof(info.fsid) == sizeof(facts->whole), "a UUID");
	if (sys->fstatfs(fd, &statfs) || (uint32_t)statfs.f_type != BTRFS_SUPER_MAGIC)
		return;
	own_fd int dir = sys->openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0); /* an O_PATH descriptor cannot be asked */
	if (dir >= 0 && sys->ioctl(dir, BTRFS_IOC_FS_INFO, &info) >= 0)
		memcpy(facts->whole, info.fsid, sizeof(facts->whole));
}
