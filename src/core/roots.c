/* SPDX-License-Identifier: MIT */
/*
 * roots.c - operands made unique
 *
 * Directories are compared by device, inode and mount, so that spelling, symlinks and "." play no part; files by their parent
 * directory and name. Both lists are sorted after resolving, so that the walker can ask quickly.
 */
#include "roots.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../base/record.h"

static int order_u64(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

/* Two mounts of one directory are two places: a walk of one does not stand for the other. */
static int order_place(const struct stamp *a, const struct stamp *b)
{
	int r = order_u64(a->ino, b->ino);
	if (!r)
		r = order_u64(a->dev, b->dev);
	return r ? r : order_u64(a->mount, b->mount);
}

static int order_dirs(const void *a, const void *b)
{
	const struct root_dir *x = a, *y = b;
	int r = order_place(&x->stamp, &y->stamp);
	return r ? r : (x->root < y->root ? -1 : x->root > y->root);
}

/* Files by inode of their directory, then name; the mount does not matter, the entry is the same. */
static int order_file_key(const struct stamp *dir_a, const char *name_a, const struct stamp *dir_b, const char *name_b)
{
	int r = order_u64(dir_a->ino, dir_b->ino);
	if (!r)
		r = order_u64(dir_a->dev, dir_b->dev);
	return r ? r : strcmp(name_a, name_b);
}

static int order_files(const void *a, const void *b, void *ctx)
{
	const struct root_file *x = a, *y = b;
	const struct roots *roots = ctx;
	int r = order_file_key(&roots->parents.at[x->parent].stamp, x->name, &roots->parents.at[y->parent].stamp,
			       y->name);
	return r ? r : (x->parent < y->parent ? -1 : x->parent > y->parent);
}

/* ---- resolving ---- */

/*
 * The parent of a file, by the text of its path. Files of one directory given one after another in the order of their names share
 * a root; any other file gets one of its own, so that the order of roots is the order of the arguments.
 */
static int parent_of(struct catalog *catalog, struct roots *roots, const char *open, const char *text, const char *name,
		     uint32_t *ret)
{
	struct root_parent parent;
	const struct root_file *last = roots->files.count ? &roots->files.at[roots->files.count - 1] : NULL;
	if (last && !roots->separate && roots->parents.at[last->parent].root + 1 == catalog->roots.count && strcmp(last->name, name) < 0 &&
	    !strcmp(catalog->roots.at[roots->parents.at[last->parent].root].text, text)) {
		*ret = last->parent;
		return 0;
	}
	own_fd int fd = sys->openat(AT_FDCWD, open, O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
	int r = fd < 0 ? fd : stamp_fd(fd, &parent.stamp);
	if (!r)
		r = catalog_add_root(catalog, open, text, &parent.root);
	if (!r)
		r = vec_push(&roots->parents, parent);
	if (!r)
		*ret = (uint32_t)(roots->parents.count - 1);
	return r;
}

/*
 * A file is kept as its directory and its name. A symlink is resolved first, by asking where the open file really is:
 * replacing the link itself would lose it.
 */
static int add_file(struct catalog *catalog, struct roots *roots, const char *path, int fd, const struct stamp *stamp)
{
	char real[4096], link[64];
	struct stamp named;
	own_free char *copy = NULL;

	if (stamp_at(AT_FDCWD, path, &named) == 0 && !stamp_same_file(&named, stamp)) {
		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		ssize_t n = sys->readlinkat(AT_FDCWD, link, real, sizeof(real));
		if (n < 0 || n == sizeof(real))
			return n < 0 ? (int)n : -ENAMETOOLONG;
		copy = strndup(real, (size_t)n);
	} else {
		copy = strdup(path);
	}
	if (!copy)
		return -ENOMEM;
	char *slash = strrchr(copy, '/'), *name = slash ? slash + 1 : copy;
	own_free char *owned_name = strdup(name);
	if (!owned_name)
		return -ENOMEM;
	struct root_file file = { .name = owned_name, .stamp = *stamp };
	name[0] = '\0'; /* copy is the directory now, with its slash, or empty */
	int r = parent_of(catalog, roots, copy[0] ? copy : ".", copy, owned_name, &file.parent);
	if (!r)
		r = vec_push(&roots->files, file);
	if (!r)
		owned_name = NULL;
	return r;
}

static int add_dir(struct catalog *catalog, struct roots *roots, const char *path, const struct stamp *stamp)
{
	struct root_dir dir = { .stamp = *stamp };
	int r = catalog_add_root(catalog, path, path, &dir.root);
	return r ? r : vec_push(&roots->dirs, dir);
}

/* -ENOTDIR may mean two things: *ret_reason tells a FIFO or a device from a path that leads through a file. */
static int resolve(struct catalog *catalog, struct roots *roots, const char *path, enum dlk_reason *ret_reason)
{
	struct stamp stamp;
	own_fd int fd = sys->openat(AT_FDCWD, path, O_PATH | O_CLOEXEC, 0);
	int r = fd < 0 ? fd : stamp_fd(fd, &stamp);
	if (r)
		return r;
	if (S_ISDIR(stamp.mode))
		return add_dir(catalog, roots, path, &stamp);
	if (S_ISREG(stamp.mode))
		return add_file(catalog, roots, path, fd, &stamp);
	*ret_reason = DLK_REASON_NOT_REGULAR;
	return -ENOTDIR;
}

static void drop_doubles(struct roots *roots)
{
	size_t kept = 0;
	for (size_t i = 0; i < roots->dirs.count; i++)
		if (!kept || order_place(&roots->dirs.at[kept - 1].stamp, &roots->dirs.at[i].stamp))
			roots->dirs.at[kept++] = roots->dirs.at[i];
	roots->dirs.count = kept;

	kept = 0;
	for (size_t i = 0; i < roots->files.count; i++) {
		struct root_file *file = &roots->files.at[i], *last = kept ? &roots->files.at[kept - 1] : NULL;
		if (last && !order_file_key(&roots->parents.at[last->parent].stamp, last->name,
					    &roots->parents.at[file->parent].stamp, file->name))
			free(file->name);
		else
			roots->files.at[kept++] = *file;
	}
	roots->files.count = kept;
}

/* Directories whose names are never replaced; they must be there. */
static int resolve_references(struct catalog *catalog, struct tell *tell, struct roots *roots, const char *const *paths,
			      size_t count)
{
	int r = 0;
	for (size_t i = 0; i < count && !r; i++) {
		size_t dirs = roots->dirs.count;
		enum dlk_reason reason; /* a file is as wrong here as a FIFO */
		r = resolve(catalog, roots, paths[i], &reason);
		if (!r && roots->dirs.count == dirs)
			r = -ENOTDIR;
		if (!r)
			catalog->roots.at[catalog->roots.count - 1].reference = true;
		else if (r != -ENOMEM)
			tell_error(tell, DLK_STAGE_ROOT, paths[i], r);
	}
	return r == -ENOENT ? -ENOTDIR : r;
}

static bool is_reference(const struct catalog *catalog, const struct roots *roots, const struct stamp *dir)
{
	for (size_t i = 0; i < roots->dirs.count; i++)
		if (catalog->roots.at[roots->dirs.at[i].root].reference && stamp_same_file(&roots->dirs.at[i].stamp, dir))
			return true;
	return false;
}

/* Whether a root lies in a reference: asks each directory above it. */
static int mark_nested(struct catalog *catalog, const struct roots *roots, uint32_t root, const struct stamp *stamp)
{
	struct stamp last = *stamp, up;
	own_fd int at = -1;
	bool found = is_reference(catalog, roots, stamp);
	int r = found ? 0 : roots_open(catalog, root, stamp, false, &at);
	while (!found && !r) {
		int above = sys->openat(at, "..", O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
		if (above < 0)
			return above;
		close_fd(&at);
		at = above;
		r = stamp_fd(at, &up);
		if (r || (stamp_same_file(&up, &last) && up.mount == last.mount))
			break;
		found = is_reference(catalog, roots, &up);
		last = up;
	}
	catalog->roots.at[root].reference |= found;
	return r;
}

static int mark_all_nested(struct catalog *catalog, struct tell *tell, const struct roots *roots)
{
	int r = 0;
	for (size_t i = 0; i < roots->dirs.count + roots->parents.count && !r; i++) {
		size_t parent = i - roots->dirs.count;
		bool dir = i < roots->dirs.count;
		uint32_t root = dir ? roots->dirs.at[i].root : roots->parents.at[parent].root;
		r = mark_nested(catalog, roots, root, dir ? &roots->dirs.at[i].stamp : &roots->parents.at[parent].stamp);
		if (r)
			tell_error(tell, DLK_STAGE_ROOT, catalog->roots.at[root].open, r);
	}
	return r == -ENOENT ? -ENOTDIR : r;
}

int roots_resolve_with(struct catalog *catalog, struct tell *tell, const char *const *references, size_t reference_count,
		       const char *const *paths, size_t count, bool separate, struct roots *ret)
{
	struct roots roots = { .separate = separate };
	int r = resolve_references(catalog, tell, &roots, references, reference_count), last = r;
	for (size_t i = 0; i < count && !r && last != -ENOMEM; i++) {
		enum dlk_reason reason = DLK_REASON_NONE;
		last = resolve(catalog, &roots, paths[i], &reason);
		if (last && last != -ENOMEM)
			tell_error_because(tell, DLK_STAGE_ROOT, paths[i], last, reason);
	}
	if (!r)
		r = last == -ENOMEM ? last : roots.dirs.count || roots.files.count ? 0 : -ENOENT;
	if (r) {
		roots_free(&roots);
		return r;
	}
	if (roots.dirs.count)
		qsort(roots.dirs.at, roots.dirs.count, sizeof(*roots.dirs.at), order_dirs);
	if (roots.files.count)
		qsort_r(roots.files.at, roots.files.count, sizeof(*roots.files.at), order_files, &roots);
	drop_doubles(&roots);
	if (reference_count)
		r = mark_all_nested(catalog, tell, &roots);
	if (r)
		roots_free(&roots);
	else
		*ret = roots;
	return r;
}

int roots_resolve(struct catalog *catalog, struct tell *tell, const char *const *paths, size_t count, struct roots *ret)
{
	return roots_resolve_with(catalog, tell, NULL, 0, paths, count, false, ret);
}

void roots_free(struct roots *roots)
{
	for (size_t i = 0; i < roots->files.count; i++)
		free(roots->files.at[i].name);
	vec_free(&roots->files);
	vec_free(&roots->dirs);
	vec_free(&roots->parents);
}

int roots_open(const struct catalog *catalog, uint32_t root, const struct stamp *stamp, bool readable, int *ret_fd)
{
	struct stamp now;
	int flags = O_DIRECTORY | O_CLOEXEC | (readable ? O_RDONLY | O_NONBLOCK : O_PATH);
	own_fd int fd = sys->openat(AT_FDCWD, catalog->roots.at[root].open, flags, 0);
	int r = fd < 0 ? fd : stamp_fd(fd, &now);
	if (r)
		return r;
	if (!stamp_same_file(&now, stamp) || now.mount != stamp->mount)
		return -ESTALE;
	*ret_fd = steal_fd(&fd);
	return 0;
}

bool roots_has_dir(const struct roots *roots, const struct stamp *dir)
{
	size_t low = 0, high = roots->dirs.count;
	while (low < high) {
		size_t middle = (low + high) / 2;
		int r = order_place(&roots->dirs.at[middle].stamp, dir);
		if (!r)
			return true;
		if (r < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

bool roots_has_file(const struct roots *roots, const struct stamp *dir, const char *name)
{
	size_t low = 0, high = roots->files.count;
	while (low < high) {
		size_t middle = (low + high) / 2;
		const struct root_file *file = &roots->files.at[middle];
		int r = order_file_key(&roots->parents.at[file->parent].stamp, file->name, dir, name);
		if (!r)
			return true;
		if (r < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

/* ---- real paths ---- */

enum { REAL_MOST = 16 * 1024 };

static int real_path(const char *open, char **ret)
{
	char link[64];
	own_free char *real = malloc(REAL_MOST + 1);
	own_fd int fd = sys->openat(AT_FDCWD, open, O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
	if (fd < 0 || !real)
		return fd < 0 ? fd : -ENOMEM;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t n = sys->readlinkat(AT_FDCWD, link, real, REAL_MOST);
	if (n < 0 || n == REAL_MOST)
		return n < 0 ? (int)n : -ENAMETOOLONG;
	real[n == 1 ? 0 : n] = '\0';
	*ret = steal(&real);
	return 0;
}

int roots_real_path(const struct catalog *catalog, uint32_t root, char **ret)
{
	return real_path(catalog->roots.at[root].open, ret);
}

int roots_real_paths(const struct catalog *catalog, char ***ret)
{
	char **paths = calloc(catalog->roots.count + 1, sizeof(*paths));
	int r = paths ? 0 : -ENOMEM;
	for (size_t i = 0; i < catalog->roots.count && !r; i++)
		r = real_path(catalog->roots.at[i].open, &paths[i]);
	if (r)
		roots_free_paths(catalog, paths);
	else
		*ret = paths;
	return r;
}

void roots_free_paths(const struct catalog *catalog, char **paths)
{
	for (size_t i = 0; paths && i < catalog->roots.count; i++)
		free(paths[i]);
	free(paths);
}

static int add_record(const struct catalog *catalog, char *const *paths, uint32_t root, const char *name,
		      struct text *record)
{
	struct text path = { 0 };
	text_puts(&path, paths[root]);
	if (name || !path.count)
		text_puts(&path, "/");
	text_puts(&path, name ? name : "");
	record_begin(record, NULL, '{');
	if (!path.failed)
		record_add_name(record, "path", path.at);
	if (catalog->roots.at[root].reference)
		record_add_bool(record, "reference", true);
	record_end(record, '}');
	int r = path.failed || record->failed ? -ENOMEM : 0;
	text_free(&path);
	return r;
}

int roots_add_records(const struct roots *roots, const struct catalog *catalog, char *const *paths, struct text *record)
{
	int r = 0;
	record_begin(record, "roots", '[');
	for (size_t i = 0; i < roots->dirs.count && !r; i++)
		r = add_record(catalog, paths, roots->dirs.at[i].root, NULL, record);
	for (size_t i = 0; i < roots->files.count && !r; i++)
		r = add_record(catalog, paths, roots->parents.at[roots->files.at[i].parent].root, roots->files.at[i].name,
			       record);
	record_end(record, ']');
	return r;
}

void roots_add_real_entry(const struct catalog *catalog, char *const *paths, struct dir_id dir, const char *name,
			  struct text *text)
{
	uint32_t root = catalog_dir(catalog, dir)->root;
	struct text shown = { 0 };
	catalog_dir_text(catalog, dir, &shown);
	const char *below = shown.at ? shown.at + size_min(strlen(catalog->roots.at[root].text), shown.count) : "";
	below += strspn(below, "/");
	text_puts(text, paths[root]);
	text_puts(text, "/");
	text_puts(text, below);
	if (*below && below[strlen(below) - 1] != '/')
		text_puts(text, "/");
	text_puts(text, name);
	text->failed |= shown.failed;
	text_free(&shown);
}

void roots_add_real(const struct catalog *catalog, char *const *paths, struct path_id path, struct text *text)
{
	roots_add_real_entry(catalog, paths, (struct dir_id){ catalog_path(catalog, path)->dir }, catalog_name(catalog, path),
			     text);
}
