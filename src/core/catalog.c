/* SPDX-License-Identifier: MIT */
/*
 * catalog.c - the three arrays and the two small tables that lead into them
 *
 * The one idea: a file with link count 1, the ordinary case, needs no look-up at all. Only inodes with several links are in
 * a table, and only owner, mode and domain together (`meta`), of which there are few, are kept apart.
 */
#include "catalog.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

void catalog_init(struct catalog *catalog)
{
	*catalog = (struct catalog){ 0 };
	seq_init(&catalog->dirs, sizeof(struct catalog_dir));
	seq_init(&catalog->paths, sizeof(struct catalog_path));
	seq_init(&catalog->inodes, sizeof(struct catalog_inode));
}

void catalog_free(struct catalog *catalog)
{
	for (size_t i = 0; i < catalog->roots.count; i++) {
		free(catalog->roots.at[i].open);
		free(catalog->roots.at[i].text);
	}
	vec_free(&catalog->roots);
	vec_free(&catalog->domains);
	vec_free(&catalog->matches);
	vec_free(&catalog->metas);
	seq_free(&catalog->dirs);
	seq_free(&catalog->paths);
	seq_free(&catalog->inodes);
	arena_free(&catalog->names);
	free(catalog->meta_table);
	free(catalog->linked_table);
	catalog_init(catalog);
}

int catalog_add_root(struct catalog *catalog, const char *open, const char *text, uint32_t *ret_root)
{
	own_free char *open_copy = strdup(open);
	own_free char *text_copy = strdup(text);
	if (!open_copy || !text_copy)
		return -ENOMEM;
	struct catalog_root root = { .open = open_copy, .text = text_copy };
	if (vec_push(&catalog->roots, root))
		return -ENOMEM;
	open_copy = text_copy = NULL;
	*ret_root = (uint32_t)(catalog->roots.count - 1);
	return 0;
}

static bool of_one_whole(const struct mount_facts *a, const struct mount_facts *b)
{
	return (a->whole[0] || a->whole[1]) && a->whole[0] == b->whole[0] && a->whole[1] == b->whole[1];
}

/* The first of the domains that a new one matches; itself when there is none. */
static uint32_t find_match(const struct catalog *catalog, const struct mount_facts *facts)
{
	uint32_t count = (uint32_t)catalog->domains.count, match = count;
	for (uint32_t i = 0; i < count && match == count; i++)
		if (of_one_whole(&catalog->domains.at[i], facts))
			match = catalog->matches.at[i];
	for (uint32_t i = 0; i < count; i++)
		if (catalog->matches.at[i] == match && catalog->domains.at[i].dev == facts->dev)
			return count;
	return match;
}

int catalog_add_domain(struct catalog *catalog, const struct mount_facts *facts, uint32_t *ret_domain)
{
	for (size_t i = 0; i < catalog->domains.count; i++) {
		if (catalog->domains.at[i].dev == facts->dev && catalog->domains.at[i].mount == facts->mount) {
			*ret_domain = (uint32_t)i;
			return 0;
		}
	}
	if (vec_push(&catalog->matches, find_match(catalog, facts)))
		return -ENOMEM;
	if (vec_push(&catalog->domains, *facts)) {
		catalog->matches.count--;
		return -ENOMEM;
	}
	*ret_domain = (uint32_t)(catalog->domains.count - 1);
	return 0;
}

int catalog_set_dir(struct catalog *catalog, struct dir_id id, struct dir_id parent, uint32_t root, const char *name,
		    size_t length, const struct stamp *stamp, uint32_t domain)
{
	uint32_t handle = root;
	int r = parent.v == ID_NONE ? 0 : arena_add(&catalog->names, name, length, &handle);
	if (!r && id.v >= catalog->dirs.count)
		r = seq_resize(&catalog->dirs, (size_t)id.v + 1);
	if (r)
		return r;
	/* The depth is filled in when it is first asked for: the parent may not have arrived yet. */
	*catalog_dir(catalog, id) = (struct catalog_dir){
		.ino = stamp->ino,
		.parent = parent.v,
		.name = handle,
		.domain = domain,
		.depth = 0,
		.root = root,
		.immutable = stamp->immutable,
	};
	return 0;
}

/* ---- tables: powers of two, ID_NONE is empty, at most half full ---- */

