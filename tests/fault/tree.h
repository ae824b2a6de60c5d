/* SPDX-License-Identifier: MIT */
/*
 * tree.h - small trees of which everything is known: built afresh for each fault, and looked at after it
 *
 *	TOP/tree/...   the root that is worked on
 *	TOP/out/...    beside it: other names of files in it
 *	TOP/journal    for those who write one
 *
 * A tree is a table of plants. What each name must be is kept beside the table, since another program (an actor, see
 * faulty.h) may change it while a run is under way.
 */
#ifndef FAULT_TREE_H
#define FAULT_TREE_H

#include "../../src/base/base.h"
#include "../../src/sys/stamp.h"

enum {
	TREE_PLANTS = 80,
	TREE_SPARE = 80, /* temporary and kept names noted at a look */
	TREE_PATH = 160,
};

#define TREE_JOURNAL "journal"

enum plant_kind { PLANT_FILE, PLANT_LINK, PLANT_SYMLINK, PLANT_FIFO };

/* What a file holds: bytes made of a seed; one byte may be another; the middle may be a hole. */
struct content {
	char seed;
	uint32_t size;
	uint32_t differs_at; /* 0: nowhere */
	bool sparse;
	char first; /* the first byte, overwritten; 0: as made */
};

struct plant {
	const char *path; /* from TOP; the last component is unique in the tree */
	enum plant_kind kind;
	const char *link; /* PLANT_LINK: the plant of which it is another name */
	char group;       /* plants of a group are one file in the end; 0: stays what it is */
	struct content content;
	const char *xattr; /* value of user.tag; NULL: has none */
};

/* A name: what stood at it before the run, and what must stand at it now. */
struct leaf {
	const struct plant *plant; /* that says its content (its own, or that of the file it is a link of) */
	const char *path;
	char group;
	uint64_t ino, blocks; /* before the run */
	struct content content;
	uint16_t mode;
	bool gone, dir; /* an actor deleted it, or put a directory there */
	bool acted;     /* an actor was here: old figures mean nothing */
	bool waits;     /* what the actor made is under another name just now: this one is as it was planted */
};

struct tree {
	char top[TREE_PATH];
	int fd;
	bool xattrs; /* the file system has user attributes */
	size_t count;
	struct leaf leaves[TREE_PLANTS];
};

/* A name that no plant has. */
struct spare {
	char path[TREE_PATH];
	uint64_t ino;
	bool temp; /* else a kept or rescued file */
};

struct look {
	uint64_t ino[TREE_PLANTS]; /* of each leaf, 0: not there or no file */
	struct spare spares[TREE_SPARE];
	size_t spare_count, temps, kept;
};

/* Makes TOP, for trees to come, in directory `where`. */
int tree_open(struct tree *tree, const char *where);
void tree_remove(struct tree *tree);

/* Clears what stands in the tree and plants the table. */
int tree_build(struct tree *tree, const struct plant *plants, size_t count);

/* Notes inode and blocks of each leaf: the state before a run. */
int tree_note(struct tree *tree);

/*
 * Looks at everything. What is wrong with a name (not there, other bytes, other metadata, a name nobody planted) is
 * written to `complaint`, which is empty when all is well. Contents of spares are among those of the plants. Without
 * `attributes_hold` files that differ in attributes alone may have become one.
 */
void tree_look(const struct tree *tree, bool attributes_hold, struct look *ret, char *complaint, size_t room);

/* Whether a spare name (a path of the look, or its last component) holds exactly this content. */
bool tree_holds(const struct tree *tree, const char *path, const struct content *content);

/* The leaf whose last component is `name`, or NULL. */
struct leaf *tree_find(struct tree *tree, const char *name);

/* Fills a buffer of content->size bytes. */
void content_fill(const struct content *content, char *ret_bytes);

enum { CONTENT_MOST = 512 * 1024, CONTENT_END = 8 * 1024 /* data at either end of a sparse file */ };

#endif
