/* SPDX-License-Identifier: MIT */
/*
 * planin.c - a plan read back: lines -> names below the roots -> files as they are now -> sets
 *
 * Nothing in a plan is trusted. Its roots are resolved and locked as if they had been given on the command line; a name is taken only
 * below one of them, and reached from it without following anything; a file must be as it was planned. What comes out is a
 * dlk_plan like any other, for the same dlk_apply: nothing is replaced but what it proves. Only two things are different: no other
 * keeper is sought, and no name is replaced that no line names (plan->exact).
 *
 * People edit plans. A line that goes against one before it (its keeper is replaced by then, its duplicate was, or keeps for
 * others) finds its files changed, as it would if lines were carried out one after another.
 */
#include "../../include/dedupe-link.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../base/fail.h"
#include "../base/record.h"
#include "../base/text.h"
#include "../sys/beneath.h"
#include "../sys/dir.h"
#include "lines.h"
#include "lock.h"
#include "plan.h"
#include "planwords.h"
#include "reach.h"
#include "recover.h"
#include "share.h"
#include "temp.h"

enum { REACH_DIRS = 64 };

/* A path that may be touched: a directory with all below it, or one file. */
struct bound {
	char *text;      /* absolute, without a slash at the end: "" is the root of all */
	uint32_t dir;    /* once it was entered; else ID_NONE */
	uint32_t root;   /* of the catalog */
	struct stamp stamp; /* of the directory, or of that which holds the file */
	int refused;     /* why it cannot be entered, or 0 */
	bool file;
};

/* Open addressing: ids by what they are called in which directory. */
struct table {
	uint32_t *at; /* ID_NONE: empty */
	size_t room, count;
	uint64_t seed; /* whoever wrote the plan must not know which names want one place */
};

/* What lines have said of an inode; a zeroed one is nothing yet. */
struct role {
	uint32_t keeper; /* inode + 1 that its names shall become links of; 0: none */
	uint64_t kept;   /* names that shall become links of it */
};

struct planin {
	struct dlk_plan *plan;
	struct lines lines;
	struct reach reach;
	struct confirm confirm;
	VEC(struct bound) bounds; /* in the order of their texts */
	VEC(bool) listed;         /* of each directory: looked through for what dead runs left */
	struct table dirs, names;
	VEC(uint32_t) inodes;     /* of each path */
	VEC(unsigned char) fates; /* of each path */
	VEC(struct role) roles;   /* of each inode */
	uint64_t steps;
};

/* One half of a step. */
struct side {
	char *name;
	struct stamp stamp; /* as planned */
	uint32_t path;      /* as found */
	uint32_t inode;
};

static void side_free(struct side *side)
{
	free(side->name);
}

/* ---- lines ---- */

static bool blank(const char *line, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (line[i] != ' ' && line[i] != '\t' && line[i] != '\r')
			return false;
	return true;
}

/* The next line that is not blank, parsed. 1, 0, or a negative errno; -EBADMSG for what is no JSON object. */
static int next_record(struct planin *in, struct record **ret)
{
	const char *line = NULL;
	size_t length = 0;
	int r;
	do
		r = lines_next(&in->lines, &line, &length);
	while (r == 1 && blank(line, length));
	if (r <= 0)
		return r;
	r = record_parse(line, length, ret);
	return r == -EINVAL ? -EBADMSG : r ? r : 1;
}

static int refuse_line(struct planin *in, enum dlk_reason reason)
{
	char where[32];
	snprintf(where, sizeof(where), "line %llu", (unsigned long long)in->lines.line);
	tell_refused(&in->plan->tell, DLK_STAGE_PLAN, where, reason);
	return -EBADMSG;
}

/* ---- tables ---- */

static uint64_t hash_entry(uint64_t seed, uint32_t dir, const char *name)
{
	return text_hash(mix64((dir + UINT64_C(1)) ^ seed), name);
}

static void dir_entry(const struct catalog *catalog, uint32_t id, uint32_t *ret_dir, const char **ret_name)
{
	const struct catalog_dir *dir = catalog_dir(catalog, (struct dir_id){ id });
	*ret_dir = dir->parent;
	*ret_name = dir->parent == ID_NONE ? "" : arena_at(&catalog->names, dir->name);
}

