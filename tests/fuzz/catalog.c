/* SPDX-License-Identifier: MIT */
/*
 * Catalog operations: a stream of bytes adds directories, files and links, sorts and compares; plain lists say what must come of it.
 */
#include "fuzz.h"

#include <errno.h>

#include "../../src/core/bucket.h"
#include "../../src/core/catalog.h"

enum { MOST = 64, NAME = 6, DOMAINS = 2, DEPTH = MOST + 2 };

struct plain_dir {
	uint32_t parent, root; /* parent ID_NONE: a root */
	char name[NAME];
};

struct plain_path {
	uint32_t dir, inode;
	char name[NAME];
};

struct plain_inode {
	uint64_t ino, size;
	uint32_t domain, links, names, id;
};

/* The catalog, and what is known to be in it. */
static struct {
	struct catalog catalog;
	struct bucket_table buckets;
	struct plain_dir dirs[MOST];
	struct plain_path paths[MOST];
	struct plain_inode inodes[MOST];
	uint32_t dir_count, path_count, inode_count, roots;
} world;

static void take_name(struct fuzz_input *input, char ret[NAME])
{
	size_t length = 1 + fuzz_number(input, NAME - 1);
	for (size_t i = 0; i < length; i++) {
		ret[i] = (char)fuzz_byte(input);
		if (!ret[i] || ret[i] == '/')
			ret[i] = '-';
	}
	ret[length] = '\0';
}

static bool taken(uint32_t dir, const char *name)
{
	for (uint32_t i = 0; i < world.dir_count; i++)
		if (world.dirs[i].parent == dir && !strcmp(world.dirs[i].name, name))
			return true;
	for (uint32_t i = 0; i < world.path_count; i++)
		if (world.paths[i].dir == dir && !strcmp(world.paths[i].name, name))
			return true;
	return false;
}

static void add_dir(struct fuzz_input *input)
{
	struct plain_dir *dir = &world.dirs[world.dir_count];
	struct stamp stamp = { .ino = world.dir_count };
	unsigned parent = fuzz_byte(input);
	if (world.dir_count == MOST)
		return;
	*dir = (struct plain_dir){ .parent = ID_NONE, .root = world.roots };
	if (world.dir_count && parent) {
		dir->parent = parent % world.dir_count;
		dir->root = world.dirs[dir->parent].root;
		take_name(input, dir->name);
		if (taken(dir->parent, dir->name))
			return;
	} else {
		uint32_t root;
		fuzz_check(!catalog_add_root(&world.catalog, "open", "r", &root) && root == world.roots);
		world.roots++;
	}
	fuzz_check(!catalog_set_dir(&world.catalog, (struct dir_id){ world.dir_count }, (struct dir_id){ dir->parent },
				    dir->root, dir->name, strlen(dir->name), &stamp, 0));
	world.dir_count++;
}

static struct plain_inode *find_inode(uint64_t ino, uint32_t domain)
{
	for (uint32_t i = 0; i < world.inode_count; i++)
		if (world.inodes[i].ino == ino && world.inodes[i].domain == domain && world.inodes[i].links > 1)
			return &world.inodes[i];
	return NULL;
}

static struct plain_inode *new_inode(uint64_t ino, uint32_t domain, struct inode_id id, const struct stamp *stamp)
{
	struct plain_inode *inode = &world.inodes[world.inode_count++];
	*inode = (struct plain_inode){ ino, stamp->size, domain, stamp->links, 0, id.v };
	return inode;
}

/* `known`: by its inode alone, as the walk does with names of inodes it has seen. */
static void add_file(struct fuzz_input *input, bool known)
{
	struct plain_path *path = &world.paths[world.path_count];
	uint64_t ino = fuzz_number(input, 16);
	uint32_t domain = fuzz_number(input, DOMAINS);
	struct stamp stamp = { .ino = ino, .links = 1 + fuzz_number(input, 3), .size = fuzz_number(input, 8),
			       .uid = fuzz_number(input, 4) };
	struct plain_inode *inode = find_inode(ino, domain);
	struct inode_id id = { ID_NONE };
	bool fresh = false;
	if (!world.dir_count || world.path_count == MOST)
		return;
	path->dir = fuzz_byte(input) % world.dir_count;
	take_name(input, path->name);
	if (taken(path->dir, path->name))
		return;
	size_t length = strlen(path->name);
	if (known) {
		if (!inode)
			return;
		id.v = inode->id;
		fuzz_check(!catalog_add_name(&world.catalog, (struct dir_id){ path->dir }, path->name, length, id));
	} else {
		fuzz_check(!catalog_add_file(&world.catalog, (struct dir_id){ path->dir }, path->name, length, &stamp, domain,
					     &id, &fresh));
		/* One of a single link is never looked for. */
		fuzz_check(fresh == (stamp.links == 1 || !inode));
		if (fresh) {
			inode = new_inode(ino, domain, id, &stamp);
			fuzz_check(!bucket_add(&world.buckets, id, 0));
		}
		fuzz_check(inode && id.v == inode->id);
	}
	path->inode = inode->id;
	inode->names++;
	world.path_count++;
}

/* ---- order ---- */

