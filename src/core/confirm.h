/* SPDX-License-Identifier: MIT */
/*
 * confirm.h - compares byte for byte, under leases, and makes the proof without which nothing is replaced
 *
 * A digest nominates; here it is decided. A candidate is an open file with its stamp and, where one can be had, a read lease
 * taken before the first byte is compared. Only confirm_prove makes a struct proof, and core/replace.c takes nothing else, so
 * linking files that were not compared does not compile.
 *
 * Steps of the replacement (see src/README.md) that happen here: 1 lease, 2 prove.
 */
#ifndef CORE_CONFIRM_H
#define CORE_CONFIRM_H

#include "../../include/dedupe-link.h"
#include "../sys/cached.h"
#include "../sys/lease.h"
#include "../sys/mount.h"
#include "../sys/stamp.h"
#include "../sys/xattr.h"
#include "manners.h"
#include "tell.h"

/* An open file that may become one with others. Shared by the proofs made of it; closed with the last. */
struct candidate {
	int fd;
	struct lease lease;
	struct stamp stamp;     /* as last known to be right: moved forward only by our own steps */
	struct xattrs xattrs;   /* only when asked for */
	struct cached cached;   /* likewise: its pages in the page cache when it was opened */
	bool holes_true;        /* holes of its file system need not be read */
	bool weaker;            /* no lease could be had, or none that binds every writer */
	bool spoiled;           /* in use or changed: nothing more is done with it */
	bool durable;           /* its data is known to be on disk */
	int64_t synced;         /* sys->wall() before it was synced without a lease; INT64_MIN: never (core/replace.c) */
	int unsynced;           /* what syncing it failed with: it is not asked again (core/replace.c) */
	int error;              /* why the comparison left it out: a negative errno, or 0 */
	unsigned refs;
	bool gone;              /* its last link went (core/replace.c) */
	uint64_t moved;         /* names of it that were replaced (core/replace.c) */
	uint64_t shared;        /* bytes in shared extents, as it was before anything was replaced */
	uint64_t round;         /* of the comparison it took part in last; 0: none */
	uint32_t group;         /* candidates of one round and one group are equal */
	uint32_t inode;         /* the caller's: which inode of the catalog it is */
	int64_t ctime;          /* the caller's */
	void *owner;            /* the caller's */
};

struct confirm {
	const volatile int *stop; /* may be NULL */
	struct manners *manners;  /* may be NULL; the caller's to set */
	bool xattrs;              /* must be equal */
	void (*between)(void *ctx); /* NULL, or called every few milliseconds of a long comparison */
	void *ctx;
	struct mount_facts mount; /* of the file opened last */
	char *buffers;            /* two of CONFIRM_CHUNK */
	uint64_t rounds;
	uint64_t bytes_read;
};

enum { CONFIRM_CHUNK = 128 * 1024, CONFIRM_MOST = 32 };

MUST_CHECK int confirm_init(struct confirm *confirm, const struct dlk_options *options);
void confirm_free(struct confirm *confirm);

/*
 * Makes a candidate of an open descriptor, which it owns from now on, whatever is returned. Takes the lease first, then looks.
 * -EAGAIN: another program has the file open for writing. -ENOTSUP: not a regular file. -ENOMEM, and errors of statx.
 */
MUST_CHECK int candidate_open(struct confirm *confirm, int fd, struct candidate **ret);
struct candidate *candidate_ref(struct candidate *candidate);

/* One number for what its stamp (stamp_fingerprint) and its attributes, when asked for, said last; the same in every run and version. */
uint64_t candidate_version(const struct candidate *candidate);
void candidate_unref(struct candidate *candidate);

/* Lets go of the lease early: after a keeper's last exchange it protects nothing and keeps others waiting. */
void candidate_release(struct candidate *candidate);

/*
 * Compares up to CONFIRM_MOST candidates of one size, in step, and sorts them into groups of equals. One that another program
 * asks for meanwhile is let go at once (spoiled); one that cannot be read to its end has `error`. Both are in no group.
 * Returns 0, -ECANCELED, or -ETIME when the time for linking is over.
 */
MUST_CHECK int confirm_compare(struct confirm *confirm, struct candidate **candidates, size_t count);

/* Whether two are proven equal by the last comparison both took part in. */
bool confirm_equal(const struct candidate *a, const struct candidate *b);

/* That target equals keeper in every byte (and attribute, when respected), and nobody touched either since. */
struct proof;

/*
 * *ret_proof holds references of its own. -EILSEQ: their bytes differ or were not compared. -EBUSY: one was touched
 * meanwhile. -ENODATA: their attributes differ. -ENOMEM.
 */
MUST_CHECK int confirm_prove(struct confirm *confirm, struct candidate *keeper, struct candidate *target,
			     struct proof **ret_proof);
/* Whether a candidate's attributes are still those that were compared (0 when none were). -ESTALE: not; errors of reading. */
MUST_CHECK int confirm_attributes(const struct confirm *confirm, const struct candidate *candidate);
struct candidate *proof_keeper(const struct proof *proof);
struct candidate *proof_target(const struct proof *proof);
/* Another proof of the same, with references of its own. -ENOMEM. */
MUST_CHECK int proof_share(const struct proof *proof, struct proof **ret_proof);
void proof_free(struct proof *proof);

/* Compares the two once more, where no lease protects them. 0 equal, -EILSEQ not, or an error of reading. */
MUST_CHECK int confirm_again(struct confirm *confirm, const struct proof *proof);

#endif