static void name_entry(const struct catalog *catalog, uint32_t id, uint32_t *ret_dir, const char **ret_name)
{
	*ret_dir = catalog_path(catalog, (struct path_id){ id })->dir;
	*ret_name = catalog_name(catalog, (struct path_id){ id });
}

typedef void entry_fn(const struct catalog *catalog, uint32_t id, uint32_t *ret_dir, const char **ret_name);

/* Where an entry is, or would be. */
static uint32_t *table_slot(const struct table *table, const struct catalog *catalog, entry_fn *entry, uint32_t dir,
			    const char *name)
{
	size_t mask = table->room - 1;
	for (size_t at = hash_entry(table->seed, dir, name) & mask;; at = (at + 1) & mask) {
		uint32_t there;
		const char *called;
		if (table->at[at] == ID_NONE)
			return &table->at[at];
		entry(catalog, table->at[at], &there, &called);
		if (there == dir && !strcmp(called, name))
			return &table->at[at];
	}
}

/* Room for one more. */
static int table_reserve(struct table *table, const struct catalog *catalog, entry_fn *entry)
{
	if (table->count * 2 < table->room)
		return 0;
	struct table grown = { .room = table->room ? table->room * 2 : 256, .count = table->count, .seed = table->seed };
	grown.at = malloc(grown.room * sizeof(*grown.at));
	if (!grown.at)
		return -ENOMEM;
	memset(grown.at, 0xff, grown.room * sizeof(*grown.at));
	for (size_t i = 0; i < table->room; i++) {
		uint32_t dir;
		const char *name;
		if (table->at[i] == ID_NONE)
			continue;
		entry(catalog, table->at[i], &dir, &name);
		*table_slot(&grown, catalog, entry, dir, name) = table->at[i];
	}
	free(table->at);
	*table = grown;
	return 0;
}

/* ---- the roots ---- */

/* Absolute, of plain components, one slash between them, none at the end. -EINVAL when it cannot be brought to that. */
static int normalize(const char *path, char **ret)
{
	own_free char *to = malloc(strlen(path) + 1);
	size_t length = 0;
	if (!to)
		return -ENOMEM;
	if (*path != '/')
		return -EINVAL;
	while (*(path += strspn(path, "/"))) {
		size_t n = strcspn(path, "/");
		if ((n == 1 && path[0] == '.') || (n == 2 && path[0] == '.' && path[1] == '.'))
			return -EINVAL;
		to[length++] = '/';
		memcpy(to + length, path, n);
		length += n;
		path += n;
	}
	to[length] = '\0';
	*ret = steal(&to);
	return 0;
}

static int order_bounds(const void *a, const void *b)
{
	return strcmp(((const struct bound *)a)->text, ((const struct bound *)b)->text);
}

static int order_bound_key(const void *key, const void *b)
{
	return strcmp(key, ((const struct bound *)b)->text);
}

static int add_bound(struct planin *in, struct bound *bound, const char *dir, const char *name)
{
	struct text path = { 0 };
	text_puts(&path, dir);
	if (name)
		text_puts(&path, "/");
	text_puts(&path, name ? name : "");
	int r = path.failed ? -ENOMEM : normalize(path.at, &bound->text);
	text_free(&path);
	if (r)
		return r == -EINVAL ? 0 : r; /* a file below a symlink of an odd spelling: no name can match it */
	bound->dir = ID_NONE;
	r = vec_push(&in->bounds, *bound);
	if (r)
		free(bound->text);
	return r;
}

/* The roots as they were resolved: whatever the header called them, these are the places. */
static int add_bounds(struct planin *in)
{
	const struct roots *roots = &in->plan->roots;
	const struct catalog *catalog = &in->plan->catalog;
	int r = 0;
	for (size_t i = 0; i < roots->dirs.count && !r; i++) {
		const struct root_dir *dir = &roots->dirs.at[i];
		struct bound bound = { .root = dir->root, .stamp = dir->stamp, .refused = dir->error };
		r = add_bound(in, &bound, catalog->roots.at[dir->root].text, NULL);
	}
	for (size_t i = 0; i < roots->files.count && !r; i++) {
		const struct root_parent *parent = &roots->parents.at[roots->files.at[i].parent];
		struct bound bound = { .root = parent->root, .stamp = parent->stamp, .file = true };
		r = add_bound(in, &bound, catalog->roots.at[parent->root].text, roots->files.at[i].name);
	}
	if (in->bounds.count)
		qsort(in->bounds.at, in->bounds.count, sizeof(*in->bounds.at), order_bounds);
	return r;
}