static size_t parts_of(const struct plain_path *path, const char *ret[DEPTH])
{
	const char *up[DEPTH];
	size_t count = 0;
	up[count++] = path->name;
	for (uint32_t at = path->dir; world.dirs[at].parent != ID_NONE; at = world.dirs[at].parent)
		up[count++] = world.dirs[at].name;
	for (size_t i = 0; i < count; i++)
		ret[i] = up[count - 1 - i];
	return count;
}

static int plain_order(uint32_t a, uint32_t b)
{
	const char *x[DEPTH], *y[DEPTH];
	const struct plain_path *pa = &world.paths[a], *pb = &world.paths[b];
	uint32_t ra = world.dirs[pa->dir].root, rb = world.dirs[pb->dir].root;
	size_t nx = parts_of(pa, x), ny = parts_of(pb, y);
	if (ra != rb)
		return ra < rb ? -1 : 1;
	for (size_t i = 0; i < nx && i < ny; i++)
		if (strcmp(x[i], y[i]))
			return strcmp(x[i], y[i]);
	return nx < ny ? -1 : nx > ny;
}

static int sign(int n)
{
	return n < 0 ? -1 : n > 0;
}

static void compare_paths(struct fuzz_input *input)
{
	if (!world.path_count)
		return;
	uint32_t a = fuzz_byte(input) % world.path_count, b = fuzz_byte(input) % world.path_count;
	fuzz_check(!catalog_rank_dirs(&world.catalog));
	fuzz_check(sign(catalog_path_order(&world.catalog, (struct path_id){ a }, (struct path_id){ b })) ==
		   sign(plain_order(a, b)));
}

static void check_text(uint32_t p)
{
	const char *parts[DEPTH];
	char expected[DEPTH * NAME + 2] = "r";
	size_t count = parts_of(&world.paths[p], parts);
	char *text = catalog_path_string(&world.catalog, (struct path_id){ p });
	for (size_t i = 0; i < count; i++) {
		strcat(expected, "/");
		strcat(expected, parts[i]);
	}
	fuzz_check(text && !strcmp(text, expected));
	free(text);
}

/* All names of an inode, each once, in its own chain. */
static void check_names(const struct plain_inode *inode, bool sorted)
{
	uint32_t count = 0, before = ID_NONE;
	for (uint32_t at = catalog_inode(&world.catalog, (struct inode_id){ inode->id })->first_path; at != ID_NONE;
	     at = catalog_path(&world.catalog, (struct path_id){ at })->next) {
		fuzz_check(at < world.path_count && world.paths[at].inode == inode->id);
		fuzz_check(!strcmp(catalog_name(&world.catalog, (struct path_id){ at }), world.paths[at].name));
		fuzz_check(!sorted || before == ID_NONE || plain_order(before, at) < 0);
		before = at;
		fuzz_check(++count <= inode->names);
	}
	fuzz_check(count == inode->names);
	fuzz_check(catalog_inode(&world.catalog, (struct inode_id){ inode->id })->names == count);
}

static void sort_names(struct fuzz_input *input)
{
	if (!world.inode_count)
		return;
	const struct plain_inode *inode = &world.inodes[fuzz_byte(input) % world.inode_count];
	fuzz_check(!catalog_rank_dirs(&world.catalog));
	fuzz_check(!catalog_sort_names(&world.catalog, (struct inode_id){ inode->id }));
	check_names(inode, true);
}

/* A bucket is all inodes of its size and domain. */
static void check_bucket(const struct plain_inode *inode)
{
	uint32_t number = catalog_inode(&world.catalog, (struct inode_id){ inode->id })->bucket, same = 0;
	fuzz_check(number < world.buckets.buckets.count);
	for (uint32_t i = 0; i < world.inode_count; i++) {
		const struct plain_inode *other = &world.inodes[i];
		bool alike = other->size == inode->size && other->domain == inode->domain;
		fuzz_check((catalog_inode(&world.catalog, (struct inode_id){ other->id })->bucket == number) == alike);
		same += alike;
	}
	fuzz_check(bucket_at(&world.buckets, number)->count == same);
}

static void check_all(void)
{
	for (uint32_t p = 0; p < world.path_count; p++)
		check_text(p);
	for (uint32_t i = 0; i < world.inode_count; i++) {
		check_names(&world.inodes[i], false);
		check_bucket(&world.inodes[i]);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = { data, size };
	memset(&world, 0, sizeof(world));
	catalog_init(&world.catalog);
	bucket_init(&world.buckets, &world.catalog, 0);
	for (uint32_t i = 0; i < DOMAINS; i++) {
		uint32_t domain;
		struct mount_facts facts = { .dev = 1, .mount = i };
		fuzz_check(!catalog_add_domain(&world.catalog, &facts, &domain) && domain == i);
	}
	while (input.left) {
		switch (fuzz_number(&input, 5)) {
		case 0:
			add_dir(&input);
			break;
		case 1:
			add_file(&input, false);
			break;
		case 2:
			add_file(&input, true);
			break;
		case 3:
			compare_paths(&input);
			break;
		case 4:
			sort_names(&input);
		}
	}
	check_all();
	bucket_free(&world.buckets);
	catalog_free(&world.catalog);
	return 0;
}
