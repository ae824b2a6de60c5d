/* SPDX-License-Identifier: MIT */
/*
 * idmap.h - which owners a user namespace hides (user_namespaces(7))
 *
 * In a user namespace that does not map all ids the kernel shows each owner without a number inside as one and the same, the
 * overflow id: files of two people look like one's.
 */
#ifndef SYS_IDMAP_H
#define SYS_IDMAP_H

#include "sys.h"

/* Zeroed: nobody is hidden. */
struct idmap {
	bool hides_users, hides_groups;
	uint32_t user, group; /* by which those are shown */
};

/* As it is for this process. What cannot be found out counts as hidden. */
void idmap_read(struct idmap *ret);

/*
 * Whether an owner, as statx shows it, may be anybody. So it is also where the overflow id has a number inside: nothing tells its
 * files from those of the hidden.
 */
bool idmap_hides(const struct idmap *idmap, uint32_t uid, uint32_t gid);

#endif
