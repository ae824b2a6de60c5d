/* SPDX-License-Identifier: MIT */
/*
 * field.h - where a case takes place: two equal files, somebody else's tree next door, and other programs
 *
 *	root/a-keeper      the file that stays (older)         `same`
 *	root/sub/name      the file that is to go              `same`, the target
 *	outside/a-file     not ours: nothing in it may change  `same`
 *	outside/name       likewise
 *
 * A case is a process of its own with its directory as working directory, so paths are plain words. Other programs are
 * processes made before the run (actors), so that they inherit nothing of it.
 */
#ifndef RACE_FIELD_H
#define RACE_FIELD_H

#include <sys/types.h>

#include "hooks.h"

#define KEEPER "root/a-keeper"
#define TARGET "root/sub/name"
#define VICTIM "outside/name"

enum { SAME = 5000 /* bytes */, TEXT = 64 };

/* How a case ends that could not run, and one that is to be tried again. */
enum { EXIT_SKIP = 77, EXIT_AGAIN };

/*
 * Ends the case. `fail` says what was not as promised, `skip` why it cannot run here. `again` is for what a busy machine may be to
 * blame for: moments that never came, and limits of time. The case is tried again, and fails when it ends so each time.
 */
void fail(const char *format, ...) FORMAT_PRINTF(1, 2) __attribute__((noreturn));
void skip(const char *format, ...) FORMAT_PRINTF(1, 2) __attribute__((noreturn));
void again(const char *format, ...) FORMAT_PRINTF(1, 2) __attribute__((noreturn));
void check(bool true_, const char *what);
/* Set-up: a failing call skips nothing and hides nothing, it fails the case. */
int must(int r, const char *what);

/* ---- files ---- */

void field_make(size_t size);
void make_file(const char *path, const char *text, size_t size); /* `size` bytes: text, then a pattern */
bool begins_with(const char *path, const char *text);            /* the file's first bytes */
bool is_same(const char *path);                                  /* untouched content of field_make */
bool one_file(const char *a, const char *b);
bool exists(const char *path);
bool readable_somewhere(const char *text);    /* a file below root/ begins so */
unsigned temps_left(void);                       /* temporary names below root/ */
unsigned kept_left(void);                        /* files kept aside or rescued, below root/ */

/* ---- the run ---- */

struct report {
	int result;
	struct dlk_tally tally;
	unsigned reasons[DLK_REASON_RECOVERED + 1]; /* events of each reason */
	int error;                                  /* the last error told */
	char last_error[256];                       /* its path */
	char kept[8][256];                          /* files that were kept, rescued or left over, as told */
	unsigned kept_count;
};

/* The options of these names, for the runs that follow. */
void field_max_links(unsigned links);
void field_journal(int fd);

/* A run in which a moment of the hooks never came ends the case, before anybody judges it: it is tried again. */

/* Scan and apply on root/, with what the hooks have. */
struct report run_all(void);
/* The public verb for one pair: keeper and target. */
struct report run_pair(void);
/* What a journal tells of is undone. */
struct report run_undo(int journal);
/* A run that dies at a moment. */
void run_and_die(struct moment at);
/* A run without hooks, which finds what an earlier one left. */
struct report run_again(void);

/* What must hold after any sabotage: the keeper, the outside, and nothing left that was not told. */
void check_always(const struct report *first);

/* ---- others ---- */

struct actor;

/* Makes a process that will call `act` when told to, and returns when it is ready. `act` returns 0 or a negative errno. */
struct actor *actor_make(int (*act)(const char *path), const char *path);

/* As actor_make, but path is looked up by actor_look and opened, as that file, only by actor_go. */
struct actor *actor_make_stale(int (*act)(const char *path), const char *path);
void actor_look(void *actor);

/* Lets it act; returns when it has, or when it waits for one of our leases. */
void actor_go(void *actor);
/* Lets it act, and does not wait for anything. */
void actor_send(struct actor *actor);

/* Waits for its end; returns what `act` did. If its moment never came, it acts now, too late. */
int actor_join(struct actor *actor);
pid_t actor_pid(const struct actor *actor);
/* ns from actor_go to the end of `act`. */
int64_t actor_took(const struct actor *actor);

/* What actors do. */
int write_in_place(const char *path); /* WRITTEN at the beginning, synced */
int write_other(const char *path);    /* OTHER 64 bytes on */
int truncate_it(const char *path);
int append_to(const char *path);
int write_and_put_time_back(const char *path); /* no stamp but the ctime tells */
#define WRITTEN "written by another program"
#define OTHER   "and by yet another"

#endif
