/* SPDX-License-Identifier: MIT */
/*
 * apply.c - the second verb: plan -> confirm -> proof -> replace -> outcome -> account -> tally
 *
 * Each worker takes sets from its own end of the plan, which is in path order, so that workers are in different directories;
 * one that has finished its share helps with another's. Within a set: the keeper is opened, targets join it in waves, all are
 * compared in step under leases, and each name of each proven target is replaced.
 *
 * Undecided classes (large files alike at both ends) are compared first and become sets by what the comparison finds; the same
 * open, leased, proven files are then linked.
 */
#include "../../include/dedupe-link.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "../base/fail.h"
#include "../base/pool.h"
#include "../sys/extent.h"
#include "../sys/project.h"
#include "account.h"
#include "confirm.h"
#include "dirtime.h"
#include "journal.h"
#include "plan.h"
#include "reach.h"
#include "replace.h"
#include "share.h"

enum {
	WORKERS_MOST = 4,  /* beyond it the file system's own locks decide */
	LINE_MOST = 64,    /* exchanges in their grace, a worker; more only fill directories with temporary names */
	FD_EACH = 4,       /* descriptors an exchange may hold: target, keeper, directory, and one to spare */
	SYNC_WHOLE = 32,   /* files that may keep on a file system from which on syncing it whole is cheaper than one by one */
	CROSSED_ROUNDS = 64,   /* of keepers tried for files that no link of the one before can stand beside */
	TELL_MS = 100,
};

/* What all workers share. */
struct apply {
	struct dlk_plan *plan;
	size_t sets;           /* decided ones, to be applied; those behind were made of undecided classes meanwhile */
	size_t units;          /* sets and undecided classes */
	unsigned workers;
	size_t *next, *end;    /* of each worker's share; next is atomic */
	struct dirtimes *dirtimes; /* NULL: not wanted */
	size_t *order;         /* NULL, or the units by what they would free: with a limit of time */
	uint32_t run, serial;
	int64_t *synced;       /* of each domain */
	bool *read_only;       /* atomic: of each domain, found so while linking */
	bool *crossed;         /* atomic: of each domain, EXDEV was told */
	size_t line, wave;
	int error;             /* atomic */
	int64_t told;          /* atomic */
	/* for those who watch */
	uint64_t files, bytes; /* of all units */
	uint64_t files_done, bytes_done; /* atomic */
};

/* A file beside which the kernel made no link of the keeper. */
struct crossed {
	struct inode_id inode;
	uint32_t project; /* its own */
	uint32_t order;   /* in which they came */
};

struct worker {
	struct apply *apply;
	struct dlk_plan *plan;
	struct reach reach;
	struct confirm confirm;
	struct replacer replacer;
	uid_t euid;
	VEC(struct crossed) crossed; /* of the set in hand */
	uint32_t unit_files; /* of the unit in hand */
	uint64_t unit_bytes; /* the same, not yet in apply->bytes_done */
	uint64_t told_read;  /* of confirm.bytes_read */
};

/* An inode being replaced, until its last name is settled. */
struct target {
	struct inode_id inode;
	uint64_t left;    /* names not settled yet */
};

/* A name being replaced. */
struct name {
	struct worker *worker;
	struct path_id path;
	struct reach_slot *dir;
};

