/* SPDX-License-Identifier: MIT */
/*
 * tree.c - builds and looks with the system's own calls, never through the table under test
 *
 * Thousands of trees are built, so directories stay from one to the next and contents are made once.
 */
#include "tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "../../src/core/temp.h"

static const char *const dirs[] = { "tree", "tree/d1", "tree/d1/deep", "tree/d2", "out" };

/* ---- contents ---- */

void content_fill(const struct content *content, char *ret_bytes)
{
	for (uint32_t i = 0; i < content->size; i++)
		ret_bytes[i] = (char)(mix64((uint64_t)content->seed << 32 | i / 8) >> i % 8 * 8);
	if (content->sparse)
		memset(ret_bytes + CONTENT_END, 0, content->size - 2 * CONTENT_END);
	if (content->differs_at)
		ret_bytes[content->differs_at] ^= 1;
	if (content->first)
		ret_bytes[0] = content->first;
}

static bool content_equal(const struct content *a, const struct content *b)
{
	return a->seed == b->seed && a->size == b->size && a->differs_at == b->differs_at && a->sparse == b->sparse &&
	       a->first == b->first;
}

/* The bytes of a content, made once. */
static const char *content_bytes(const struct content *content)
{
	static struct {
		struct content content;
		char *bytes;
	} made[TREE_PLANTS];
	size_t i;
	for (i = 0; i < countof(made) && made[i].bytes; i++)
		if (content_equal(&made[i].content, content))
			return made[i].bytes;
	if (i == countof(made)) {
		i = 0;
		free(made[0].bytes);
	}
	made[i].content = *content;
	made[i].bytes = malloc(content->size + 1);
	content_fill(content, made[i].bytes);
	return made[i].bytes;
}

static bool fd_holds(int fd, const struct content *content)
{
	static char buffer[CONTENT_MOST + 1];
	ssize_t n = pread(fd, buffer, content->size + 1, 0);
	return n == (ssize_t)content->size && !memcmp(buffer, content_bytes(content), content->size);
}

/* ---- building ---- */

int tree_open(struct tree *tree, const char *where)
{
	memset(tree, 0, sizeof(*tree));
	snprintf(tree->top, sizeof(tree->top), "%s/dedupe-fault-XXXXXX", where);
	if (!mkdtemp(tree->top))
		return -errno;
	tree->fd = open(tree->top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; i < countof(dirs); i++)
		if (mkdirat(tree->fd, dirs[i], 0755))
			return -errno;
	tree->xattrs = !fsetxattr(tree->fd, "user.tag", "x", 1, 0);
	return 0;
}

static void clear_dir(int top, const char *path)
{
	int fd = openat(top, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.' && (!entry->d_name[1] || entry->d_name[1] == '.') &&
		    strlen(entry->d_name) < 3)
			continue;
		bool mine = false;
		for (size_t i = 0; i < countof(dirs); i++) {
			const char *slash = strrchr(dirs[i], '/');
			mine |= entry->d_type == DT_DIR && !strcmp(slash ? slash + 1 : dirs[i], entry->d_name);
		}
		if (!mine && unlinkat(dirfd(dir), entry->d_name, 0) && errno == EISDIR)
			unlinkat(dirfd(dir), entry->d_name, AT_REMOVEDIR);
	}
	if (dir)
		closedir(dir);
}

static void clear(struct tree *tree)
{
	for (size_t i = 0; i < countof(dirs); i++)
		clear_dir(tree->fd, dirs[i]);
	unlinkat(tree->fd, TREE_JOURNAL, 0);
}

void tree_remove(struct tree *tree)
{
	clear(tree);
	for (size_t i = countof(dirs); i-- > 0;)
		unlinkat(tree->fd, dirs[i], AT_REMOVEDIR);
	close(tree->fd);
	rmdir(tree->top);
}

static int write_file(int top, const struct plant *plant, bool xattrs, int64_t age)
{
	const struct content *content = &plant->content;
	const char *bytes = content_bytes(content);
	int fd = openat(top, plant->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0)
		return -errno;
	ssize_t want = (ssize_t)content->size, n = 0;
	if (content->sparse) {
		n = pwrite(fd, bytes, CONTENT_END, 0);
		n += pwrite(fd, bytes + want - CONTENT_END, CONTENT_END, want - CONTENT_END);
		want = 2 * CONTENT_END;
	} else {
		n = pwrite(fd, bytes, content->size, 0);
	}
	int r = n == want ? 0 : -EIO;
	if (!r && plant->xattr && xattrs && fsetxattr(fd, "user.tag", plant->xattr, strlen(plant->xattr), 0))
		r = -errno;
	/* Times of their own, so that a lost or mixed-up one shows. */
	struct timespec times[2] = { { .tv_sec = 1600000000 - age }, { .tv_sec = 1600000000 - age } };
	if (!r && futimens(fd, times))
		r = -errno;
	close(fd);
	return r;
}

