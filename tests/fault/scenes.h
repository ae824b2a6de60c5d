/* SPDX-License-Identifier: MIT */
/* scenes.h - what the fault program plays through: trees, and what is done with them in what kind of world */
#ifndef FAULT_SCENES_H
#define FAULT_SCENES_H

#include "faulty.h"
#include "tree.h"

enum verb {
	VERB_APPLY,   /* dlk_scan, dlk_apply */
	VERB_RECOVER, /* dlk_recover */
	VERB_PAIR,    /* dlk_replace_at of the first two plants */
	VERB_UNDO,    /* dlk_undo, by the journal of a dlk_apply before it */
};

struct scene {
	const char *name;
	const struct plant *plants;
	size_t count;
	enum verb verb;
	int expected;   /* what the verb returns when nothing goes wrong */
	unsigned world; /* enum world */
	struct actor actor;
	unsigned leftovers; /* a run before died after so many calls that modify; 0: there was none */
	unsigned stride; /* of the calls that modify nothing only each so many-th fails, unless all are asked for; 0: 1
			  */
	bool sync_only;  /* only fdatasync and syncfs fail */
	bool thin;       /* the stride is for all calls but syncs: there are very many */
	bool journal;    /* VERB_APPLY: with a journal, by which all is undone in the end */
};

extern const struct scene scenes[];
extern const size_t scene_count;

#endif
