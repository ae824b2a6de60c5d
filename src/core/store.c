/* SPDX-License-Identifier: MIT */
/*
 * store.c - the only file that knows SQLite
 *
 *	secret   key, sum                      the caller's, made with the file
 *	volumes  number, id, ...               file systems
 *	blocks   id, data                      the caller's bytes
 *	runs     started, ..., roots, sum      what each run did
 *
 * A rollback journal, not a write-ahead log: one file that can be copied, that can be read on a read-only file system, and
 * that needs no shared memory beside it (a home on NFS). Commits are few, so its syncs cost little.
 *
 * What SQLite trusts and we do not: the path (a symlink, a file of somebody else's), and the journal beside the database. Whoever
 * may create FILE-journal in a directory that is open to all (/tmp) could have it rolled back into our file. So SQLite goes
 * through a file system layer of ours that takes no journal for one that somebody else could have written.
 */
#include "store.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../sys/swap.h"

enum {
	APPLICATION = 0x64644c6b, /* "ddLk", in the file's header */
	SCHEMA = 1,
	HEADER = 100,             /* bytes of SQLite's file header */
	AT_SCHEMA = 60, AT_APPLICATION = 68,
	BUSY_MS = 10 * 1000,
	ASIDE_MOST = 1000,
};

enum statement {
	BEGIN_READ, BEGIN_WRITE, COMMIT, CANCEL, SHRINK,
	SECRET, GET, EACH, PUT, DROP, NEXT,
	VOLUME, ADD_VOLUME, SET_VOLUME, HAS_RECORDS, OLD_VOLUME, DROP_VOLUME,
	ADD_RUN, RUNS,
	STATEMENTS,
};

static const char *const statements[STATEMENTS] = {
	[BEGIN_READ] = "BEGIN",
	[BEGIN_WRITE] = "BEGIN IMMEDIATE",
	[COMMIT] = "COMMIT",
	[CANCEL] = "ROLLBACK",
	[SHRINK] = "PRAGMA incremental_vacuum",
	[SECRET] = "SELECT * FROM secret",
	[GET] = "SELECT data FROM blocks WHERE id = ?",
	[EACH] = "SELECT id, data FROM blocks WHERE id >= ? ORDER BY id",
	[PUT] = "INSERT OR REPLACE INTO blocks VALUES (?, ?)",
	[DROP] = "DELETE FROM blocks WHERE id >= ? AND id < ?",
	[NEXT] = "SELECT min(id) FROM blocks WHERE id >= ? AND id < ?",
	[VOLUME] = "SELECT number, records, kept, pruned, seen FROM volumes WHERE id = ?",
	[ADD_VOLUME] = "INSERT INTO volumes VALUES (NULL, ?, 0, 0, 0, 0)",
	[SET_VOLUME] = "UPDATE volumes SET records = ?2, kept = ?3, pruned = ?4, seen = ?5 WHERE number = ?1",
	[HAS_RECORDS] = "SELECT 1 FROM volumes WHERE records > 0 LIMIT 1",
	[OLD_VOLUME] = "SELECT number FROM volumes WHERE seen < ? LIMIT 1",
	[DROP_VOLUME] = "DELETE FROM volumes WHERE number = ?",
	[ADD_RUN] = "INSERT INTO runs VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
	[RUNS] = "SELECT * FROM runs ORDER BY id",
};

static const char schema[] =
	"PRAGMA page_size = 16384;"
	"PRAGMA auto_vacuum = INCREMENTAL;"
	"PRAGMA journal_mode = DELETE;"
	"BEGIN;"
	"PRAGMA application_id = 1684294763;" /* APPLICATION */
	"PRAGMA user_version = 1;"            /* SCHEMA */
	"CREATE TABLE secret (key BLOB NOT NULL, sum INTEGER);"
	"CREATE TABLE volumes (number INTEGER PRIMARY KEY AUTOINCREMENT, id BLOB UNIQUE NOT NULL, records INTEGER NOT NULL,"
	" kept INTEGER NOT NULL, pruned INTEGER NOT NULL, seen INTEGER NOT NULL);"
	"CREATE TABLE blocks (id INTEGER PRIMARY KEY, data BLOB NOT NULL);"
	"CREATE TABLE runs (id INTEGER PRIMARY KEY, started INTEGER, duration INTEGER, complete INTEGER, files_seen INTEGER,"
	" inodes_seen INTEGER, sets INTEGER, links_made INTEGER, inodes_freed INTEGER, bytes_saved INTEGER,"
	" bytes_read INTEGER, errors INTEGER, roots BLOB, sum INTEGER);";
