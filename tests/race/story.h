/* SPDX-License-Identifier: MIT */
/*
 * story.h - what the cases of the saboteur are made of
 *
 * A deed is done between two calls of ours by somebody who needs no write access and so meets no lease. A writing needs it, and
 * is done by another process (an actor), which may have to wait for us. Stories are single cases.
 */
#ifndef RACE_STORY_H
#define RACE_STORY_H

#include "field.h"
#include "moments.h"

enum { NOBODY = 65534 };

struct deed {
	const char *name;
	void (*act)(void *ctx);
	void (*check_name)(void); /* what its doer would see without us */
	bool meta;                /* the next run may level it out again, and the pair verb by its contract */
};

struct writing {
	const char *name;
	int (*act)(const char *path);
	void (*check_name)(void);
};

struct story {
	const char *name;
	void (*tell)(void);
	bool stalls; /* needs lease-break-time at one second */
};

struct deeds {
	const struct deed *at;
	size_t count;
};
struct writings {
	const struct writing *at;
	size_t count;
};
struct stories {
	const struct story *at;
	size_t count;
};

extern const struct deeds deeds;
extern const struct writings writings;
extern const struct stories update_stories, undo_stories, hold_stories, weaker_stories, attack_stories, recover_stories;

/* ---- deeds, for hooks_add ---- */

void act_save(void *ctx);
void act_save_again(void *ctx);
void act_delete(void *ctx);
void act_recreate(void *ctx);
void act_move(void *ctx);
void act_chmod(void *ctx); /* of ctx, a path, if it is not NULL */
void act_setxattr(void *ctx);
void act_dir(void *ctx);
void act_symlink(void *ctx);
void act_fifo(void *ctx);
void act_swap_parent(void *ctx);

/* ---- what must be found at the target's name ---- */

void check_saved(void);
void check_saved_again(void);
void check_deleted(void);
void check_recreated(void);
void check_moved(void);
void check_mode(void);
void check_xattr(void);
void check_dir(void);
void check_symlink(void);
void check_fifo(void);
void check_written(void);

mode_t type_of(const char *path); /* of lstat, S_IFMT; 0: nothing there */
bool is_root(void);

/* ---- whole cases ---- */

void do_deed(const struct deed *deed, struct moment at, struct report (*run)(void));
void do_writing(const struct writing *writing, struct moment at, struct report (*run)(void));

/* The writer looked the name up before the exchange, and asks for write access at the moment given: it gets the old file. */
void do_stale(const struct writing *writing, struct moment at, bool noticed);

/* Dies at the moment; the next run has the names right, leaves nothing, and goes on with its work. */
void do_crash(struct moment at);

#endif