/* The nearest bound above a name, or the name itself; NULL: it lies outside. *ret_below: what of the name is below it. */
static struct bound *bound_of(struct planin *in, char *name, char **ret_below)
{
	struct bound *found = NULL;
	for (char *end = name + strlen(name); in->bounds.count && !found && end; ) {
		char kept = *end;
		*end = '\0';
		found = bsearch(name, in->bounds.at, in->bounds.count, sizeof(*found), order_bound_key);
		*end = kept;
		if (found && found->file == !kept) {
			*ret_below = end;
			return found;
		}
		found = NULL;
		do
			end = end > name ? end - 1 : NULL;
		while (end && *end != '/');
	}
	return NULL;
}

/* ---- the header ---- */

struct header {
	char **paths; /* of the roots */
	size_t count, references;
};

static void header_free(struct header *header)
{
	for (size_t i = 0; i < header->count; i++)
		free(header->paths[i]);
	free(header->paths);
}

/* References come first, as roots_resolve_with wants them; all others keep the order they have. */
static int read_root(const struct record *root, struct header *header)
{
	bool reference = false;
	char *path;
	int r = record_bool(root, "reference", &reference);
	if (r && r != -ENOENT)
		return r;
	r = record_name(root, "path", &path);
	if (r)
		return r;
	header->paths[header->count] = path;
	if (reference) {
		header->paths[header->count] = header->paths[header->references];
		header->paths[header->references++] = path;
	}
	header->count++;
	return *path == '/' ? 0 : -EINVAL;
}

static int read_roots(const struct record *record, struct header *header)
{
	const struct record *list, *root;
	int r = record_list(record, "roots", &list);
	if (r)
		return r;
	header->paths = calloc(record_count(list) + 1, sizeof(*header->paths));
	if (!header->paths)
		return -ENOMEM;
	for (size_t i = 0; i < record_count(list) && !r; i++) {
		r = record_item_object(list, i, &root);
		if (!r)
			r = read_root(root, header);
	}
	return r;
}

static bool others_could_write(int fd)
{
	struct stamp stamp;
	return !stamp_fd(fd, &stamp) && stamp_regular(&stamp) && stamp_of_others(&stamp);
}

/* In a plan that others could have written, words are only added to those by default. */
static int read_respect(struct planin *in, const struct record *words)
{
	struct dlk_options *options = &in->plan->options;
	options->respect = options->method == DLK_HARDLINK && others_could_write(in->lines.fd) ? DLK_RESPECT_DEFAULT : 0;
	for (size_t i = 0; i < record_count(words); i++) {
		const char *word;
		unsigned bit = 0;
		int r = record_item_word(words, i, &word);
		while (!r && bit < DLK_RESPECT_WORDS && strcmp(word, plan_respect_words[bit]))
			bit++;
		if (r || bit == DLK_RESPECT_WORDS)
			return -EINVAL;
		options->respect |= 1u << bit;
	}
	return 0;
}

static int read_method(const struct record *given, enum dlk_method *ret)
{
	const char *method = "hardlink";
	int r = record_word(given, "method", &method);
	if (r && r != -ENOENT)
		return r;
	*ret = strcmp(method, "reflink") ? DLK_HARDLINK : DLK_REFLINK;
	return strcmp(method, "hardlink") && strcmp(method, "reflink") ? -EINVAL : 0;
}

/* Each is as by default when the header does not say it; one that is missing takes none of the others with it. */
static int read_options(struct planin *in, const struct record *header)
{
	struct dlk_options *options = &in->plan->options;
	const struct record *given, *words;
	uint64_t max_links = 0;
	options->method = DLK_HARDLINK;
	options->max_links = 0;
	int r = record_object(header, "options", &given);
	if (r)
		return r == -ENOENT ? 0 : r;
	r = read_method(given, &options->method);
	if (!r)
		r = record_unsigned(given, "max_links", UINT32_MAX, &max_links);
	if (!r || r == -ENOENT) {
		options->max_links = (uint32_t)max_links;
		r = record_list(given, "respect", &words);
		return r ? (r == -ENOENT ? 0 : r) : read_respect(in, words);
	}
	return r;
}

