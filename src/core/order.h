/* SPDX-License-Identifier: MIT */
/*
 * order.h - how many readers at once
 *
 * Cold storage is latency: many reads in flight are right, how many depends on the device, and no flag tells (virtual disks say
 * "rotational" and are not). Warm, each reader beyond the processors only costs. What tells is how often readers wait: a
 * voluntary context switch. So a run begins with few readers, and every 10 ms their number is doubled while they wait
 * more than once for every four files finished.
 */
#ifndef CORE_ORDER_H
#define CORE_ORDER_H

#include "../base/base.h"

struct order {
	unsigned fixed;  /* this many readers and no other number; 0: find it */
	unsigned first;  /* begin with this many, known from similar work just before; 0: with few */
	unsigned most;   /* never more than this */
	void (*read)(void *ctx, struct order *order); /* a reader: takes work until there is none */
	void *ctx;
	void (*tick)(void *ctx); /* NULL, or called now and then on the calling thread */
	uint64_t finished; /* atomic: files; readers add to it */
};

/* Runs readers until all have returned. Returns how many there were at the end. */
unsigned order_run(struct order *order);

static inline void order_finished(struct order *order, uint64_t files)
{
	__atomic_add_fetch(&order->finished, files, __ATOMIC_RELAXED);
}

#endif