_Static_assert(APPLICATION == 1684294763 && SCHEMA == 1, "as the schema says");

struct store {
	sqlite3 *db;
	bool writable;
	struct stamp stamp;
	sqlite3_stmt *prepared[STATEMENTS];
	sqlite3_stmt *busy; /* whose row the caller still looks at */
};

/* ---- errors ---- */

static int fail(int code)
{
	switch (code & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return 0;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_FULL:
	case SQLITE_TOOBIG:
		return -ENOSPC;
	case SQLITE_READONLY:
		return -EROFS;
	case SQLITE_CANTOPEN:
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return -EACCES;
	case SQLITE_IOERR:
		return code == SQLITE_IOERR_NOMEM ? -ENOMEM : -EIO;
	default: /* SQLITE_CORRUPT, NOTADB; ERROR, MISMATCH and the like: our statements are right, so the schema is not */
		return -EUCLEAN;
	}
}

/* ---- whom to believe ---- */

/* A regular file that nobody else could have written. */
static bool trusted_file(const struct stamp *stamp)
{
	return stamp_regular(stamp) && stamp->uid == geteuid() && !(stamp->mode & (S_IWGRP | S_IWOTH));
}

/* A directory in which nobody else can replace our file. Users may share a group of their own; root does not. */
static bool trusted_dir(const struct stamp *stamp)
{
	bool sticky = stamp->mode & S_ISVTX;
	mode_t others = S_IWOTH;
	if (geteuid() == 0 && stamp->gid)
		others |= S_IWGRP;
	return S_ISDIR(stamp->mode) && (stamp->uid == geteuid() || !stamp->uid) && (sticky || !(stamp->mode & others));
}

/* The directory part, with its slash. */
static size_t dir_length(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? (size_t)(slash - path) + 1 : 0;
}

static int open_dir(const char *path, int *ret_fd)
{
	size_t length = dir_length(path);
	own_free char *dir = length ? strndup(path, length) : strdup(".");
	if (!dir)
		return -ENOMEM;
	int fd = sys->openat(AT_FDCWD, dir, O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
	if (fd < 0)
		return fd;
	*ret_fd = fd;
	return 0;
}

/* 0, -ENOENT, -EPERM. *ret: the file's stamp. */
static int look(const char *path, struct stamp *ret)
{
	struct stamp dir;
	own_fd int fd = -1;
	int r = open_dir(path, &fd);
	if (!r)
		r = stamp_fd(fd, &dir);
	if (!r && !trusted_dir(&dir))
		r = -EPERM;
	if (!r)
		r = stamp_at(AT_FDCWD, path, ret);
	if (!r && !trusted_file(ret))
		r = -EPERM;
	return r;
}

/* ---- the layer between SQLite and its files ---- */

static sqlite3_vfs *below;

static int careful_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *ret_flags)
{
	struct stamp stamp;
	(void)vfs;
	if (name && !(flags & SQLITE_OPEN_MAIN_DB) && !stamp_at(AT_FDCWD, name, &stamp) && !trusted_file(&stamp)) {
		file->pMethods = NULL;
		return SQLITE_CANTOPEN;
	}
	return below->xOpen(below, name, file, flags, ret_flags);
}

static int careful_access(sqlite3_vfs *vfs, const char *name, int flags, int *ret)
{
	struct stamp stamp;
	(void)vfs;
	*ret = 0;
	if (flags == SQLITE_ACCESS_EXISTS && !stamp_at(AT_FDCWD, name, &stamp) && !trusted_file(&stamp))
		return SQLITE_OK; /* not there for us */
	return below->xAccess(below, name, flags, ret);
}

static void set_up(void)
{
	static sqlite3_vfs careful;
	if (sqlite3_initialize() != SQLITE_OK)
		return;
	below = sqlite3_vfs_find(NULL);
	if (!below)
		return;
	careful = *below;
	careful.zName = "dedupe-link";
	careful.xOpen = careful_open;
	careful.xAccess = careful_access;
	if (sqlite3_vfs_register(&careful, 0) != SQLITE_OK)
		below = NULL;
}

