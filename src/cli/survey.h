/* SPDX-License-Identifier: MIT */
/*
 * survey.h - where the savings lie: by folder, by kind of file, by set
 *
 * Made of a plan in one pass over its sets, without a path text for each name.
 */
#ifndef CLI_SURVEY_H
#define CLI_SURVEY_H

#include "../../include/dedupe-link.h"
#include "../base/vec.h"

enum {
	SURVEY_NONE = -1,
	SURVEY_SETS = 5,    /* the largest, with a path */
	SURVEY_SUFFIX = 12, /* longer ones are no kinds */
	SURVEY_KINDS = 4096,
	SURVEY_DEPTH = 100, /* of folders */
	/* folders with less than such a part of all bytes are not told apart: for a page of all, for a few that are picked */
	SURVEY_FINE = 20000,
	SURVEY_COARSE = 100,
	SURVEY_SIZES = 12,  /* below 4 KiB, 16 KiB, ... 4 GiB; and more */
	SURVEY_AGES = 8,    /* below a day, a week, 30 days, 90 days, 1, 2 and 5 years; and more */
};

/* Bytes freed, or to be freed, and names that were or would be replaced. */
struct survey_sum {
	uint64_t bytes, names;
};

/* A folder that is not small, or one above. Parents stand before their children, children in the order of their names. */
struct survey_folder {
	char *path;
	size_t length;          /* of path */
	int parent;             /* index; SURVEY_NONE: there is none */
	struct survey_sum own;  /* of files right in it */
	struct survey_sum all;  /* and of all below, small ones too */
};

struct survey_kind {
	char suffix[SURVEY_SUFFIX]; /* without its dot, in lower case; "": none */
	struct survey_sum sum;
};

struct survey_set {
	uint64_t index, size, bytes, names; /* names that moved */
	char *path;                         /* the first of the keeper's */
};

/* Zeroed is valid. */
struct survey {
	struct survey_sum all;
	VEC(struct survey_folder) folders;
	VEC(struct survey_kind) kinds; /* the largest first */
	struct survey_sum sizes[SURVEY_SIZES], ages[SURVEY_AGES]; /* ages of the contents that went, by mtime */
	struct survey_set sets[SURVEY_SETS]; /* the largest first */
	size_t set_count;
	VEC(uint64_t) set_bytes; /* of each set */
	/* while it is made */
	VEC(struct survey_sum) dirs; /* by number */
	uint16_t kind_table[2 * SURVEY_KINDS]; /* open addressing: index in kinds + 1 */
	struct survey_set set;       /* at hand */
	int64_t now_ns;              /* since the epoch */
};

/* `part`: SURVEY_FINE or SURVEY_COARSE. -ENOMEM. Free it whatever was returned. */
MUST_CHECK int survey_make(const struct dlk_plan *plan, unsigned part, struct survey *survey);
void survey_free(struct survey *survey);

/*
 * Picks up to `most` folders, none within another, that tell best where the bytes are: a folder is divided as long as its large
 * parts are few and hold most of it. The largest first. Returns how many.
 */
size_t survey_pick_folders(const struct survey *survey, size_t most, int *ret_folders);

#endif
