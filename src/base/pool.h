/* SPDX-License-Identifier: MIT */
/* pool.h - the same work on several threads, joined at the end */
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include "base.h"

/*
 * Runs work(ctx, 0) ... work(ctx, threads - 1) at the same time, number 0 on the calling thread, and returns when all
 * have. Threads that cannot be started are done without: as long as the work is divided by a shared counter and
 * not by number, it is complete all the same. All signals are blocked in the new threads, so that handlers run on
 * the caller's.
 */
void pool_run(unsigned threads, void (*work)(void *ctx, unsigned worker), void *ctx);

/*
 * The two halves of it, for a caller with other work to do meanwhile: starts up to `threads` threads and returns how
 * many could be (perhaps none), numbered from 1; pool_end joins them.
 */
struct pool {
	struct pool_member *members;
	unsigned started;
};
MUST_CHECK unsigned pool_begin(struct pool *ret_pool, unsigned threads, void (*work)(void *ctx, unsigned worker),
			       void *ctx);
void pool_end(struct pool *pool);

/* Processors this process may use (its affinity mask), at least 1. */
unsigned pool_processors(void);

/*
 * How many threads for work that waits for nothing: `fixed`, or if that is 0 as many as there are processors and at most `most`; never
 * more than there are turns to take, and at least 1.
 */
unsigned pool_size(unsigned fixed, unsigned most, size_t turns);

#endif
