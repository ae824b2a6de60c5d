/* SPDX-License-Identifier: MIT */
/* options.h - the command line, parsed */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include "../../include/dedupe-link.h"
#include "../base/text.h"
#include "../base/vec.h"

enum options_verb { OPTIONS_RUN, OPTIONS_RECOVER, OPTIONS_UNDO, OPTIONS_HISTORY, OPTIONS_HELP, OPTIONS_VERSION };
enum options_output { OPTIONS_TEXT, OPTIONS_JSON, OPTIONS_LINES, OPTIONS_NAMES };
enum options_when { OPTIONS_AUTO, OPTIONS_ALWAYS, OPTIONS_NEVER };

struct options {
	enum options_verb verb;
	const char *help_topic; /* of --help=TOPIC, a known one; NULL: the short help */
	bool dry_run;
	bool quiet;
	unsigned verbose; /* how many -v */
	enum options_output output;
	enum options_when color, progress;
	bool cache;             /* with one, in run.cache or in the usual place */
	bool cache_in_paths;    /* a PATH that may be meant for FILE of --cache */
	const char *html; /* a file for the page; NULL: none */
	const char *plan_to;   /* --plan: written instead of linking; NULL: none */
	const char *plan_from; /* --apply: carried out instead of a scan; NULL: none */
	bool idle;
	const char *journal; /* NULL: none */
	bool undo;           /* the journal is for going back */
	const char *metrics; /* NULL: not wanted */
	struct dlk_options run;
	VEC(struct dlk_filter) filters; /* run.filters, once parsed */
	VEC(const char *) paths;
	VEC(const char *) references; /* run.references, once parsed */
	bool paths_from_file;   /* so that there may be none */
	VEC(struct text) texts; /* what files held; patterns and paths point into them */
};

/*
 * Parses; reads the files that --exclude-from and --files0-from name. -EINVAL: a mistake of the user, or -ENOMEM; a
 * message without name of program and newline is then in ret_problem. The caller frees both, whatever is returned.
 */
MUST_CHECK int options_parse(int argc, char **argv, struct options *ret, struct text *ret_problem);

/* A word on options that do not do what somebody may expect of them; NULL: none. */
const char *options_advice(const struct options *options);

void options_free(struct options *options);

/* Appends what --help prints: the short help, or that on a topic. */
void options_help(struct text *text, const char *topic);

/* An option as the table has it, for completions. */
struct options_word {
	char letter;          /* 0: none */
	const char *name;     /* NULL: none */
	const char *argument; /* NULL: none; "[=WHEN]": may be left out */
	const char *help;     /* NULL: none */
};

/* The option of that number, from 0; false: there are no more. */
bool options_word(size_t number, struct options_word *ret);

#endif