static int take_roots(struct planin *in, const struct header *header)
{
	struct dlk_plan *plan = in->plan;
	const char *const *paths = (const char *const *)header->paths;
	if (!header->count)
		return 0;
	int r = roots_resolve_with(&plan->catalog, &plan->tell, paths, header->references, paths + header->references,
				   header->count - header->references, false, &plan->roots);
	if (!r)
		r = plan_remember(plan, paths, header->count);
	if (!r && plan->options.will_apply)
		r = lock_take(&plan->catalog, &plan->roots, &plan->tell, true, plan->options.wait, &plan->lock);
	if (!r && plan->options.will_apply)
		r = plan_begin_journal(plan);
	return r ? r : add_bounds(in);
}

static int read_header(struct planin *in, const struct record *record)
{
	OWN(header_free) struct header header = { 0 };
	const char *kind;
	uint64_t schema;
	if (record_unsigned(record, "schema", UINT32_MAX, &schema) || record_word(record, "kind", &kind) ||
	    strcmp(kind, "plan"))
		return refuse_line(in, DLK_REASON_NO_PLAN);
	if (schema > PLAN_SCHEMA)
		return refuse_line(in, DLK_REASON_NEWER);
	int r = read_roots(record, &header);
	if (!r)
		r = read_options(in, record);
	if (r)
		return r == -ENOMEM ? r : refuse_line(in, DLK_REASON_NO_PLAN);
	return take_roots(in, &header);
}

/* ---- directories ---- */

static int add_dir(struct planin *in, int fd, const struct stamp *stamp, uint32_t parent, uint32_t root, const char *name,
		   uint32_t *ret)
{
	struct catalog *catalog = &in->plan->catalog;
	struct mount_facts facts;
	uint32_t domain, id = (uint32_t)catalog->dirs.count;
	int r = mount_look(fd, &facts);
	if (!r && in->plan->options.method == DLK_REFLINK)
		mount_look_whole(fd, &facts);
	if (!r)
		r = catalog_add_domain(catalog, &facts, &domain);
	if (!r)
		r = vec_push(&in->listed, false);
	if (!r)
		r = catalog_set_dir(catalog, (struct dir_id){ id }, (struct dir_id){ parent }, root, name, strlen(name), stamp,
				    domain);
	if (!r)
		*ret = id;
	return r;
}

static int enter_bound(struct planin *in, struct bound *bound, uint32_t *ret)
{
	int r = bound->refused;
	if (!r && bound->dir == ID_NONE) {
		own_fd int fd = -1;
		r = roots_open(&in->plan->catalog, bound->root, &bound->stamp, false, &fd);
		if (!r)
			r = add_dir(in, fd, &bound->stamp, ID_NONE, bound->root, "", &bound->dir);
	}
	*ret = bound->dir;
	return r;
}

/* The directory `name` in `parent`, which may be a mount point, never a symlink. */
static int enter_dir(struct planin *in, uint32_t parent, const char *name, uint32_t *ret)
{
	const struct catalog *catalog = &in->plan->catalog;
	struct stamp stamp;
	int from;
	int r = table_reserve(&in->dirs, catalog, dir_entry);
	if (r)
		return r;
	uint32_t *slot = table_slot(&in->dirs, catalog, dir_entry, parent, name);
	if (*slot != ID_NONE) {
		*ret = *slot;
		return 0;
	}
	own_fd int fd = -1;
	r = reach_dir(&in->reach, (struct dir_id){ parent }, &from);
	if (!r)
		r = beneath_mount(from, name, false, &fd);
	if (!r)
		r = stamp_fd(fd, &stamp);
	if (!r)
		r = add_dir(in, fd, &stamp, parent, catalog_dir(catalog, (struct dir_id){ parent })->root, name, slot);
	if (r)
		return r;
	in->dirs.count++;
	*ret = *slot;
	return 0;
}

