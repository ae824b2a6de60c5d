/* SPDX-License-Identifier: MIT */
/*
 * share.c - from sets to shared extents
 *
 *	foresee   where do their bytes lie?   where the keeper's do: out; nowhere: out; elsewhere: counted
 *	share     range by range, as far as the target has data         FIDEDUPERANGE
 *
 * What a target frees is asked once, before anything is done: extents that two targets share with each other and with nobody else
 * count for neither, though both go. So a dry run and the run after it say the same, and never too much.
 */
#include "share.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "../base/fail.h"
#include "../sys/clone.h"
#include "../sys/extent.h"

enum { BLOCK = 4096, REACH_DIRS = 64 };

/* ---- opening and telling ---- */

/* The first planned name of an inode, or its first. */
static struct path_id name_of(const struct dlk_plan *plan, struct inode_id id)
{
	uint32_t first = catalog_inode(&plan->catalog, id)->first_path, at = first;
	while (at != ID_NONE && plan->fates[at] != DLK_FATE_PLANNED)
		at = catalog_path(&plan->catalog, (struct path_id){ at })->next;
	return (struct path_id){ at == ID_NONE ? first : at };
}

/* Sets the fate of each name that was planned. How many there were. */
static uint64_t set_fates(struct dlk_plan *plan, struct inode_id id, enum dlk_fate fate)
{
	uint64_t names = 0;
	for (uint32_t at = catalog_inode(&plan->catalog, id)->first_path; at != ID_NONE;
	     at = catalog_path(&plan->catalog, (struct path_id){ at })->next) {
		if (plan->fates[at] != DLK_FATE_PLANNED)
			continue;
		plan->fates[at] = (unsigned char)fate;
		names++;
	}
	return names;
}

static void leave(struct dlk_plan *plan, struct inode_id id, int r)
{
	own_free char *path = catalog_path_string(&plan->catalog, name_of(plan, id));
	uint64_t names = set_fates(plan, id, DLK_FATE_LEFT);
	if (r == -EILSEQ)
		tell_skip(&plan->tell, DLK_STAGE_LINK, path, DLK_REASON_UNEQUAL, names);
	else if (fail_changed(r))
		tell_skip(&plan->tell, DLK_STAGE_LINK, path, DLK_REASON_CHANGED, names);
	else
		tell_error(&plan->tell, DLK_STAGE_LINK, path, r);
}

/* Opens an inode by any of its names that still leads to it, as it was scanned. */
static int open_inode(const struct dlk_plan *plan, struct reach *reach, struct inode_id id, int *ret_fd)
{
	const struct catalog_inode *inode = catalog_inode(&plan->catalog, id);
	struct stamp scanned = catalog_stamp(&plan->catalog, inode), now;
	own_fd int fd = -1;
	int r = reach_inode(reach, inode, !geteuid() || scanned.uid == geteuid(), &fd);
	if (!r)
		r = stamp_fd(fd, &now);
	if (!r && !stamp_same_version(&now, &scanned))
		r = -ESTALE;
	if (!r)
		*ret_fd = steal_fd(&fd);
	return r;
}

/* ---- foreseeing ---- */

enum capability { UNKNOWN, CAN, CANNOT };

struct foresight {
	struct dlk_plan *plan;
	struct reach reach;
	unsigned char *domains; /* enum capability of each */
};

static bool can_share(struct foresight *foresight, struct inode_id id, int fd)
{
	struct dlk_plan *plan = foresight->plan;
	uint32_t domain = catalog_meta(&plan->catalog, catalog_inode(&plan->catalog, id))->domain;
	unsigned char *known = &foresight->domains[domain];
	if (*known == UNKNOWN) {
		*known = clone_possible(fd) ? CAN : CANNOT;
		if (*known == CANNOT) {
			own_free char *path = catalog_path_string(&plan->catalog, name_of(plan, id));
			tell_refused(&plan->tell, DLK_STAGE_LINK, path, DLK_REASON_NO_REFLINKS);
		}
	}
	return *known == CAN;
}

/* Where a member's bytes lie. */
struct place {
	uint64_t hash; /* of all its places; 0: not all known */
	bool shareable;
	uint64_t freed; /* what goes when they lie elsewhere */
};

static struct place place_of(struct foresight *foresight, struct inode_id id)
{
	struct place place = { .shareable = true }; /* when it cannot be asked, the attempt will tell */
	struct extent_map map = { 0 };
	own_fd int fd = -1;
	if (open_inode(foresight->plan, &foresight->reach, id, &fd) || extent_map_read(fd, &map))
		return place;
	place.shareable = map.shareable;
	place.freed = map.exclusive;
	for (size_t i = 0; map.placed && i < map.count; i++)
		place.hash = mix64(mix64(mix64(place.hash ^ map.runs[i].logical) ^ map.runs[i].physical) ^ map.runs[i].length);
	extent_map_free(&map);
	return place;
}