static int stop_all(struct apply *apply, int error)
{
	int none = 0;
	__atomic_compare_exchange_n(&apply->error, &none, error, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
	return error;
}

static bool going_on(struct apply *apply)
{
	if (tell_stopped(&apply->plan->tell))
		stop_all(apply, -ECANCELED);
	else if (manners_link_late(&apply->plan->manners))
		stop_all(apply, -ETIME);
	return !__atomic_load_n(&apply->error, __ATOMIC_RELAXED);
}

/* ---- telling what became of names ---- */

static void leave_name(struct worker *worker, struct path_id path, enum dlk_stage stage, enum dlk_reason reason, int error)
{
	own_free char *text = catalog_path_string(&worker->plan->catalog, path);
	worker->plan->fates[path.v] = DLK_FATE_LEFT;
	if (error)
		tell_error(&worker->plan->tell, stage, text, error);
	else
		tell_skip(&worker->plan->tell, stage, text, reason, 1);
}

static uint32_t first_planned(const struct dlk_plan *plan, uint32_t at)
{
	while (at != ID_NONE && plan->fates[at] != DLK_FATE_PLANNED)
		at = catalog_path(&plan->catalog, (struct path_id){ at })->next;
	return at;
}

/* All names of an inode that were to be replaced stay: one event for an error, one each for a skip. */
static void leave_inode(struct worker *worker, struct inode_id id, enum dlk_stage stage, enum dlk_reason reason, int error)
{
	struct dlk_plan *plan = worker->plan;
	uint32_t at = first_planned(plan, catalog_inode(&plan->catalog, id)->first_path);
	for (bool first = true; at != ID_NONE; first = false) {
		if (first || !error)
			leave_name(worker, (struct path_id){ at }, stage, reason, error);
		plan->fates[at] = DLK_FATE_LEFT;
		at = first_planned(plan, at);
	}
}

/* Names that were to be replaced are the keeper's own now. */
static void keep_names(struct dlk_plan *plan, struct inode_id id)
{
	uint32_t at = first_planned(plan, catalog_inode(&plan->catalog, id)->first_path);
	for (; at != ID_NONE; at = first_planned(plan, at))
		plan->fates[at] = DLK_FATE_KEEPER;
}

static void tell_kept(struct worker *worker, const struct name *name, const struct replace_outcome *outcome)
{
	struct text kept = { 0 };
	own_free char *path = catalog_path_string(&worker->plan->catalog, name->path);
	catalog_dir_text(&worker->plan->catalog,
			 (struct dir_id){ catalog_path(&worker->plan->catalog, name->path)->dir }, &kept);
	text_puts(&kept, "/");
	text_puts(&kept, outcome->kept);
	tell_note(&worker->plan->tell, outcome->kept_reason, kept.at, path);
	text_free(&kept);
}

static void tell_linked_name(struct worker *worker, const struct name *name, const struct proof *proof)
{
	struct dlk_plan *plan = worker->plan;
	struct inode_id keeper = { proof_keeper(proof)->inode };
	own_free char *path = NULL, *other = NULL;
	if (!plan->options.tell_links)
		return;
	path = catalog_path_string(&plan->catalog, name->path);
	other = catalog_path_string(&plan->catalog, (struct path_id){ catalog_inode(&plan->catalog, keeper)->first_path });
	tell_linked(&plan->tell, path, other);
}

/*
 * The last name of a target was settled: what went, what is held elsewhere. Nobody wrote to it, but on an overlay our exchange may have
 * copied it up, to a file that has more blocks, as XFS gives room to grow: not those were there to be freed.
 */
static void account_target(struct worker *worker, const struct candidate *candidate)
{
	const struct catalog_inode *scanned = catalog_inode(&worker->plan->catalog, (struct inode_id){ candidate->inode });
	struct account_inode inode = {
		.blocks = u64_min(candidate->stamp.blocks, scanned->blocks),
		.shared = candidate->shared,
		.names = candidate->moved,
		.last = candidate->gone,
	};
	pthread_mutex_lock(&worker->plan->mutex);
	account_add(&worker->plan->tally, &inode);
	pthread_mutex_unlock(&worker->plan->mutex);
}

static void target_settled(struct worker *worker, struct candidate *candidate)
{
	struct target *target = candidate->owner;
	if (--target->left)
		return;
	account_target(worker, candidate);
	candidate->owner = NULL;
	free(target);
}

static void name_free(struct name *name)
{
	reach_unpin(&name->worker->reach, name->dir);
	free(name);
}

/* The link moved the keeper's ctime: the cache is to know it by the new one, or each link would make it look touched. */
static void remember_keeper(struct worker *worker, struct candidate *keeper)
{
	struct stamp now;
	if (!worker->plan->cache || stamp_fd(keeper->fd, &now) || !stamp_same_version(&now, &keeper->stamp))
		return;
	cache_linked(worker->plan->cache, (struct inode_id){ keeper->inode }, keeper->ctime, &now);
	keeper->ctime = now.ctime;
}

/* What became of one name; called by core/replace.c exactly once for each. */
static void name_done(void *ctx, const struct replace_place *place, const struct proof *proof,
		      const struct replace_outcome *outcome)
{
	struct worker *worker = ctx;
	struct name *name = place->cookie;
	if (outcome->result == REPLACE_LINKED) {
		worker->plan->fates[name->path.v] = DLK_FATE_LINKED;
		cached_join(&proof_keeper(proof)->cached, &proof_target(proof)->cached);
		remember_keeper(worker, proof_keeper(proof));
		if (outcome->weaker)
			__atomic_add_fetch(&worker->plan->tally.weaker, 1, __ATOMIC_RELAXED);
		tell_linked_name(worker, name, proof);
		if (outcome->error) {
			own_free char *path = catalog_path_string(&worker->plan->catalog, name->path);
			tell_error(&worker->plan->tell, outcome->stage, path, outcome->error);
		}
	} else {
		leave_name(worker, name->path, outcome->stage, outcome->reason, outcome->error);
	}
	if (outcome->kept)
		tell_kept(worker, name, outcome);
	if (worker->apply->dirtimes)
		dirtimes_look(worker->apply->dirtimes);
	name_free(name);
	target_settled(worker, proof_target(proof));
}

/* ---- the journal ---- */

/* A name is about to be replaced: what it was is written down first. */
static int record_link(void *ctx, const struct replace_place *place, const struct proof *proof, uint64_t *ret_ticket)
{
	struct worker *worker = ctx;
	struct journal *journal = worker->plan->journal;
	const struct catalog *catalog = &worker->plan->catalog;
	const struct name *name = place->cookie;
	const struct candidate *keeper = proof_keeper(proof), *target = proof_target(proof);
	struct path_id kept = { catalog_inode(catalog, (struct inode_id){ keeper->inode })->first_path };
	struct journal_link link = { .kept = &keeper->stamp, .old = &target->stamp };
	struct text path = { 0 }, other = { 0 };
	struct xattrs xattrs = { 0 };
	int r = 0;
	if (~worker->plan->options.respect & (DLK_RESPECT_XATTR | DLK_RESPECT_OWNER)) { /* another owner may give the keeper an ACL by then */
		r = xattrs_read(target->fd, &xattrs);
		link.xattrs = &xattrs;
	}
	roots_add_real(catalog, journal_roots(journal), name->path, &path);
	roots_add_real(catalog, journal_roots(journal), kept, &other);
	link.path = path.at;
	link.keeper = other.at;
	if (!r)
		r = path.failed || other.failed ? -ENOMEM : journal_add(journal, &link, ret_ticket);
	if (r)
		stop_all(worker->apply, r);
	xattrs_free(&xattrs);
	text_free(&path);
	text_free(&other);
	return r;
}

static int link_recorded(void *ctx, uint64_t ticket)
{
	struct worker *worker = ctx;
	int r = journal_commit(worker->plan->journal, ticket);
	return r ? stop_all(worker->apply, r) : 0;
}

/* ---- opening ---- */

/* An inode that is open and not leased yet. */
struct opening {
	int error, fd;
	struct replace_synced synced;
};

/* What may keep is synced now, while nothing of it is leased. */
static struct opening begin_opening(struct worker *worker, struct inode_id id, bool may_keep)
{
	const struct catalog *catalog = &worker->plan->catalog;
	const struct catalog_inode *inode = catalog_inode(catalog, id);
	bool mine = !worker->euid || catalog_meta(catalog, inode)->uid == worker->euid;
	struct opening opening = { .synced = REPLACE_NOT_SYNCED };
	opening.error = reach_inode(&worker->reach, inode, mine, &opening.fd);
	if (!opening.error && may_keep)
		opening.synced = replace_sync(&worker->replacer, opening.fd);
	return opening;
}

/*
 * The candidate, if it is as the scan saw it; the opening's descriptor is its own, or closed. *ret_reason tells why not: in use or
 * changed; else the error is trouble.
 */
static int lease_inode(struct worker *worker, struct inode_id id, const struct opening *opening, struct candidate **ret,
		       enum dlk_reason *ret_reason)
{
	const struct catalog *catalog = &worker->plan->catalog;
	struct stamp scanned = catalog_stamp(catalog, catalog_inode(catalog, id));
	int r = opening->error;
	if (!r)
		r = candidate_open(&worker->confirm, opening->fd, ret);
	if (!r && !stamp_same_version(&(*ret)->stamp, &scanned)) {
		candidate_unref(*ret);
		r = -ESTALE;
	}
	if (!r) {
		(*ret)->inode = id.v;
		(*ret)->ctime = (*ret)->stamp.ctime;
		replace_note_sync(*ret, &opening->synced);
	}
	*ret_reason = DLK_REASON_NONE;
	if (r == -EAGAIN)
		*ret_reason = DLK_REASON_IN_USE;
	else if (r == -ENOTSUP)
		*ret_reason = DLK_REASON_NOT_REGULAR;
	else if (fail_changed(r))
		*ret_reason = DLK_REASON_CHANGED;
	return r;
}

static int open_inode(struct worker *worker, struct inode_id id, bool may_keep, struct candidate **ret, enum dlk_reason *ret_reason)
{
	struct opening opening = begin_opening(worker, id, may_keep);
	return lease_inode(worker, id, &opening, ret, ret_reason);
}

/* A candidate for each inode, NULL where there is none (told). */
static void open_wave(struct worker *worker, const struct inode_id *inodes, size_t count, struct candidate **ret)
{
	for (size_t i = 0; i < count; i++) {
		enum dlk_reason reason;
		ret[i] = NULL;
		int r = open_inode(worker, inodes[i], false, &ret[i], &reason);
		if (r)
			ret[i] = NULL;
		else
			ret[i]->shared = plan_shared(worker->plan, inodes[i]);
		if (r && reason == DLK_REASON_NONE)
			leave_inode(worker, inodes[i], DLK_STAGE_CONFIRM, reason, r);
		else if (r)
			leave_inode(worker, inodes[i], DLK_STAGE_CONFIRM, reason, 0);
	}
}

/* ---- replacing ---- */

static void note_crossing(struct worker *worker, struct path_id path, uint32_t domain)
{
	own_free char *text = catalog_path_string(&worker->plan->catalog, path);
	if (!__atomic_exchange_n(&worker->apply->crossed[domain], true, __ATOMIC_RELAXED))
		tell_note(&worker->plan->tell, DLK_REASON_CROSS_DEVICE, text, NULL);
}

/* The kernel makes no link here, for a reason that will not pass. */
static void refuse(struct worker *worker, struct path_id path, int r)
{
	struct apply *apply = worker->apply;
	struct catalog *catalog = &worker->plan->catalog;
	uint32_t domain = catalog_dir(catalog, (struct dir_id){ catalog_path(catalog, path)->dir })->domain;
	if (r == -EROFS) {
		bool first = !__atomic_exchange_n(&apply->read_only[domain], true, __ATOMIC_RELAXED);
		leave_name(worker, path, DLK_STAGE_LINK, DLK_REASON_READ_ONLY, first ? r : 0);
		return;
	}
	note_crossing(worker, path, domain);
	leave_name(worker, path, DLK_STAGE_LINK, DLK_REASON_CROSS_DEVICE, 0);
}

static bool read_only(const struct worker *worker, struct inode_id id)
{
	const struct catalog *catalog = &worker->plan->catalog;
	uint32_t domain = catalog_meta(catalog, catalog_inode(catalog, id))->domain;
	return __atomic_load_n(&worker->apply->read_only[domain], __ATOMIC_RELAXED);
}

/* One name. 0; or -EMLINK, and for a target's first name -EXDEV, with nothing done. */
static int replace_path(struct worker *worker, struct proof *proof, struct path_id path)
{
	struct catalog *catalog = &worker->plan->catalog;
	if (catalog_dir(catalog, (struct dir_id){ catalog_path(catalog, path)->dir })->immutable) {
		leave_name(worker, path, DLK_STAGE_LINK, DLK_REASON_IMMUTABLE, 0);
		return 0;
	}
	struct target *target = proof_target(proof)->owner;
	struct name *name = malloc(sizeof(*name));
	int r = name ? 0 : -ENOMEM;
	if (r)
		return stop_all(worker->apply, r);
	*name = (struct name){ .worker = worker, .path = path };
	r = reach_pin(&worker->reach, (struct dir_id){ catalog_path(catalog, path)->dir }, &name->dir);
	if (r) {
		free(name);
		bool changed = fail_changed(r);
		leave_name(worker, path, DLK_STAGE_LINK, changed ? DLK_REASON_CHANGED : DLK_REASON_NONE, changed ? 0 : r);
		return 0;
	}
	if (worker->apply->dirtimes)
		dirtimes_touch(worker->apply->dirtimes, (struct dir_id){ catalog_path(catalog, path)->dir }, name->dir->fd);
	struct replace_place place = { .dirfd = name->dir->fd, .name = catalog_name(catalog, path), .cookie = name };
	target->left++;
	r = replace_name(&worker->replacer, &place, proof);
	if (!r)
		return 0;
	target->left--;
	name_free(name);
	if (r == -EMLINK || (r == -EXDEV && target->left == 1 && !proof_target(proof)->moved))
		return r;
	refuse(worker, path, r);
	return 0;
}

/*
 * Whether the keeper may take all names of a target that are to be replaced. Others may have linked it since the scan; its stamp was
 * looked at for the proof, and after each exchange.
 */
static bool fits(const struct dlk_plan *plan, const struct candidate *keeper, struct inode_id id)
{
	uint64_t names = 0;
	uint32_t at = plan->options.max_links ? first_planned(plan, catalog_inode(&plan->catalog, id)->first_path) : ID_NONE;
	for (; at != ID_NONE; at = first_planned(plan, catalog_path(&plan->catalog, (struct path_id){ at })->next))
		names++;
	return keeper->stamp.links + names <= plan->options.max_links || !names;
}

/*
 * All names of a proven target. -EMLINK: the keeper is full; names not begun stay as planned. -EXDEV: no link of the keeper can
 * be made there; all stay as planned.
 */
static int replace_target(struct worker *worker, struct inode_id id, struct proof *proof)
{
	struct dlk_plan *plan = worker->plan;
	struct candidate *candidate = proof_target(proof);
	if (!fits(plan, proof_keeper(proof), id))
		return -EMLINK;
	struct target *target = malloc(sizeof(*target));
	if (!target)
		return stop_all(worker->apply, -ENOMEM);
	*target = (struct target){ .inode = id, .left = 1 }; /* ours, so that it lives until all names are begun */
	candidate->owner = target;
	int r = 0;
	uint32_t at = first_planned(plan, catalog_inode(&plan->catalog, id)->first_path);
	while (at != ID_NONE && !r && going_on(worker->apply)) {
		if (read_only(worker, id))
			leave_name(worker, (struct path_id){ at }, DLK_STAGE_LINK, DLK_REASON_READ_ONLY, 0);
		else
			r = replace_path(worker, proof, (struct path_id){ at });
		/* A name in line is still "planned": go on behind it. */
		if (!r)
			at = first_planned(plan, catalog_path(&plan->catalog, (struct path_id){ at })->next);
	}
	target_settled(worker, candidate);
	return r;
}

/* Says why two files of a set are not proven equal. */
static void tell_unproven(struct worker *worker, struct inode_id id, const struct candidate *candidate, int r)
{
	if (candidate->error && candidate->error != -ENODATA)
		leave_inode(worker, id, DLK_STAGE_CONFIRM, DLK_REASON_NONE, candidate->error);
	else if (candidate->error)
		leave_inode(worker, id, DLK_STAGE_CONFIRM, DLK_REASON_CHANGED, 0);
	else if (candidate->spoiled || r == -EBUSY)
		leave_inode(worker, id, DLK_STAGE_CONFIRM, DLK_REASON_IN_USE, 0);
	else if (r == -EILSEQ || r == -ENODATA)
		leave_inode(worker, id, DLK_STAGE_CONFIRM, DLK_REASON_UNEQUAL, 0);
	else
		leave_inode(worker, id, DLK_STAGE_CONFIRM, DLK_REASON_NONE, r);
}

/*
 * The keeper is full. The target in hand keeps for those that follow, unless some of its names have moved already or a plan said who
 * keeps: then the rest of them stay. Either way its names are told: they were to be replaced.
 */
static void stay(struct worker *worker, struct inode_id id, enum dlk_reason reason)
{
	const struct catalog_inode *inode = catalog_inode(&worker->plan->catalog, id);
	own_free char *path = catalog_path_string(&worker->plan->catalog, (struct path_id){ inode->first_path });
	tell_skip(&worker->plan->tell, DLK_STAGE_LINK, path, reason, inode->names);
	keep_names(worker->plan, id);
}

static void next_keeper(struct worker *worker, struct candidate **keeper, struct inode_id id, struct candidate *target)
{
	replace_settle_all(&worker->replacer); /* names of it may be in line, and are not left */
	if (worker->plan->exact || target->moved || target->spoiled) {
		leave_inode(worker, id, DLK_STAGE_LINK, DLK_REASON_LINK_LIMIT, 0);
		return;
	}
	candidate_release(*keeper);
	candidate_unref(*keeper);
	*keeper = candidate_ref(target);
	stay(worker, id, DLK_REASON_LINK_LIMIT);
}

/* Directories of two projects (quotas): no link of this keeper can be made beside the target. It waits for another. */
static void set_aside(struct worker *worker, struct inode_id id, const struct candidate *target)
{
	struct catalog *catalog = &worker->plan->catalog;
	struct crossed crossed = { id, project_of(target->fd), (uint32_t)worker->crossed.count };
	struct path_id path = { catalog_inode(catalog, id)->first_path };
	note_crossing(worker, path, catalog_meta(catalog, catalog_inode(catalog, id))->domain);
	int r = vec_push(&worker->crossed, crossed);
	if (r)
		stop_all(worker->apply, r);
}

/* Their digests agreed and their bytes do not: what is remembered of one of them is wrong. */
static void forget_unequal(struct worker *worker, const struct candidate *keeper, const struct candidate *target)
{
	const struct candidate *pair[] = { keeper, target };
	for (size_t i = 0; i < countof(pair) && worker->plan->cache; i++)
		if (!pair[i]->error && !pair[i]->spoiled)
			cache_forget(worker->plan->cache, (struct inode_id){ pair[i]->inode });
}

/* Targets that were compared with the keeper, each replaced when it is proven. */
static void link_wave(struct worker *worker, struct candidate **keeper, const struct inode_id *inodes,
		      struct candidate **targets, size_t count)
{
	for (size_t i = 0; i < count && going_on(worker->apply); i++) {
		struct proof *proof = NULL;
		if (!targets[i])
			continue;
		int r = confirm_prove(&worker->confirm, *keeper, targets[i], &proof);
		if (r == -EILSEQ)
			forget_unequal(worker, *keeper, targets[i]);
		if (r == -ENOMEM)
			stop_all(worker->apply, r);
		else if (r)
			tell_unproven(worker, inodes[i], targets[i], r);
		else
			r = replace_target(worker, inodes[i], proof);
		proof_free(proof);
		if (r == -EMLINK)
			next_keeper(worker, keeper, inodes[i], targets[i]);
		else if (r == -EXDEV && worker->plan->exact)
			leave_inode(worker, inodes[i], DLK_STAGE_LINK, DLK_REASON_CROSS_DEVICE, 0);
		else if (r == -EXDEV)
			set_aside(worker, inodes[i], targets[i]);
	}
	for (size_t i = 0; i < count; i++)
		candidate_unref(targets[i]);
}

/* Where somebody said who keeps, nobody else does. */
static size_t open_keeper_of_plan(struct worker *worker, const struct inode_id *inodes, size_t count, struct candidate **ret)
{
	enum dlk_reason reason;
	int r = open_inode(worker, inodes[0], true, ret, &reason);
	for (size_t i = 1; r && i < count; i++)
		leave_inode(worker, inodes[i], DLK_STAGE_CONFIRM, reason, reason == DLK_REASON_NONE ? r : 0);
	return r ? count : 0;
}

/*
 * The first inode that can be opened keeps; those before it are told. Returns its index, or count. `planned`: names of the very first
 * were to be replaced too.
 */
static size_t open_keeper(struct worker *worker, const struct inode_id *inodes, size_t count, bool planned, struct candidate **ret)
{
	for (size_t i = 0; i < count; i++) {
		enum dlk_reason reason;
		int r = open_inode(worker, inodes[i], true, ret, &reason);
		if (!r)
			return i;
		if (i || planned) {
			leave_inode(worker, inodes[i], DLK_STAGE_CONFIRM, reason, reason == DLK_REASON_NONE ? r : 0);
		} else { /* the keeper's own names were not to be replaced: one event for the inode */
			struct path_id path = { catalog_inode(&worker->plan->catalog, inodes[0])->first_path };
			leave_name(worker, path, DLK_STAGE_CONFIRM, reason, reason == DLK_REASON_NONE ? r : 0);
		}
	}
	return count;
}

/* Why the comparison left a candidate out: in use or changed; else *ret_error is trouble. */
static enum dlk_reason left_out_by(const struct candidate *file, int *ret_error)
{
	bool changed = file->error == -ENODATA;
	*ret_error = file->spoiled || changed ? 0 : file->error;
	return file->spoiled ? DLK_REASON_IN_USE : changed ? DLK_REASON_CHANGED : DLK_REASON_NONE;
}

/*
 * The keeper could not be read, or is in use: nobody was compared with it. Its own names are told; where a plan said that it keeps, so are
 * those that were to become links of it.
 */
static void lose_keeper(struct worker *worker, const struct candidate *keeper, const struct inode_id *rest, size_t count)
{
	int error;
	enum dlk_reason reason = left_out_by(keeper, &error);
	struct path_id path = { catalog_inode(&worker->plan->catalog, (struct inode_id){ keeper->inode })->first_path };
	if (!worker->plan->exact)
		leave_name(worker, path, DLK_STAGE_CONFIRM, reason, error);
	for (size_t i = 0; i < count && worker->plan->exact; i++)
		leave_inode(worker, rest[i], DLK_STAGE_CONFIRM, reason, error);
}

/* A wave of targets is opened, compared with the keeper and linked. False: the keeper was lost, and nothing was done. */
static bool take_wave(struct worker *worker, struct candidate **keeper, const struct inode_id *inodes, size_t count)
{
	struct candidate *wave[CONFIRM_MOST], *all[CONFIRM_MOST + 1] = { *keeper };
	size_t open = 0;
	open_wave(worker, inodes, count, wave);
	for (size_t i = 0; i < count; i++)
		if (wave[i])
			all[++open] = wave[i];
	int r = open ? confirm_compare(&worker->confirm, all, open + 1) : 0;
	bool lost = !r && open && ((*keeper)->error || (*keeper)->spoiled);
	if (r)
		stop_all(worker->apply, r);
	if (!lost)
		link_wave(worker, keeper, inodes, wave, count);
	for (size_t i = 0; i < count && lost; i++)
		candidate_unref(wave[i]);
	return !lost;
}

/*
 * Links what can be to the first that can be opened. Returns how many are done with: the others need another keeper. `planned`: names of
 * the first were to be replaced too.
 */
static size_t link_to_first(struct worker *worker, const struct inode_id *inodes, size_t count, bool planned)
{
	struct candidate *keeper;
	size_t k = worker->plan->exact ? open_keeper_of_plan(worker, inodes, count, &keeper) :
					 open_keeper(worker, inodes, count, planned, &keeper);
	size_t at = k + 1;
	if (k == count)
		return count;
	if (k || planned)
		keep_names(worker->plan, inodes[k]);
	while (at < count && going_on(worker->apply)) {
		size_t n = size_min(worker->apply->wave, count - at);
		if (!take_wave(worker, &keeper, inodes + at, n)) {
			lose_keeper(worker, keeper, inodes + at, count - at);
			break;
		}
		at += n;
	}
	candidate_release(keeper);
	candidate_unref(keeper);
	return at;
}

static void link_set(struct worker *worker, const struct inode_id *inodes, size_t count)
{
	size_t at = 0;
	do
		at += link_to_first(worker, inodes + at, count - at, at > 0);
	while (at < count && !worker->plan->exact && going_on(worker->apply));
}

static int order_crossed(const void *a, const void *b)
{
	const struct crossed *x = a, *y = b;
	if (x->project != y->project)
		return x->project < y->project ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

/* Files of one project, linked among themselves. */
static void link_project(struct worker *worker, const struct crossed *crossed, size_t count)
{
	own_free struct inode_id *inodes = malloc(count * sizeof(*inodes));
	size_t before = worker->crossed.count;
	if (!inodes) {
		stop_all(worker->apply, -ENOMEM);
		return;
	}
	for (size_t i = 0; i < count; i++)
		inodes[i] = crossed[i].inode;
	if (count > 1)
		link_set(worker, inodes, count);
	if (first_planned(worker->plan, catalog_inode(&worker->plan->catalog, inodes[0])->first_path) == ID_NONE)
		return; /* could not be opened, and was told */
	if (worker->crossed.count - before == count - 1)
		leave_inode(worker, inodes[0], DLK_STAGE_LINK, DLK_REASON_CROSS_DEVICE, 0);
	else
		stay(worker, inodes[0], DLK_REASON_CROSS_DEVICE);
}

/*
 * Those set aside are linked project by project: one keeper after the other for all of them would take time that grows with the square of
 * their number, and anybody may give each directory of their own a project of its own. Where projects are not the reason, or a file's is
 * not its directory's, some are set aside once more.
 */
static void link_crossed(struct worker *worker)
{
	for (unsigned round = 0; round < CROSSED_ROUNDS && worker->crossed.count && going_on(worker->apply); round++) {
		own_free struct crossed *crossed = worker->crossed.at;
		size_t count = worker->crossed.count;
		worker->crossed.at = NULL;
		worker->crossed.count = worker->crossed.room = 0;
		qsort(crossed, count, sizeof(*crossed), order_crossed);
		for (size_t from = 0, to; from < count && going_on(worker->apply); from = to) {
			for (to = from + 1; to < count && crossed[to].project == crossed[from].project;)
				to++;
			link_project(worker, crossed + from, to - from);
		}
	}
	for (size_t i = 0; i < worker->crossed.count && going_on(worker->apply); i++)
		leave_inode(worker, worker->crossed.at[i].inode, DLK_STAGE_LINK, DLK_REASON_CROSS_DEVICE, 0);
	worker->crossed.count = 0;
}

static void apply_set(struct worker *worker, const struct inode_id *inodes, size_t count)
{
	if (worker->plan->options.method == DLK_REFLINK) {
		share_set(worker->plan, &worker->reach, inodes, count);
		return;
	}
	link_set(worker, inodes, count);
	link_crossed(worker);
}

/* ---- undecided classes ---- */

static int copy_inodes(struct dlk_plan *plan, const struct plan_set *set, struct inode_id **ret)
{
	struct inode_id *copy = malloc(set->count * sizeof(*copy));
	if (!copy)
		return -ENOMEM;
	for (uint32_t i = 0; i < set->count; i++)
		copy[i] = plan->members.at[set->first + i];
	*ret = copy;
	return 0;
}

/* A class in hand: its members and their open files, in the same order. */
struct open_class {
	struct sift_member members[SIFT_UNDECIDED];
	struct inode_id inodes[SIFT_UNDECIDED];
	struct candidate *files[SIFT_UNDECIDED];
	bool keep[SIFT_UNDECIDED]; /* the cache may, of what they are found to be */
	size_t count;
};

static struct candidate *file_of(struct open_class *class, struct inode_id id)
{
	for (size_t i = 0; i < class->count; i++) {
		if (class->inodes[i].v == id.v) {
			struct candidate *file = class->files[i];
			class->files[i] = NULL;
			return file;
		}
	}
	return NULL;
}

/* For those who look at the plan afterwards. */
static void keep_shared(struct worker *worker, struct inode_id inode, uint64_t bytes)
{
	struct plan_shared shared = { inode, bytes };
	pthread_mutex_lock(&worker->plan->mutex);
	int r = vec_push(&worker->plan->shared_later, shared);
	pthread_mutex_unlock(&worker->plan->mutex);
	if (r)
		stop_all(worker->apply, r);
}

/* Which bytes of a file others share, asked before any of its class goes: see plan_shared. */
static void ask_shared(struct worker *worker, const struct candidate *keeper, struct candidate *file)
{
	const struct catalog *catalog = &worker->plan->catalog;
	const struct catalog_inode *inode = catalog_inode(catalog, (struct inode_id){ file->inode });
	if (catalog_domain(catalog, inode)->shares_extents && extent_shared(file->fd, &file->shared))
		file->shared = 0;
	if (plan_has_attribute_block(inode))
		file->shared += extent_attributes_shared(file->fd, keeper->fd);
	if (file->shared)
		keep_shared(worker, (struct inode_id){ file->inode }, file->shared);
}

/* A set made of files that are open and compared already. */
static void link_open_set(struct worker *worker, struct open_class *class, const struct inode_id *inodes, size_t count)
{
	struct candidate *files[SIFT_UNDECIDED];
	for (size_t i = 0; i < count; i++)
		files[i] = file_of(class, inodes[i]);
	for (size_t i = 1; i < count; i++)
		ask_shared(worker, files[0], files[i]);
	struct candidate *keeper = files[0];
	link_wave(worker, &keeper, inodes + 1, files + 1, count - 1);
	candidate_release(keeper);
	candidate_unref(keeper);
	link_crossed(worker);
}

/* Members that were found equal to member `first` become sets; copies are taken, for the plan may grow meanwhile. */
static int link_group(struct worker *worker, struct open_class *class, size_t first, bool *done)
{
	struct dlk_plan *plan = worker->plan;
	struct sift_member equal[SIFT_UNDECIDED];
	struct plan_set sets[SIFT_UNDECIDED / 2];
	struct inode_id *copies[SIFT_UNDECIDED / 2] = { 0 };
	size_t n = 0, from = 0, made = 0;
	for (size_t i = first; i < class->count; i++) {
		if (done[i] || !class->files[i] || (i != first && !confirm_equal(class->files[first], class->files[i])))
			continue;
		done[i] = true;
		equal[n] = class->members[i];
		if (class->files[i]->xattrs.length) {
			struct digest digest;
			digest_bytes(&plan->key, class->files[i]->xattrs.bytes, class->files[i]->xattrs.length, &digest);
			equal[n].xattrs = (uint32_t)digest.low | 1;
		}
		n++;
	}
	if (n < 2)
		return 0;
	pthread_mutex_lock(&plan->mutex);
	int r = plan_add_class(plan, equal, n, &from, &made);
	for (size_t i = 0; i < made && !r; i++) {
		sets[i] = plan->sets.at[from + i];
		r = copy_inodes(plan, &sets[i], &copies[i]);
	}
	pthread_mutex_unlock(&plan->mutex);
	for (size_t i = 0; i < made; i++) {
		if (!r)
			link_open_set(worker, class, copies[i], sets[i].count);
		free(copies[i]);
	}
	return r;
}

static void tell_left_out(struct worker *worker, const struct open_class *class)
{
	for (size_t i = 0; i < class->count; i++) {
		const struct candidate *file = class->files[i];
		if (!file || (!file->error && !file->spoiled))
			continue;
		int error;
		struct path_id path = { catalog_inode(&worker->plan->catalog, class->inodes[i])->first_path };
		enum dlk_reason reason = left_out_by(file, &error);
		leave_name(worker, path, DLK_STAGE_CONFIRM, reason, error);
	}
}

/*
 * Who turned out equal to whom is remembered: the next run need not compare them. Only of files that could not change meanwhile, and
 * that nobody touched in the tick they were read.
 */
static void remember_comparison(struct worker *worker, const struct open_class *class)
{
	struct cache *cache = worker->plan->cache;
	uint64_t comparison = cache ? cache_comparison(cache) : 0;
	for (size_t i = 0; i < class->count && cache; i++) {
		const struct candidate *file = class->files[i];
		struct stamp now;
		size_t first = 0;
		if (!file || !class->keep[i] || !confirm_equal(file, file) || stamp_fd(file->fd, &now) ||
		    !stamp_untouched(&now, &file->stamp))
			continue;
		while (!class->files[first] || !confirm_equal(class->files[first], file))
			first++;
		cache_put(cache, class->inodes[i], CACHE_EQUALS, &(struct digest){ comparison, first });
	}
}

/* All are synced before any is leased. Those that cannot be opened are told. */
static void open_class(struct worker *worker, const struct sift_class *found, struct open_class *class)
{
	const struct dlk_plan *plan = worker->plan;
	struct opening openings[SIFT_UNDECIDED];
	class->count = found->count;
	for (size_t i = 0; i < class->count; i++) {
		class->members[i] = plan->sift.members.at[found->first + i];
		class->inodes[i] = class->members[i].inode;
		class->keep[i] = plan->cache && cache_may_keep(plan->cache, class->inodes[i]);
		openings[i] = begin_opening(worker, class->inodes[i], true);
	}
	for (size_t i = 0; i < class->count; i++) {
		enum dlk_reason reason;
		struct path_id path = { catalog_inode(&plan->catalog, class->inodes[i])->first_path };
		int r = lease_inode(worker, class->inodes[i], &openings[i], &class->files[i], &reason);
		if (!r)
			continue;
		class->files[i] = NULL;
		leave_name(worker, path, DLK_STAGE_CONFIRM, reason, reason == DLK_REASON_NONE ? r : 0);
	}
}

static void apply_class(struct worker *worker, const struct sift_class *found)
{
	struct open_class class;
	struct candidate *open[SIFT_UNDECIDED];
	bool done[SIFT_UNDECIDED] = { false };
	size_t opened = 0;
	open_class(worker, found, &class);
	for (size_t i = 0; i < class.count; i++)
		if (class.files[i])
			open[opened++] = class.files[i];
	int r = confirm_compare(&worker->confirm, open, opened);
	if (!r) {
		tell_left_out(worker, &class);
		remember_comparison(worker, &class);
	}
	for (size_t i = 0; i < class.count && !r; i++)
		if (class.files[i] && !done[i])
			r = link_group(worker, &class, i, done);
	for (size_t i = 0; i < class.count; i++)
		candidate_unref(class.files[i]);
	if (r)
		stop_all(worker->apply, r);
}

/* ---- workers ---- */

/* To be called under the plan's mutex while others apply. */
static struct inode_id first_inode(const struct apply *apply, size_t unit)
{
	const struct dlk_plan *plan = apply->plan;
	if (unit < apply->sets)
		return plan->members.at[plan->sets.at[unit].first];
	return plan->sift.members.at[plan->sift.classes.at[unit - apply->sets].first].inode;
}

/* How many files a unit has, and how many bytes each of them may have to be read. */
static uint32_t unit_size(const struct apply *apply, size_t unit, uint64_t *ret_bytes)
{
	const struct dlk_plan *plan = apply->plan;
	const struct catalog_inode *inode = catalog_inode(&plan->catalog, first_inode(apply, unit));
	*ret_bytes = u64_min(inode->size, inode->blocks * 512);
	return unit < apply->sets ? plan->sets.at[unit].count : plan->sift.classes.at[unit - apply->sets].count;
}

static void add_up(struct apply *apply)
{
	for (size_t unit = 0; unit < apply->units; unit++) {
		uint64_t bytes;
		uint32_t files = unit_size(apply, unit, &bytes);
		apply->files += files;
		apply->bytes += files * bytes;
	}
}

/* Of the unit in hand so much was read since the last time; all of it, once it is done. */
static void add_read(struct worker *worker, bool all)
{
	uint64_t read = worker->confirm.bytes_read - worker->told_read;
	uint64_t bytes = all ? worker->unit_bytes : u64_min(read, worker->unit_bytes);
	worker->told_read = worker->confirm.bytes_read;
	worker->unit_bytes -= bytes;
	__atomic_add_fetch(&worker->apply->bytes_done, bytes, __ATOMIC_RELAXED);
}

static void tell_now(struct apply *apply)
{
	struct dlk_plan *plan = apply->plan;
	pthread_mutex_lock(&plan->mutex);
	uint64_t saved = plan->tally.bytes_saved;
	pthread_mutex_unlock(&plan->mutex);
	tell_progress(&plan->tell, &(struct dlk_event){
					   .kind = DLK_EVENT_PROGRESS,
					   .phase = DLK_PHASE_LINK,
					   .done = __atomic_load_n(&apply->files_done, __ATOMIC_RELAXED),
					   .total = apply->files,
					   .bytes = __atomic_load_n(&apply->bytes_done, __ATOMIC_RELAXED),
					   .bytes_total = apply->bytes,
					   .saved = saved,
				   });
}

static void tell_how_far(struct apply *apply)
{
	int64_t now = sys->now(), told = __atomic_load_n(&apply->told, __ATOMIC_RELAXED);
	if (now - told >= TELL_MS * NS_PER_MS &&
	    __atomic_compare_exchange_n(&apply->told, &told, now, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		tell_now(apply);
}

static void apply_unit(struct worker *worker, size_t unit)
{
	struct apply *apply = worker->apply;
	struct dlk_plan *plan = apply->plan;
	if (unit >= apply->sets) {
		apply_class(worker, &plan->sift.classes.at[unit - apply->sets]);
	} else {
		own_free struct inode_id *inodes = NULL;
		pthread_mutex_lock(&plan->mutex);
		struct plan_set set = plan->sets.at[unit];
		int r = copy_inodes(plan, &set, &inodes);
		pthread_mutex_unlock(&plan->mutex);
		if (r)
			stop_all(apply, r);
		else
			apply_set(worker, inodes, set.count);
	}
	replace_settle(&worker->replacer);
	__atomic_add_fetch(&apply->files_done, worker->unit_files, __ATOMIC_RELAXED);
	add_read(worker, true);
	tell_how_far(apply);
}

/* The next unit of share `mine`, or, when it is empty, of the others'. SIZE_MAX: none is left. */
static size_t next_unit(struct apply *apply, unsigned mine)
{
	for (unsigned i = 0; i < apply->workers; i++) {
		unsigned share = (mine + i) % apply->workers;
		if (__atomic_load_n(&apply->next[share], __ATOMIC_RELAXED) >= apply->end[share])
			continue;
		size_t unit = __atomic_fetch_add(&apply->next[share], 1, __ATOMIC_RELAXED);
		if (unit < apply->end[share])
			return apply->order ? apply->order[unit] : unit;
	}
	return SIZE_MAX;
}

/* Every few milliseconds of a long comparison. */
static void between(void *ctx)
{
	struct worker *worker = ctx;
	replace_settle(&worker->replacer);
	add_read(worker, false);
	tell_how_far(worker->apply);
}

static int worker_init(struct worker *worker, struct apply *apply)
{
	*worker = (struct worker){ .apply = apply, .plan = apply->plan, .euid = geteuid() };
	reach_init(&worker->reach, &apply->plan->catalog, apply->line);
	int r = confirm_init(&worker->confirm, &apply->plan->options);
	if (!r)
		r = replace_init(&worker->replacer, &worker->confirm, apply->run, &apply->serial, apply->line);
	worker->confirm.manners = &apply->plan->manners;
	worker->confirm.between = between;
	worker->confirm.ctx = worker;
	worker->replacer.done = name_done;
	worker->replacer.record = apply->plan->journal ? record_link : NULL;
	worker->replacer.recorded = apply->plan->journal ? link_recorded : NULL;
	worker->replacer.ctx = worker;
	return r;
}

/* The file system of a unit decides what the replacer assumes. */
static void begin_unit(struct worker *worker, size_t unit)
{
	struct apply *apply = worker->apply;
	struct dlk_plan *plan = apply->plan;
	pthread_mutex_lock(&plan->mutex);
	struct inode_id id = first_inode(apply, unit);
	worker->unit_files = unit_size(apply, unit, &worker->unit_bytes);
	worker->unit_bytes *= worker->unit_files;
	pthread_mutex_unlock(&plan->mutex);
	uint32_t domain = catalog_meta(&plan->catalog, catalog_inode(&plan->catalog, id))->domain;
	if (worker->replacer.domain != domain)
		worker->replacer.no_exchange = false;
	worker->replacer.domain = domain;
	worker->replacer.synced = apply->synced[domain];
}

static void work(void *ctx, unsigned number)
{
	struct apply *apply = ctx;
	struct worker worker;
	size_t unit;
	int r = worker_init(&worker, apply);
	if (r)
		stop_all(apply, r);
	while (!r && going_on(apply) && (unit = next_unit(apply, number % apply->workers)) != SIZE_MAX) {
		begin_unit(&worker, unit);
		apply_unit(&worker, unit);
	}
	replace_settle_all(&worker.replacer);
	__atomic_add_fetch(&apply->plan->tally.bytes_read, worker.confirm.bytes_read, __ATOMIC_RELAXED);
	vec_free(&worker.crossed);
	replace_free(&worker.replacer);
	confirm_free(&worker.confirm);
	reach_free(&worker.reach);
}

/* ---- before and after ---- */

/* The sync of a whole file system, once, where many keepers are to be made durable. */
static void sync_domain(struct apply *apply, uint32_t domain, struct inode_id id)
{
	struct catalog *catalog = &apply->plan->catalog;
	const struct catalog_path *path =
		catalog_path(catalog, (struct path_id){ catalog_inode(catalog, id)->first_path });
	struct reach reach;
	int dirfd;
	reach_init(&reach, catalog, 4);
	if (!reach_dir(&reach, (struct dir_id){ path->dir }, &dirfd)) {
		int64_t before = sys->wall();
		own_fd int fd = sys->openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
		if (fd >= 0 && !sys->syncfs(fd))
			apply->synced[domain] = before;
	}
	reach_free(&reach);
}

static int sync_domains(struct apply *apply)
{
	struct dlk_plan *plan = apply->plan;
	size_t domains = plan->catalog.domains.count;
	own_free size_t *counts = calloc(domains + 1, sizeof(*counts));
	if (!counts)
		return -ENOMEM;
	for (size_t unit = 0; unit < apply->units; unit++) {
		struct inode_id id = first_inode(apply, unit);
		uint32_t domain = catalog_meta(&plan->catalog, catalog_inode(&plan->catalog, id))->domain;
		uint64_t bytes;
		size_t before = counts[domain];
		counts[domain] += unit < apply->sets ? 1 : unit_size(apply, unit, &bytes);
		if (before < SYNC_WHOLE && counts[domain] >= SYNC_WHOLE)
			sync_domain(apply, domain, id);
	}
	return 0;
}

/* What a unit would free, at most: a unit is a set, or a class of which nothing more is known yet. */
static uint64_t promise_of(const struct apply *apply, size_t unit)
{
	const struct dlk_plan *plan = apply->plan;
	bool decided = unit < apply->sets;
	const struct plan_set *set = decided ? &plan->sets.at[unit] : NULL;
	const struct sift_class *class = decided ? NULL : &plan->sift.classes.at[unit - apply->sets];
	uint32_t count = decided ? set->count : class->count;
	uint64_t blocks = 0;
	for (uint32_t i = 1; i < count; i++) {
		struct inode_id id = decided ? plan->members.at[set->first + i] : plan->sift.members.at[class->first + i].inode;
		const struct catalog_inode *inode = catalog_inode(&plan->catalog, id);
		if (inode->links <= inode->names)
			blocks += inode->blocks;
	}
	return blocks;
}

struct promise {
	uint64_t blocks;
	size_t unit;
};

static int order_promises(const void *a, const void *b)
{
	const struct promise *x = a, *y = b;
	if (x->blocks != y->blocks)
		return x->blocks < y->blocks ? 1 : -1;
	return x->unit < y->unit ? -1 : x->unit > y->unit;
}

/* With a limit of time what frees most comes first, and all workers take from the front. */
static int order_units(struct apply *apply)
{
	own_free struct promise *promises = malloc((apply->units + 1) * sizeof(*promises));
	apply->order = malloc((apply->units + 1) * sizeof(*apply->order));
	if (!promises || !apply->order)
		return -ENOMEM;
	for (size_t unit = 0; unit < apply->units; unit++)
		promises[unit] = (struct promise){ promise_of(apply, unit), unit };
	qsort(promises, apply->units, sizeof(*promises), order_promises);
	for (size_t i = 0; i < apply->units; i++)
		apply->order[i] = promises[i].unit;
	for (unsigned w = 0; w < apply->workers; w++) {
		apply->next[w] = 0;
		apply->end[w] = w ? 0 : apply->units;
	}
	return 0;
}

static int apply_init(struct apply *apply, struct dlk_plan *plan)
{
	size_t domains = plan->catalog.domains.count + 1;
	*apply = (struct apply){
		.plan = plan,
		.sets = plan->sets.count,
		.units = plan->sets.count + plan->sift.classes.count,
		.workers = pool_size(plan->options.threads, WORKERS_MOST, SIZE_MAX),
	};
	size_t descriptors = sys_descriptors();
	if (apply->workers > descriptors / (8 * FD_EACH) + 1)
		apply->workers = (unsigned)(descriptors / (8 * FD_EACH) + 1);
	size_t each = descriptors / apply->workers / FD_EACH;
	apply->line = each < 3 ? 1 : size_min(each / 2, LINE_MOST);
	apply->wave = size_min(CONFIRM_MOST - 1, apply->line);
	apply->next = calloc(apply->workers, sizeof(*apply->next));
	apply->end = calloc(apply->workers, sizeof(*apply->end));
	apply->synced = calloc(domains, sizeof(*apply->synced));
	apply->read_only = calloc(domains, sizeof(*apply->read_only));
	apply->crossed = calloc(domains, sizeof(*apply->crossed));
	if (!apply->next || !apply->end || !apply->synced || !apply->read_only || !apply->crossed)
		return -ENOMEM;
	for (size_t i = 0; i < domains; i++)
		apply->synced[i] = INT64_MIN;
	for (unsigned w = 0; w < apply->workers; w++) {
		apply->next[w] = apply->units * w / apply->workers;
		apply->end[w] = apply->units * (w + 1) / apply->workers;
	}
	int r = manners_limits_time(&plan->manners) ? order_units(apply) : 0;
	if (!r)
		r = sys_random(&apply->run, sizeof(apply->run));
	return r || !plan->options.keep_dir_times ? r : dirtimes_begin(apply->run, &apply->dirtimes);
}

static void apply_free(struct apply *apply)
{
	dirtimes_free(apply->dirtimes);
	free(apply->order);
	free(apply->next);
	free(apply->end);
	free(apply->synced);
	free(apply->read_only);
	free(apply->crossed);
}

static bool got_a_name(const struct dlk_plan *plan, const struct plan_set *set)
{
	for (uint32_t i = 1; i < set->count; i++) {
		uint32_t at = catalog_inode(&plan->catalog, plan->members.at[set->first + i])->first_path;
		for (; at != ID_NONE; at = catalog_path(&plan->catalog, (struct path_id){ at })->next)
			if (plan->fates[at] == DLK_FATE_LINKED)
				return true;
	}
	return false;
}

/* Names that nobody came to before the run ended. The event that told of its end says why. */
static void leave_rest(struct dlk_plan *plan, const struct plan_set *set)
{
	for (uint32_t i = 1; i < set->count; i++) {
		uint32_t at = first_planned(plan, catalog_inode(&plan->catalog, plan->members.at[set->first + i])->first_path);
		for (; at != ID_NONE; at = first_planned(plan, at))
			plan->fates[at] = DLK_FATE_LEFT;
	}
}

/* What was done goes into the history, and all that was found out into the cache. */
static void remember_run(struct dlk_plan *plan, bool complete)
{
	const struct dlk_tally *tally = &plan->tally;
	struct dlk_past_run run = {
		.started = plan->started,
		.duration = sys->now() - plan->begun,
		.complete = complete,
		.roots = (const char *const *)plan->asked.at,
		.root_count = plan->asked.count,
		.files_seen = tally->files_seen,
		.inodes_seen = tally->inodes_seen,
		.sets = tally->sets,
		.links_made = tally->links_made,
		.inodes_freed = tally->inodes_freed,
		.bytes_saved = tally->bytes_saved,
		.bytes_read = tally->bytes_read,
		.errors = tally->errors,
	};
	if (!plan->cache)
		return;
	cache_flush(plan->cache);
	cache_add_run(plan->cache, &run);
}

/* `complete`: nothing ended the linking before its time. */
static int finish(struct apply *apply, bool complete)
{
	struct dlk_plan *plan = apply->plan;
	int r = plan_gather_shared(plan);
	if (!r && apply->units > apply->sets) /* undecided classes may have become some, or be kept apart */
		r = plan_sort(plan);
	for (size_t i = 0; i < plan->sets.count; i++)
		plan->tally.sets += got_a_name(plan, &plan->sets.at[i]);
	for (size_t i = 0; i < plan->sets.count && !complete; i++)
		leave_rest(plan, &plan->sets.at[i]);
	if (plan->tally.weaker)
		tell_note(&plan->tell, DLK_REASON_WEAKER, NULL, NULL);
	remember_run(plan, complete && !r);
	tell_phase(&plan->tell, DLK_PHASE_DONE);
	return r;
}

struct times {
	struct apply *apply;
	struct reach reach;
};

static int open_dir(void *ctx, struct dir_id dir, int *ret_fd)
{
	struct times *times = ctx;
	return reach_dir(&times->reach, dir, ret_fd);
}

static void times_trouble(void *ctx, struct dir_id dir, int error)
{
	struct times *times = ctx;
	struct text path = { 0 };
	if (fail_changed(error))
		return; /* somebody else's directory now, with their time */
	catalog_dir_text(&times->apply->plan->catalog, dir, &path);
	tell_error(&times->apply->plan->tell, DLK_STAGE_TIMES, path.at, error);
	text_free(&path);
}

static void put_times_back(struct apply *apply)
{
	struct times times = { .apply = apply };
	reach_init(&times.reach, &apply->plan->catalog, 16);
	dirtimes_end(apply->dirtimes, open_dir, times_trouble, &times);
	reach_free(&times.reach);
}

int dlk_apply(struct dlk_plan *plan)
{
	struct apply apply;
	if (!plan->options.will_apply || plan->applied)
		return -EINVAL;
	plan->applied = true;
	account_clear(&plan->tally);
	tell_phase(&plan->tell, DLK_PHASE_LINK);
	int r = apply_init(&apply, plan);
	if (!r) {
		add_up(&apply);
		tell_now(&apply);
		r = sync_domains(&apply);
	}
	if (!r) {
		lease_signal_begin();
		pool_run(apply.workers, work, &apply);
		lease_signal_end();
		tell_now(&apply);
		r = apply.error == -ETIME ? 0 : apply.error;
	}
	if (apply.dirtimes)
		put_times_back(&apply);
	int unwritten = plan->journal ? journal_error(plan->journal) : 0;
	if (unwritten) { /* nothing more could be linked, but all that was is true */
		tell_error(&plan->tell, DLK_STAGE_JOURNAL, NULL, unwritten);
		r = r == unwritten ? 0 : r;
	}
	plan_tell_time(plan);
	int finished = finish(&apply, !r && !unwritten && !plan->out_of_time);
	apply_free(&apply);
	return r ? r : finished;
}
