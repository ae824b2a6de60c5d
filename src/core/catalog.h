/* SPDX-License-Identifier: MIT */
/*
 * catalog.h - what was found: directories, inodes and their names, apart
 *
 * An inode, not a path, is read, hashed and freed; a path is a directory and a name. All three are dense arrays named by
 * typed 32-bit ids: 48 bytes an inode, 12 a path, 32 a directory, and the name's own bytes. One thread fills the catalog
 * (no locks); afterwards it is read by many. Only `linked` is asked by others meanwhile.
 *
 *	roots[]   text                            "photos", as the user gave it
 *	dirs[]    parent, name, inode number      the way to reopen a directory, and how to know it again
 *	paths[]   directory, name, next path      next path of the same inode
 *	inodes[]  who, which version, first path
 *
 * Ids depend on the order of discovery and so on threads. Nothing that is shown may depend on them: order is by path_order.
 */
#ifndef CORE_CATALOG_H
#define CORE_CATALOG_H

#include "../base/arena.h"
#include "../base/text.h"
#include "../base/vec.h"
#include "../sys/mount.h"
#include "../sys/stamp.h"
#include "seen.h"

struct dir_id {
	uint32_t v;
};
struct path_id {
	uint32_t v;
};
struct inode_id {
	uint32_t v;
};
#define ID_NONE UINT32_MAX

struct catalog_root {
	char *open; /* the path to open, symlinks followed; relative to the working directory at the scan */
	bool reference; /* nothing below is replaced */
	char *text; /* what names below are shown with in front: "" for files given without a directory */
};

struct catalog_dir {
	uint64_t ino;
	uint32_t parent; /* ID_NONE: a root */
	uint32_t name;   /* handle in names; of a root: index in roots */
	uint32_t domain;
	uint32_t rank, last;   /* its place among all directories in path order, and that of the last one below it */
	uint32_t root : 31;    /* index in roots */
	bool immutable : 1;    /* or append-only: no name in it can be replaced */
};

struct catalog_path {
	uint32_t dir;
	uint32_t name;
	uint32_t next; /* of the same inode, ID_NONE at the end */
};

struct catalog_inode {
	uint64_t ino;
	uint64_t size;
	int64_t mtime;
	uint64_t blocks : 40; /* 512-byte units */
	uint64_t meta : 24;   /* index in metas */
	uint32_t links;       /* link count as scanned */
	uint32_t first_path;
	uint32_t bucket;      /* the bucket table's: number of its bucket, ID_NONE: in none */
	uint32_t names : 31;  /* how many of its names were found */
	bool sorted : 1;      /* its names are in path order */
};

/* What many inodes have in common, kept once. */
struct catalog_meta {
	uint32_t domain;
	uint32_t uid, gid;
	uint16_t mode;
	bool immutable : 1;
	uint8_t seal : 2; /* of enum stamp_seal */
};

struct catalog {
	VEC(struct catalog_root) roots;
	VEC(struct mount_facts) domains;
	VEC(uint32_t) matches; /* of each domain: the first of those whose files may become one with its own; mostly itself */
	VEC(struct catalog_meta) metas;
	struct seq dirs, paths, inodes;
	struct arena names;
	uint32_t *meta_table;   /* open addressing, metas by value */
	size_t meta_room;
	uint64_t seed;
	struct seen linked;     /* inodes with several links by domain and number, as long as names are added */
	size_t ranked;          /* so many directories have a rank: all, or path order is not to be asked for */
	uint32_t *jumps;        /* of each of them: one above it, mostly far above; NULL where no tree is deep */
};

void catalog_init(struct catalog *catalog);
/* Before anything is added: a random number of the run, for tables by what others choose. */
void catalog_set_seed(struct catalog *catalog, uint64_t seed);
void catalog_free(struct catalog *catalog);

