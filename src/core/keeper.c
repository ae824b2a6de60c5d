/* SPDX-License-Identifier: MIT */
/*
 * keeper.c - sort by who rather stays, then first fit
 *
 * Keepers that are full fall out of the line, so that 65,010 single files cost one pass. Where large groups leave many
 * keepers with little room each, only LOOK_BACK of them are tried for each inode.
 */
#include "keeper.h"

#include <errno.h>
#include <stdlib.h>

enum { LOOK_BACK = 64 };

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

/* A keeper that can take more. */
struct open_keeper {
	uint32_t index; /* in members */
	uint64_t room;  /* links it can still get */
};

struct line {
	VEC(struct open_keeper) at;
	size_t first; /* those before are full */
};

static void drop_full(struct line *line)
{
	while (line->first < line->at.count && !line->at.at[line->first].room)
		line->first++;
}

/* The first keeper in line with room for `names` more, or NULL. */
static struct open_keeper *find_room(struct line *line, uint64_t names)
{
	drop_full(line);
	size_t end = size_min(line->at.count, line->first + LOOK_BACK);
	for (size_t i = line->first; i < end; i++)
		if (line->at.at[i].room >= names)
			return &line->at.at[i];
	return NULL;
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
		struct open_keeper *keeper = find_room(&line, inode->names);
		if (keeper) {
			keeper->room -= inode->names;
			ret_keeper[i] = keeper->index;
			continue;
		}
		struct open_keeper self = { i, inode->links < limit ? limit - inode->links : 0 };
		ret_keeper[i] = i;
		r = vec_push(&line.at, self);
	}
	vec_free(&line.at);
	return r;
}
