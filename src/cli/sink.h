/* SPDX-License-Identifier: MIT */
/*
 * sink.h - a form of the report
 *
 * At the end of a run: begin(), then for each duplicate set set() and, for each of its names, member(); then for equal files kept
 * apart apart(), the file that the others differ from first; then end(). A sink only adds to its `out`, which remembers
 * write errors.
 */
#ifndef CLI_SINK_H
#define CLI_SINK_H

#include "../../include/dedupe-link.h"
#include "issues.h"
#include "out.h"
#include "survey.h"

/* What happened, for all forms of the report. */
struct report {
	const struct dlk_tally *tally;
	const struct issues *issues; /* indexed */
	const struct survey *survey; /* NULL: there is none */
	const char *const *paths;    /* that were given */
	size_t path_count;
	enum { REPORT_LINKED, REPORT_DRY_RUN, REPORT_RECOVERED, REPORT_UNDONE, REPORT_WOULD_UNDO } about;
	const struct text *restored; /* of an undo: names, each ended by a NUL, that have, or would have, a file of their own */
	enum {
		REPORT_COMPLETE,
		REPORT_STOPPED_LINKING, /* the figures are of what was done until then */
		REPORT_STOPPED_EARLY,   /* the figures are of what was looked at; nothing was linked */
		REPORT_FAILED,          /* likewise; a complaint says why */
	} outcome;
	bool complete;   /* the outcome is, there was time for all, and the journal could be written */
	unsigned detail; /* 0: the figures; 1: every set; 2: with inodes */
	bool color;
	bool reflinks;    /* files share blocks instead of becoming one */
	bool out_of_time; /* something was left for want of time */
	int exit_status;
	int64_t duration_ns;
};

struct sink {
	const struct sink_kind *kind;
	const struct report *report;
	struct out out;
	struct text keeper;     /* sink_lines' own */
	uint64_t sets, members; /* how many were seen; members of the set at hand */
	uint64_t aparts;        /* how many sets of files kept apart were seen */
	void *own;              /* what this kind keeps between its calls */
};

struct sink_kind {
	void (*begin)(struct sink *sink); /* any may be NULL */
	void (*set)(struct sink *sink, const struct dlk_set *set);
	void (*member)(struct sink *sink, const struct dlk_set *set, const struct dlk_member *member);
	void (*apart)(struct sink *sink, const struct dlk_set *set, const struct dlk_member *member);
	void (*end)(struct sink *sink);
};

extern const struct sink_kind sink_text, sink_json, sink_lines, sink_names, sink_html;

/* Whether nothing was to be changed. */
static inline bool report_dry(const struct report *report)
{
	return report->about == REPORT_DRY_RUN || report->about == REPORT_WOULD_UNDO;
}

static inline bool report_of_undo(const struct report *report)
{
	return report->about == REPORT_UNDONE || report->about == REPORT_WOULD_UNDO;
}

/* The members of the tally, each after a comma: for all that is JSON. */
void sink_json_figures(struct text *text, const struct dlk_tally *tally);

/* The object of figures, for both forms of JSON. */
void sink_json_summary(struct text *text, const struct report *report);

/* An event as a line of --json-lines, with its newline. */
void sink_lines_event(struct text *text, const struct dlk_event *event);

#endif
