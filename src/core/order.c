/* SPDX-License-Identifier: MIT */
/* order.c - the number of readers, found as it runs; see order.h */
#include "order.h"

#include <pthread.h>
#include <time.h>

#include "../base/pool.h"
#include "../sys/sys.h"

enum { FIRST = 2, CREWS = 8, TICK_MS = 10, TELL_TICKS = 10 };

struct crew {
	struct order *order;
	pthread_mutex_t mutex;
	pthread_cond_t gone;
	unsigned running, readers;
	struct pool pools[CREWS]; /* each doubling is one */
	unsigned pool_count;
};

static void reader(void *ctx, unsigned worker)
{
	struct crew *crew = ctx;
	(void)worker;
	crew->order->read(crew->order->ctx, crew->order);
	pthread_mutex_lock(&crew->mutex);
	crew->running--;
	pthread_cond_signal(&crew->gone);
	pthread_mutex_unlock(&crew->mutex);
}

/* With the mutex held, so that `running` counts readers before they can leave. */
static void add_readers(struct crew *crew, unsigned count)
{
	if (!count || crew->pool_count == CREWS)
		return;
	unsigned started = pool_begin(&crew->pools[crew->pool_count], count, reader, crew);
	crew->running += started;
	crew->readers += started;
	crew->pool_count++;
}

/* Waits a tick at the most; true while readers run. */
static bool wait_tick(struct crew *crew)
{
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += TICK_MS * NS_PER_MS;
	until.tv_sec += until.tv_nsec / NS_PER_S;
	until.tv_nsec %= NS_PER_S;
	while (crew->running)
		if (pthread_cond_timedwait(&crew->gone, &crew->mutex, &until))
			break;
	return crew->running > 0;
}

static void steer(struct crew *crew)
{
	uint64_t switches = sys_switches(), finished = 0;
	for (unsigned tick = 0; wait_tick(crew); tick++) {
		uint64_t switches_now = sys_switches();
		uint64_t finished_now = __atomic_load_n(&crew->order->finished, __ATOMIC_RELAXED);
		bool waiting = (switches_now - switches) * 4 > finished_now - finished;
		if (!crew->order->fixed && waiting && crew->readers < crew->order->most)
			add_readers(crew, crew->readers * 2 <= crew->order->most ? crew->readers :
										   crew->order->most - crew->readers);
		switches = switches_now;
		finished = finished_now;
		if (crew->order->tick && tick % TELL_TICKS == TELL_TICKS - 1) {
			pthread_mutex_unlock(&crew->mutex);
			crew->order->tick(crew->order->ctx);
			pthread_mutex_lock(&crew->mutex);
		}
	}
}

unsigned order_run(struct order *order)
{
	struct crew crew = { .order = order };
	pthread_condattr_t monotonic;
	pthread_mutex_init(&crew.mutex, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&crew.gone, &monotonic);

	unsigned first = order->fixed ? order->fixed : order->first ? order->first : FIRST;
	pthread_mutex_lock(&crew.mutex);
	add_readers(&crew, first < order->most ? first : order->most);
	bool alone = !crew.readers;
	steer(&crew);
	pthread_mutex_unlock(&crew.mutex);
	if (alone) /* no thread could be had */
		order->read(order->ctx, order);

	for (unsigned i = 0; i < crew.pool_count; i++)
		pool_end(&crew.pools[i]);
	pthread_cond_destroy(&crew.gone);
	pthread_condattr_destroy(&monotonic);
	pthread_mutex_destroy(&crew.mutex);
	return crew.readers;
}
