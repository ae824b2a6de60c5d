/* SPDX-License-Identifier: MIT */
/*
 * manners.c - deadlines by the monotonic clock, and a rate that all readers share
 *
 * The rate is kept by one number, the time at which all that was read so far may have been read: each reader moves it on by what it
 * read and waits for it. Little is saved up while nobody reads, so there are no bursts, but who overslept catches up.
 */
#include "manners.h"

#include <errno.h>

#include "../sys/sys.h"

enum {
	SLICE = 50,  /* ms: how soon a stop is noticed */
	SAVED = 100, /* ms */
};

void manners_begin(struct manners *ret, const struct dlk_options *options)
{
	int64_t begun = sys->now(), time = options->max_time;
	bool limited = time > 0 && time < INT64_MAX - begun;

	*ret = (struct manners){
		.stop = options->stop,
		.walk_until = limited ? begun + time / 2 : INT64_MAX,
		.read_until = limited ? begun + time / 4 * 3 : INT64_MAX,
		.link_until = limited ? begun + time : INT64_MAX,
		.rate = options->max_rate,
		.due = begun,
		.spare_cache = options->spare_cache,
	};
}

static bool late(struct manners *manners, int64_t until)
{
	if (until == INT64_MAX || sys->now() < until)
		return false;
	__atomic_store_n(&manners->cut, true, __ATOMIC_RELAXED);
	return true;
}

bool manners_walk_late(struct manners *manners)
{
	return manners && late(manners, manners->walk_until);
}

bool manners_read_late(struct manners *manners)
{
	return manners && late(manners, manners->read_until);
}

bool manners_link_late(struct manners *manners)
{
	return manners && late(manners, manners->link_until);
}

bool manners_was_cut(struct manners *manners)
{
	return manners && __atomic_exchange_n(&manners->cut, false, __ATOMIC_RELAXED);
}

bool manners_limits_time(const struct manners *manners)
{
	return manners && manners->link_until != INT64_MAX;
}

bool manners_spares_cache(const struct manners *manners)
{
	return manners && manners->spare_cache;
}

static int64_t cost(const struct manners *manners, uint64_t bytes)
{
	uint64_t whole = bytes / manners->rate, rest = bytes % manners->rate;

	return (int64_t)(whole * (uint64_t)NS_PER_S + (uint64_t)((double)rest / (double)manners->rate * NS_PER_S));
}

int64_t manners_wait(struct manners *manners, uint64_t bytes)
{
	if (!manners || !manners->rate)
		return 0;
	int64_t now = sys->now(), due = __atomic_load_n(&manners->due, __ATOMIC_RELAXED), next;
	do
		next = (due > now - SAVED * NS_PER_MS ? due : now - SAVED * NS_PER_MS) + cost(manners, bytes);
	while (!__atomic_compare_exchange_n(&manners->due, &due, next, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	return next - now;
}

static int go_on(struct manners *manners)
{
	if (manners->stop && __atomic_load_n(manners->stop, __ATOMIC_RELAXED))
		return -ECANCELED;
	return manners_read_late(manners) ? -ETIME : 0;
}

int manners_pause(struct manners *manners, uint64_t bytes)
{
	if (!manners)
		return 0;
	int64_t left = manners_wait(manners, bytes), until = left > 0 ? sys->now() + left : 0;
	int r = go_on(manners);
	while (!r && left > 0) {
		sys->sleep(left < SLICE * NS_PER_MS ? left : SLICE * NS_PER_MS);
		left = until - sys->now();
		r = go_on(manners);
	}
	return r;
}
