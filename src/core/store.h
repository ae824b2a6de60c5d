/* SPDX-License-Identifier: MIT */
/*
 * store.h - the file in which runs remember something: blocks of digests, and a row for each run that linked
 *
 * One SQLite database, made by its owner for its owner. A file that somebody else could have written, that is no such database,
 * or that a newer version of this program made, is not used and not changed. All functions may be called by one thread at a time.
 *
 * Errors, besides those of opening a file: -EUCLEAN the database is damaged; -EMEDIUMTYPE it is not one of ours; -EPROTO it is of
 * a newer version; -EPERM somebody else could have written it; -ENOSYS this program was built without SQLite; -EBUSY another
 * run has been writing for many seconds; -ENOSPC, -EROFS, -EACCES, -EIO, -ENOMEM.
 */
#ifndef CORE_STORE_H
#define CORE_STORE_H

#include "../../include/dedupe-link.h"
#include "../base/text.h"
#include "../sys/stamp.h"
#include "../sys/volume.h"

struct store;

enum store_mode { STORE_READ, STORE_WRITE };

/*
 * Opens the database `path`. STORE_WRITE makes one where there is none (mode 0600, complete or not at all), with `secret` in it; one
 * that cannot be written is opened for reading: see store_writable. STORE_READ: -ENOENT where there is none.
 */
MUST_CHECK int store_open(const char *path, enum store_mode mode, const void *secret, size_t length, struct store **ret);
void store_close(struct store *store); /* NULL is fine */

bool store_writable(const struct store *store);

/* Whose file it is: never to be opened by anybody else in this process, for that would let go of SQLite's locks. */
const struct stamp *store_stamp(const struct store *store);

/* The secret it was made with, which must be `length` bytes: exactly that, else the database is damaged. */
MUST_CHECK int store_secret(struct store *store, void *ret, size_t length);

/* What is done between begin and end is seen by others at once and survives a power cut, or not at all. */
MUST_CHECK int store_begin(struct store *store, enum store_mode mode);
MUST_CHECK int store_commit(struct store *store);
void store_cancel(struct store *store);
MUST_CHECK int store_end(struct store *store); /* of reading; fine when there is nothing to end */

/* ---- blocks: bytes by number ---- */

/* *ret is valid until the next call. -ENOENT. */
MUST_CHECK int store_get(struct store *store, int64_t id, const void **ret, size_t *ret_length);
/* From block to block, with no other call in between: the first from `from` on, the next one, and the bytes of the one at hand. */
MUST_CHECK int store_first(struct store *store, int64_t from, int64_t *ret_id);
MUST_CHECK int store_after(struct store *store, int64_t *ret_id);
MUST_CHECK int store_bytes(struct store *store, const void **ret, size_t *ret_length);
MUST_CHECK int store_put(struct store *store, int64_t id, const void *bytes, size_t length);
MUST_CHECK int store_drop(struct store *store, int64_t from, int64_t to); /* [from, to) */
/* The first block in [from, to). -ENOENT. */
MUST_CHECK int store_next(struct store *store, int64_t from, int64_t to, int64_t *ret_id);
/* Gives pages that hold nothing back to the file system. */
MUST_CHECK int store_shrink(struct store *store);

/* ---- volumes: a small number for each file system ---- */

struct store_volume {
	uint32_t number;  /* from 1 */
	uint64_t records; /* the caller's: how many it has */
	uint64_t kept;    /* the caller's: how many there were after the last pruning */
	int64_t pruned;   /* the caller's: when that was */
	int64_t seen;     /* the caller's: when it was last used */
};

/* -ENOENT. */
MUST_CHECK int store_volume(struct store *store, const struct volume *volume, struct store_volume *ret);
MUST_CHECK int store_add_volume(struct store *store, const struct volume *volume, uint32_t *ret_number);
MUST_CHECK int store_set_volume(struct store *store, const struct store_volume *volume);
/* Whether any volume has records. */
MUST_CHECK int store_has_records(struct store *store, bool *ret);
/* A volume not used since `before`, by its row, which in a damaged file may be no number of ours. -ENOENT. */
MUST_CHECK int store_old_volume(struct store *store, int64_t before, int64_t *ret_rowid);
MUST_CHECK int store_drop_volume(struct store *store, int64_t rowid);

/* ---- runs ---- */

MUST_CHECK int store_add_run(struct store *store, const struct dlk_past_run *run);
/* Oldest first. Rows that are damaged are left out. Stops when visit is not 0, and returns that. */
MUST_CHECK int store_each_run(struct store *store, int (*visit)(void *ctx, const struct dlk_past_run *run), void *ctx);

/* ---- a database that is no good ---- */

/* Renames the damaged file to one that says so, whose name is added to `ret`. The file is not open. */
MUST_CHECK int store_set_aside(const char *path, struct text *ret);

#endif
