/* SPDX-License-Identifier: MIT */
/*
 * keeper.c - sort by who rather stays, then first fit
 *
 * The keepers' room lies in a tree of maxima, so that the first of them that can take an inode is found in a few steps, however
 * many there are: 100,000 files under a limit of 2 links have 50,000 keepers.
 */
#include "keeper.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../base/own.h"
#include "../base/sort.h"

static int order_u64(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

static int order_i64(int64_t a, int64_t b)
{
	return a < b ? -1 : a > b;
}

static int by_policy(enum dlk_keep keep, const struct catalog_inode *a, const struct catalog_inode *b)
{
	switch (keep) {
	case DLK_KEEP_MOST_LINKS:
		return order_u64(b->links, a->links);
	case DLK_KEEP_FEWEST_LINKS:
		return order_u64(a->links, b->links);
	case DLK_KEEP_OLDEST:
		return order_i64(a->mtime, b->mtime);
	case DLK_KEEP_NEWEST:
		return order_i64(b->mtime, a->mtime);
	case DLK_KEEP_FIRST_PATH:
		break;
	}
	return 0;
}

/* By policy, then the older mtime. */
static int by_file(enum dlk_keep keep, const struct catalog_inode *a, const struct catalog_inode *b)
{
	int r = by_policy(keep, a, b);
	return r || keep == DLK_KEEP_FIRST_PATH ? r : order_i64(a->mtime, b->mtime);
}

int keeper_order(const struct catalog *catalog, enum dlk_keep keep, struct inode_id a, struct inode_id b)
{
	const struct catalog_inode *x = catalog_inode(catalog, a), *y = catalog_inode(catalog, b);
	int r = by_file(keep, x, y);
	return r ? r : catalog_path_order(catalog, (struct path_id){ x->first_path }, (struct path_id){ y->first_path });
}

static uint32_t root_of(const struct catalog *catalog, uint32_t path)
{
	return catalog_dir(catalog, (struct dir_id){ catalog_path(catalog, (struct path_id){ path })->dir })->root;
}

static bool is_reference(const struct catalog *catalog, struct inode_id id)
{
	for (uint32_t at = catalog_inode(catalog, id)->first_path; at != ID_NONE;
	     at = catalog_path(catalog, (struct path_id){ at })->next)
		if (catalog->roots.at[root_of(catalog, at)].reference)
			return true;
	return false;
}

struct ordering {
	const struct catalog *catalog;
	const struct keeper_rules *rules;
	const struct inode_id *members;
};

/* References first, then as keeper_order; members come in path order, so their indices stand for their paths. */
static int order_members(const void *a, const void *b, void *ctx)
{
	const struct ordering *ordering = ctx;
	uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;
	struct inode_id x = ordering->members[i], y = ordering->members[j];
	if (ordering->rules->references) {
		bool first = is_reference(ordering->catalog, x), second = is_reference(ordering->catalog, y);
		if (first != second)
			return first ? -1 : 1;
	}
	int r = by_file(ordering->rules->keep, catalog_inode(ordering->catalog, x), catalog_inode(ordering->catalog, y));
	return r ? r : order_u64(i, j);
}

/* Keepers in line. most[1] is the most room that any has; most[i] the larger of most[2i] and most[2i + 1]. */
struct line {
	uint64_t *most;  /* 2 * leaves; the leaves are the last half: links each keeper can still get */
	uint32_t *index; /* of each keeper, in members */
	size_t leaves, count;
};

static void set_room(struct line *line, size_t keeper, uint64_t room)
{
	size_t at = line->leaves + keeper;
	line->most[at] = room;
	for (at /= 2; at; at /= 2)
		line->most[at] = u64_max(line->most[2 * at], line->most[2 * at + 1]);
}

/* The first keeper in line with room for `names` more, or line->count. */
static size_t find_room(const struct line *line, uint64_t names)
{
	size_t at = 1;
	if (!line->count || line->most[1] < names)
		return line->count;
	while (at < line->leaves) {
		at *= 2;
		at += line->most[at] < names;
	}
	return at - line->leaves;
}

static int line_grow(struct line *line)
{
	size_t leaves = line->leaves ? line->leaves * 2 : 8;
	uint32_t *index = realloc(line->index, leaves * sizeof(*index));
	if (!index)
		return -ENOMEM;
	line->index = index;
	own_free uint64_t *most = calloc(2 * leaves, sizeof(*most));
	if (!most)
		return -ENOMEM;
	if (line->count)
		memcpy(most + leaves, line->most + line->leaves, line->count * sizeof(*most));
	for (size_t at = leaves - 1; at; at--)
		most[at] = u64_max(most[2 * at], most[2 * at + 1]);
	free(line->most);
	line->most = steal(&most);
	line->leaves = leaves;
	return 0;
}

static int add_keeper(struct line *line, uint32_t index, uint64_t room)
{
	int r = line->count == line->leaves ? line_grow(line) : 0;
	if (r)
		return r;
	line->index[line->count] = index;
	set_room(line, line->count++, room);
	return 0;
}

/* ---- isolated: keepers with the roots that are in their sets ---- */

struct island {
	uint64_t room;
	VEC(uint32_t) roots;
};

struct islands {
	VEC(struct island) at;
	VEC(uint32_t) index; /* of each, in members */
	uint32_t *first;     /* of each root: the first island that may be without it */
};

static bool island_has(const struct island *island, uint32_t root)
{
	for (size_t i = 0; i < island->roots.count; i++)
		if (island->roots.at[i] == root)
			return true;
	return false;
}

static bool meets(const struct catalog *catalog, const struct island *island, const struct catalog_inode *inode)
{
	for (uint32_t at = inode->first_path; at != ID_NONE; at = catalog_path(catalog, (struct path_id){ at })->next)
		if (island_has(island, root_of(catalog, at)))
			return true;
	return false;
}

static int join(const struct catalog *catalog, struct island *island, const struct catalog_inode *inode)
{
	int r = 0;
	for (uint32_t at = inode->first_path; at != ID_NONE && !r; at = catalog_path(catalog, (struct path_id){ at })->next)
		if (!island_has(island, root_of(catalog, at)))
			r = vec_push(&island->roots, root_of(catalog, at));
	return r;
}

/* Islands only ever gain roots and lose room: those known to have the root, or no room, need not be asked again. */
static size_t first_without(struct islands *islands, uint32_t root)
{
	size_t at = islands->first[root];
	while (at < islands->at.count && (!islands->at.at[at].room || island_has(&islands->at.at[at], root)))
		at++;
	islands->first[root] = (uint32_t)at;
	return at;
}

static size_t find_island(struct islands *islands, const struct catalog *catalog, const struct catalog_inode *inode)
{
	size_t at = 0;
	for (uint32_t path = inode->first_path; path != ID_NONE; path = catalog_path(catalog, (struct path_id){ path })->next)
		at = size_max(at, first_without(islands, root_of(catalog, path)));
	while (at < islands->at.count &&
	       (islands->at.at[at].room < inode->names || meets(catalog, &islands->at.at[at], inode)))
		at++;
	return at;
}

static int settle(struct islands *islands, const struct catalog *catalog, const struct keeper_rules *rules, struct inode_id id,
		  uint32_t index, uint32_t *ret_keeper)
{
	const struct catalog_inode *inode = catalog_inode(catalog, id);
	bool stays = rules->references && is_reference(catalog, id);
	size_t at = stays ? islands->at.count : find_island(islands, catalog, inode);
	if (at < islands->at.count) {
		islands->at.at[at].room -= inode->names;
		*ret_keeper = islands->index.at[at];
		return join(catalog, &islands->at.at[at], inode);
	}
	struct island island = { .room = inode->links < rules->limit ? rules->limit - inode->links : 0 };
	*ret_keeper = index;
	int r = vec_push(&islands->index, index);
	if (!r)
		r = vec_push(&islands->at, island);
	return r ? r : join(catalog, &islands->at.at[islands->at.count - 1], inode);
}

static int assign_isolated(const struct catalog *catalog, const struct keeper_rules *rules, const struct inode_id *members,
			   size_t count, const uint32_t *order, uint32_t *ret_keeper)
{
	struct islands islands = { .first = calloc(catalog->roots.count + 1, sizeof(*islands.first)) };
	int r = islands.first ? 0 : -ENOMEM;
	for (size_t i = 0; i < count && !r; i++)
		r = settle(&islands, catalog, rules, members[order[i]], order[i], &ret_keeper[order[i]]);
	for (size_t i = 0; i < islands.at.count; i++)
		vec_free(&islands.at.at[i].roots);
	vec_free(&islands.at);
	vec_free(&islands.index);
	free(islands.first);
	return r;
}

/* ---- in one line ---- */

/* Mostly the first has room for all: then there is no line. */
static bool fits_first(const struct catalog *catalog, const struct keeper_rules *rules, const struct inode_id *members,
		       size_t count, uint32_t first)
{
	uint64_t links = catalog_inode(catalog, members[first])->links;
	for (uint32_t i = 0; i < count; i++)
		links += i == first ? 0 : catalog_inode(catalog, members[i])->names;
	return !rules->references && links <= rules->limit;
}

static int assign_in_line(const struct catalog *catalog, const struct keeper_rules *rules, const struct inode_id *members,
			  size_t count, const uint32_t *order, uint32_t *ret_keeper)
{
	struct line line = { 0 };
	int r = 0;
	for (size_t i = 0; i < count && !r; i++) {
		uint32_t member = order[i];
		const struct catalog_inode *inode = catalog_inode(catalog, members[member]);
		bool stays = rules->references && is_reference(catalog, members[member]);
		size_t keeper = stays ? line.count : find_room(&line, inode->names);
		if (keeper < line.count) {
			set_room(&line, keeper, line.most[line.leaves + keeper] - inode->names);
			ret_keeper[member] = line.index[keeper];
		} else {
			r = add_keeper(&line, member, inode->links < rules->limit ? rules->limit - inode->links : 0);
			ret_keeper[member] = member;
		}
	}
	free(line.most);
	free(line.index);
	return r;
}

int keeper_assign(const struct catalog *catalog, const struct keeper_rules *rules, const struct inode_id *members,
		  size_t count, uint32_t *ret_order, uint32_t *ret_keeper)
{
	struct ordering ordering = { catalog, rules, members };
	for (uint32_t i = 0; i < count; i++)
		ret_order[i] = i;
	sort(ret_order, count, sizeof(*ret_order), order_members, &ordering);
	if (count && !rules->isolate && fits_first(catalog, rules, members, count, ret_order[0])) {
		for (size_t i = 0; i < count; i++)
			ret_keeper[i] = ret_order[0];
		return 0;
	}
	return (rules->isolate ? assign_isolated : assign_in_line)(catalog, rules, members, count, ret_order, ret_keeper);
}