/* ---- opening ---- */

static int connect(const char *path, bool write, sqlite3 **ret)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	int flags = write ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY;
	own_free char *plain = NULL; /* no name of ours is a "file:" URI */
	sqlite3 *db = NULL;
	pthread_once(&once, set_up);
	if (!below || asprintf(&plain, "%s%s", *path == '/' ? "" : "./", path) < 0)
		return -ENOMEM;
	int r = fail(sqlite3_open_v2(plain, &db, flags | SQLITE_OPEN_NOMUTEX, "dedupe-link"));
	if (!r)
		r = fail(sqlite3_busy_timeout(db, BUSY_MS));
	if (!r)
		r = fail(sqlite3_exec(db, "PRAGMA temp_store = MEMORY; PRAGMA cache_size = -4096; PRAGMA synchronous = FULL;"
					  "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON", NULL, NULL, NULL));
	if (r)
		sqlite3_close(db);
	else
		*ret = db;
	return r;
}

static uint32_t big_endian(const unsigned char *bytes)
{
	return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

/* Whether the file says that it is ours: looked at without SQLite, which might repair a database of somebody else's. */
static int check_header(const char *path)
{
	unsigned char header[HEADER];
	own_fd int fd = sys->openat(AT_FDCWD, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0);
	if (fd < 0)
		return fd;
	ssize_t n = sys->pread(fd, header, sizeof(header), 0);
	if (n < 0)
		return (int)n;
	if (n < (ssize_t)sizeof(header) || memcmp(header, "SQLite format 3", 16) ||
	    big_endian(header + AT_APPLICATION) != APPLICATION)
		return -EMEDIUMTYPE;
	return big_endian(header + AT_SCHEMA) > SCHEMA ? -EPROTO : 0;
}

/* No two secrets that differ in one byte have the same. */
static int64_t secret_sum(const void *secret, size_t length)
{
	const unsigned char *bytes = secret;
	uint64_t sum = length;
	for (size_t i = 0; i < length; i++)
		sum = mix64(sum ^ bytes[i]);
	return (int64_t)sum;
}

static int fill_new(const char *path, const void *secret, size_t length)
{
	sqlite3 *db;
	sqlite3_stmt *insert = NULL;
	int r = connect(path, true, &db);
	if (r)
		return r;
	r = fail(sqlite3_exec(db, schema, NULL, NULL, NULL));
	if (!r)
		r = fail(sqlite3_prepare_v2(db, "INSERT INTO secret VALUES (?, ?)", -1, &insert, NULL));
	if (!r)
		r = fail(sqlite3_bind_blob(insert, 1, secret, (int)length, SQLITE_STATIC));
	if (!r)
		r = fail(sqlite3_bind_int64(insert, 2, secret_sum(secret, length)));
	if (!r)
		r = fail(sqlite3_step(insert));
	sqlite3_finalize(insert);
	if (!r)
		r = fail(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL));
	sqlite3_close(db);
	return r;
}

/*
 * A journal without its database would be rolled back into the next one of that name. The journal is looked at first: one that was
 * there before there was a database is not another run's, which made the database just now and writes to it.
 */
static int move_journal(const char *path)
{
	struct text journal = { 0 }, aside = { 0 };
	struct stamp stamp, database;
	int r = 0;
	text_printf(&journal, "%s-journal", path);
	if (journal.failed)
		r = -ENOMEM;
	else if (!stamp_at(AT_FDCWD, journal.at, &stamp) && trusted_file(&stamp) &&
		 (stamp_at(AT_FDCWD, path, &database) || !database.size))
		r = store_set_aside(journal.at, &aside);
	text_free(&journal);
	text_free(&aside);
	return r;
}