/* What dead runs left beside the names of this plan is finished first, as a scan does. */
static int recover_in(struct planin *in, uint32_t id)
{
	struct dlk_plan *plan = in->plan;
	struct walk walk = { .catalog = &plan->catalog };
	struct dir_entry entry;
	int from;
	own_fd int fd = -1;
	own_free char *buffer = malloc(DIR_BUFFER);
	in->listed.at[id] = true;
	if (!buffer)
		return -ENOMEM;
	if (reach_dir(&in->reach, (struct dir_id){ id }, &from) || beneath_dir(from, ".", true, &fd))
		return 0; /* may be searched but not read: nobody could find leftovers there */
	struct dir dir = dir_begin(fd, buffer);
	int r;
	while ((r = dir_next(&dir, &entry)) > 0) {
		struct temp temp;
		struct walk_temp found = { .dir = { id } };
		if (!temp_parse(entry.name, entry.length, &temp))
			continue;
		r = arena_add(&plan->catalog.names, entry.name, entry.length, &found.name);
		if (!r)
			r = vec_push(&walk.temps, found);
		if (r)
			break;
	}
	if (!r && walk.temps.count) {
		lease_signal_begin();
		r = recover_run(&walk, &in->confirm, &plan->tell, plan->journal);
		lease_signal_end();
	}
	vec_free(&walk.temps);
	return r == -ENOMEM || r == -ECANCELED ? r : 0;
}

/* From a bound down to the directory that holds the name. *ret_base: its last component. */
static int descend(struct planin *in, struct bound *bound, char *below, uint32_t *ret_dir, const char **ret_base)
{
	uint32_t dir;
	int r = enter_bound(in, bound, &dir);
	char *at = below;
	if (bound->file)
		*ret_base = strrchr(bound->text, '/') + 1;
	while (!r && *at) {
		char *name = at + 1, *end = name + strcspn(name, "/");
		if (!*end) {
			*ret_base = name;
			break;
		}
		*end = '\0';
		r = enter_dir(in, dir, name, &dir);
		*end = '/';
		at = end;
	}
	if (!r && in->plan->options.will_apply && !in->listed.at[dir])
		r = recover_in(in, dir);
	*ret_dir = dir;
	return r;
}

/* ---- names ---- */

static int read_side(const struct record *step, const char *key, struct side *ret)
{
	const struct record *record;
	struct side side = { .path = ID_NONE, .inode = ID_NONE };
	uint64_t uid, gid, bits;
	const char *mode;
	char *end;
	int r = record_object(step, key, &record);
	if (!r)
		r = record_unsigned(record, "inode", UINT64_MAX, &side.stamp.ino);
	if (!r)
		r = record_unsigned(record, "size", INT64_MAX, &side.stamp.size);
	if (!r)
		r = record_signed(record, "mtime", &side.stamp.mtime);
	if (!r)
		r = record_unsigned(record, "uid", UINT32_MAX, &uid);
	if (!r)
		r = record_unsigned(record, "gid", UINT32_MAX, &gid);
	if (!r)
		r = record_word(record, "mode", &mode);
	if (r)
		return r;
	bits = strtoul(mode, &end, 8);
	if (*end || end == mode || bits > 07777)
		return -EINVAL;
	side.stamp.uid = (uint32_t)uid;
	side.stamp.gid = (uint32_t)gid;
	side.stamp.mode = (uint16_t)(S_IFREG | bits);
	r = record_name(record, "path", &side.name);
	if (!r)
		*ret = side;
	return r;
}

static int leave(struct planin *in, const struct side *side, enum dlk_reason reason)
{
	if (side->path != ID_NONE && in->fates.at[side->path] != DLK_FATE_PLANNED)
		in->fates.at[side->path] = DLK_FATE_LEFT;
	tell_skip(&in->plan->tell, DLK_STAGE_PLAN, side->name, reason, 1);
	return 1;
}

/* Trouble with one name: 1 when it was told and the next line may come, else the error. */
static int trouble(struct planin *in, const struct side *side, int r)
{
	if (r == -ENOMEM || r == -ECANCELED || r == -EOVERFLOW)
		return r;
	if (fail_changed(r))
		return leave(in, side, DLK_REASON_CHANGED);
	tell_error(&in->plan->tell, DLK_STAGE_PLAN, side->name, r);
	return 1;
}

