/* SPDX-License-Identifier: MIT */
/*
 * order.h - how many readers at once
 *
 * Cold storage is latency: many reads in flight are right, how many depends on the device, and no flag tells (virtual disks say
 * "rotational" and are not). Warm, each reader beyond the processors only costs. What tells is how often readers wait: a
 * voluntary context switch. So a run begins with few readers, and every 10 ms their number is doubled while they wait
 * more than once for every four files finished.
 *
 * On a disk with a head that rule alone would be wrong: readers wait there as well, and the more of them, the farther the head
 * travels. So when doublings have halved the pace, the run goes on with few, unless that turns out to be slower still.
 * A device or another program may have stalled just then, so after a rest doublings are tried again; each rest is twice as
 * long as the one before.
 */
#ifndef CORE_ORDER_H
#define CORE_ORDER_H

#include "../base/base.h"

struct order_reader;

struct order {
	unsigned fixed;  /* this many readers and no other number; 0: find it */
	unsigned first;  /* begin with this many, known from similar work just before; 0: with few */
	unsigned most;   /* never more than this */
	void (*read)(void *ctx, struct order_reader *me); /* a reader: takes work until there is none */
	void *ctx;
	void (*tick)(void *ctx); /* NULL, or called now and then on the calling thread */
	uint64_t finished; /* by those that have left: files */
	uint64_t work;     /* by those: bytes, and for each file as many as cost what an opening costs */
	unsigned surplus;  /* atomic: readers that are to leave */
};

/* Each counts for itself, so that warm readers, who finish a file in microseconds, do not meet in one cache line. */
struct order_reader {
	struct order *order;
	uint64_t finished, work; /* written by the reader alone; read by others */
	struct order_reader *next, **link;
};

/* What is seen every 10 ms. */
struct order_tick {
	uint64_t switches, files; /* in this tick: how often readers waited, files finished */
	uint64_t all_files, work; /* until now */
	unsigned leaving;         /* readers too many that have not left yet */
};

/* The rule, apart from threads and clocks. Begins with all zero but `readers` and `most`. */
struct order_rule {
	unsigned readers, most;
	/* Since the number of readers changed: */
	unsigned ticks;
	uint64_t files, work; /* as they were then */
	/* Work a tick, before the doublings that are on trial and after; 0: none is. */
	double before, after;
	unsigned rest; /* ticks, of the last rest */
	enum { ORDER_RAMPING, ORDER_RETREATED, ORDER_RESTING } state;
};

enum { ORDER_FIRST = 2 /* readers to begin with */ };

/* Takes note of a tick; rule->readers says how many there should be from now on. */
void order_decide(struct order_rule *rule, const struct order_tick *tick);

/* Runs readers until all have returned. Returns how many there were at the end. */
unsigned order_run(struct order *order);

/* Asked by a reader between two files: false when it is one too many, and leaves. */
static inline bool order_stay(struct order_reader *me)
{
	unsigned *count = &me->order->surplus, surplus = __atomic_load_n(count, __ATOMIC_RELAXED);
	while (surplus)
		if (__atomic_compare_exchange_n(count, &surplus, surplus - 1, true, __ATOMIC_RELAXED,
						__ATOMIC_RELAXED))
			return false;
	return true;
}

/* Told by a reader after each file: the pace is judged by it, and readers that wait finish few in a tick. */
static inline void order_finished(struct order_reader *me, uint64_t files, uint64_t bytes)
{
	const uint64_t opening = 64 * 1024;
	__atomic_store_n(&me->finished, me->finished + files, __ATOMIC_RELAXED);
	__atomic_store_n(&me->work, me->work + files * opening + bytes, __ATOMIC_RELAXED);
}

#endif