/* Made under another name and renamed: there is never half a database of this name. `over`: an empty file stands there. */
static int make(const char *path, bool over, const void *secret, size_t length)
{
	struct text temp = { 0 };
	uint64_t random;
	int r = sys_random(&random, sizeof(random));
	text_printf(&temp, "%s.new-%016llx", path, (unsigned long long)random);
	if (!r && temp.failed)
		r = -ENOMEM;
	int fd = r ? r : sys->openat(AT_FDCWD, temp.at, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0) {
		text_free(&temp);
		return fd;
	}
	sys->close(fd);
	r = fill_new(temp.at, secret, length);
	if (!r)
		r = move_journal(path);
	if (!r)
		r = over ? swap_over(AT_FDCWD, temp.at, path) : swap_aside(AT_FDCWD, temp.at, path);
	if (r) {
		int dropped = swap_drop(AT_FDCWD, temp.at);
		(void)dropped; /* nothing better can be done: it says by its name what it is */
	}
	text_free(&temp);
	return r == -EEXIST ? 0 : r; /* another run was faster */
}

static bool may_write(const char *path)
{
	own_fd int dir = -1;
	return !open_dir(path, &dir) && !sys->faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) &&
	       !sys->faccessat(dir, ".", W_OK | X_OK, AT_EACCESS);
}

/* The file SQLite opened is the one that was looked at, and its name still leads there. */
static int check_same(struct store *store, const char *path)
{
	struct stamp now;
	int moved = 0;
	int r = look(path, &now);
	if (!r && (!stamp_same_file(&now, &store->stamp) ||
		   sqlite3_file_control(store->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved) != SQLITE_OK || moved))
		r = -EPERM;
	return r;
}

static int prepare(struct store *store)
{
	int r = 0;
	for (int i = 0; i < STATEMENTS && !r; i++)
		r = fail(sqlite3_prepare_v3(store->db, statements[i], -1, SQLITE_PREPARE_PERSISTENT, &store->prepared[i],
					    NULL));
	return r;
}

static int open_existing(const char *path, enum store_mode mode, struct store **ret)
{
	struct store *store = calloc(1, sizeof(*store));
	if (!store)
		return -ENOMEM;
	int r = look(path, &store->stamp);
	if (!r)
		r = check_header(path);
	store->writable = !r && mode == STORE_WRITE && may_write(path);
	if (!r)
		r = connect(path, store->writable, &store->db);
	if (!r)
		r = check_same(store, path);
	if (!r)
		r = prepare(store);
	if (r)
		store_close(store);
	else
		*ret = store;
	return r;
}

int store_open(const char *path, enum store_mode mode, const void *secret, size_t length, struct store **ret)
{
	struct stamp stamp;
	int r = look(path, &stamp);
	bool empty = !r && !stamp.size;
	if (mode == STORE_WRITE && (r == -ENOENT || empty))
		r = make(path, empty, secret, length);
	return r ? r : open_existing(path, mode, ret);
}

void store_close(struct store *store)
{
	if (!store)
		return;
	for (int i = 0; i < STATEMENTS; i++)
		sqlite3_finalize(store->prepared[i]);
	sqlite3_close(store->db);
	free(store);
}

bool store_writable(const struct store *store)
{
	return store->writable;
}

const struct stamp *store_stamp(const struct store *store)
{
	return &store->stamp;
}

/* ---- statements ---- */

/* Ready to be bound and run. Whatever row the caller still had is gone. */
static sqlite3_stmt *ready(struct store *store, enum statement which)
{
	if (store->busy)
		sqlite3_reset(store->busy);
	store->busy = NULL;
	return store->prepared[which];
}

/* Runs a statement that gives no row. */
static int run(sqlite3_stmt *statement)
{
	int r = fail(sqlite3_step(statement));
	sqlite3_reset(statement);
	return r;
}

/* Runs a statement up to its first, or next, row, which stays until the next call. -ENOENT: there is none. */
static int first_row(struct store *store, sqlite3_stmt *statement)
{
	int code = sqlite3_step(statement);
	if (code == SQLITE_ROW) {
		store->busy = statement;
		return 0;
	}
	sqlite3_reset(statement);
	return code == SQLITE_DONE ? -ENOENT : fail(code);
}

static void bind(sqlite3_stmt *statement, int at, int64_t value)
{
	int code = sqlite3_bind_int64(statement, at, value);
	assert(code == SQLITE_OK); /* it can only fail for a parameter that is not there */
	(void)code;
}

int store_begin(struct store *store, enum store_mode mode)
{
	return run(ready(store, mode == STORE_WRITE ? BEGIN_WRITE : BEGIN_READ));
}

