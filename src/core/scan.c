/* SPDX-License-Identifier: MIT */
/*
 * scan.c - the first verb: roots -> walk -> catalog -> buckets -> sift -> plan
 *
 * scan() below is the pipeline in words. The rest hands one stage's result to the next and takes the plan apart again.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "account.h"
#include "lock.h"
#include "plan.h"
#include "recover.h"
#include "share.h"
#include "store.h"
#include "walk.h"

void dlk_options_init(struct dlk_options *ret)
{
	*ret = (struct dlk_options){
		.min_size = 1,
		.max_size = UINT64_MAX,
		.respect = DLK_RESPECT_DEFAULT,
		.keep = DLK_KEEP_MOST_LINKS,
		.max_depth = UINT_MAX,
	};
}

/* What lives only while scanning. */
struct scan {
	struct dlk_plan *plan;
	struct bucket_table buckets;
	struct walk walk;
	struct reach_kept kept;
	bool keeps; /* directories open from the walk until their files are read */
};

static int take_inode(void *ctx, struct inode_id id, const struct stamp *stamp)
{
	struct scan *scan = ctx;
	struct dlk_plan *plan = scan->plan;
	plan->tally.inodes_seen++;
	plan->tally.bytes_seen = u64_add(plan->tally.bytes_seen, stamp->size);
	if (!plan->cache)
		return bucket_add(&scan->buckets, id, 0);
	int r = cache_note(plan->cache, id, stamp);
	return r || cache_is(plan->cache, stamp) ? r : bucket_add(&scan->buckets, id, cache_version(plan->cache, id));
}

static int walk(struct scan *scan, bool temps_only)
{
	struct dlk_plan *plan = scan->plan;
	scan->walk = (struct walk){
		.catalog = &plan->catalog,
		.roots = &scan->plan->roots,
		.rule = plan->rule,
		.tell = &plan->tell,
		.manners = &plan->manners,
		.options = &plan->options,
		.temps_only = temps_only,
		.fresh = take_inode,
		.ctx = scan,
		.kept = scan->keeps ? &scan->kept : NULL,
	};
	tell_phase(&plan->tell, DLK_PHASE_WALK);
	int r = walk_run(&scan->walk);
	plan->tally.files_seen = scan->walk.files;
	plan->tally.dirs_seen = scan->walk.dirs;
	plan->tally.domains = plan->catalog.domains.count;
	if (!r && plan->tally.domains > 1 && !temps_only)
		tell_note(&plan->tell, DLK_REASON_MANY_DOMAINS, NULL, NULL);
	return r;
}

/* What dead runs left is finished before anything else is decided. Attributes count here whatever the policy says. */
static int recover(struct scan *scan)
{
	struct dlk_plan *plan = scan->plan;
	struct dlk_options strict = plan->options;
	struct confirm confirm;
	if (!scan->walk.temps.count)
		return 0;
	strict.respect = DLK_RESPECT_DEFAULT;
	int r = confirm_init(&confirm, &strict);
	if (r)
		return r;
	tell_phase(&plan->tell, DLK_PHASE_RECOVER);
	lease_signal_begin();
	r = recover_run(&scan->walk, &confirm, &plan->tell, plan->journal);
	lease_signal_end();
	confirm_free(&confirm);
	return r;
}

static int sift(struct scan *scan)
{
	struct dlk_plan *plan = scan->plan;
	plan->sift.catalog = &plan->catalog;
	plan->sift.tell = &plan->tell;
	plan->sift.manners = &plan->manners;
	plan->sift.options = &plan->options;
	plan->sift.key = &plan->key;
	plan->sift.cache = plan->cache;
	plan->sift.kept = scan->keeps ? &scan->kept : NULL;
	tell_phase(&plan->tell, DLK_PHASE_HASH);
	int r = plan->cache ? cache_begin(plan->cache) : 0;
	if (!r)
		r = sift_run(&plan->sift, &scan->buckets);
	plan->tally.bytes_read += plan->sift.bytes_read;
	if (!r && plan->cache && !plan->tally.errors && !manners_limits_time(&plan->manners))
		cache_prune(plan->cache);
	if (plan->cache)
		cache_flush(plan->cache);
	return r;
}

