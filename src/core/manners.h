/* SPDX-License-Identifier: MIT */
/*
 * manners.h - how a run behaves towards others: when it ends, how fast it reads, what it leaves in the page cache
 *
 * With a limit of time the walk gets half of it, and walk and digests together three quarters; what is left is for linking. All
 * functions take NULL for a run without manners.
 */
#ifndef CORE_MANNERS_H
#define CORE_MANNERS_H

#include "../../include/dedupe-link.h"
#include "../base/base.h"

struct manners {
	const volatile int *stop; /* may be NULL */
	int64_t walk_until, read_until, link_until; /* sys->now(); INT64_MAX: no limit */
	uint64_t rate;    /* content bytes a second; 0: no limit */
	int64_t due;      /* atomic: when all that was read may have been read */
	bool spare_cache;
	bool cut;         /* atomic: something was left for want of time, and not told yet */
};

/* The time runs from now on. */
void manners_begin(struct manners *ret, const struct dlk_options *options);

/* Whether the time for a phase is over; it is noted that something is left. */
bool manners_walk_late(struct manners *manners);
bool manners_read_late(struct manners *manners);
bool manners_link_late(struct manners *manners);

/* Whether anything was left since the last question. */
bool manners_was_cut(struct manners *manners);

bool manners_limits_time(const struct manners *manners);
bool manners_spares_cache(const struct manners *manners);

/* `bytes` were read: how long to wait before more is, in ns; at most 0 without a limit. Whoever asks must wait. */
MUST_CHECK int64_t manners_wait(struct manners *manners, uint64_t bytes);

/*
 * Waits that long, and tells whether to go on with reading for digests: 0, -ECANCELED once stopped, -ETIME once their time
 * is over.
 */
MUST_CHECK int manners_pause(struct manners *manners, uint64_t bytes);

#endif