static int add_name(struct planin *in, uint32_t dir, const char *base, const struct stamp *now, uint32_t *slot,
		    struct side *side)
{
	struct dlk_plan *plan = in->plan;
	struct catalog *catalog = &plan->catalog;
	struct stamp linked = *now;
	struct inode_id id;
	bool fresh;
	linked.links = 2; /* so that all names of an inode come together */
	int r = vec_push(&in->inodes, 0u);
	if (!r)
		r = vec_push(&in->fates, (unsigned char)DLK_FATE_KEEPER);
	if (!r)
		r = vec_push(&in->roles, ((struct role){ 0 })); /* one too many for a second name of an inode */
	if (!r)
		r = catalog_add_file(catalog, (struct dir_id){ dir }, base, strlen(base), &linked,
				     catalog_dir(catalog, (struct dir_id){ dir })->domain, &id, &fresh);
	if (r)
		return r;
	side->path = (uint32_t)catalog->paths.count - 1;
	side->inode = id.v;
	in->inodes.at[side->path] = id.v;
	*slot = side->path;
	in->names.count++;
	plan->tally.files_seen++;
	if (!fresh)
		return 0;
	catalog_inode(catalog, id)->links = now->links;
	plan->tally.inodes_seen++;
	plan->tally.bytes_seen = u64_add(plan->tally.bytes_seen, now->size);
	return plan->cache ? cache_note(plan->cache, id, now) : 0;
}

/* Looks at a name that was not met before: it must be the file that was planned, and one that can be linked there. */
static int look(struct planin *in, uint32_t dir, const char *base, uint32_t *slot, struct side *side)
{
	const struct catalog *catalog = &in->plan->catalog;
	const struct mount_facts *facts = &catalog->domains.at[catalog_dir(catalog, (struct dir_id){ dir })->domain];
	struct stamp now, planned = side->stamp;
	int dirfd;
	int r = reach_dir(&in->reach, (struct dir_id){ dir }, &dirfd);
	if (!r)
		r = stamp_at(dirfd, base, &now);
	if (r)
		return trouble(in, side, r);
	planned.dev = now.dev; /* another host has another number for it */
	planned.seal = now.seal; /* a plan does not say it: judge() asks what is here */
	if (!stamp_same_version(&now, &planned))
		return leave(in, side, DLK_REASON_CHANGED);
	if (now.mount != facts->mount || now.dev != facts->dev)
		return leave(in, side, now.mount != facts->mount ? DLK_REASON_MOUNT_POINT : DLK_REASON_CROSS_DEVICE);
	if (in->plan->cache && cache_is(in->plan->cache, &now))
		return leave(in, side, DLK_REASON_IN_USE);
	return add_name(in, dir, base, &now, slot, side);
}

/* Finds the file of one half of a step. 0; 1: it was told why not; or a negative errno. */
static int find(struct planin *in, struct side *side)
{
	const struct catalog *catalog = &in->plan->catalog;
	own_free char *name = NULL;
	const char *base = NULL;
	char *below;
	uint32_t dir;
	int r = normalize(side->name, &name);
	struct bound *bound = r ? NULL : bound_of(in, name, &below);
	if (r == -ENOMEM)
		return r;
	if (!bound) {
		tell_refused(&in->plan->tell, DLK_STAGE_PLAN, side->name, DLK_REASON_OUTSIDE);
		return 1;
	}
	r = descend(in, bound, below, &dir, &base);
	if (r)
		return trouble(in, side, r);
	r = table_reserve(&in->names, catalog, name_entry);
	if (r)
		return r;
	uint32_t *slot = table_slot(&in->names, catalog, name_entry, dir, base);
	if (*slot == ID_NONE)
		return look(in, dir, base, slot, side);
	side->path = *slot;
	side->inode = in->inodes.at[*slot];
	struct stamp now = catalog_stamp(catalog, catalog_inode(catalog, (struct inode_id){ side->inode }));
	side->stamp.dev = now.dev;
	side->stamp.seal = now.seal;
	return stamp_same_version(&now, &side->stamp) ? 0 : leave(in, side, DLK_REASON_CHANGED);
}

/* ---- steps ---- */

/* The words in which two files differ, of those that a stamp tells. */
static unsigned differs(const struct planin *in, const struct stamp *a, const struct stamp *b)
{
	const struct idmap *idmap = &in->plan->idmap;
	bool hidden = idmap_hides(idmap, a->uid, a->gid) || idmap_hides(idmap, b->uid, b->gid);
	return rule_stamp_differs(a, b) | (hidden ? DLK_RESPECT_OWNER : 0);
}