/* The members of a class are not wanted any more. */
static void let_go(const struct sift *sift, const struct sift_class *class, uint32_t *class_of)
{
	for (uint32_t i = 0; i < class->count; i++)
		class_of[sift->members.at[class->first + i].inode.v] = 0;
}

/*
 * In the order of the catalog, for classes come in that of digests, which is none: what is near in memory is taken together.
 * class_of has, for each inode, the number of its class, from 1.
 */
static int add_classes(struct dlk_plan *plan, uint32_t *class_of)
{
	const struct sift *sift = &plan->sift;
	size_t first, count;
	int r = 0;
	for (uint32_t i = 0; i < plan->catalog.inodes.count && !r; i++) {
		const struct sift_class *class = class_of[i] ? &sift->classes.at[class_of[i] - 1] : NULL;
		if (class && class->decided)
			r = plan_add_class(plan, &sift->members.at[class->first], class->count, &first, &count);
		if (class)
			let_go(sift, class, class_of);
	}
	return r;
}

static void drop_decided(struct sift *sift)
{
	size_t undecided = 0;
	for (size_t i = 0; i < sift->classes.count; i++)
		if (!sift->classes.at[i].decided)
			sift->classes.at[undecided++] = sift->classes.at[i];
	sift->classes.count = undecided;
}

/* Decided classes become sets; undecided ones wait for the comparison in dlk_apply. */
static int make_sets(struct dlk_plan *plan)
{
	const struct sift *sift = &plan->sift;
	own_free uint32_t *class_of = calloc(plan->catalog.inodes.count + 1, sizeof(*class_of));
	plan->fates = calloc(plan->catalog.paths.count + 1, 1);
	if (!plan->fates || !class_of)
		return -ENOMEM;
	for (uint32_t c = 0; c < sift->classes.count; c++)
		for (uint32_t i = 0; i < sift->classes.at[c].count; i++)
			class_of[sift->members.at[sift->classes.at[c].first + i].inode.v] = c + 1;
	int r = plan_sort_names(plan, class_of);
	if (!r)
		r = add_classes(plan, class_of);
	drop_decided(&plan->sift);
	return r ? r : plan_sort(plan);
}

static int foresee(struct dlk_plan *plan)
{
	return plan->options.method == DLK_REFLINK ? share_foresee(plan) : plan_foresee(plan);
}

static int scan(struct scan *scan, const char *const *paths, size_t count)
{
	struct dlk_plan *plan = scan->plan;
	bool apply = plan->options.will_apply;
	int r = roots_resolve_with(&plan->catalog, &plan->tell, plan->options.references, plan->options.reference_count, paths,
				   count, plan->options.isolate, &plan->roots);
	if (!r && apply)
		r = lock_take(&plan->catalog, &plan->roots, &plan->tell, !plan->options.one_file_system, plan->options.wait,
			      &plan->lock);
	if (!r && apply)
		r = plan_begin_journal(plan);
	if (!r)
		r = plan_remember(plan, paths, count);
	scan->keeps = !r && (!plan->cache || cache_is_empty(plan->cache)); /* else little will be read */
	if (!r)
		r = walk(scan, false);
	if (!r && apply)
		r = recover(scan);
	if (!r)
		r = sift(scan);
	bucket_free(&scan->buckets);
	reach_kept_close(&scan->kept);
	plan_tell_time(plan);
	if (!r)
		r = make_sets(plan);
	reach_kept_free(&scan->kept);
	if (!r)
		r = foresee(plan);
	return r;
}

/* ---- the verbs ---- */

static void scan_free(struct scan *scan)
{
	bucket_free(&scan->buckets);
	reach_kept_free(&scan->kept);
	vec_free(&scan->walk.temps);
}

int dlk_scan(const struct dlk_options *options, const char *const *paths, size_t count, struct dlk_plan **ret_plan)
{
	struct scan state = { 0 };
	int r = plan_new(options, &state.plan);
	if (r)
		return r;
	bucket_init(&state.buckets, &state.plan->catalog, state.plan->seed);
	r = scan(&state, paths, count);
	scan_free(&state);
	if (r)
		plan_fail(state.plan);
	else
		*ret_plan = state.plan;
	return r;
}

