/* SPDX-License-Identifier: MIT */
/*
 * reach.c - a small cache of directory descriptors
 *
 * To open a directory: climb to the nearest cached ancestor or to the root, then go down again in stretches as long as a path
 * may be, each resolved by the kernel in one call; a mount on the way is a stretch of its own. Only the root and the last
 * directory are kept: in inode order neighbours share parents, and a deep tree must not fill the cache with its spine.
 * What the walk left open comes before all this.
 */
#include "reach.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../sys/beneath.h"
#include "../sys/dir.h"
#include "roots.h"

void reach_init(struct reach *reach, const struct catalog *catalog, size_t limit)
{
	*reach = (struct reach){ .catalog = catalog, .limit = limit < 4 ? 4 : limit };
}

void reach_free(struct reach *reach)
{
	for (size_t i = 0; i < reach->slots.count; i++) {
		close_fd(&reach->slots.at[i]->fd);
		free(reach->slots.at[i]);
	}
	vec_free(&reach->slots);
	vec_free(&reach->dirs);
	vec_free(&reach->chain);
}

/* ---- what the walk left open ---- */

enum { KEPT_MOST = 16 * 1024 /* each pins a directory in the kernel, some 1.5 KiB */ };

int reach_kept_init(struct reach_kept *kept)
{
	unsigned descriptors = sys_descriptors();
	uint32_t room = (uint32_t)u64_min(descriptors / 2, KEPT_MOST);
	kept->fds = malloc((room + 1) * sizeof(*kept->fds));
	if (!kept->fds)
		return -ENOMEM;
	kept->room = room;
	kept->others = descriptors - room;
	for (uint32_t i = 0; i < room; i++)
		kept->fds[i] = -1;
	return 0;
}

void reach_kept_expect(const struct reach_kept *kept)
{
	int fd = sys->openat(AT_FDCWD, "/", O_PATH | O_CLOEXEC, 0);
	int high = fd < 0 ? fd : sys->fcntl(fd, F_DUPFD_CLOEXEC, (long)kept->room);
	close_fd(&high);
	close_fd(&fd);
}

static void close_some(void *ctx, unsigned worker)
{
	enum { SOME = 256 };
	struct reach_kept *kept = ctx;
	uint32_t from;
	(void)worker;
	while ((from = __atomic_fetch_add(&kept->next, SOME, __ATOMIC_RELAXED)) < kept->room)
		for (uint32_t i = from; i < kept->room && i < from + SOME; i++)
			close_fd(&kept->fds[i]);
}

void reach_kept_close(struct reach_kept *kept)
{
	enum { MANY = 1000 }; /* two milliseconds */
	uint32_t open = 0;
	for (uint32_t i = 0; i < kept->room; i++)
		open += kept->fds[i] >= 0;
	if (open < MANY || !pool_begin(&kept->closing, 1, close_some, kept))
		close_some(kept, 0);
}

void reach_kept_free(struct reach_kept *kept)
{
	close_some(kept, 0);
	pool_end(&kept->closing);
	free(kept->fds);
	*kept = (struct reach_kept){ 0 };
}

static int kept_fd(const struct reach *reach, struct dir_id dir)
{
	return reach->kept && dir.v < reach->kept->room ? reach->kept->fds[dir.v] : -1;
}

/* ---- the slots ---- */

static struct reach_slot *cached(struct reach *reach, uint32_t dir)
{
	if (reach->last < reach->dirs.count && reach->dirs.at[reach->last] == dir)
		return reach->slots.at[reach->last];
	for (size_t i = 0; i < reach->dirs.count; i++) {
		if (reach->dirs.at[i] == dir) {
			reach->last = i;
			return reach->slots.at[i];
		}
	}
	return NULL;
}

