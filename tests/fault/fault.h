/* SPDX-License-Identifier: MIT */
/*
 * fault.h - what the fault program's parts share
 *
 *	fault.c   which faults there are to play through, and the command line
 *	play.c    one run, in a process of its own
 *	judge.c   whether what it left and what it said is right
 */
#ifndef FAULT_FAULT_H
#define FAULT_FAULT_H

#include "../../include/dedupe-link.h"
#include "faulty.h"
#include "scenes.h"
#include "tree.h"

enum { EVENTS = 160 };

struct told {
	enum dlk_event_kind kind;
	enum dlk_stage stage;
	enum dlk_reason reason;
	int error;
	char path[TREE_PATH]; /* from TOP */
};

/* What a run did and said: in shared memory. */
struct outcome {
	struct report report;
	bool returned;   /* the verbs came back */
	int scan, apply; /* what they returned */
	bool has_tally;
	struct dlk_tally tally;
	struct dlk_replaced replaced;
	int fates_known; /* what dlk_plan_each returned */
	unsigned char fates[TREE_PLANTS];
	int descriptors; /* open afterwards, less those before */
	struct told told[EVENTS];
	size_t told_count;
};

/* One fault of one scene, and what came of it. */
struct trial {
	const struct scene *scene;
	struct fault fault;
	struct tree *tree;
	struct outcome *first, *second;
	struct look before, after;
	unsigned *complaints; /* of the job */
};

struct run {
	const struct scene *scene;
	struct tree *tree;
	struct outcome *outcome;
};

/*
 * Runs a verb in a child, which notes everything in run->outcome. Returns what waitpid says. `acts`: the scene's actor
 * is about. `die_modified`: see faulty_begin.
 */
int play_run(struct run *run, enum verb verb, const struct fault *fault, bool acts, unsigned die_modified);

/* What an actor left counts from here on. */
void judge_expect(struct trial *t);
/* After the first run and after the second; each complains of what is wrong. `status`: what play_run returned. */
void judge_first(struct trial *t, int status);
void judge_second(struct trial *t, int status);
/* After all was undone, by t->second. */
void judge_undone(struct trial *t, int status);

/* Complains, with the words that play this fault alone. */
FORMAT_PRINTF(2, 3) void wrong(const struct trial *t, const char *format, ...);

extern const char *const fault_ways[FAULT_MEMORY_ON + 1]; /* names of enum fault_mode */
extern unsigned fault_most_complaints;                    /* shown of a job */

#endif