static int order_hashes(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;
	return *x < *y ? -1 : *x > *y;
}

/* The place where most members lie already; 0 when no two lie in one. */
static int common_place(const struct place *places, size_t count, uint64_t *ret)
{
	own_free uint64_t *hashes = malloc(count * sizeof(*hashes));
	size_t most = 1;
	if (!hashes)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		hashes[i] = places[i].hash;
	qsort(hashes, count, sizeof(*hashes), order_hashes);
	*ret = 0;
	for (size_t from = 0, to; from < count; from = to) {
		for (to = from + 1; to < count && hashes[to] == hashes[from];)
			to++;
		if (hashes[from] && to - from > most) {
			most = to - from;
			*ret = hashes[from];
		}
	}
	return 0;
}

/*
 * Metadata stay what they are, so it is all one to people whose blocks stay: those where most members are already, for the least
 * to do. Not where somebody said who keeps.
 */
static int choose_keeper(const struct dlk_plan *plan, struct inode_id *members, struct place *places, size_t count)
{
	uint64_t common = 0;
	if (plan->exact || plan->options.reference_count)
		return 0;
	int r = common_place(places, count, &common);
	if (r || !common || places[0].hash == common)
		return r;
	size_t i = 1;
	while (places[i].hash != common)
		i++;
	struct inode_id id = members[i];
	struct place place = places[i];
	memmove(members + 1, members, i * sizeof(*members));
	memmove(places + 1, places, i * sizeof(*places));
	members[0] = id;
	places[0] = place;
	return 0;
}

static int foresee_target(struct dlk_plan *plan, struct inode_id id, uint64_t freed)
{
	const struct catalog_inode *inode = catalog_inode(&plan->catalog, id);
	uint64_t allocated = inode->blocks * 512;
	struct plan_shared shared = { id, allocated > freed ? allocated - freed : 0 };
	for (uint32_t at = inode->first_path; at != ID_NONE; at = catalog_path(&plan->catalog, (struct path_id){ at })->next)
		plan->tally.links_made += plan->fates[at] == DLK_FATE_PLANNED;
	plan->tally.bytes_saved += u64_min(freed, allocated);
	return vec_push(&plan->shared, shared);
}

/* The names of the keeper were not to be touched, those of who was keeper before are. */
static void fate_all(struct dlk_plan *plan, struct inode_id id, enum dlk_fate fate)
{
	for (uint32_t at = catalog_inode(&plan->catalog, id)->first_path; at != ID_NONE;
	     at = catalog_path(&plan->catalog, (struct path_id){ at })->next)
		plan->fates[at] = (unsigned char)fate;
}

static int foresee_members(struct foresight *foresight, struct plan_set *set, struct place *places)
{
	struct dlk_plan *plan = foresight->plan;
	struct inode_id *members = &plan->members.at[set->first], before = members[0];
	uint32_t kept = 1;
	for (uint32_t i = 0; i < set->count; i++)
		places[i] = place_of(foresight, members[i]);
	int r = choose_keeper(plan, members, places, set->count);
	if (members[0].v != before.v) {
		fate_all(plan, before, DLK_FATE_PLANNED);
		fate_all(plan, members[0], DLK_FATE_KEEPER);
	}
	for (uint32_t i = 1; i < set->count && !r; i++) {
		if (!places[i].shareable || (places[i].hash && places[i].hash == places[0].hash)) {
			set_fates(plan, members[i], DLK_FATE_KEEPER);
			continue;
		}
		r = foresee_target(plan, members[i], places[i].freed);
		members[kept++] = members[i];
	}
	set->count = kept;
	return r;
}

static int foresee_set(struct foresight *foresight, struct plan_set *set)
{
	struct dlk_plan *plan = foresight->plan;
	const struct inode_id *members = &plan->members.at[set->first];
	own_free struct place *places = malloc(set->count * sizeof(*places));
	own_fd int fd = -1;
	if (!places)
		return -ENOMEM;
	int r = open_inode(plan, &foresight->reach, members[0], &fd);
	if (r)
		leave(plan, members[0], r);
	if (!r && can_share(foresight, members[0], fd)) {
		r = foresee_members(foresight, set, places);
		plan->tally.sets += set->count > 1;
		return r;
	}
	for (uint32_t i = 1; i < set->count; i++)
		set_fates(plan, members[i], DLK_FATE_LEFT);
	set->count = 1;
	return 0;
}