static int plant_one(struct tree *tree, const struct plant *plant, int64_t age)
{
	switch (plant->kind) {
	case PLANT_LINK:
		return linkat(tree->fd, plant->link, tree->fd, plant->path, 0) ? -errno : 0;
	case PLANT_SYMLINK:
		return symlinkat(plant->link, tree->fd, plant->path) ? -errno : 0;
	case PLANT_FIFO:
		return mkfifoat(tree->fd, plant->path, 0644) ? -errno : 0;
	case PLANT_FILE:
		break;
	}
	return write_file(tree->fd, plant, tree->xattrs, age);
}

static const struct plant *plant_at(const struct plant *plants, const char *path)
{
	while (strcmp(plants->path, path) != 0)
		plants++;
	return plants;
}

/* A default ACL, as linux/posix_acl_xattr.h has it: a version, then tag, permissions and id of each entry. */
static const uint8_t default_acl[] = {
	2, 0, 0, 0,
	0x01, 0, 6, 0, 0xff, 0xff, 0xff, 0xff, /* owner */
	0x02, 0, 6, 0, 1, 0, 0, 0,             /* user 1 */
	0x04, 0, 4, 0, 0xff, 0xff, 0xff, 0xff, /* group */
	0x10, 0, 6, 0, 0xff, 0xff, 0xff, 0xff, /* mask */
	0x20, 0, 4, 0, 0xff, 0xff, 0xff, 0xff, /* others */
};