int store_commit(struct store *store)
{
	return run(ready(store, COMMIT));
}

void store_cancel(struct store *store)
{
	sqlite3_stmt *statement = ready(store, CANCEL);
	if (sqlite3_get_autocommit(store->db))
		return; /* SQLite has done so by itself, as after a full disk */
	int r = run(statement);
	(void)r;
}

int store_end(struct store *store)
{
	sqlite3_stmt *statement = ready(store, COMMIT);
	return sqlite3_get_autocommit(store->db) ? 0 : run(statement);
}

/* ---- the secret ---- */

/*
 * A file of an earlier version has no sum. Programs of that version go on using the file, for they ask for the key alone. Where it
 * cannot be added, because another run does so, or the disk is full, the next run will.
 */
static void add_sum(struct store *store, int64_t sum)
{
	own_free char *add = NULL;
	if (asprintf(&add, "ALTER TABLE secret ADD COLUMN sum INTEGER; UPDATE secret SET sum = %lld", (long long)sum) < 0) {
		add = NULL;
		return;
	}
	if (store_begin(store, STORE_WRITE))
		return;
	if (fail(sqlite3_exec(store->db, add, NULL, NULL, NULL)) || store_commit(store))
		store_cancel(store);
}

int store_secret(struct store *store, void *ret, size_t length)
{
	sqlite3_stmt *statement = ready(store, SECRET);
	int r = first_row(store, statement);
	if (r)
		return r == -ENOENT ? -EUCLEAN : r;
	const void *key = sqlite3_column_blob(statement, 0);
	if (!key || (size_t)sqlite3_column_bytes(statement, 0) != length)
		return -EUCLEAN;
	bool summed = sqlite3_column_count(statement) > 1;
	int64_t sum = secret_sum(key, length);
	if (summed && sqlite3_column_int64(statement, 1) != sum)
		return -EUCLEAN;
	memcpy(ret, key, length);
	if (!summed && store->writable)
		add_sum(store, sum);
	return 0;
}

/* ---- blocks ---- */

int store_get(struct store *store, int64_t id, const void **ret, size_t *ret_length)
{
	sqlite3_stmt *statement = ready(store, GET);
	bind(statement, 1, id);
	int r = first_row(store, statement);
	if (r)
		return r;
	const void *bytes = sqlite3_column_blob(statement, 0);
	*ret_length = (size_t)sqlite3_column_bytes(statement, 0);
	*ret = bytes;
	return bytes ? 0 : -EUCLEAN;
}

static int next_block(struct store *store, int64_t *ret_id)
{
	int r = first_row(store, store->prepared[EACH]);
	if (!r)
		*ret_id = sqlite3_column_int64(store->prepared[EACH], 0);
	return r;
}

int store_first(struct store *store, int64_t from, int64_t *ret_id)
{
	bind(ready(store, EACH), 1, from);
	return next_block(store, ret_id);
}

int store_after(struct store *store, int64_t *ret_id)
{
	assert(store->busy == store->prepared[EACH]);
	store->busy = NULL;
	return next_block(store, ret_id);
}

int store_bytes(struct store *store, const void **ret, size_t *ret_length)
{
	assert(store->busy == store->prepared[EACH]);
	*ret = sqlite3_column_blob(store->busy, 1);
	*ret_length = (size_t)sqlite3_column_bytes(store->busy, 1);
	return *ret ? 0 : -EUCLEAN;
}

int store_put(struct store *store, int64_t id, const void *bytes, size_t length)
{
	sqlite3_stmt *statement = ready(store, PUT);
	bind(statement, 1, id);
	int r = fail(sqlite3_bind_blob64(statement, 2, bytes, length, SQLITE_STATIC));
	return r ? r : run(statement);
}

int store_drop(struct store *store, int64_t from, int64_t to)
{
	sqlite3_stmt *statement = ready(store, DROP);
	bind(statement, 1, from);
	bind(statement, 2, to);
	return run(statement);
}

int store_next(struct store *store, int64_t from, int64_t to, int64_t *ret_id)
{
	sqlite3_stmt *statement = ready(store, NEXT);
	bind(statement, 1, from);
	bind(statement, 2, to);
	int r = first_row(store, statement);
	if (!r && sqlite3_column_type(statement, 0) != SQLITE_INTEGER)
		r = -ENOENT;
	if (!r)
		*ret_id = sqlite3_column_int64(statement, 0);
	return r;
}

