/* SPDX-License-Identifier: MIT */
/*
 * plan.h - what is to be done: sets as values, who stays and which names move
 *
 * A class of equal files becomes sets here: files that cannot be changed at all are put aside, the policy divides the rest,
 * each group gets its keepers. Files that are equal but kept apart by policy are counted with what keeps them apart.
 */
#ifndef CORE_PLAN_H
#define CORE_PLAN_H

#include "../sys/idmap.h"
#include "catalog.h"
#include "manners.h"
#include "roots.h"
#include "rule.h"
#include "sift.h"
#include "tell.h"

struct lock;
struct journal;
struct plan_class;

struct plan_set {
	uint64_t first; /* in members: the keeper, then its targets in path order */
	uint32_t count; /* at least 2 */
	struct path_id path; /* the keeper's first */
};

/* A file kept apart from others that are equal to it. */
struct plan_apart {
	struct inode_id inode;
	unsigned differ; /* the words in which it differs from the first of its set; 0: in what no word ignores */
};

/* Bytes of a file that lie in extents, or in a block of attributes, shared with others, as before anything was replaced. */
struct plan_shared {
	struct inode_id inode;
	uint64_t bytes;
};

struct dlk_plan {
	struct dlk_options options;
	struct catalog catalog;
	struct roots roots;
	struct rule *rule;
	struct tell tell;
	struct manners manners;
	struct idmap idmap; /* as it was when the plan was begun */
	struct dlk_tally tally;
	struct digest_key key; /* random, this plan's own */
	uint64_t seed; /* random, this run's own: for tables by what others choose */
	struct sift sift; /* undecided classes live on in it until they are applied */
	struct journal *journal; /* NULL: none is wanted, or not begun */
	struct lock *lock; /* NULL for a dry run */
	struct cache *cache; /* NULL: none; its key is the plan's */
	VEC(char *) asked; /* with a cache: the paths that were given, absolute */
	int64_t started, begun; /* by the calendar, and by the clock that only goes on */
	VEC(struct inode_id) members;
	VEC(struct plan_set) sets;
	VEC(struct plan_apart) apart; /* with options.list_apart */
	VEC(struct plan_set) apart_sets; /* in apart: the file that the others differ from, then those in path order */
	struct plan_class *class; /* plan_add_class's own, for the next */
	VEC(struct plan_shared) shared; /* of targets that share any, in the order of their ids */
	VEC(struct plan_shared) shared_later; /* the same of undecided classes, as they are applied; then put to `shared` */
	unsigned char *fates; /* enum dlk_fate of each path; zero pages until touched */
	bool exact; /* it was read, not made: no other keepers are sought, no other names replaced */
	bool applied;
	bool out_of_time; /* something was left for want of time, and that was told */
	pthread_mutex_t mutex; /* members, sets, apart and tally, while several threads apply */
};

/* An empty plan with a policy compiled and a key of its own, for dlk_plan_free. -EINVAL, -ENOMEM, errors of random numbers. */
MUST_CHECK int plan_new(const struct dlk_options *options, struct dlk_plan **ret);

/* Frees a plan that could not be made, or of which nothing will come. Its figures go where the options want them. */
void plan_fail(struct dlk_plan *plan);

/* Opens the cache that the options name, if it can be used. `paths` are those that were given. -ENOMEM. */
MUST_CHECK int plan_remember(struct dlk_plan *plan, const char *const *paths, size_t count);

/* Begins the journal that the options want, unless that is done or none is wanted. Trouble is told, and returned. */
MUST_CHECK int plan_begin_journal(struct dlk_plan *plan);

/* Tells that the time was up, if anything was left for it since the last call. */
void plan_tell_time(struct dlk_plan *plan);

/*
 * Brings the names of inodes into path order, by several threads: they are many, and far apart in memory. `wanted` has a number
 * for each inode of the catalog; 0: not this one.
 */
MUST_CHECK int plan_sort_names(struct dlk_plan *plan, const uint32_t *wanted);

/*
 * Adds the sets of a class whose files are equal in every byte. *ret_first, *ret_count: the sets it made (in plan->sets). To
 * be called with the mutex held once threads apply. -ENOMEM.
 */
MUST_CHECK int plan_add_class(struct dlk_plan *plan, const struct sift_member *members, size_t count,
			      size_t *ret_first, size_t *ret_count);

/* For who makes a plan by hand; dlk_plan_free does it. */
void plan_class_free(struct plan_class *class);

/*
 * Foresees what applying would meet without changing anything: names in directories that may not be written (told as errors, as
 * they would be), and what each set would free. Fills the tally. -ENOMEM.
 */
MUST_CHECK int plan_foresee(struct dlk_plan *plan);

/*
 * Bytes of a target that it shared with other files when the plan was made; 0 for a member of an undecided class. Dropping one of two
 * that share makes the other look unshared some time later: asked then, a run would tell other figures than its dry run.
 */
uint64_t plan_shared(const struct dlk_plan *plan, struct inode_id inode);

/* Whether an inode has more blocks than its bytes need, so that one may hold attributes: see extent_attributes_shared. */
bool plan_has_attribute_block(const struct catalog_inode *inode);

/* Puts what was found while applying with the rest of `shared`; no thread may look it up meanwhile. -ENOMEM. */
MUST_CHECK int plan_gather_shared(struct dlk_plan *plan);

/* Brings the sets into the order of their keepers' paths, those kept apart into that of their first. -ENOMEM. */
MUST_CHECK int plan_sort(struct dlk_plan *plan);

static inline enum dlk_fate plan_fate(const struct dlk_plan *plan, struct path_id path)
{
	return plan->fates[path.v];
}

#endif