/* Directories of files with attributes give one more to what is made in them from now on. Not every file system can. */
static void hand_down(const struct tree *tree, bool acl)
{
	static const char name[] = "system.posix_acl_default";
	for (size_t i = 0; i < countof(dirs); i++) {
		int fd = openat(tree->fd, dirs[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		int r = acl ? fsetxattr(fd, name, default_acl, sizeof(default_acl), 0) : fremovexattr(fd, name);
		(void)r;
		close(fd);
	}
}

int tree_build(struct tree *tree, const struct plant *plants, size_t count)
{
	int r = 0;
	bool tagged = false;
	clear(tree);
	hand_down(tree, false);
	tree->count = count;
	for (size_t i = 0; i < count && !r; i++) {
		const struct plant *plant = &plants[i];
		const struct plant *file = plant->kind == PLANT_LINK ? plant_at(plants, plant->link) : plant;
		r = plant_one(tree, plant, (int64_t)i);
		tagged = tagged || plant->xattr;
		tree->leaves[i] = (struct leaf){
			.plant = file,
			.path = plant->path,
			.group = strncmp(plant->path, "out/", 4) ? file->group : 0,
			.content = file->content,
			.mode = plant->kind == PLANT_SYMLINK ? S_IFLNK | 0777
				: plant->kind == PLANT_FIFO  ? S_IFIFO | 0644
							     : S_IFREG | 0644,
		};
	}
	if (tagged)
		hand_down(tree, true);
	return r ? r : tree_note(tree);
}

int tree_note(struct tree *tree)
{
	for (size_t i = 0; i < tree->count; i++) {
		struct stat st;
		struct leaf *leaf = &tree->leaves[i];
		if (fstatat(tree->fd, leaf->path, &st, AT_SYMLINK_NOFOLLOW))
			return -errno;
		leaf->ino = st.st_ino;
		leaf->blocks = (uint64_t)st.st_blocks;
	}
	return 0;
}

/* ---- looking ---- */

static const char *last_component(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

struct leaf *tree_find(struct tree *tree, const char *name)
{
	for (size_t i = 0; i < tree->count; i++)
		if (!strcmp(last_component(tree->leaves[i].path), name))
			return &tree->leaves[i];
	return NULL;
}

bool tree_holds(const struct tree *tree, const char *path, const struct content *content)
{
	int fd = openat(tree->fd, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	bool holds = fd >= 0 && fd_holds(fd, content);
	if (fd >= 0)
		close(fd);
	return holds;
}

static bool xattr_right(int fd, const struct plant *plant)
{
	static char value[4096], list[256];
	ssize_t names = flistxattr(fd, list, sizeof(list));
	if (!plant->xattr)
		return names <= 0;
	ssize_t n = fgetxattr(fd, "user.tag", value, sizeof(value));
	return names == (ssize_t)sizeof("user.tag") && n == (ssize_t)strlen(plant->xattr) &&
	       !memcmp(value, plant->xattr, (size_t)n);
}

/* The oldest time of the file itself was given by its place in the table; after linking it is its keeper's. */
static bool time_right(const struct tree *tree, const struct leaf *leaf, int64_t seconds)
{
	if (!leaf->acted && leaf->content.seed != leaf->plant->content.seed)
		return false;
	for (size_t i = 0; i < tree->count; i++) {
		const struct leaf *other = &tree->leaves[i];
		bool equal = other->plant == leaf->plant ||
			     (leaf->plant->group && other->plant->group == leaf->plant->group);
		if (equal && seconds == 1600000000 - (int64_t)i)
			return true;
	}
	return leaf->acted;
}

static const struct content *shown(const struct leaf *leaf)
{
	return leaf->waits ? &leaf->plant->content : &leaf->content;
}

/* What is wrong with an open file, or NULL. */
static const char *file_wrong(const struct tree *tree, const struct leaf *leaf, int fd, const struct stat *st,
			      bool attributes_hold)
{
	if (st->st_size != shown(leaf)->size)
		return "has another size";
	if (!fd_holds(fd, shown(leaf)))
		return "has other bytes";
	if (st->st_uid != geteuid())
		return "has another owner";
	if (attributes_hold && !time_right(tree, leaf, st->st_mtim.tv_sec))
		return "has an mtime that none of its equals had";
	if (tree->xattrs && attributes_hold && !leaf->acted && !xattr_right(fd, leaf->plant))
		return "has other attributes";
	return NULL;
}

static const char *leaf_wrong(const struct tree *tree, const struct leaf *leaf, bool attributes_hold, uint64_t *ret_ino)
{
	struct stat st;
	*ret_ino = 0;
	if (fstatat(tree->fd, leaf->path, &st, AT_SYMLINK_NOFOLLOW))
		return leaf->gone ? NULL : "is not there";
	if (leaf->gone)
		return "was deleted and is there again";
	if (leaf->dir && !leaf->waits)
		return S_ISDIR(st.st_mode) ? NULL : "is no directory any more";
	if (st.st_mode != (leaf->waits ? S_IFREG | 0644 : leaf->mode))
		return "has another type or mode";
	*ret_ino = st.st_ino;
	if (!S_ISREG(st.st_mode))
		return st.st_ino == leaf->ino ? NULL : "is another inode";
	int fd = openat(tree->fd, leaf->path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	const char *wrong = fd < 0 ? "cannot be opened" : file_wrong(tree, leaf, fd, &st, attributes_hold);
	if (fd >= 0)
		close(fd);
	return wrong;
}

static bool known_content(const struct tree *tree, const char *path)
{
	for (size_t i = 0; i < tree->count; i++)
		if (S_ISREG(tree->leaves[i].mode) && (tree_holds(tree, path, &tree->leaves[i].plant->content) ||
						      tree_holds(tree, path, &tree->leaves[i].content)))
			return true;
	return false;
}

static const char *look_at_spare(const struct tree *tree, const char *dir, const struct dirent *entry,
				 struct look *look)
{
	struct spare *spare = &look->spares[look->spare_count];
	struct temp temp;
	struct stat st;
	if (look->spare_count == TREE_SPARE)
		return "is one spare name too many";
	snprintf(spare->path, sizeof(spare->path), "%.60s/%.90s", dir, entry->d_name);
	spare->ino = entry->d_ino;
	spare->temp = temp_parse(entry->d_name, strlen(entry->d_name), &temp);
	look->spare_count++;
	look->temps += spare->temp;
	look->kept += !spare->temp;
	if (!spare->temp && !strstr(entry->d_name, ".dedupe-link-kept-") &&
	    !strstr(entry->d_name, ".dedupe-link-rescued-"))
		return "was planted by nobody";
	if (fstatat(tree->fd, spare->path, &st, AT_SYMLINK_NOFOLLOW) || !S_ISREG(st.st_mode))
		return NULL; /* what an actor put at a name may be no file */
	return known_content(tree, spare->path) ? NULL : "holds bytes that nobody wrote";
}

static bool expected_entry(const struct tree *tree, const char *dir, const char *name)
{
	char path[TREE_PATH];
	if (!strcmp(name, ".") || !strcmp(name, ".."))
		return true;
	snprintf(path, sizeof(path), "%.60s/%.90s", dir, name);
	for (size_t i = 0; i < countof(dirs); i++)
		if (!strcmp(dirs[i], path))
			return true;
	for (size_t i = 0; i < tree->count; i++)
		if (!strcmp(tree->leaves[i].path, path))
			return true;
	return false;
}

static void complain_of(const char *path, const char *wrong, char *complaint, size_t room)
{
	if (wrong && !*complaint)
		snprintf(complaint, room, "%s %s", path, wrong);
}

static void look_at_dir(const struct tree *tree, const char *path, struct look *look, char *complaint, size_t room)
{
	int fd = openat(tree->fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	if (!dir)
		complain_of(path, "cannot be read", complaint, room);
	while (dir && (entry = readdir(dir)))
		if (!expected_entry(tree, path, entry->d_name))
			complain_of(entry->d_name, look_at_spare(tree, path, entry, look), complaint, room);
	if (dir)
		closedir(dir);
}

void tree_look(const struct tree *tree, bool attributes_hold, struct look *ret, char *complaint, size_t room)
{
	memset(ret, 0, sizeof(*ret));
	complaint[0] = '\0';
	for (size_t i = 0; i < countof(dirs); i++)
		look_at_dir(tree, dirs[i], ret, complaint, room);
	for (size_t i = 0; i < tree->count; i++)
		complain_of(tree->leaves[i].path, leaf_wrong(tree, &tree->leaves[i], attributes_hold, &ret->ino[i]),
			    complaint, room);
}
