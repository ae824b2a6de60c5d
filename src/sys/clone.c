/* SPDX-License-Identifier: MIT */
/* clone.c - FIDEDUPERANGE, one range of one target a call */
#include "clone.h"

#include <errno.h>
#include <linux/fs.h>

union dedupe_room {
	struct file_dedupe_range range;
	char room[sizeof(struct file_dedupe_range) + sizeof(struct file_dedupe_range_info)];
};

static int dedupe(int source, int target, uint64_t offset, uint64_t length, uint64_t *ret_done)
{
	union dedupe_room room = { 0 };
	struct file_dedupe_range_info *info = room.range.info;
	room.range.src_offset = offset;
	room.range.src_length = length;
	room.range.dest_count = 1;
	info->dest_fd = target;
	info->dest_offset = offset;
	int r = sys->ioctl(source, FIDEDUPERANGE, &room.range);
	if (r)
		return r;
	if (info->status == FILE_DEDUPE_RANGE_DIFFERS)
		return -EILSEQ;
	*ret_done = info->bytes_deduped;
	return info->status;
}

/* ENOTTY and EINVAL: no file system with extents to share (before Linux 4.5, and ext4); EXDEV: another one, or another mount. */
static bool means_no(int r)
{
	return r == -EOPNOTSUPP || r == -ENOTTY || r == -ENOSYS || r == -EXDEV;
}

int clone_range(int source, int target, uint64_t offset, uint64_t length, uint64_t *ret_done)
{
	uint64_t done = 0;
	int r = dedupe(source, target, offset, length, &done);
	if (r)
		return means_no(r) || (r == -EINVAL && !clone_possible(target)) ? -EOPNOTSUPP : r;
	if (!done)
		return -EIO;
	*ret_done = u64_min(done, length);
	return 0;
}

/*
 * Part of a block onto itself is cut down to nothing where extents can be shared, and unheard of (EOPNOTSUPP) where they cannot: on
 * ext4 and tmpfs, but also on xfs made without reflinks. Linux 6.18; tests/image/cases/reflink.py shows all of them.
 */
bool clone_possible(int fd)
{
	uint64_t done;
	return !means_no(dedupe(fd, fd, 0, 1, &done));
}
