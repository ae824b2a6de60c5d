/* SPDX-License-Identifier: MIT */
/*
 * hooks.h - every kernel call of the library is a moment at which a test can act
 *
 * A moment is the n-th call of a kind in a phase, before or after it. What acts there acts exactly there, each time: races become
 * ordinary test cases. One lock goes around the counting and the acting, so phases with several threads are safe, too.
 */
#ifndef RACE_HOOKS_H
#define RACE_HOOKS_H

#include "../../include/dedupe-link.h"
#include "../../src/sys/sys.h"

enum call {
	CALL_PHASE,    /* the phase begins (only `after`, the first) */
	CALL_OPEN,     /* openat, openat2 */
	CALL_LIST,     /* getdents */
	CALL_READ,     /* pread */
	CALL_LEASE,    /* F_SETLEASE, F_RDLCK */
	CALL_ASK,      /* F_GETLEASE */
	CALL_SYNC,     /* fdatasync, syncfs */
	CALL_LINK,     /* linkat */
	CALL_EXCHANGE, /* renameat2 with RENAME_EXCHANGE */
	CALL_RENAME,   /* renameat2 otherwise */
	CALL_UNLINK,   /* unlinkat */
	CALL_SLEEP,    /* longer than no time */
	CALLS,
};

enum side { BEFORE, AFTER };

struct moment {
	const char *name;
	enum dlk_phase phase;
	enum call call;
	enum side side; /* after: of calls that succeeded */
	unsigned nth;   /* from 1, in the phase */
};

/* Puts the table in force, with nothing to do. Forgets what was added before. */
void hooks_install(void);

/* `act` is called when the moment comes, once. It must use libc, not the table, and not hooks_count. */
void hooks_add(struct moment at, void (*act)(void *ctx), void *ctx);

/* The same for a moment that need not come. */
void hooks_add_maybe(struct moment at, void (*act)(void *ctx), void *ctx);

/* All calls of a kind fail with this error (negative) from now on. 0: no more. */
void hooks_refuse(enum call call, int error);

/* Each read takes this much longer, ns. */
void hooks_slow_reads(int64_t ns);

/* A phase begins: counting starts anew. For the observer, and before calls that tell no phases. */
void hooks_phase(enum dlk_phase phase);

/* Calls in this phase so far (the last one, when all is done) that succeeded. Not from within `act`. */
unsigned hooks_count(enum call call);

/* The name the last linkat was to make (known before the call), and its directory. "" when there was none. */
const char *hooks_last_link(int *ret_dirfd);

/* The first thing added whose moment should have come and never came, by its moment's name, or NULL. */
const char *hooks_missed(void);

#endif