static uint32_t *table_new(size_t room)
{
	uint32_t *table = malloc(room * sizeof(*table));
	if (table)
		memset(table, 0xff, room * sizeof(*table));
	return table;
}

static uint64_t meta_hash(const struct catalog_meta *m)
{
	uint64_t owner = mix64((uint64_t)m->uid << 32 | m->gid);
	return mix64(owner ^ ((uint64_t)m->domain << 32 | (uint32_t)m->mode << 1 | m->immutable));
}

static bool meta_equal(const struct catalog_meta *a, const struct catalog_meta *b)
{
	return a->domain == b->domain && a->uid == b->uid && a->gid == b->gid && a->mode == b->mode &&
	       a->immutable == b->immutable;
}

static size_t meta_slot(const struct catalog *catalog, const struct catalog_meta *meta)
{
	size_t mask = catalog->meta_room - 1;
	size_t slot = meta_hash(meta) & mask;
	while (catalog->meta_table[slot] != ID_NONE &&
	       !meta_equal(&catalog->metas.at[catalog->meta_table[slot]], meta))
		slot = (slot + 1) & mask;
	return slot;
}

static int meta_table_grow(struct catalog *catalog)
{
	size_t room = catalog->meta_room ? catalog->meta_room * 2 : 64;
	uint32_t *table = table_new(room);
	if (!table)
		return -ENOMEM;
	free(catalog->meta_table);
	catalog->meta_table = table;
	catalog->meta_room = room;
	for (uint32_t i = 0; i < catalog->metas.count; i++)
		table[meta_slot(catalog, &catalog->metas.at[i])] = i;
	return 0;
}

static int meta_intern(struct catalog *catalog, const struct stamp *stamp, uint32_t domain, uint32_t *ret)
{
	struct catalog_meta meta = { domain, stamp->uid, stamp->gid, stamp->mode, stamp->immutable };
	if (catalog->metas.count * 2 >= catalog->meta_room && meta_table_grow(catalog))
		return -ENOMEM;
	size_t slot = meta_slot(catalog, &meta);
	if (catalog->meta_table[slot] == ID_NONE) {
		if (catalog->metas.count >= 1 << 24) /* the field's width in struct catalog_inode */
			return -EOVERFLOW;
		if (vec_push(&catalog->metas, meta))
			return -ENOMEM;
		catalog->meta_table[slot] = (uint32_t)(catalog->metas.count - 1);
	}
	*ret = catalog->meta_table[slot];
	return 0;
}

static size_t linked_slot(const struct catalog *catalog, uint64_t ino, uint32_t domain)
{
	size_t mask = catalog->linked_room - 1;
	size_t slot = mix64(ino ^ (uint64_t)domain << 48) & mask;
	for (;; slot = (slot + 1) & mask) {
		if (catalog->linked_table[slot] == ID_NONE)
			return slot;
		const struct catalog_inode *inode =
			catalog_inode(catalog, (struct inode_id){ catalog->linked_table[slot] });
		if (inode->ino == ino && catalog_meta(catalog, inode)->domain == domain)
			return slot;
	}
}

static int linked_table_grow(struct catalog *catalog)
{
	size_t old_room = catalog->linked_room, room = old_room ? old_room * 2 : 256;
	own_free uint32_t *old = catalog->linked_table;
	uint32_t *table = table_new(room);
	if (!table) {
		old = NULL; /* still the catalog's */
		return -ENOMEM;
	}
	catalog->linked_table = table;
	catalog->linked_room = room;
	for (size_t i = 0; i < old_room; i++) {
		if (old[i] == ID_NONE)
			continue;
		const struct catalog_inode *inode = catalog_inode(catalog, (struct inode_id){ old[i] });
		table[linked_slot(catalog, inode->ino, catalog_meta(catalog, inode)->domain)] = old[i];
	}
	return 0;
}

static uint32_t *linked_find(struct catalog *catalog, uint64_t ino, uint32_t domain)
{
	if (catalog->linked_count * 2 >= catalog->linked_room && linked_table_grow(catalog))
		return NULL;
	return &catalog->linked_table[linked_slot(catalog, ino, domain)];
}

/* ---- files ---- */

