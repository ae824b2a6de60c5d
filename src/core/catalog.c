/* SPDX-License-Identifier: MIT */
/*
 * catalog.c - the three arrays and the small table that leads into one of them
 *
 * The one idea: a file with link count 1, the ordinary case, needs no look-up at all. Only inodes with several links are in
 * a table, and only owner, mode, seal and domain together (`meta`), of which there are few, are kept apart.
 */
#include "catalog.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "../base/sort.h"

void catalog_init(struct catalog *catalog)
{
	*catalog = (struct catalog){ 0 };
	seq_init(&catalog->dirs, sizeof(struct catalog_dir));
	seq_init(&catalog->paths, sizeof(struct catalog_path));
	seq_init(&catalog->inodes, sizeof(struct catalog_inode));
}

void catalog_set_seed(struct catalog *catalog, uint64_t seed)
{
	catalog->seed = catalog->linked.seed = seed;
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
	free(catalog->jumps);
	seen_free(&catalog->linked);
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
	catalog->ranked = 0;
	*catalog_dir(catalog, id) = (struct catalog_dir){
		.ino = stamp->ino,
		.parent = parent.v,
		.name = handle,
		.domain = domain,
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

static uint64_t meta_hash(const struct catalog_meta *m, uint64_t seed)
{
	uint64_t owner = mix64(((uint64_t)m->uid << 32 | m->gid) ^ seed);
	return mix64(owner ^ ((uint64_t)m->domain << 32 | (uint32_t)m->mode << 3 | (uint32_t)m->seal << 1 | m->immutable));
}

static bool meta_equal(const struct catalog_meta *a, const struct catalog_meta *b)
{
	return a->domain == b->domain && a->uid == b->uid && a->gid == b->gid && a->mode == b->mode &&
	       a->immutable == b->immutable && a->seal == b->seal;
}

static size_t meta_slot(const struct catalog *catalog, const struct catalog_meta *meta)
{
	size_t mask = catalog->meta_room - 1;
	size_t slot = meta_hash(meta, catalog->seed) & mask;
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
	struct catalog_meta meta = { domain, stamp->uid, stamp->gid, stamp->mode, stamp->immutable, stamp->seal };
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
	struct catalog_path *path = catalog_path(catalog, (struct path_id){ id });
	*path = (struct catalog_path){ dir.v, handle, owner->first_path };
	owner->sorted = false;
	if (owner->names++) { /* the name found first stays the first: it is read by that, together with its neighbours */
		struct catalog_path *first = catalog_path(catalog, (struct path_id){ owner->first_path });
		path->next = first->next;
		first->next = id;
	} else {
		owner->first_path = id;
	}
	return 0;
}

/* What is less than a block of the file system is not there: see mount.c. */
static uint64_t whole_blocks(const struct mount_facts *mount, uint64_t blocks)
{
	uint64_t unit = mount->block / 512;
	return unit ? blocks - blocks % unit : blocks;
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
		.blocks = whole_blocks(&catalog->domains.at[domain], stamp->blocks),
		.meta = meta,
		.links = stamp->links,
		.first_path = ID_NONE,
		.bucket = ID_NONE,
	};
	*ret = id;
	return 0;
}

int catalog_add_file(struct catalog *catalog, struct dir_id dir, const char *name, size_t length,
		     const struct stamp *stamp, uint32_t domain, struct inode_id *ret_inode, bool *ret_fresh)
{
	uint32_t id;
	bool fresh = stamp->links < 2 || !seen_find(&catalog->linked, domain, stamp->ino, &id);
	int r = fresh ? add_inode(catalog, stamp, domain, &id) : 0;
	if (!r && fresh && stamp->links > 1)
		r = seen_add(&catalog->linked, domain, stamp->ino, id);
	if (!r)
		r = add_path(catalog, dir, name, length, id);
	if (r)
		return r;
	ret_inode->v = id;
	*ret_fresh = fresh;
	return 0;
}

int catalog_add_name(struct catalog *catalog, struct dir_id dir, const char *name, size_t length, struct inode_id inode)
{
	return add_path(catalog, dir, name, length, inode.v);
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
		.seal = meta->seal,
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

/* ---- order ---- */

static const char *dir_name(const struct catalog *catalog, uint32_t id)
{
	return arena_at(&catalog->names, catalog_dir(catalog, (struct dir_id){ id })->name);
}

static int order_siblings(const void *a, const void *b, void *catalog)
{
	return strcmp(dir_name(catalog, *(const uint32_t *)a), dir_name(catalog, *(const uint32_t *)b));
}

/* Those without a parent: by root, and as they came. */
static int order_tops(const void *a, const void *b, void *catalog)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	uint32_t root_x = catalog_dir(catalog, (struct dir_id){ x })->root, root_y = catalog_dir(catalog, (struct dir_id){ y })->root;
	if (root_x != root_y)
		return root_x < root_y ? -1 : 1;
	return x < y ? -1 : x > y;
}

/*
 * The children of directory d come to stand at children[begins[d]] up to begins[d + 1], in order; those without a parent behind
 * all others. `begins` has room for three more than there are directories, all 0.
 */
static void gather_children(struct catalog *catalog, uint32_t *begins, uint32_t *children)
{
	uint32_t count = (uint32_t)catalog->dirs.count;
	for (uint32_t id = 0; id < count; id++)
		begins[u64_min(catalog_dir(catalog, (struct dir_id){ id })->parent, count) + 2]++;
	for (uint32_t d = 2; d < count + 3; d++)
		begins[d] += begins[d - 1];
	for (uint32_t id = 0; id < count; id++)
		children[begins[u64_min(catalog_dir(catalog, (struct dir_id){ id })->parent, count) + 1]++] = id;
	for (uint32_t d = 0; d <= count; d++)
		sort(children + begins[d], begins[d + 1] - begins[d], sizeof(*children), d < count ? order_siblings : order_tops,
		     catalog);
}

/* How many directories a tree has, in `last` for now: children come before their parents here. */
static void count_trees(struct catalog *catalog)
{
	uint32_t count = (uint32_t)catalog->dirs.count;
	for (uint32_t id = 0; id < count; id++)
		catalog_dir(catalog, (struct dir_id){ id })->last = 1;
	for (uint32_t id = count; id-- > 0;) {
		const struct catalog_dir *dir = catalog_dir(catalog, (struct dir_id){ id });
		if (dir->parent != ID_NONE)
			catalog_dir(catalog, (struct dir_id){ dir->parent })->last += dir->last;
	}
}

/* Gives the trees `from` up to `to` their ranks, one behind the other. */
static void place_trees(struct catalog *catalog, const uint32_t *from, const uint32_t *to, uint32_t rank)
{
	for (; from < to; from++) {
		struct catalog_dir *dir = catalog_dir(catalog, (struct dir_id){ *from });
		dir->rank = rank;
		rank += dir->last;
	}
}

enum { DEEP = 64 /* as far as it may be to go up step by step */ };

static uint32_t jump_of(const struct catalog *catalog, uint32_t parent, const uint32_t *depths)
{
	uint32_t jump = catalog->jumps[parent], far = catalog->jumps[jump];
	return depths[parent] - depths[jump] == depths[jump] - depths[far] ? far : parent;
}

/*
 * Where directories lie one in the other by the ten thousand, each name compared with one far below it would take as many steps. A jump
 * goes up as far as the two before it together if these are equally far, else one step: so any way up takes few (Myers, An applicative
 * random-access stack, 1983). `depths` is scratch, one of each.
 */
static int find_jumps(struct catalog *catalog, uint32_t *depths)
{
	uint32_t count = (uint32_t)catalog->dirs.count, deepest = 0;
	free(catalog->jumps);
	catalog->jumps = NULL;
	for (uint32_t id = 0; id < count; id++) {
		uint32_t parent = catalog_dir(catalog, (struct dir_id){ id })->parent;
		depths[id] = parent == ID_NONE ? 0 : depths[parent] + 1;
		deepest = depths[id] > deepest ? depths[id] : deepest;
	}
	if (deepest < DEEP)
		return 0;
	catalog->jumps = malloc(count * sizeof(*catalog->jumps));
	if (!catalog->jumps)
		return -ENOMEM;
	for (uint32_t id = 0; id < count; id++) {
		uint32_t parent = catalog_dir(catalog, (struct dir_id){ id })->parent;
		catalog->jumps[id] = parent == ID_NONE ? id : jump_of(catalog, parent, depths);
	}
	return 0;
}

int catalog_rank_dirs(struct catalog *catalog)
{
	uint32_t count = (uint32_t)catalog->dirs.count;
	own_free uint32_t *begins = calloc((size_t)count + 3, sizeof(*begins));
	own_free uint32_t *children = malloc(((size_t)count + 1) * sizeof(*children));
	if (!begins || !children)
		return -ENOMEM;
	gather_children(catalog, begins, children);
	count_trees(catalog);
	place_trees(catalog, children + begins[count], children + count, 0);
	for (uint32_t id = 0; id < count; id++) {
		struct catalog_dir *dir = catalog_dir(catalog, (struct dir_id){ id });
		place_trees(catalog, children + begins[id], children + begins[id + 1], dir->rank + 1);
		dir->last += dir->rank - 1;
	}
	catalog->ranked = count;
	return find_jumps(catalog, begins);
}

static bool lies_below(const struct catalog_dir *dir, const struct catalog_dir *above)
{
	return dir->rank > above->rank && dir->rank <= above->last;
}

/* The directory right in `above` through which `below` is reached. */
static uint32_t child_toward(const struct catalog *catalog, uint32_t above, uint32_t below)
{
	const struct catalog_dir *dir = catalog_dir(catalog, (struct dir_id){ above });
	for (;;) {
		uint32_t parent = catalog_dir(catalog, (struct dir_id){ below })->parent;
		uint32_t jump = catalog->jumps ? catalog->jumps[below] : parent;
		if (parent == above)
			return below;
		below = lies_below(catalog_dir(catalog, (struct dir_id){ jump }), dir) ? jump : parent;
	}
}

/* Where one directory lies below the other, a file's name is compared with a directory's; else the ranks have it. */
int catalog_path_order(const struct catalog *catalog, struct path_id a, struct path_id b)
{
	uint32_t x = catalog_path(catalog, a)->dir, y = catalog_path(catalog, b)->dir;
	const struct catalog_dir *dir_x = catalog_dir(catalog, (struct dir_id){ x });
	const struct catalog_dir *dir_y = catalog_dir(catalog, (struct dir_id){ y });
	assert(catalog->ranked == catalog->dirs.count);
	if (x == y)
		return strcmp(catalog_name(catalog, a), catalog_name(catalog, b));
	if (lies_below(dir_y, dir_x))
		return strcmp(catalog_name(catalog, a), dir_name(catalog, child_toward(catalog, x, y)));
	if (lies_below(dir_x, dir_y))
		return strcmp(dir_name(catalog, child_toward(catalog, y, x)), catalog_name(catalog, b));
	return dir_x->rank < dir_y->rank ? -1 : 1;
}

/* A name with what mostly decides its place, fetched once: names of one inode lie far apart in memory. */
struct placed_name {
	uint32_t rank, last; /* of its directory */
	struct path_id path;
};

static int order_names(const void *a, const void *b, void *catalog)
{
	const struct placed_name *x = a, *y = b;
	if (x->last < y->rank || y->last < x->rank)
		return x->rank < y->rank ? -1 : 1;
	return catalog_path_order(catalog, x->path, y->path);
}

static struct placed_name placed_name(const struct catalog *catalog, uint32_t path)
{
	const struct catalog_path *p = catalog_path(catalog, (struct path_id){ path });
	const struct catalog_dir *dir = catalog_dir(catalog, (struct dir_id){ p->dir });
	return (struct placed_name){ dir->rank, dir->last, { path } };
}

int catalog_sort_names(struct catalog *catalog, struct inode_id id)
{
	struct catalog_inode *inode = catalog_inode(catalog, id);
	if (inode->names < 2 || inode->sorted)
		return 0;
	own_free struct placed_name *names = malloc(inode->names * sizeof(*names));
	if (!names)
		return -ENOMEM;
	uint32_t count = 0;
	for (uint32_t at = inode->first_path; at != ID_NONE;
	     at = catalog_path(catalog, (struct path_id){ at })->next)
		names[count++] = placed_name(catalog, at);
	assert(count == inode->names && catalog->ranked == catalog->dirs.count);
	sort(names, count, sizeof(*names), order_names, catalog);
	for (uint32_t i = 0; i < count; i++)
		catalog_path(catalog, names[i].path)->next = i + 1 < count ? names[i + 1].path.v : (uint32_t)ID_NONE;
	inode->first_path = names[0].path.v;
	inode->sorted = true;
	return 0;
}

/* ---- many paths at once: dealt out to their directories, there put in order by name, and woven together ---- */

/* A directory that may have paths left: what lies below it comes between them. */
struct open_dir {
	uint32_t id;
	uint32_t covered; /* all up to this rank lies below the child through which it was entered last */
	size_t at, end;   /* of its paths, in `dealt` */
};

struct weaving {
	const struct catalog *catalog;
	const struct catalog_numbered *dealt;
	struct catalog_numbered *out;
	VEC(struct open_dir) open; /* each below the one before */
};

static int order_by_name(const void *a, const void *b, void *catalog)
{
	const struct catalog_numbered *x = a, *y = b;
	return strcmp(catalog_name(catalog, x->path), catalog_name(catalog, y->path));
}

/* Those of the directory of rank r come to stand from begins[r] on. `begins` has room for two more than there are ranks, all 0. */
static void deal_paths(struct catalog *catalog, const struct catalog_numbered *paths, size_t count, size_t *begins,
		       struct catalog_numbered *dealt)
{
	for (size_t i = 0; i < count; i++)
		begins[placed_name(catalog, paths[i].path.v).rank + 2]++;
	for (size_t r = 2; r < catalog->ranked + 2; r++)
		begins[r] += begins[r - 1];
	for (size_t i = 0; i < count; i++)
		dealt[begins[placed_name(catalog, paths[i].path.v).rank + 1]++] = paths[i];
	for (size_t r = 0; r < catalog->ranked; r++)
		sort(dealt + begins[r], begins[r + 1] - begins[r], sizeof(*dealt), order_by_name, catalog);
}

static void put_before(struct weaving *weaving, struct open_dir *open, const char *name)
{
	for (; open->at < open->end; open->at++) {
		const struct catalog_numbered *path = &weaving->dealt[open->at];
		if (name && strcmp(catalog_name(weaving->catalog, path->path), name) > 0)
			return;
		*weaving->out++ = *path;
	}
}

static void put_rest(struct weaving *weaving)
{
	put_before(weaving, &weaving->open.at[--weaving->open.count], NULL);
}

/* In the order of ranks. */
static int weave_dir(struct weaving *weaving, uint32_t id, size_t at, size_t end)
{
	const struct catalog *catalog = weaving->catalog;
	const struct catalog_dir *dir = catalog_dir(catalog, (struct dir_id){ id });
	struct open_dir *above = NULL;
	while (weaving->open.count) {
		above = &weaving->open.at[weaving->open.count - 1];
		if (lies_below(dir, catalog_dir(catalog, (struct dir_id){ above->id })))
			break;
		put_rest(weaving);
		above = NULL;
	}
	if (above && above->at < above->end && dir->rank > above->covered) {
		uint32_t child = child_toward(catalog, above->id, id);
		put_before(weaving, above, dir_name(catalog, child));
		above->covered = catalog_dir(catalog, (struct dir_id){ child })->last;
	}
	struct open_dir open = { id, dir->rank, at, end };
	return vec_push(&weaving->open, open);
}

int catalog_sort_paths(struct catalog *catalog, struct catalog_numbered *paths, size_t count)
{
	own_free size_t *begins = calloc(catalog->ranked + 2, sizeof(*begins));
	own_free struct catalog_numbered *dealt = malloc((count + 1) * sizeof(*dealt));
	struct weaving weaving = { .catalog = catalog, .dealt = dealt, .out = paths };
	int r = 0;
	assert(catalog->ranked == catalog->dirs.count);
	if (!begins || !dealt)
		return -ENOMEM;
	deal_paths(catalog, paths, count, begins, dealt);
	for (size_t rank = 0; rank < catalog->ranked && !r; rank++)
		if (begins[rank] < begins[rank + 1])
			r = weave_dir(&weaving, catalog_path(catalog, dealt[begins[rank]].path)->dir, begins[rank],
				      begins[rank + 1]);
	while (weaving.open.count)
		put_rest(&weaving);
	vec_free(&weaving.open);
	return r;
}