/* Why a step whose two files were found is not to be done, or DLK_REASON_NONE. */
static enum dlk_reason judge(const struct planin *in, const struct side *keeper, const struct side *duplicate)
{
	const struct dlk_plan *plan = in->plan;
	const struct role *kept = &in->roles.at[keeper->inode], *gone = &in->roles.at[duplicate->inode];
	const struct catalog_inode *k = catalog_inode(&plan->catalog, (struct inode_id){ keeper->inode });
	const struct catalog_inode *d = catalog_inode(&plan->catalog, (struct inode_id){ duplicate->inode });
	const struct mount_facts *domain = catalog_domain(&plan->catalog, k);
	if (keeper->inode == duplicate->inode || kept->keeper || gone->kept ||
	    (gone->keeper && gone->keeper != keeper->inode + 1) || in->fates.at[duplicate->path] == DLK_FATE_PLANNED)
		return DLK_REASON_CHANGED;
	if (catalog_match(&plan->catalog, k) != catalog_match(&plan->catalog, d))
		return DLK_REASON_CROSS_DEVICE;
	if (k->size != d->size)
		return DLK_REASON_UNEQUAL;
	if (plan->options.method == DLK_HARDLINK && catalog_meta(&plan->catalog, k)->seal != catalog_meta(&plan->catalog, d)->seal)
		return DLK_REASON_APART;
	if (differs(in, &keeper->stamp, &duplicate->stamp) & plan->options.respect)
		return DLK_REASON_APART;
	uint64_t limit = plan->options.max_links ? u64_min(domain->link_limit, plan->options.max_links) : domain->link_limit;
	return plan->options.method == DLK_HARDLINK && k->links + kept->kept + 1 > limit ? DLK_REASON_LINK_LIMIT : DLK_REASON_NONE;
}

static bool in_reference(const struct dlk_plan *plan, uint32_t path)
{
	const struct catalog *catalog = &plan->catalog;
	struct dir_id dir = { catalog_path(catalog, (struct path_id){ path })->dir };
	return catalog->roots.at[catalog_dir(catalog, dir)->root].reference;
}

static int take_step(struct planin *in, struct side *keeper, struct side *duplicate)
{
	int r = find(in, keeper);
	if (!r)
		r = find(in, duplicate);
	if (r)
		return r == 1 ? 0 : r;
	if (in_reference(in->plan, duplicate->path)) {
		in->fates.at[duplicate->path] = DLK_FATE_LEFT;
		tell_refused(&in->plan->tell, DLK_STAGE_PLAN, duplicate->name, DLK_REASON_OUTSIDE);
		return 0;
	}
	enum dlk_reason reason = judge(in, keeper, duplicate);
	if (reason != DLK_REASON_NONE) {
		leave(in, duplicate, reason);
		return 0;
	}
	in->roles.at[duplicate->inode].keeper = keeper->inode + 1;
	in->roles.at[keeper->inode].kept++;
	in->fates.at[duplicate->path] = DLK_FATE_PLANNED;
	in->steps++;
	return 0;
}

static int read_step(struct planin *in, const struct record *record)
{
	OWN(side_free) struct side keeper = { 0 };
	OWN(side_free) struct side duplicate = { 0 };
	int r = read_side(record, "keeper", &keeper);
	if (!r)
		r = read_side(record, "duplicate", &duplicate);
	if (r == -ENOENT || r == -EINVAL)
		return refuse_line(in, DLK_REASON_NO_PLAN);
	return r ? r : take_step(in, &keeper, &duplicate);
}

/* Up to and with the last line, after which there must be none. */
static int read_steps(struct planin *in)
{
	bool ended = false;
	for (;;) {
		struct record *record = NULL;
		const struct record *counts;
		if (tell_stopped(&in->plan->tell))
			return -ECANCELED;
		int r = next_record(in, &record);
		if (r == 0)
			return ended ? 0 : refuse_line(in, DLK_REASON_TORN);
		if (r == -EBADMSG || (r == 1 && ended))
			r = refuse_line(in, in->lines.ended ? DLK_REASON_TORN : DLK_REASON_NO_PLAN);
		else if (r == 1 && !record_object(record, "counts", &counts))
			ended = !(r = 0);
		else if (r == 1)
			r = read_step(in, record);
		record_free(record);
		if (r)
			return r;
	}
}

/* ---- sets ---- */