static int order_shared(const void *a, const void *b)
{
	const struct plan_shared *x = a, *y = b;
	return x->inode.v < y->inode.v ? -1 : x->inode.v > y->inode.v;
}

int share_foresee(struct dlk_plan *plan)
{
	struct foresight foresight = { .plan = plan, .domains = calloc(plan->catalog.domains.count + 1, 1) };
	size_t kept = 0;
	int r = foresight.domains ? 0 : -ENOMEM;
	reach_init(&foresight.reach, &plan->catalog, size_min(REACH_DIRS, sys_descriptors() / 2));
	for (size_t i = 0; i < plan->sets.count && !r; i++) {
		struct plan_set set = plan->sets.at[i];
		r = tell_stopped(&plan->tell) ? -ECANCELED : foresee_set(&foresight, &set);
		if (set.count > 1)
			plan->sets.at[kept++] = set;
	}
	plan->sets.count = kept;
	if (plan->shared.count)
		qsort(plan->shared.at, plan->shared.count, sizeof(*plan->shared.at), order_shared);
	reach_free(&foresight.reach);
	free(foresight.domains);
	return r;
}

/* ---- sharing ---- */

/* One stretch of data. */
static int share_range(const struct tell *tell, int source, int target, uint64_t begin, uint64_t end)
{
	while (begin < end) {
		uint64_t done;
		if (tell_stopped(tell))
			return -ECANCELED;
		int r = clone_range(source, target, begin, u64_min(end - begin, CLONE_MOST), &done);
		if (r)
			return r;
		begin += done;
	}
	return 0;
}

/* All that the target has on disk; holes have nothing to share, and may be larger than any disk. */
static int share_file(const struct tell *tell, int source, int target, uint64_t size)
{
	uint64_t begin, end;
	for (uint64_t at = 0; at < size; at = end) {
		int r = extent_data(target, at, size, &begin, &end);
		if (r)
			return r;
		end = u64_min((end + BLOCK - 1) / BLOCK * BLOCK, size);
		if (begin < end)
			r = share_range(tell, source, target, begin / BLOCK * BLOCK, end);
		if (r)
			return r;
	}
	return 0;
}

static void count_shared(struct dlk_plan *plan, struct inode_id id)
{
	const struct catalog_inode *inode = catalog_inode(&plan->catalog, id);
	uint64_t names = set_fates(plan, id, DLK_FATE_LINKED);
	pthread_mutex_lock(&plan->mutex);
	plan->tally.links_made += names;
	plan->tally.bytes_saved += inode->blocks * 512 - plan_shared(plan, id);
	pthread_mutex_unlock(&plan->mutex);
}

static void tell_shared(struct dlk_plan *plan, struct inode_id keeper, struct inode_id id)
{
	own_free char *path = NULL, *other = NULL;
	if (!plan->options.tell_links)
		return;
	path = catalog_path_string(&plan->catalog, name_of(plan, id));
	other = catalog_path_string(&plan->catalog, name_of(plan, keeper));
	tell_linked(&plan->tell, path, other);
}

/* A file that was cut ends before the range, which the kernel calls invalid and nothing more (fs/remap_range.c). */
static bool was_changed(const struct dlk_plan *plan, struct inode_id id, int fd)
{
	struct stamp scanned = catalog_stamp(&plan->catalog, catalog_inode(&plan->catalog, id)), now;
	return !stamp_fd(fd, &now) && !stamp_same_version(&now, &scanned);
}

void share_set(struct dlk_plan *plan, struct reach *reach, const struct inode_id *inodes, size_t count)
{
	uint64_t size = catalog_inode(&plan->catalog, inodes[0])->size;
	own_fd int source = -1;
	int opened = open_inode(plan, reach, inodes[0], &source);
	for (size_t i = 1; i < count && !tell_stopped(&plan->tell); i++) {
		own_fd int target = -1;
		int r = opened ? opened : open_inode(plan, reach, inodes[i], &target);
		if (!r)
			r = share_file(&plan->tell, source, target, size);
		if (r == -ECANCELED)
			break;
		if (r == -EINVAL && (was_changed(plan, inodes[0], source) || was_changed(plan, inodes[i], target)))
			r = -ESTALE;
		if (r) {
			leave(plan, inodes[i], r);
			continue;
		}
		tell_shared(plan, inodes[0], inodes[i]);
		count_shared(plan, inodes[i]);
	}
}