int dlk_recover(const struct dlk_options *options, const char *const *paths, size_t count, struct dlk_tally *ret_tally)
{
	struct scan state = { 0 };
	int r = plan_new(options, &state.plan);
	if (r)
		return r;
	struct dlk_plan *plan = state.plan;
	r = roots_resolve(&plan->catalog, &plan->tell, paths, count, &plan->roots);
	if (!r)
		r = lock_take(&plan->catalog, &plan->roots, &plan->tell, !options->one_file_system, options->wait, &plan->lock);
	if (!r)
		r = plan_begin_journal(plan);
	if (!r)
		r = walk(&state, true);
	if (!r)
		r = recover(&state);
	scan_free(&state);
	if (r) {
		plan_fail(plan);
		return r;
	}
	*ret_tally = plan->tally;
	dlk_plan_free(plan);
	return 0;
}

/* ---- history ---- */

int dlk_history_each(const char *cache, int (*visit)(void *ctx, const struct dlk_past_run *run), void *ctx)
{
	struct store *store;
	int r = store_open(cache, STORE_READ, NULL, 0, &store);
	if (r)
		return r;
	r = store_each_run(store, visit, ctx);
	store_close(store);
	return r;
}

/* ---- looking at a plan ---- */

const struct dlk_tally *dlk_plan_tally(const struct dlk_plan *plan)
{
	return &plan->tally;
}

enum dlk_method dlk_plan_method(const struct dlk_plan *plan)
{
	return plan->options.method;
}

static bool moved(const struct dlk_plan *plan, struct path_id path)
{
	return plan_fate(plan, path) == DLK_FATE_PLANNED || plan_fate(plan, path) == DLK_FATE_LINKED;
}

/* As account_add() has it: an inode is freed with its last link, but for what it shares. Shared blocks go whatever its links. */
static uint64_t freed_with(const struct dlk_plan *plan, struct inode_id id)
{
	const struct catalog_inode *inode = catalog_inode(&plan->catalog, id);
	uint64_t bytes = inode->blocks * 512;
	uint32_t names = 0;
	for (uint32_t at = inode->first_path; at != ID_NONE; at = catalog_path(&plan->catalog, (struct path_id){ at })->next)
		names += moved(plan, (struct path_id){ at });
	bool goes = plan->options.method == DLK_REFLINK || names >= inode->links;
	return names && goes ? bytes - u64_min(bytes, plan_shared(plan, id)) : 0;
}

/* `path` of `inode`; `text`: the same as text, or NULL. */
static struct dlk_member view_member(const struct dlk_plan *plan, const struct catalog_inode *inode, struct path_id path,
				     const char *text)
{
	return (struct dlk_member){
		.path = text,
		.inode = inode->ino,
		.blocks = inode->blocks,
		.mtime = inode->mtime,
		.links = inode->links,
		.fate = plan_fate(plan, path),
		.name = catalog_name(&plan->catalog, path),
		.dir = catalog_path(&plan->catalog, path)->dir,
	};
}

static int visit_inode(const struct dlk_plan *plan, const struct dlk_plan_visitor *visitor, void *ctx,
		       const struct dlk_set *set, struct inode_id id)
{
	const struct catalog_inode *inode = catalog_inode(&plan->catalog, id);
	uint64_t freed = freed_with(plan, id);
	int r = 0;
	for (uint32_t at = inode->first_path; at != ID_NONE && !r;) {
		struct path_id path = { at };
		at = catalog_path(&plan->catalog, path)->next;
		if (visitor->moved_only && !moved(plan, path))
			continue;
		own_free char *text = visitor->no_paths ? NULL : catalog_path_string(&plan->catalog, path);
		struct dlk_member member = view_member(plan, inode, path, text);
		member.freed = moved(plan, path) ? freed : 0;
		if (member.freed)
			freed = 0;
		r = text || visitor->no_paths ? visitor->member(ctx, set, &member) : -ENOMEM;
	}
	return r;
}

static struct dlk_set view_set(const struct dlk_plan *plan, size_t index)
{
	const struct plan_set *set = &plan->sets.at[index];
	const struct inode_id *members = &plan->members.at[set->first];
	struct dlk_set view = { .index = index, .size = catalog_inode(&plan->catalog, members[0])->size };
	for (uint32_t i = 0; i < set->count; i++)
		view.names += catalog_inode(&plan->catalog, members[i])->names;
	return view;
}