/* The slot that was not asked for longest and that nobody needs, or the number of slots. */
static size_t victim(const struct reach *reach)
{
	size_t oldest = reach->slots.count;
	for (size_t i = 0; i < reach->slots.count; i++) {
		const struct reach_slot *slot = reach->slots.at[i];
		if (!slot->pins && (oldest == reach->slots.count || slot->used < reach->slots.at[oldest]->used))
			oldest = i;
	}
	return oldest;
}

static int slot_for(struct reach *reach, uint32_t dir, struct reach_slot **ret)
{
	size_t i = reach->slots.count < reach->limit ? reach->slots.count : victim(reach);
	if (i == reach->slots.count) {
		struct reach_slot *slot = malloc(sizeof(*slot));
		if (!slot || vec_reserve(&reach->dirs, i + 1) || vec_push(&reach->slots, slot)) {
			free(slot);
			return -ENOMEM;
		}
		*slot = (struct reach_slot){ .fd = -1 };
		reach->dirs.count++;
	}
	close_fd(&reach->slots.at[i]->fd);
	reach->dirs.at[i] = dir;
	reach->last = i;
	*ret = reach->slots.at[i];
	return 0;
}

/* ---- opening ---- */

static bool crosses(const struct catalog *catalog, const struct catalog_dir *dir)
{
	return dir->parent != ID_NONE &&
	       catalog_dir(catalog, (struct dir_id){ dir->parent })->domain != dir->domain;
}

static struct stamp expected(const struct catalog *catalog, const struct catalog_dir *dir)
{
	const struct mount_facts *domain = &catalog->domains.at[dir->domain];
	return (struct stamp){ .dev = domain->dev, .ino = dir->ino, .mount = domain->mount };
}

static int check(const struct catalog *catalog, uint32_t id, int fd)
{
	struct stamp want = expected(catalog, catalog_dir(catalog, (struct dir_id){ id })), now;
	int r = stamp_fd(fd, &now);
	if (r)
		return r;
	return stamp_same_file(&now, &want) && now.mount == want.mount && S_ISDIR(now.mode) ? 0 : -ESTALE;
}

static const char *name_of(const struct catalog *catalog, uint32_t dir)
{
	return arena_at(&catalog->names, catalog_dir(catalog, (struct dir_id){ dir })->name);
}

/* From the open directory `from` along chain[count - 1] ... chain[0] (names going down). */
static int descend(const struct catalog *catalog, int from, const uint32_t *chain, size_t count, int *ret_fd)
{
	char path[DIR_NAME_MAX + 1];
	own_fd int at = -1;
	while (count) {
		size_t length = 0;
		bool mount = crosses(catalog, catalog_dir(catalog, (struct dir_id){ chain[count - 1] }));
		do {
			length += (size_t)snprintf(path + length, sizeof(path) - length, "%s%s", length ? "/" : "",
						   name_of(catalog, chain[--count]));
		} while (count && !mount && length + 1 + strlen(name_of(catalog, chain[count - 1])) < sizeof(path) &&
			 !crosses(catalog, catalog_dir(catalog, (struct dir_id){ chain[count - 1] })));
		int next = -1, base = at >= 0 ? at : from;
		int r = mount ? beneath_mount(base, path, false, &next) : beneath_dir(base, path, false, &next);
		if (!r && mount) {
			r = check(catalog, chain[count], next);
			if (r)
				close_fd(&next);
		}
		if (r)
			return r;
		close_fd(&at);
		at = next;
	}
	*ret_fd = steal_fd(&at);
	return 0;
}

static int open_root(const struct catalog *catalog, uint32_t id, int *ret_fd)
{
	const struct catalog_dir *dir = catalog_dir(catalog, (struct dir_id){ id });
	struct stamp want = expected(catalog, dir);
	return roots_open(catalog, dir->root, &want, false, ret_fd);
}

/* Looks at what was opened, and keeps it. */
static int keep(struct reach *reach, uint32_t dir, int fd, struct reach_slot **ret)
{
	own_fd int mine = fd;
	int r = check(reach->catalog, dir, fd);
	if (!r)
		r = slot_for(reach, dir, ret);
	if (!r)
		(*ret)->fd = steal_fd(&mine);
	return r;
}

