/* SPDX-License-Identifier: MIT */
/* stamp.c - struct statx made small and comparable */
#include "stamp.h"

#include <errno.h>
#include <unistd.h>

static int64_t to_ns(const struct statx_timestamp *time)
{
	int64_t ns;
	if (__builtin_mul_overflow(time->tv_sec, NS_PER_S, &ns) || __builtin_add_overflow(ns, time->tv_nsec, &ns))
		return time->tv_sec < 0 ? INT64_MIN : INT64_MAX;
	return ns;
}

static uint8_t to_seal(uint64_t attributes)
{
	return (uint8_t)((attributes & STATX_ATTR_ENCRYPTED ? SEAL_ENCRYPTED : 0) |
			 (attributes & STATX_ATTR_VERITY ? SEAL_VERITY : 0));
}

static void fill(struct stamp *stamp, const struct statx *stx)
{
	*stamp = (struct stamp){
		.dev = (uint64_t)stx->stx_dev_major << 32 | stx->stx_dev_minor,
		.ino = stx->stx_ino,
		.mount = stx->stx_mask & STATX_MNT_ID ? stx->stx_mnt_id : 0,
		.size = stx->stx_size,
		.blocks = stx->stx_blocks,
		.mtime = to_ns(&stx->stx_mtime),
		.ctime = to_ns(&stx->stx_ctime),
		.btime = stx->stx_mask & STATX_BTIME ? to_ns(&stx->stx_btime) : 0,
		.links = stx->stx_nlink,
		.uid = stx->stx_uid,
		.gid = stx->stx_gid,
		.mode = stx->stx_mode,
		.immutable = stx->stx_attributes & (STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND),
		.mount_root = stx->stx_attributes & STATX_ATTR_MOUNT_ROOT,
		.seal = to_seal(stx->stx_attributes),
	};
}

static int look(int dirfd, const char *name, int flags, struct stamp *ret)
{
	struct statx stx;
	int r = sys->statx(dirfd, name, flags | AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT,
			   STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID, &stx);
	if (r < 0)
		return r;
	fill(ret, &stx);
	return 0;
}

int stamp_at(int dirfd, const char *name, struct stamp *ret)
{
	return look(dirfd, name, 0, ret);
}

int stamp_fd(int fd, struct stamp *ret)
{
	return look(fd, "", AT_EMPTY_PATH, ret);
}

bool stamp_same_file(const struct stamp *a, const struct stamp *b)
{
	return a->dev == b->dev && a->ino == b->ino;
}

bool stamp_same_version(const struct stamp *a, const struct stamp *b)
{
	return stamp_same_file(a, b) && a->mode == b->mode && a->size == b->size && a->mtime == b->mtime &&
	       a->uid == b->uid && a->gid == b->gid && a->seal == b->seal;
}

bool stamp_untouched(const struct stamp *a, const struct stamp *b)
{
	return stamp_same_version(a, b) && a->ctime == b->ctime && a->links == b->links;
}

bool stamp_of_others(const struct stamp *stamp)
{
	uid_t us = geteuid();
	bool own_group = us && stamp->gid == getegid();
	mode_t others = own_group ? S_IWOTH : S_IWOTH | S_IWGRP;
	return (stamp->uid && stamp->uid != us) || stamp->mode & others;
}

uint64_t stamp_fingerprint(const struct stamp *stamp)
{
	const uint64_t words[] = {
		stamp->ino, stamp->size, (uint64_t)stamp->mtime, (uint64_t)stamp->uid << 32 | stamp->gid, stamp->mode,
	};
	uint64_t hash = 0;
	for (size_t i = 0; i < countof(words); i++)
		hash = mix64(hash ^ words[i]) + i + 1;
	return hash;
}
