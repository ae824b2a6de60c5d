/* SPDX-License-Identifier: MIT */
/* stamp.h - statx: who a file is, and which version of it */
#ifndef SYS_STAMP_H
#define SYS_STAMP_H

#include "sys.h"

/* What the file system does to the content on the way to whoever reads it, while the bytes compare equal. */
enum stamp_seal {
	SEAL_ENCRYPTED = 1 << 0, /* fscrypt: once the key is removed no name of the file can be opened */
	SEAL_VERITY = 1 << 1,    /* fs-verity: it can be written to no more, and what the disk made of it is not handed out */
};

/*
 * Times are ns since the epoch, saturated to the range of int64_t (years 1677 to 2262): further out two times look
 * equal, which only makes a change of time alone go unnoticed, never a change of content (bytes decide).
 */
struct stamp {
	uint64_t dev; /* major << 32 | minor */
	uint64_t ino;
	uint64_t mount;  /* stx_mnt_id; 0 where the kernel has none (before 5.8) */
	uint64_t size;
	uint64_t blocks; /* 512-byte units */
	int64_t mtime, ctime;
	uint32_t links;
	uint32_t uid, gid;
	uint16_t mode;   /* type and permission bits */
	bool immutable : 1;  /* immutable or append-only attribute: can be neither linked to nor renamed */
	bool mount_root : 1; /* the root of a mount */
	uint8_t seal : 2;    /* of enum stamp_seal */
	int64_t btime;   /* birth; 0 where the file system has none */
};

/* The file `name` in dirfd, symlinks not followed, automounts not triggered. */
MUST_CHECK int stamp_at(int dirfd, const char *name, struct stamp *ret);
MUST_CHECK int stamp_fd(int fd, struct stamp *ret);

/* Device and inode agree: names of one file (if both are looked at while one of them is held open). */
bool stamp_same_file(const struct stamp *a, const struct stamp *b);

/* Same file, type, size, mtime, owner, mode and seal: what another program's change of content or metadata would move.
 * Leaves out ctime and the link count, which our own steps move. */
bool stamp_same_version(const struct stamp *a, const struct stamp *b);

/* stamp_same_version and ctime and link count: nothing at all happened in between. */
bool stamp_untouched(const struct stamp *a, const struct stamp *b);

/*
 * Whether somebody else than this process's user and root could have written the file: its owner, anybody, its group, or whom an ACL
 * names, which shows in the group's bits. A user's own group is taken for theirs alone, as where the umask is 002; root's is not.
 */
bool stamp_of_others(const struct stamp *stamp);

static inline bool stamp_regular(const struct stamp *s)
{
	return S_ISREG(s->mode);
}

/*
 * One number for stamp_same_version without the size of a struct: for temp names that recovery must recognise, so it
 * never changes. The device is left out: its number may be another one after a reboot; and the seal, which came later.
 */
uint64_t stamp_fingerprint(const struct stamp *stamp);

#endif
