/* SPDX-License-Identifier: MIT */
/* pipeline.h - the first rooms of a scan, one after the other, over the scratch directory: roots, walk, buckets, sift */
#ifndef UNIT_PIPELINE_H
#define UNIT_PIPELINE_H

#include <pthread.h>

#include "../../src/base/vec.h"
#include "../../src/core/sift.h"
#include "../../src/core/walk.h"
#include "scratch.h"

/* An event that was told. */
struct told {
	enum dlk_event_kind kind;
	enum dlk_stage stage;
	enum dlk_reason reason;
	int error;
	char *path; /* NULL: none */
};

struct pipeline {
	struct dlk_options options;
	struct dlk_tally tally;
	struct catalog catalog;
	struct tell tell;
	struct rule *rule;
	struct roots roots;
	struct bucket_table buckets;
	struct walk walk;
	struct reach_kept kept; /* used when walk.kept leads here */
	struct digest_key key;
	struct sift sift;
	uint32_t fresh; /* inodes the walk called new */
	VEC(struct told) told;
};

static inline void pipeline_observe(void *ctx, const struct dlk_event *event)
{
	struct pipeline *pipeline = ctx;
	if (event->kind == DLK_EVENT_PHASE || event->kind == DLK_EVENT_PROGRESS)
		return;
	struct told told = { event->kind, event->stage, event->reason, event->error,
			     event->path ? strdup(event->path) : NULL };
	must(!vec_push(&pipeline->told, told));
}

static inline int pipeline_fresh(void *ctx, struct inode_id inode, const struct stamp *stamp UNUSED)
{
	struct pipeline *pipeline = ctx;
	pipeline->fresh++;
	return bucket_add(&pipeline->buckets, inode, 0);
}

/* Options to be changed before the next step. */
static inline void pipeline_begin(struct pipeline *pipeline)
{
	*pipeline = (struct pipeline){ 0 };
	dlk_options_init(&pipeline->options);
	catalog_init(&pipeline->catalog);
	bucket_init(&pipeline->buckets, &pipeline->catalog, 1);
}

static inline int pipeline_roots(struct pipeline *pipeline, const char *const *paths, size_t count)
{
	pipeline->options.observe = pipeline_observe;
	pipeline->options.observe_ctx = pipeline;
	tell_init(&pipeline->tell, &pipeline->options, &pipeline->tally);
	must(!rule_compile(&pipeline->options, &pipeline->rule));
	return roots_resolve(&pipeline->catalog, &pipeline->tell, paths, count, &pipeline->roots);
}

static inline int pipeline_walk(struct pipeline *pipeline)
{
	pipeline->walk.catalog = &pipeline->catalog;
	pipeline->walk.roots = &pipeline->roots;
	pipeline->walk.rule = pipeline->rule;
	pipeline->walk.tell = &pipeline->tell;
	pipeline->walk.options = &pipeline->options;
	pipeline->walk.fresh = pipeline_fresh;
	pipeline->walk.ctx = pipeline;
	return walk_run(&pipeline->walk);
}

/* Both, over the scratch directory. */
static inline int pipeline_find(struct pipeline *pipeline)
{
	const char *const paths[] = { top_path };
	int r = pipeline_roots(pipeline, paths, 1);
	return r ? r : pipeline_walk(pipeline);
}

static inline int pipeline_sift(struct pipeline *pipeline)
{
	must(!digest_key_make(&pipeline->key));
	pipeline->sift.catalog = &pipeline->catalog;
	pipeline->sift.tell = &pipeline->tell;
	pipeline->sift.options = &pipeline->options;
	pipeline->sift.key = &pipeline->key;
	pipeline->sift.kept = pipeline->walk.kept;
	return sift_run(&pipeline->sift, &pipeline->buckets);
}

static inline void pipeline_end(struct pipeline *pipeline)
{
	sift_free(&pipeline->sift);
	reach_kept_free(&pipeline->kept);
	vec_free(&pipeline->walk.temps);
	bucket_free(&pipeline->buckets);
	roots_free(&pipeline->roots);
	catalog_free(&pipeline->catalog);
	if (pipeline->rule)
		tell_free(&pipeline->tell);
	rule_free(pipeline->rule);
	for (size_t i = 0; i < pipeline->told.count; i++)
		free(pipeline->told.at[i].path);
	vec_free(&pipeline->told);
}

/* How many events there were of a kind, about paths that end so (NULL: all). */
static inline unsigned pipeline_told(const struct pipeline *pipeline, enum dlk_event_kind kind, const char *ending)
{
	unsigned count = 0;
	for (size_t i = 0; i < pipeline->told.count; i++) {
		const struct told *told = &pipeline->told.at[i];
		size_t have = told->path ? strlen(told->path) : 0, want = ending ? strlen(ending) : 0;
		count += told->kind == kind && have >= want && (!want || !strcmp(told->path + have - want, ending));
	}
	return count;
}

/* ---- threads that cannot be had: the program is linked with --wrap=pthread_create ---- */

static int threads_left = -1; /* how many more may be started; -1: all */

int __real_pthread_create(pthread_t *ret, const pthread_attr_t *attributes, void *(*start)(void *), void *ctx);
int __wrap_pthread_create(pthread_t *ret, const pthread_attr_t *attributes, void *(*start)(void *), void *ctx);

int __wrap_pthread_create(pthread_t *ret, const pthread_attr_t *attributes, void *(*start)(void *), void *ctx)
{
	if (!threads_left)
		return EAGAIN;
	threads_left -= threads_left > 0;
	return __real_pthread_create(ret, attributes, start, ctx);
}

#endif
