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

int keeper_order(const struct catalog *catalog, enum dlk_keep keep, struct inode_id a, struct inode_id b)
{
	const struct catalog_inode *x = catalog_inode(catalog, a), *y = catalog_inode(catalog, b);
	int r = by_policy(keep, x, y);
	if (!r && keep != DLK_KEEP_FIRST_PATH)
		r = order_i64(x->mtime, y->mtime);
	return r ? r : catalog_path_order(catalog, (struct path_id){ x->first_path }, (struct path_id){ y->first_path });
}

struct ordering {
	const struct catalog *catalog;
	enum dlk_keep keep;
};

static int order_members(const void *a, const void *b, void *ctx)
{
	const struct ordering *ordering = ctx;
	return keeper_order(ordering->catalog, ordering->keep, *(const struct inode_id *)a, *(const struct inode_id *)b);
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

int keeper_assign(const struct catalog *catalog, enum dlk_keep keep, uint64_t limit, struct inode_id *members,
		  size_t count, uint32_t *ret_keeper)
{
	struct ordering ordering = { catalog, keep };
	struct line line = { 0 };
	int r = 0;
	qsort_r(members, count, sizeof(*members), order_members, &ordering);
	for (uint32_t i = 0; i < count && !r; i++) {
		const struct catalog_inode *inode = catalog_inode(catalog, members[i]);
		size_t keeper = find_room(&line, inode->names);
		if (keeper < line.count) {
			set_room(&line, keeper, line.most[line.leaves + keeper] - inode->names);
			ret_keeper[i] = line.index[keeper];
		} else {
			r = add_keeper(&line, i, inode->links < limit ? limit - inode->links : 0);
			ret_keeper[i] = i;
		}
	}
	free(line.most);
	free(line.index);
	return r;
}
