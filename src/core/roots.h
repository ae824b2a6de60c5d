/* SPDX-License-Identifier: MIT */
/*
 * roots.h - the paths the user gave, looked at once and each kept once
 *
 * A directory given twice, under any spelling, is one root (the first). A file given by itself is a root as well: a name in
 * a directory that is otherwise not walked. When that directory is walked too, the name counts once, as the file root.
 */
#ifndef CORE_ROOTS_H
#define CORE_ROOTS_H

#include "catalog.h"
#include "tell.h"

struct root_dir {
	uint32_t root; /* index in catalog->roots */
	int error;     /* why it could not be opened to be locked (core/lock.c): then it is not walked; or 0 */
	struct stamp stamp;
};

struct root_file {
	uint32_t parent; /* index in parents */
	char *name;
	struct stamp stamp;
};

/* The directory of file roots: not walked, only a place for them. */
struct root_parent {
	uint32_t root;
	struct stamp stamp;
};

struct roots {
	VEC(struct root_dir) dirs;
	VEC(struct root_file) files;
	VEC(struct root_parent) parents;
	bool separate; /* see roots_resolve_with */
};

/*
 * Looks at each path (a symlink is followed; a trailing slash is fine) and adds its root to the catalog. A path that
 * cannot be read, or is neither directory nor regular file, is told as an error and left out. -ENOENT when none is
 * left; -ENOMEM.
 */
MUST_CHECK int roots_resolve(struct catalog *catalog, struct tell *tell, const char *const *paths, size_t count,
			     struct roots *ret);

/*
 * The same with directories in front in which nothing is replaced, nor below. A path below one of them is one as well. `separate`: each file is
 * a root of its own, also those of one directory. -ENOTDIR:
 * one of them is none, or another error with one of them (told): then nothing is to be done at all.
 */
MUST_CHECK int roots_resolve_with(struct catalog *catalog, struct tell *tell, const char *const *references,
				  size_t reference_count, const char *const *paths, size_t count, bool separate,
				  struct roots *ret);
void roots_free(struct roots *roots);

/*
 * The real path of each root of the catalog as it is now, without a slash at the end: "" is the root of all. Errors of opening and
 * asking; -ENOMEM. To be freed by roots_free_paths.
 */
MUST_CHECK int roots_real_path(const struct catalog *catalog, uint32_t root, char **ret); /* of one; the caller frees it */
MUST_CHECK int roots_real_paths(const struct catalog *catalog, char ***ret);
void roots_free_paths(const struct catalog *catalog, char **paths);

/* Appends `"roots": [{"path": ...}, ...]`, real paths, to a record. -ENOMEM. */
MUST_CHECK int roots_add_records(const struct roots *roots, const struct catalog *catalog, char *const *paths,
				 struct text *record);

/* Appends the real path of an entry of a directory; text->failed without memory. */
void roots_add_real_entry(const struct catalog *catalog, char *const *paths, struct dir_id dir, const char *name,
			  struct text *text);

/* Appends the real path of a name; text->failed without memory. */
void roots_add_real(const struct catalog *catalog, char *const *paths, struct path_id path, struct text *text);

/* Opens a root's directory (O_PATH, or listable) and checks that it is the one that was resolved. -ESTALE when not. */
MUST_CHECK int roots_open(const struct catalog *catalog, uint32_t root, const struct stamp *stamp, bool readable,
			  int *ret_fd);

/* Whether a directory is a root of its own (so a walk that meets it from above leaves it alone). */
bool roots_has_dir(const struct roots *roots, const struct stamp *dir);

/* Whether the entry `name` of directory `dir` is a file root. */
bool roots_has_file(const struct roots *roots, const struct stamp *dir, const char *name);

#endif