static int visit_set(const struct dlk_plan *plan, const struct dlk_plan_visitor *visitor, void *ctx, size_t index)
{
	const struct plan_set *set = &plan->sets.at[index];
	const struct inode_id *members = &plan->members.at[set->first];
	struct dlk_set view = view_set(plan, index);
	int r = visitor->set ? visitor->set(ctx, &view) : 0;
	for (uint32_t i = visitor->moved_only; i < set->count && !r && visitor->member; i++) /* the first is the keeper */
		r = visit_inode(plan, visitor, ctx, &view, members[i]);
	return r;
}

static void drop_set(struct dlk_plan *plan, const struct plan_set *set)
{
	for (uint32_t i = 1; i < set->count; i++) {
		uint32_t at = catalog_inode(&plan->catalog, plan->members.at[set->first + i])->first_path;
		for (; at != ID_NONE; at = catalog_path(&plan->catalog, (struct path_id){ at })->next)
			plan->fates[at] = DLK_FATE_LEFT;
	}
}

int dlk_plan_choose(struct dlk_plan *plan, int (*choose)(void *ctx, const struct dlk_set *set), void *ctx)
{
	size_t kept = 0;
	if (plan->applied)
		return -EINVAL;
	for (size_t i = 0; i < plan->sets.count; i++) {
		struct dlk_set view = view_set(plan, i);
		if (choose(ctx, &view))
			plan->sets.at[kept++] = plan->sets.at[i];
		else
			drop_set(plan, &plan->sets.at[i]);
	}
	plan->sets.count = kept;
	plan->sift.classes.count = 0;
	account_clear(&plan->tally); /* the prediction is made again */
	plan->shared.count = 0;
	return foresee(plan);
}

int dlk_plan_each(const struct dlk_plan *plan, const struct dlk_plan_visitor *visitor, void *ctx)
{
	int r = 0;
	for (size_t i = 0; i < plan->sets.count && !r; i++)
		r = visit_set(plan, visitor, ctx, i);
	return r;
}

static int visit_apart(const struct dlk_plan *plan, const struct dlk_plan_visitor *visitor, void *ctx, size_t index)
{
	const struct plan_set *set = &plan->apart_sets.at[index];
	const struct plan_apart *files = &plan->apart.at[set->first];
	struct dlk_set view = {
		.index = index,
		.size = catalog_inode(&plan->catalog, files->inode)->size,
		.names = set->count,
	};
	int r = visitor->set ? visitor->set(ctx, &view) : 0;
	for (uint32_t i = 0; i < set->count && !r && visitor->member; i++) {
		const struct catalog_inode *inode = catalog_inode(&plan->catalog, files[i].inode);
		struct path_id path = { inode->first_path };
		own_free char *text = visitor->no_paths ? NULL : catalog_path_string(&plan->catalog, path);
		struct dlk_member member = view_member(plan, inode, path, text);
		member.differ = files[i].differ;
		r = text || visitor->no_paths ? visitor->member(ctx, &view, &member) : -ENOMEM;
	}
	return r;
}

int dlk_plan_each_apart(const struct dlk_plan *plan, const struct dlk_plan_visitor *visitor, void *ctx)
{
	int r = 0;
	for (size_t i = 0; i < plan->apart_sets.count && !r; i++)
		r = visit_apart(plan, visitor, ctx, i);
	return r;
}

int dlk_plan_set(const struct dlk_plan *plan, uint64_t index, const struct dlk_plan_visitor *visitor, void *ctx)
{
	return index < plan->sets.count ? visit_set(plan, visitor, ctx, index) : -ENOENT;
}

int dlk_plan_dir(const struct dlk_plan *plan, uint64_t dir, char **ret_path)
{
	struct text text = { 0 };
	if (dir >= plan->catalog.dirs.count)
		return -ENOENT;
	catalog_dir_text(&plan->catalog, (struct dir_id){ (uint32_t)dir }, &text);
	if (text.failed)
		text_free(&text);
	if (!text.at)
		return -ENOMEM;
	*ret_path = text.at;
	return 0;
}

int dlk_plan_dir_above(const struct dlk_plan *plan, uint64_t dir, uint64_t *ret_above)
{
	if (dir >= plan->catalog.dirs.count)
		return -ENOENT;
	uint32_t parent = catalog_dir(&plan->catalog, (struct dir_id){ (uint32_t)dir })->parent;
	if (parent == ID_NONE)
		return -ENOENT;
	*ret_above = parent;
	return 0;
}
