/* SPDX-License-Identifier: MIT */
/*
 * forest.h - random catalogs, and beside them the plain lists they were made of
 *
 * Names are few and short, with bytes on both sides of '/', so that an order of joined paths would differ from the order of
 * components. Directories reach the catalog in any order, as walkers hand them over.
 */
#ifndef UNIT_FOREST_H
#define UNIT_FOREST_H

#include <stdlib.h>
#include <string.h>

#include "../../src/core/catalog.h"
#include "draw.h"
#include "unit.h"

enum { FOREST_ROOTS = 3, FOREST_DOMAINS = 3, FOREST_NAME = 12 };

struct forest_dir {
	uint32_t parent; /* ID_NONE: a root */
	uint32_t root;
	char name[FOREST_NAME];
};

struct forest_path {
	uint32_t dir;
	uint32_t inode; /* in the catalog */
	char name[FOREST_NAME];
};

struct forest {
	struct catalog catalog;
	VEC(struct forest_dir) dirs;
	VEC(struct forest_path) paths;
};

static const char *const forest_roots[FOREST_ROOTS] = { "x", "", "/y/" };

static inline bool forest_taken(const struct forest *forest, uint32_t dir, const char *name)
{
	for (size_t i = FOREST_ROOTS; i < forest->dirs.count; i++)
		if (forest->dirs.at[i].parent == dir && !strcmp(forest->dirs.at[i].name, name))
			return true;
	for (size_t i = 0; i < forest->paths.count; i++)
		if (forest->paths.at[i].dir == dir && !strcmp(forest->paths.at[i].name, name))
			return true;
	return false;
}

/* A name that is free in the directory. */
static inline void forest_name(const struct forest *forest, uint32_t dir, char ret[FOREST_NAME])
{
	static const char letters[] = "aab-. 0\x01\xff";
	do {
		size_t length = 1 + draw(4);
		for (size_t i = 0; i < length; i++)
			ret[i] = letters[draw(sizeof(letters) - 1)];
		ret[length] = '\0';
	} while (forest_taken(forest, dir, ret));
}

/* Draws roots and `count` directories below them; `narrow` in 16 hang below the one before, so that trees get deep. */
static inline void forest_draw(struct forest *forest, size_t count, unsigned narrow)
{
	for (uint32_t i = 0; i < FOREST_ROOTS; i++) {
		struct forest_dir dir = { .parent = ID_NONE, .root = i };
		must(!vec_push(&forest->dirs, dir));
	}
	while (forest->dirs.count < FOREST_ROOTS + count) {
		size_t have = forest->dirs.count;
		uint32_t parent = draw(16) < narrow ? (uint32_t)have - 1 : (uint32_t)draw(have);
		struct forest_dir dir = { .parent = parent, .root = forest->dirs.at[parent].root };
		forest_name(forest, parent, dir.name);
		must(!vec_push(&forest->dirs, dir));
	}
}

/* A catalog with the directories and no file. */
static inline void forest_sow(struct forest *forest)
{
	struct catalog *catalog = &forest->catalog;
	uint32_t id, *order = malloc(forest->dirs.count * sizeof(*order));
	catalog_init(catalog);
	for (uint32_t i = 0; i < FOREST_ROOTS; i++)
		must(!catalog_add_root(catalog, "open", forest_roots[i], &id) && id == i);
	for (uint32_t i = 0; i < FOREST_DOMAINS; i++) {
		struct mount_facts facts = { .dev = 1 + i / 2, .mount = 7 + i, .link_limit = UINT32_MAX };
		must(!catalog_add_domain(catalog, &facts, &id) && id == i);
	}
	for (uint32_t i = 0; i < forest->dirs.count; i++)
		order[i] = i;
	draw_shuffle(order, forest->dirs.count);
	for (size_t i = 0; i < forest->dirs.count; i++) {
		const struct forest_dir *dir = &forest->dirs.at[order[i]];
		struct stamp stamp = { .ino = 100 + order[i] };
		must(!catalog_set_dir(catalog, (struct dir_id){ order[i] }, (struct dir_id){ dir->parent }, dir->root,
				      dir->name, strlen(dir->name), &stamp, 0));
	}
	must(!catalog_rank_dirs(catalog));
	free(order);
}

static inline void forest_plant(struct forest *forest, size_t count, unsigned narrow)
{
	forest_draw(forest, count, narrow);
	forest_sow(forest);
}

/* Adds a name of the file with this stamp. */
static inline struct inode_id forest_file(struct forest *forest, uint32_t dir, const char *name, const struct stamp *stamp,
					  uint32_t domain)
{
	struct forest_path path = { .dir = dir };
	struct inode_id inode;
	bool fresh;
	must(strlen(name) < sizeof(path.name));
	strcpy(path.name, name);
	must(catalog_add_file(&forest->catalog, (struct dir_id){ dir }, name, strlen(name), stamp, domain,
					  &inode, &fresh) == 0);
	path.inode = inode.v;
	must(vec_push(&forest->paths, path) == 0);
	return inode;
}

static inline void forest_fell(struct forest *forest)
{
	catalog_free(&forest->catalog);
	vec_free(&forest->dirs);
	vec_free(&forest->paths);
	*forest = (struct forest){ 0 };
}

/* ---- the plain way ---- */

enum { FOREST_DEPTH = 256 };

/* The components of a path below its root, the name last. */
static inline size_t forest_parts(const struct forest *forest, uint32_t path, const char *ret[FOREST_DEPTH])
{
	const char *up[FOREST_DEPTH];
	size_t count = 0;
	up[count++] = forest->paths.at[path].name;
	for (uint32_t at = forest->paths.at[path].dir; forest->dirs.at[at].parent != ID_NONE;
	     at = forest->dirs.at[at].parent) {
		must(count < FOREST_DEPTH);
		up[count++] = forest->dirs.at[at].name;
	}
	for (size_t i = 0; i < count; i++)
		ret[i] = up[count - 1 - i];
	return count;
}

static inline uint32_t forest_root(const struct forest *forest, uint32_t path)
{
	return forest->dirs.at[forest->paths.at[path].dir].root;
}

/* <0, 0, >0: by root, then component by component. */
static inline int forest_order(const struct forest *forest, uint32_t a, uint32_t b)
{
	const char *pa[FOREST_DEPTH], *pb[FOREST_DEPTH];
	size_t na = forest_parts(forest, a, pa), nb = forest_parts(forest, b, pb);
	if (forest_root(forest, a) != forest_root(forest, b))
		return forest_root(forest, a) < forest_root(forest, b) ? -1 : 1;
	for (size_t i = 0; i < na && i < nb; i++) {
		int r = strcmp(pa[i], pb[i]);
		if (r)
			return r;
	}
	return na < nb ? -1 : na > nb;
}

/* The path as shown. */
static inline void forest_text(const struct forest *forest, uint32_t path, char *ret)
{
	const char *parts[FOREST_DEPTH];
	size_t count = forest_parts(forest, path, parts);
	strcpy(ret, forest_roots[forest_root(forest, path)]);
	for (size_t i = 0; i < count; i++) {
		if (*ret && ret[strlen(ret) - 1] != '/')
			strcat(ret, "/");
		strcat(ret, parts[i]);
	}
}

#endif