/* Each copies what it is given. -ENOMEM; -EOVERFLOW beyond 4 billion names or 4 GiB of them. */
MUST_CHECK int catalog_add_root(struct catalog *catalog, const char *open, const char *text, uint32_t *ret_root);
/* Domains of one whole (facts->whole) match; but two mounts of one device do not, where one file might match itself. */
MUST_CHECK int catalog_add_domain(struct catalog *catalog, const struct mount_facts *facts, uint32_t *ret_domain);

/*
 * Sets directory `id`; ids are given out by the walker and arrive in any order, but a parent's is lower than its children's.
 * parent ID_NONE: root number `root`.
 */
MUST_CHECK int catalog_set_dir(struct catalog *catalog, struct dir_id id, struct dir_id parent, uint32_t root,
			       const char *name, size_t length, const struct stamp *stamp, uint32_t domain);

/* Adds a name of a file. *ret_fresh: its inode was not known before. */
MUST_CHECK int catalog_add_file(struct catalog *catalog, struct dir_id dir, const char *name, size_t length,
				const struct stamp *stamp, uint32_t domain, struct inode_id *ret_inode,
				bool *ret_fresh);

/* Adds another name of an inode of the catalog. */
MUST_CHECK int catalog_add_name(struct catalog *catalog, struct dir_id dir, const char *name, size_t length,
				struct inode_id inode);

static inline struct catalog_dir *catalog_dir(const struct catalog *c, struct dir_id id)
{
	return seq_at(&c->dirs, id.v);
}

static inline struct catalog_path *catalog_path(const struct catalog *c, struct path_id id)
{
	return seq_at(&c->paths, id.v);
}

static inline struct catalog_inode *catalog_inode(const struct catalog *c, struct inode_id id)
{
	return seq_at(&c->inodes, id.v);
}

static inline const struct catalog_meta *catalog_meta(const struct catalog *c, const struct catalog_inode *inode)
{
	return &c->metas.at[inode->meta];
}

static inline const struct mount_facts *catalog_domain(const struct catalog *c, const struct catalog_inode *inode)
{
	return &c->domains.at[catalog_meta(c, inode)->domain];
}

/* Equal files of the same size are compared when these agree: see catalog.matches. */
static inline uint32_t catalog_match(const struct catalog *c, const struct catalog_inode *inode)
{
	return c->matches.at[catalog_meta(c, inode)->domain];
}

/* Bytes to be read of the whole file: holes are not. */
static inline uint64_t catalog_bytes(const struct catalog_inode *inode)
{
	return u64_min(inode->size, inode->blocks * 512);
}

static inline const char *catalog_name(const struct catalog *c, struct path_id id)
{
	return arena_at(&c->names, catalog_path(c, id)->name);
}

/* The stamp as scanned: ctime and link count stand for nothing in it (stamp_same_version leaves them out). */
struct stamp catalog_stamp(const struct catalog *catalog, const struct catalog_inode *inode);

/* Appends the path as shown: the root's text, then the components. */
void catalog_path_text(const struct catalog *catalog, struct path_id id, struct text *text);
void catalog_dir_text(const struct catalog *catalog, struct dir_id id, struct text *text);

/* A malloc'd path text, or NULL without memory. */
char *catalog_path_string(const struct catalog *catalog, struct path_id id);

/* Ranks the directories, once all are there: before path order is asked for. -ENOMEM. */
MUST_CHECK int catalog_rank_dirs(struct catalog *catalog);

/* Order of paths: by root, then component by component, bytewise. <0, 0, >0. */
int catalog_path_order(const struct catalog *catalog, struct path_id a, struct path_id b);

/*
 * Brings paths into path order; the number goes with its path. In time proportional to paths and directories, where a sort by
 * catalog_path_order would fetch two paths from anywhere in memory for each comparison. -ENOMEM: they are in no order, nor complete.
 */
struct catalog_numbered {
	struct path_id path;
	uint32_t number;
};
MUST_CHECK int catalog_sort_paths(struct catalog *catalog, struct catalog_numbered *paths, size_t count);

/* Brings the names of an inode into path order, so that the first is the first. Of different inodes by any threads. -ENOMEM. */
MUST_CHECK int catalog_sort_names(struct catalog *catalog, struct inode_id id);

#endif