/* The nearest one open, at or above the directory; the root is opened for it. What lies below goes to reach->chain, going up. */
static int nearest(struct reach *reach, uint32_t id, struct reach_slot **ret)
{
	const struct catalog *catalog = reach->catalog;
	struct reach_slot *slot;
	reach->chain.count = 0;
	for (uint32_t parent; !(slot = cached(reach, id)); id = parent) {
		int fd, r;
		parent = catalog_dir(catalog, (struct dir_id){ id })->parent;
		if (parent == ID_NONE) {
			r = open_root(catalog, id, &fd);
			if (!r)
				r = keep(reach, id, fd, &slot);
			if (r)
				return r;
			break;
		}
		r = vec_push(&reach->chain, id);
		if (r)
			return r;
	}
	/* The youngest now: what is opened beneath it takes another one's place. */
	slot->used = ++reach->clock;
	*ret = slot;
	return 0;
}

static int slot_of(struct reach *reach, struct dir_id dir, struct reach_slot **ret)
{
	struct reach_slot *slot;
	int fd, r = nearest(reach, dir.v, &slot);
	if (!r && reach->chain.count) {
		r = descend(reach->catalog, slot->fd, reach->chain.at, reach->chain.count, &fd);
		if (!r)
			r = keep(reach, dir.v, fd, &slot);
		if (!r)
			slot->used = ++reach->clock;
	}
	if (!r)
		*ret = slot;
	return r;
}

int reach_dir(struct reach *reach, struct dir_id dir, int *ret_fd)
{
	struct reach_slot *slot;
	int kept = kept_fd(reach, dir);
	int r = kept < 0 ? slot_of(reach, dir, &slot) : 0;
	if (!r)
		*ret_fd = kept < 0 ? slot->fd : kept;
	return r;
}

int reach_pin(struct reach *reach, struct dir_id dir, struct reach_slot **ret_slot)
{
	int r = slot_of(reach, dir, ret_slot);
	if (!r)
		(*ret_slot)->pins++;
	return r;
}

void reach_unpin(struct reach *reach, struct reach_slot *slot)
{
	(void)reach;
	slot->pins--;
}

int reach_file(struct reach *reach, struct path_id path, bool mine, int *ret_fd)
{
	int dirfd;
	int r = reach_dir(reach, (struct dir_id){ catalog_path(reach->catalog, path)->dir }, &dirfd);
	return r ? r : beneath_file(dirfd, catalog_name(reach->catalog, path), mine, ret_fd);
}

bool reach_is(const struct catalog *catalog, const struct catalog_inode *inode, int fd)
{
	struct stamp now;
	return !stamp_fd(fd, &now) && now.ino == inode->ino && now.dev == catalog_domain(catalog, inode)->dev;
}

static int reach_by_names(struct reach *reach, const struct catalog_inode *inode, bool mine, bool look, int *ret_fd)
{
	own_fd int fd = -1;
	int r = -ENOENT;
	for (uint32_t at = inode->first_path; r && at != ID_NONE;) {
		struct path_id path = { at };
		close_fd(&fd);
		r = reach_file(reach, path, mine, &fd);
		if (!r && look && !reach_is(reach->catalog, inode, fd))
			r = -ESTALE; /* saved by a rename since: the other names have the old file */
		at = catalog_path(reach->catalog, path)->next;
	}
	if (!r)
		*ret_fd = steal_fd(&fd);
	return r;
}

int reach_inode(struct reach *reach, const struct catalog_inode *inode, bool mine, int *ret_fd)
{
	return reach_by_names(reach, inode, mine, inode->names > 1, ret_fd);
}

int reach_inode_or_other(struct reach *reach, const struct catalog_inode *inode, bool mine, int *ret_fd)
{
	return reach_by_names(reach, inode, mine, false, ret_fd);
}
