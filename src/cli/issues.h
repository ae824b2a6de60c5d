/* SPDX-License-Identifier: MIT */
/*
 * issues.h - what went wrong, was left alone or is worth a line, by cause
 *
 * Events come in the midst of the work, when leases may be held: nothing is printed then, since a pipe that nobody
 * reads would hold up other people's programs. They are gathered here and told at the end.
 */
#ifndef CLI_ISSUES_H
#define CLI_ISSUES_H

#include "../../include/dedupe-link.h"
#include "../base/text.h"
#include "../base/vec.h"

/* Events that differ in their path only. */
struct issue_cause {
	enum dlk_event_kind kind;
	enum dlk_stage stage;
	enum dlk_reason reason;
	int error;
	bool told;    /* by a complaint of its own */
	uint64_t count;
	size_t first; /* number of its first issue */
};

struct issue_record {
	size_t cause;
	size_t path, other; /* offsets in `names`; 0: none */
};

struct issues {
	bool keep_all; /* every path; else the first of each cause, and all that somebody has to look after */
	bool failed;   /* memory ran out: some are missing */
	VEC(struct issue_cause) causes;
	VEC(struct issue_record) records;
	VEC(size_t) by_path; /* numbers of the records that say why a name was left, sorted by path; see issues_index */
	struct text names;
};

/* Takes note of an error, a skip or a note; other events are none of its business. */
void issues_note(struct issues *issues, const struct dlk_event *event);

/* The same of an error that has, or will have, a complaint of its own. */
void issues_note_told(struct issues *issues, const struct dlk_event *event);

/* Something that must be looked after by a person: told even when little is told. */
bool issues_urgent(enum dlk_reason reason);

const struct issue_cause *issues_cause(const struct issues *issues, size_t number);
const char *issues_path(const struct issues *issues, size_t number);  /* NULL: none */
const char *issues_other(const struct issues *issues, size_t number); /* NULL: none */

/* Prepares for issues_why(). */
void issues_index(struct issues *issues);

/* Why the name was left; NULL when it is not known. */
const struct issue_cause *issues_why(const struct issues *issues, const char *path);

void issues_free(struct issues *issues);

#endif
