/* SPDX-License-Identifier: MIT */
/* moments.h - where in the replacement of one name something can happen, by the calls that begin and end each step */
#ifndef RACE_MOMENTS_H
#define RACE_MOMENTS_H

#include "hooks.h"

#define LINK_PHASE(name, call, side, nth)                              \
	{                                                              \
		name, DLK_PHASE_LINK, call, side, nth                  \
	}

/* With one pair of small files and nobody else around, these are the calls in their order. */
static const struct moment at_begin = LINK_PHASE("begin", CALL_PHASE, AFTER, 1);
static const struct moment at_lease = LINK_PHASE("lease", CALL_LEASE, AFTER, 1);
static const struct moment at_compare = LINK_PHASE("compare", CALL_READ, BEFORE, 1);
static const struct moment at_compared = LINK_PHASE("compared", CALL_READ, AFTER, 2);
static const struct moment at_stage = LINK_PHASE("stage", CALL_LINK, BEFORE, 1);
static const struct moment at_look = LINK_PHASE("look", CALL_LINK, AFTER, 1);
static const struct moment at_exchange = LINK_PHASE("exchange", CALL_EXCHANGE, BEFORE, 1);
static const struct moment at_verify = LINK_PHASE("verify", CALL_EXCHANGE, AFTER, 1);
static const struct moment at_grace = LINK_PHASE("grace", CALL_SLEEP, BEFORE, 1);
static const struct moment at_probe = LINK_PHASE("probe", CALL_SLEEP, AFTER, 1);
static const struct moment at_reprobe = LINK_PHASE("reprobe", CALL_LEASE, BEFORE, 3);
static const struct moment at_stamps = LINK_PHASE("stamps", CALL_LEASE, AFTER, 3);
static const struct moment at_drop = LINK_PHASE("drop", CALL_UNLINK, BEFORE, 1);
static const struct moment at_late = LINK_PHASE("late", CALL_UNLINK, AFTER, 1);
static const struct moment at_undo = LINK_PHASE("undo", CALL_EXCHANGE, BEFORE, 2);
static const struct moment at_undone = LINK_PHASE("undone", CALL_EXCHANGE, AFTER, 2);
static const struct moment at_again = LINK_PHASE("again", CALL_EXCHANGE, BEFORE, 3);
static const struct moment at_quiet = LINK_PHASE("quiet", CALL_SLEEP, BEFORE, 1); /* of an undo: no grace came before */
static const struct moment at_over = LINK_PHASE("over", CALL_RENAME, BEFORE, 1);
static const struct moment at_overed = LINK_PHASE("overed", CALL_RENAME, AFTER, 1);
static const struct moment at_hash = { "hash", DLK_PHASE_HASH, CALL_PHASE, AFTER, 1 };
static const struct moment at_hash_read = { "read", DLK_PHASE_HASH, CALL_READ, BEFORE, 1 };
static const struct moment at_listed = { "listed", DLK_PHASE_WALK, CALL_LIST, AFTER, 1 };

#define RECOVER_PHASE(name, call, side, nth)                           \
	{                                                              \
		name, DLK_PHASE_RECOVER, call, side, nth               \
	}

#define UNDO_PHASE(name, call, side, nth)                              \
	{                                                              \
		name, DLK_PHASE_UNDO, call, side, nth                  \
	}

static const struct moment at_recover = RECOVER_PHASE("recover", CALL_PHASE, AFTER, 1);
static const struct moment at_recover_read = RECOVER_PHASE("recover-read", CALL_READ, BEFORE, 1);
static const struct moment at_recover_grace = RECOVER_PHASE("recover-grace", CALL_SLEEP, BEFORE, 1);
static const struct moment at_recover_probe = RECOVER_PHASE("recover-probe", CALL_SLEEP, AFTER, 1);

#endif