static int add_path(struct catalog *catalog, struct dir_id dir, const char *name, size_t length, uint32_t inode)
{
	uint32_t handle, id = (uint32_t)catalog->paths.count;
	if (id >= ID_NONE - 1)
		return -EOVERFLOW;
	int r = arena_add(&catalog->names, name, length, &handle);
	if (!r)
		r = seq_resize(&catalog->paths, (size_t)id + 1);
	if (r)
		return r;
	struct catalog_inode *owner = catalog_inode(catalog, (struct inode_id){ inode });
	*catalog_path(catalog, (struct path_id){ id }) = (struct catalog_path){ dir.v, handle, owner->first_path };
	owner->first_path = id;
	owner->names++;
	return 0;
}

static int add_inode(struct catalog *catalog, const struct stamp *stamp, uint32_t domain, uint32_t *ret)
{
	uint32_t meta, id = (uint32_t)catalog->inodes.count;
	int r = meta_intern(catalog, stamp, domain, &meta);
	if (!r)
		r = seq_resize(&catalog->inodes, (size_t)id + 1);
	if (r)
		return r;
	*catalog_inode(catalog, (struct inode_id){ id }) = (struct catalog_inode){
		.ino = stamp->ino,
		.size = stamp->size,
		.mtime = stamp->mtime,
		.blocks = stamp->blocks,
		.meta = meta,
		.links = stamp->links,
		.first_path = ID_NONE,
		.chain = ID_NONE,
	};
	*ret = id;
	return 0;
}

int catalog_add_file(struct catalog *catalog, struct dir_id dir, const char *name, size_t length,
		     const struct stamp *stamp, uint32_t domain, struct inode_id *ret_inode, bool *ret_fresh)
{
	uint32_t *slot = NULL, id = ID_NONE;
	if (stamp->links > 1) {
		slot = linked_find(catalog, stamp->ino, domain);
		if (!slot)
			return -ENOMEM;
		id = *slot;
	}
	bool fresh = id == ID_NONE;
	int r = fresh ? add_inode(catalog, stamp, domain, &id) : 0;
	if (!r && fresh && slot) {
		*slot = id;
		catalog->linked_count++;
	}
	if (!r)
		r = add_path(catalog, dir, name, length, id);
	if (r)
		return r;
	ret_inode->v = id;
	*ret_fresh = fresh;
	return 0;
}

int catalog_add_known(struct catalog *catalog, struct dir_id dir, const char *name, size_t length, uint64_t ino,
		      uint32_t domain)
{
	uint32_t *slot = linked_find(catalog, ino, domain);
	if (!slot)
		return -ENOMEM;
	return *slot == ID_NONE ? -ENOENT : add_path(catalog, dir, name, length, *slot);
}

struct stamp catalog_stamp(const struct catalog *catalog, const struct catalog_inode *inode)
{
	const struct catalog_meta *meta = catalog_meta(catalog, inode);
	const struct mount_facts *domain = &catalog->domains.at[meta->domain];
	return (struct stamp){
		.dev = domain->dev,
		.ino = inode->ino,
		.mount = domain->mount,
		.size = inode->size,
		.blocks = inode->blocks,
		.mtime = inode->mtime,
		.links = inode->links,
		.uid = meta->uid,
		.gid = meta->gid,
		.mode = meta->mode,
		.immutable = meta->immutable,
	};
}

/* ---- paths ---- */

/* The directories from the root down to `id`, gathered upward: depth is bounded by memory only, so no recursion. */
static int dir_chain(const struct catalog *catalog, struct dir_id id, uint32_t **ret_chain, size_t *ret_count)
{
	VEC(uint32_t) chain = { 0 };
	for (uint32_t at = id.v; at != ID_NONE; at = catalog_dir(catalog, (struct dir_id){ at })->parent) {
		if (vec_push(&chain, at)) {
			vec_free(&chain);
			return -ENOMEM;
		}
	}
	*ret_chain = chain.at;
	*ret_count = chain.count;
	return 0;
}

static void add_slash(struct text *text, size_t start)
{
	if (text->count > start && text->at[text->count - 1] != '/')
		text_add(text, "/", 1);
}