int store_shrink(struct store *store)
{
	sqlite3_stmt *statement = ready(store, SHRINK);
	int code;
	while ((code = sqlite3_step(statement)) == SQLITE_ROW)
		;
	sqlite3_reset(statement);
	return fail(code);
}

/* ---- volumes ---- */

static int bind_volume(sqlite3_stmt *statement, const struct volume *volume)
{
	return fail(sqlite3_bind_blob(statement, 1, volume->words, sizeof(volume->words), SQLITE_STATIC));
}

/* A number no volume of ours has (the file may have been written by others) is the largest there is. */
static uint32_t number_of(int64_t rowid)
{
	return rowid < 0 || rowid > UINT32_MAX ? UINT32_MAX : (uint32_t)rowid;
}

int store_volume(struct store *store, const struct volume *volume, struct store_volume *ret)
{
	sqlite3_stmt *statement = ready(store, VOLUME);
	int r = bind_volume(statement, volume);
	if (!r)
		r = first_row(store, statement);
	if (r)
		return r;
	*ret = (struct store_volume){
		.number = number_of(sqlite3_column_int64(statement, 0)),
		.records = (uint64_t)sqlite3_column_int64(statement, 1),
		.kept = (uint64_t)sqlite3_column_int64(statement, 2),
		.pruned = sqlite3_column_int64(statement, 3),
		.seen = sqlite3_column_int64(statement, 4),
	};
	return 0;
}

int store_add_volume(struct store *store, const struct volume *volume, uint32_t *ret_number)
{
	sqlite3_stmt *statement = ready(store, ADD_VOLUME);
	int r = bind_volume(statement, volume);
	if (!r)
		r = run(statement);
	if (!r)
		*ret_number = number_of(sqlite3_last_insert_rowid(store->db));
	return r;
}

int store_set_volume(struct store *store, const struct store_volume *volume)
{
	sqlite3_stmt *statement = ready(store, SET_VOLUME);
	bind(statement, 1, volume->number);
	bind(statement, 2, (int64_t)volume->records);
	bind(statement, 3, (int64_t)volume->kept);
	bind(statement, 4, volume->pruned);
	bind(statement, 5, volume->seen);
	return run(statement);
}

int store_has_records(struct store *store, bool *ret)
{
	int r = first_row(store, ready(store, HAS_RECORDS));
	*ret = !r;
	return r == -ENOENT ? 0 : r;
}

int store_old_volume(struct store *store, int64_t before, int64_t *ret_rowid)
{
	sqlite3_stmt *statement = ready(store, OLD_VOLUME);
	bind(statement, 1, before);
	int r = first_row(store, statement);
	if (!r)
		*ret_rowid = sqlite3_column_int64(statement, 0);
	return r;
}

int store_drop_volume(struct store *store, int64_t rowid)
{
	sqlite3_stmt *statement = ready(store, DROP_VOLUME);
	bind(statement, 1, rowid);
	return run(statement);
}

/* ---- runs ---- */

enum { FIGURES = 11, ROOTS = FIGURES + 1, SUM = ROOTS + 1 };

static void figures_of(const struct dlk_past_run *run, int64_t ret[FIGURES])
{
	const int64_t figures[FIGURES] = {
		run->started, run->duration, run->complete, (int64_t)run->files_seen, (int64_t)run->inodes_seen,
		(int64_t)run->sets, (int64_t)run->links_made, (int64_t)run->inodes_freed, (int64_t)run->bytes_saved,
		(int64_t)run->bytes_read, (int64_t)run->errors,
	};
	memcpy(ret, figures, sizeof(figures));
}

/* SQLite has no sums of its own: a flipped bit would be a figure like any other. */
static int64_t sum_of(const int64_t figures[FIGURES], const char *roots, size_t length)
{
	uint64_t sum = length;
	for (size_t i = 0; i < FIGURES; i++)
		sum = mix64(sum ^ (uint64_t)figures[i]);
	for (size_t i = 0; i < length; i++)
		sum = mix64(sum ^ (unsigned char)roots[i]);
	return (int64_t)sum;
}

