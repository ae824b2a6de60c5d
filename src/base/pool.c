/* SPDX-License-Identifier: MIT */
/*
 * pool.c - threads that all do the same, begun and joined together
 *
 * There is no queue and no shutdown: what is shared and when to stop is the work's own business, and a thread lives
 * exactly as long as its call of the work.
 */
#include "pool.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>

struct pool_member {
	void (*work)(void *ctx, unsigned worker);
	void *ctx;
	unsigned worker;
	pthread_t thread;
};

static void *member_main(void *argument)
{
	struct pool_member *member = argument;
	member->work(member->ctx, member->worker);
	return NULL;
}

/* A thread inherits the signal mask of its creator. */
unsigned pool_begin(struct pool *ret_pool, unsigned threads, void (*work)(void *ctx, unsigned worker), void *ctx)
{
	struct pool pool = { .members = calloc(threads ? threads : 1, sizeof(*pool.members)) };
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	while (pool.members && pool.started < threads) {
		struct pool_member *member = &pool.members[pool.started];
		*member = (struct pool_member){ .work = work, .ctx = ctx, .worker = pool.started + 1 };
		if (pthread_create(&member->thread, NULL, member_main, member))
			break;
		pool.started++;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	*ret_pool = pool;
	return pool.started;
}

void pool_end(struct pool *pool)
{
	for (unsigned i = 0; i < pool->started; i++)
		pthread_join(pool->members[i].thread, NULL);
	free(pool->members);
	*pool = (struct pool){ 0 };
}

void pool_run(unsigned threads, void (*work)(void *ctx, unsigned worker), void *ctx)
{
	struct pool pool = { 0 };
	if (threads > 1 && !pool_begin(&pool, threads - 1, work, ctx))
		pool_end(&pool);
	work(ctx, 0);
	pool_end(&pool);
}

/* Bits of the affinity mask, or 0 when the kernel's mask is larger than `processors`. */
static unsigned count_affinity(size_t processors)
{
	cpu_set_t *set = CPU_ALLOC(processors);
	if (!set)
		return 0;
	size_t size = CPU_ALLOC_SIZE(processors);
	int count = sched_getaffinity(0, size, set) ? 0 : CPU_COUNT_S(size, set);
	CPU_FREE(set);
	return (unsigned)count;
}

unsigned pool_processors(void)
{
	for (size_t processors = 1024; processors <= 1 << 16; processors *= 4) {
		unsigned count = count_affinity(processors);
		if (count)
			return count;
	}
	return 1;
}

unsigned pool_size(unsigned fixed, unsigned most, size_t turns)
{
	unsigned processors = fixed ? fixed : pool_processors();
	if (!fixed && processors > most)
		processors = most;
	return (unsigned)size_max(size_min(processors, turns), 1);
}
