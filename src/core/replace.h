/* SPDX-License-Identifier: MIT */
/*
 * replace.h - one name replaced by a link to its proven equal: stage, look, exchange, verify; later grace, probe, drop
 *
 * The steps are those of src/README.md; this file is 3 to 10. A replacer belongs to one thread. replace_name() takes a name
 * through step 7; then it waits in line while others follow, so that the grace costs no time, until replace_settle() finishes
 * it. Whatever happens to a name is told once, through `done`.
 */
#ifndef CORE_REPLACE_H
#define CORE_REPLACE_H

#include "confirm.h"
#include "temp.h"

/* A name to be replaced. dirfd must stay open, and name and cookie valid, until `done` was called for it. */
struct replace_place {
	int dirfd;
	const char *name;
	void *cookie; /* the caller's */
};

enum replace_result {
	REPLACE_LINKED, /* the name is a link to the keeper, the old file's name is gone */
	REPLACE_LEFT,   /* the name is what it was, or what another program made of it */
};

struct replace_outcome {
	enum replace_result result;
	enum dlk_reason reason; /* REPLACE_LEFT without an error */
	enum dlk_stage stage;
	int error;              /* a negative errno: something failed (perhaps although the name was linked), or 0 */
	bool weaker;            /* without a lease or without exchange */
	const char *kept;       /* NULL, or a name in the same directory under which something was kept */
	enum dlk_reason kept_reason;
};

/* One exchange waiting for its grace. */
struct replace_pending {
	struct replace_place place;
	struct proof *proof;
	struct stamp put;   /* what our last exchange put at the name */
	char temp[TEMP_ROOM];
	int64_t looked;     /* sys->now() before the leases were looked at for the last time before the exchange */
	int64_t exchanged;  /* sys->now() after it */
	uint64_t ticket;    /* of its line in a journal */
	bool unequal;       /* without leases: the target's bytes were others by the time it was exchanged */
	bool over;          /* without exchange: `temp` was made of the target before a plain rename */
	int left;           /* the same, taken back: why that name could not be unlinked */
};

struct replacer {
	struct confirm *confirm; /* borrowed */
	uint32_t run;            /* of the temps' names */
	uint32_t *serial;        /* atomic, shared by the run's replacers */
	uint32_t domain;         /* the caller's: which file system the next fields are about */
	int64_t synced;          /* sys->wall() before the file system was synced; INT64_MIN: never */
	bool no_sync;            /* the caller vouches for the keeper's data */
	bool shares_extents;     /* of the file system: ask which bytes of a file are shared before it goes */
	bool no_exchange;        /* the file system was found to know no exchange */
	void (*done)(void *ctx, const struct replace_place *place, const struct proof *proof,
		     const struct replace_outcome *outcome);
	/* Both NULL, or: asked before the exchange, and before the old file is dropped. An error forbids it. */
	int (*record)(void *ctx, const struct replace_place *place, const struct proof *proof, uint64_t *ret_ticket);
	int (*recorded)(void *ctx, uint64_t ticket);
	void *ctx;
	struct replace_pending *line; /* a ring */
	size_t line_room, line_first, line_count;
};

/* `room`: exchanges that may wait at once, at least 1. -ENOMEM. */
MUST_CHECK int replace_init(struct replacer *replacer, struct confirm *confirm, uint32_t run, uint32_t *serial,
			    size_t room);
void replace_free(struct replacer *replacer); /* after replace_settle_all */

/* What became of a file's sync before it was leased. */
struct replace_synced {
	int64_t at; /* sys->wall() before it; INT64_MIN: there was none */
	int error;
};
#define REPLACE_NOT_SYNCED ((struct replace_synced){ .at = INT64_MIN })

/*
 * Step 3 ahead of time, of a file that may keep: before it, and what it will be compared with, is leased, so that nobody who wants to
 * write to one of them waits for it to be synced; those in line are finished first for the same reason. Trouble is remembered by
 * replace_note_sync, and met by replace_name.
 */
struct replace_synced replace_sync(struct replacer *replacer, int fd);
void replace_note_sync(struct candidate *keeper, const struct replace_synced *synced);

/*
 * Takes one name through steps 3 to 7. The proof is borrowed (references are taken). 0: in line, or already told done.
 * -EMLINK: the keeper can take no more links; nothing was done or told, another keeper may go on. -EXDEV, -EROFS: the same
 * for reasons that will not pass.
 */
MUST_CHECK int replace_name(struct replacer *replacer, const struct replace_place *place, struct proof *proof);

/* Finishes those in line whose grace is over. */
void replace_settle(struct replacer *replacer);

/* Finishes all, waiting for their grace. To be called before anything that takes long, and at the end. */
void replace_settle_all(struct replacer *replacer);

/* How long a target is watched between the exchange and the unlink, in ns. */
enum { REPLACE_GRACE = 4 * 1000 * 1000 };

#endif