int store_add_run(struct store *store, const struct dlk_past_run *past)
{
	sqlite3_stmt *statement = ready(store, ADD_RUN);
	struct text roots = { 0 };
	int64_t figures[FIGURES];
	figures_of(past, figures);
	for (size_t i = 0; i < past->root_count; i++)
		text_add(&roots, past->roots[i], strlen(past->roots[i]) + 1);
	for (int i = 0; i < FIGURES; i++)
		bind(statement, i + 1, figures[i]);
	bind(statement, SUM, sum_of(figures, roots.at, roots.count));
	int r = roots.failed ? -ENOMEM : fail(sqlite3_bind_blob64(statement, ROOTS, roots.at, roots.count, SQLITE_STATIC));
	if (!r)
		r = run(statement);
	text_free(&roots);
	return r;
}

/* One row of RUNS, whose columns are moved by the id before them. `roots` is scratch, with room for each byte. */
static int visit_run(sqlite3_stmt *row, int (*visit)(void *ctx, const struct dlk_past_run *run), void *ctx)
{
	int64_t f[FIGURES];
	const char *bytes = sqlite3_column_blob(row, ROOTS);
	size_t length = (size_t)sqlite3_column_bytes(row, ROOTS), count = 0;
	for (int i = 0; i < FIGURES; i++)
		f[i] = sqlite3_column_int64(row, i + 1);
	if (sum_of(f, bytes, length) != sqlite3_column_int64(row, SUM) || (length && bytes[length - 1]))
		return 0;
	own_free const char **roots = malloc((length + 1) * sizeof(*roots));
	if (!roots)
		return -ENOMEM;
	for (size_t at = 0; at < length; at += strlen(bytes + at) + 1)
		roots[count++] = bytes + at;
	return visit(ctx, &(struct dlk_past_run){
				  .started = f[0],
				  .duration = f[1],
				  .complete = f[2],
				  .files_seen = (uint64_t)f[3],
				  .inodes_seen = (uint64_t)f[4],
				  .sets = (uint64_t)f[5],
				  .links_made = (uint64_t)f[6],
				  .inodes_freed = (uint64_t)f[7],
				  .bytes_saved = (uint64_t)f[8],
				  .bytes_read = (uint64_t)f[9],
				  .errors = (uint64_t)f[10],
				  .roots = roots,
				  .root_count = count,
			  });
}

int store_each_run(struct store *store, int (*visit)(void *ctx, const struct dlk_past_run *run), void *ctx)
{
	sqlite3_stmt *statement = ready(store, RUNS);
	int code = SQLITE_DONE, r = 0;
	while (!r && (code = sqlite3_step(statement)) == SQLITE_ROW)
		r = visit_run(statement, visit, ctx);
	sqlite3_reset(statement);
	return r ? r : fail(code);
}

/* ---- setting aside ---- */

static int aside_name(const char *path, const char *suffix, unsigned number, struct text *ret)
{
	text_printf(ret, "%s.damaged", path);
	if (number > 1)
		text_printf(ret, "-%u", number);
	text_puts(ret, suffix);
	return ret->failed ? -ENOMEM : 0;
}

/* Journal first: whoever is stopped in between leaves no journal for the next database of this name. */
int store_set_aside(const char *path, struct text *ret)
{
	for (unsigned n = 1; n <= ASIDE_MOST; n++) {
		struct text journal = { 0 }, journal_aside = { 0 }, aside = { 0 };
		struct stamp stamp;
		text_printf(&journal, "%s-journal", path);
		int r = aside_name(path, "", n, &aside);
		if (!r)
			r = aside_name(path, "-journal", n, &journal_aside);
		if (!r && journal.failed)
			r = -ENOMEM;
		if (!r && !stamp_at(AT_FDCWD, aside.at, &stamp))
			r = -EEXIST;
		if (!r)
			r = swap_aside(AT_FDCWD, journal.at, journal_aside.at);
		if (r == -ENOENT)
			r = 0;
		if (!r)
			r = swap_aside(AT_FDCWD, path, aside.at);
		if (!r)
			text_puts(ret, aside.at);
		text_free(&journal);
		text_free(&journal_aside);
		text_free(&aside);
		if (r != -EEXIST)
			return r;
	}
	return -EEXIST;
}
