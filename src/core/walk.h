/* SPDX-License-Identifier: MIT */
/*
 * walk.h - parallel, dirfd-relative walk of the roots, straight into the catalog
 *
 * Walkers read directories and look at entries; what they find travels in sealed batches to the calling thread, the only one
 * that touches the catalog; it walks, too, while there is more to walk than the others can take. Symlinks are never followed
 * below a root. Memory and descriptors are bounded by the tree's breadth being worked on, not by its depth.
 */
#ifndef CORE_WALK_H
#define CORE_WALK_H

#include "catalog.h"
#include "manners.h"
#include "reach.h"
#include "roots.h"
#include "rule.h"
#include "tell.h"

/* A temporary name of some run, found on the way; not in the catalog. */
struct walk_temp {
	struct dir_id dir;
	uint32_t name; /* handle in catalog->names */
};

struct walk {
	/* set by the caller */
	struct catalog *catalog;
	const struct roots *roots;
	const struct rule *rule;
	struct tell *tell;
	struct manners *manners; /* may be NULL */
	const struct dlk_options *options;
	bool temps_only; /* look for temporary names alone: files are not even looked at */
	/* called on the calling thread for each inode that is new to the catalog; not 0 ends the walk */
	int (*fresh)(void *ctx, struct inode_id inode, const struct stamp *stamp);
	void *ctx;
	struct reach_kept *kept; /* NULL, or directories with files stay open here, for the caller to free whatever is returned */
	/* filled */
	VEC(struct walk_temp) temps;
	uint64_t files, dirs; /* names that passed the selection; directories entered */
};

/* 0, -ENOMEM, -ECANCELED, or what `fresh` returned. Trouble with single entries is told and counted. */
MUST_CHECK int walk_run(struct walk *walk);

#endif
