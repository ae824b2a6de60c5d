/* SPDX-License-Identifier: MIT */
/* mountinfo.h - the table of mounts, as /proc/self/mountinfo has it (Documentation/filesystems/proc.rst, 3.5) */
#ifndef SYS_MOUNTINFO_H
#define SYS_MOUNTINFO_H

#include "../base/text.h"
#include "../base/vec.h"
#include "sys.h"

struct mount_line {
	unsigned long long id, parent;
	unsigned major, minor;
	char *root, *point, *type; /* into the line */
};

/* Zeroed is valid: no line. */
struct mounts {
	struct text info;
	VEC(struct mount_line) lines;
};

/* Without /proc the table is empty. Else -ENOMEM, -EMFILE, -ENFILE, with what was read so far; to be freed whatever is returned. */
MUST_CHECK int mounts_read(struct mounts *ret);
void mounts_free(struct mounts *mounts);

/*
 * Whether something is mounted on another thing than a directory of this mount (an id as in struct stamp): the entry there has the
 * inode number of what is covered.
 */
bool mounts_cover_file(const struct mounts *mounts, uint64_t mount);

#endif