void catalog_dir_text(const struct catalog *catalog, struct dir_id id, struct text *text)
{
	own_free uint32_t *chain = NULL;
	size_t count = 0, start = text->count;
	if (dir_chain(catalog, id, &chain, &count)) {
		text->failed = true;
		return;
	}
	text_puts(text, catalog->roots.at[catalog_dir(catalog, id)->root].text);
	for (size_t i = count - 1; i-- > 0;) { /* the last of the chain is the root itself */
		add_slash(text, start);
		text_puts(text, arena_at(&catalog->names, catalog_dir(catalog, (struct dir_id){ chain[i] })->name));
	}
}

void catalog_path_text(const struct catalog *catalog, struct path_id id, struct text *text)
{
	size_t start = text->count;
	catalog_dir_text(catalog, (struct dir_id){ catalog_path(catalog, id)->dir }, text);
	add_slash(text, start);
	text_puts(text, catalog_name(catalog, id));
}

char *catalog_path_string(const struct catalog *catalog, struct path_id id)
{
	struct text text = { 0 };
	catalog_path_text(catalog, id, &text);
	if (!text.failed && text.at)
		return text.at;
	text_free(&text);
	return NULL;
}

/* Components below the root; counted once, then remembered. Benign when two threads do it: both write the same. */
static uint32_t dir_depth(const struct catalog *catalog, uint32_t id)
{
	uint32_t depth = 0;
	for (uint32_t at = id; at != ID_NONE;) {
		const struct catalog_dir *dir = catalog_dir(catalog, (struct dir_id){ at });
		uint32_t known = __atomic_load_n(&dir->depth, __ATOMIC_RELAXED);
		if (known) {
			depth += known;
			break;
		}
		depth++;
		at = dir->parent;
	}
	__atomic_store_n(&catalog_dir(catalog, (struct dir_id){ id })->depth, depth, __ATOMIC_RELAXED);
	return depth;
}

static uint32_t dir_parent(const struct catalog *catalog, uint32_t id)
{
	return catalog_dir(catalog, (struct dir_id){ id })->parent;
}

static const char *dir_name(const struct catalog *catalog, uint32_t id)
{
	return arena_at(&catalog->names, catalog_dir(catalog, (struct dir_id){ id })->name);
}

/*
 * Both sides climb to the same depth, then together until they meet. What stands just below the meeting point decides: a
 * directory's name there, or the file's own name when it lies right in it.
 */
int catalog_path_order(const struct catalog *catalog, struct path_id a, struct path_id b)
{
	uint32_t da = catalog_path(catalog, a)->dir, db = catalog_path(catalog, b)->dir;
	uint32_t ra = catalog_dir(catalog, (struct dir_id){ da })->root;
	uint32_t rb = catalog_dir(catalog, (struct dir_id){ db })->root;
	if (ra != rb)
		return ra < rb ? -1 : 1;

	const char *na = catalog_name(catalog, a), *nb = catalog_name(catalog, b);
	uint32_t depth_a = dir_depth(catalog, da), depth_b = dir_depth(catalog, db);
	for (; depth_a > depth_b; depth_a--) {
		na = dir_name(catalog, da);
		da = dir_parent(catalog, da);
	}
	for (; depth_b > depth_a; depth_b--) {
		nb = dir_name(catalog, db);
		db = dir_parent(catalog, db);
	}
	while (da != db) {
		na = dir_name(catalog, da);
		nb = dir_name(catalog, db);
		da = dir_parent(catalog, da);
		db = dir_parent(catalog, db);
	}
	return strcmp(na, nb);
}

static int compare_paths(const void *a, const void *b, void *catalog)
{
	return catalog_path_order(catalog, *(const struct path_id *)a, *(const struct path_id *)b);
}

int catalog_sort_names(struct catalog *catalog, struct inode_id id)
{
	struct catalog_inode *inode = catalog_inode(catalog, id);
	if (inode->names < 2)
		return 0;
	own_free struct path_id *paths = malloc(inode->names * sizeof(*paths));
	if (!paths)
		return -ENOMEM;
	uint32_t count = 0;
	for (uint32_t at = inode->first_path; at != ID_NONE;
	     at = catalog_path(catalog, (struct path_id){ at })->next)
		paths[count++].v = at;
	assert(count == inode->names);
	qsort_r(paths, count, sizeof(*paths), compare_paths, catalog);
	for (uint32_t i = 0; i < count; i++)
		catalog_path(catalog, paths[i])->next = i + 1 < count ? paths[i + 1].v : (uint32_t)ID_NONE;
	inode->first_path = paths[0].v;
	return 0;
}