static int order_members(const void *a, const void *b, void *ctx)
{
	const struct inode_id *x = a, *y = b;
	const struct planin *in = ctx;
	const struct role *role_x = &in->roles.at[x->v], *role_y = &in->roles.at[y->v];
	uint32_t set_x = role_x->keeper ? role_x->keeper - 1 : x->v, set_y = role_y->keeper ? role_y->keeper - 1 : y->v;
	const struct catalog *catalog = &in->plan->catalog;
	if (set_x != set_y)
		return set_x < set_y ? -1 : 1;
	if (!role_x->keeper != !role_y->keeper)
		return role_x->keeper ? 1 : -1;
	return catalog_path_order(catalog, (struct path_id){ catalog_inode(catalog, *x)->first_path },
				  (struct path_id){ catalog_inode(catalog, *y)->first_path });
}

/* Each keeper with those that shall become it, as plan_add_class makes them. */
static int make_sets(struct planin *in)
{
	struct dlk_plan *plan = in->plan;
	int r = catalog_rank_dirs(&plan->catalog);
	for (uint32_t i = 0; i < plan->catalog.inodes.count && !r; i++) {
		r = catalog_sort_names(&plan->catalog, (struct inode_id){ i });
		if (!r && (in->roles.at[i].keeper || in->roles.at[i].kept))
			r = vec_push(&plan->members, ((struct inode_id){ i }));
	}
	if (r || !plan->members.count)
		return r;
	qsort_r(plan->members.at, plan->members.count, sizeof(*plan->members.at), order_members, in);
	for (size_t from = 0, to; from < plan->members.count && !r; from = to) {
		for (to = from + 1; to < plan->members.count && in->roles.at[plan->members.at[to].v].keeper;)
			to++;
		struct path_id path = { catalog_inode(&plan->catalog, plan->members.at[from])->first_path };
		struct plan_set set = { from, (uint32_t)(to - from), path };
		r = vec_push(&plan->sets, set);
	}
	return r ? r : plan_sort(plan);
}

static int finish(struct planin *in)
{
	struct dlk_plan *plan = in->plan;
	plan->fates = calloc(plan->catalog.paths.count + 1, 1);
	if (!plan->fates)
		return -ENOMEM;
	if (in->fates.count)
		memcpy(plan->fates, in->fates.at, plan->catalog.paths.count);
	plan->tally.domains = plan->catalog.domains.count;
	int r = plan->cache ? cache_begin(plan->cache) : 0;
	if (!r)
		r = make_sets(in);
	if (r)
		return r;
	return plan->options.method == DLK_REFLINK ? share_foresee(plan) : plan_foresee(plan);
}

static int read_plan(struct planin *in)
{
	struct record *header = NULL;
	struct dlk_options strict = in->plan->options;
	strict.respect = DLK_RESPECT_DEFAULT;
	tell_phase(&in->plan->tell, DLK_PHASE_WALK);
	int r = confirm_init(&in->confirm, &strict); /* for leftovers: attributes count whatever the plan says */
	if (!r)
		r = next_record(in, &header);
	if (r == 1)
		r = read_header(in, header);
	else if (r == 0 || r == -EBADMSG)
		r = refuse_line(in, DLK_REASON_NO_PLAN);
	record_free(header);
	if (!r)
		r = read_steps(in);
	return r ? r : finish(in);
}

static void planin_free(struct planin *in)
{
	for (size_t i = 0; i < in->bounds.count; i++)
		free(in->bounds.at[i].text);
	vec_free(&in->bounds);
	vec_free(&in->listed);
	vec_free(&in->inodes);
	vec_free(&in->fates);
	vec_free(&in->roles);
	free(in->dirs.at);
	free(in->names.at);
	lines_free(&in->lines);
	reach_free(&in->reach);
	confirm_free(&in->confirm);
}

int dlk_plan_read(const struct dlk_options *options, int fd, struct dlk_plan **ret_plan)
{
	struct planin in = { .lines = { .fd = fd } };
	int r = plan_new(options, &in.plan);
	if (r)
		return r;
	in.plan->exact = true;
	in.dirs.seed = in.names.seed = in.plan->seed;
	reach_init(&in.reach, &in.plan->catalog, size_min(REACH_DIRS, sys_descriptors() / 4));
	r = read_plan(&in);
	planin_free(&in);
	if (r)
		plan_fail(in.plan);
	else
		*ret_plan = in.plan;
	return r;
}
