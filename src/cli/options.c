/* SPDX-License-Identifier: MIT */
/*
 * options.c - the command line, parsed
 *
 * One table, `rows`, says what each option is called, what it takes, what it does and what --help says of it. The input
 * of getopt_long is made from it, and so is --help. An option's function gets its argument and the row's value.
 *
 * Words stay in the order they were typed: filters are tried in that order, and -n means the same after a PATH as
 * before it, whatever POSIXLY_CORRECT says (a dry run that is none would be a bad surprise).
 */
#include "options.h"

#include "../base/ere.h"
#include "../base/own.h"
#include "cachefile.h"
#include "listfile.h"
#include "nearest.h"
#include "words.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct parse {
	struct options *options;
	struct text *problem;
	const struct row *row; /* the option at hand */
	unsigned respected;    /* words that were asked for, not those by default */
	bool read_stdin;       /* some FILE was "-" */
	bool after_x;          /* the last word was -x */
	bool after_cache;      /* it was --cache alone */
	const struct row *selects, *works; /* the first option that only a scan heeds; or only what links */
};

/* ---- problems ---- */

static int out_of_memory(struct parse *parse)
{
	text_puts(parse->problem, "out of memory");
	return -ENOMEM;
}

/* Words of the user's go through add_quoted, so that no raw escape reaches the terminal. */
FORMAT_PRINTF(2, 3) static int refuse(struct parse *parse, const char *format, ...)
{
	va_list arguments;
	char *line;

	va_start(arguments, format);
	if (vasprintf(&line, format, arguments) < 0)
		line = NULL;
	va_end(arguments);
	if (!line)
		return out_of_memory(parse);
	text_puts(parse->problem, line);
	free(line);
	return -EINVAL;
}

static void say_option(struct parse *parse);

/* "--option: 'argument' ...". */
static int refuse_argument(struct parse *parse, const char *argument, const char *why)
{
	say_option(parse);
	text_puts(parse->problem, ": ");
	text_add_quoted(parse->problem, argument);
	text_puts(parse->problem, " ");
	return refuse(parse, "%s", why);
}

/* ---- what the options do ---- */

static bool wants_text_only(const struct options *options)
{
	return options->verb == OPTIONS_HELP || options->verb == OPTIONS_VERSION;
}

static int set_verb(struct parse *parse, const char *argument UNUSED, int value)
{
	enum options_verb before = parse->options->verb;

	parse->options->verb = (enum options_verb)value;
	if (before == OPTIONS_RUN || before == parse->options->verb || wants_text_only(parse->options))
		return 0;
	return refuse(parse, "--recover, --undo and --history each go alone");
}

/* A name for a file that is written or, with a journal, read. */
static int check_name(struct parse *parse, const char *argument)
{
	if (!*argument)
		return refuse_argument(parse, argument, "is no name of a file");
	if (!strcmp(argument, "-"))
		return refuse_argument(parse, argument, "does not stand for a stream here; a file of that name is ./-");
	return 0;
}

static int set_help(struct parse *parse, const char *argument, int value);

static int set_dry_run(struct parse *parse, const char *argument UNUSED, int value UNUSED)
{
	parse->options->dry_run = true;
	return 0;
}

static int set_plan(struct parse *parse, const char *argument, int applies)
{
	const char **file = applies ? &parse->options->plan_from : &parse->options->plan_to;

	if (!*argument || !applies) {
		int r = check_name(parse, argument);

		if (r)
			return r;
	}
	if (*file)
		return refuse_argument(parse, argument, "comes as a second plan");
	*file = argument;
	return 0;
}

/* The word alone means the usual place. */
static int set_cache(struct parse *parse, const char *argument, int wanted)
{
	if (argument && !*argument)
		return refuse_argument(parse, argument, "is no name of a file");
	parse->options->cache = wanted;
	parse->options->run.cache = argument;
	parse->after_cache = wanted && !argument;
	return 0;
}

static int set_wait(struct parse *parse, const char *argument UNUSED, int value UNUSED)
{
	parse->options->run.wait = true;
	return 0;
}

static int set_verbose(struct parse *parse, const char *argument UNUSED, int value UNUSED)
{
	parse->options->verbose++;
	parse->options->quiet = false;
	return 0;
}

static int set_quiet(struct parse *parse, const char *argument UNUSED, int value UNUSED)
{
	parse->options->verbose = 0;
	parse->options->quiet = true;
	return 0;
}

static int set_output(struct parse *parse, const char *argument UNUSED, int value)
{
	struct options *options = parse->options;

	if (options->output != OPTIONS_TEXT && options->output != (enum options_output)value)
		return refuse(parse, "--json, --json-lines and --print0 cannot share standard output");
	options->output = (enum options_output)value;
	return 0;
}

/* For --color and --progress; the word alone means always. */
static int set_when(struct parse *parse, const char *argument, enum options_when *ret)
{
	static const char *const words[] = {
		[OPTIONS_AUTO] = "auto", [OPTIONS_ALWAYS] = "always", [OPTIONS_NEVER] = "never"
	};

	for (size_t i = 0; i < countof(words); i++) {
		if (!argument || !strcmp(argument, words[i])) {
			*ret = argument ? (enum options_when)i : OPTIONS_ALWAYS;
			return 0;
		}
	}
	return refuse_argument(parse, argument, "is none of auto, always, never");
}

static int set_color(struct parse *parse, const char *argument, int value UNUSED)
{
	return set_when(parse, argument, &parse->options->color);
}

static int set_html(struct parse *parse, const char *argument, int value UNUSED)
{
	parse->options->html = argument;
	return check_name(parse, argument);
}

static int set_progress(struct parse *parse, const char *argument, int value UNUSED)
{
	return set_when(parse, argument, &parse->options->progress);
}

static int ignore(struct parse *parse UNUSED, const char *argument UNUSED, int value UNUSED)
{
	return 0;
}

enum { SIZE_MIN, SIZE_MAX_ };

static int set_size(struct parse *parse, const char *argument, int value)
{
	struct dlk_options *run = &parse->options->run;
	int r = text_parse_size(argument, value == SIZE_MIN ? &run->min_size : &run->max_size);

	if (r == -ERANGE)
		return refuse_argument(parse, argument, "is more than any file holds");
	if (r)
		return refuse_argument(parse, argument,
				       "is no size: a number comes first, then K, M, G ... (powers of 1024)\n"
				       "or KB, MB, GB ... (powers of 1000), as in 64K or 1.5G");
	return 0;
}

/* A whole number up to `max`, or a refusal that says what is taken. */
static int number(struct parse *parse, const char *argument, uint64_t max, uint64_t *ret)
{
	int r = text_parse_number(argument, max, ret);

	if (r == -ERANGE)
		return refuse_argument(parse, argument, "is too large");
	return r ? refuse_argument(parse, argument, "is no whole number") : 0;
}

static int duration(struct parse *parse, const char *argument, int64_t *ret)
{
	int r = text_parse_duration(argument, ret);

	if (r == -ERANGE)
		return refuse_argument(parse, argument, "is too long");
	return r ? refuse_argument(parse, argument, "is no duration: a number, then s, m, h, d or w, as in 90s or 2h") : 0;
}

static int set_max_time(struct parse *parse, const char *argument, int value UNUSED)
{
	return duration(parse, argument, &parse->options->run.max_time);
}

static int set_min_age(struct parse *parse, const char *argument, int value UNUSED)
{
	return duration(parse, argument, &parse->options->run.min_age);
}

static int set_rate(struct parse *parse, const char *argument, int value UNUSED)
{
	if (text_parse_size(argument, &parse->options->run.max_rate))
		return refuse_argument(parse, argument, "is no rate: bytes a second, as in 500K or 20M; 0 for no limit");
	return 0;
}

static int set_keep_dir_times(struct parse *parse, const char *argument UNUSED, int value UNUSED)
{
	parse->options->run.keep_dir_times = true;
	return 0;
}

static int set_idle(struct parse *parse, const char *argument UNUSED, int value UNUSED)
{
	parse->options->idle = parse->options->run.spare_cache = true;
	return 0;
}

static int set_journal(struct parse *parse, const char *argument, int value)
{
	struct options *options = parse->options;
	int r = check_name(parse, argument);

	if (r)
		return r;
	if (options->journal && options->undo != (value == OPTIONS_UNDO))
		return refuse(parse, "--journal writes a journal and --undo goes back by one: not both at once");
	if (options->journal)
		return refuse_argument(parse, argument, "comes as a second journal");
	options->journal = argument;
	options->undo = value == OPTIONS_UNDO;
	return options->undo ? set_verb(parse, argument, value) : 0;
}

static int set_metrics(struct parse *parse, const char *argument, int value UNUSED)
{
	parse->options->metrics = argument;
	return check_name(parse, argument);
}

static int set_depth(struct parse *parse, const char *argument, int value UNUSED)
{
	uint64_t depth;
	int r = number(parse, argument, UINT32_MAX - 1, &depth);

	if (!r)
		parse->options->run.max_depth = (unsigned)depth;
	return r;
}

static int set_threads(struct parse *parse, const char *argument, int value UNUSED)
{
	uint64_t threads = 0;
	int r = strcmp(argument, "auto") ? number(parse, argument, 1024, &threads) : 0;

	if (!r)
		parse->options->run.threads = (unsigned)threads;
	return r;
}

static int set_max_links(struct parse *parse, const char *argument, int value UNUSED)
{
	uint64_t links;
	int r = number(parse, argument, UINT32_MAX, &links);

	if (r)
		return r;
	if (links == 1)
		return refuse_argument(parse, argument, "would let nothing be linked: 2 at least, or 0 for no limit");
	parse->options->run.max_links = (uint32_t)links;
	return 0;
}

static int set_one_file_system(struct parse *parse, const char *argument UNUSED, int value UNUSED)
{
	parse->options->run.one_file_system = true;
	return 0;
}

enum { FLAG_ISOLATE, FLAG_CACHES };

static int set_flag(struct parse *parse, const char *argument UNUSED, int flag)
{
	struct dlk_options *run = &parse->options->run;

	*(flag == FLAG_ISOLATE ? &run->isolate : &run->exclude_caches) = true;
	return 0;
}

static int add_reference(struct parse *parse, const char *argument, int value UNUSED)
{
	if (!*argument)
		return refuse_argument(parse, argument, "is no directory");
	return vec_push(&parse->options->references, argument) ? out_of_memory(parse) : 0;
}

static int set_keep(struct parse *parse, const char *argument UNUSED, int value)
{
	parse->options->run.keep = (enum dlk_keep)value;
	return 0;
}

static int set_method(struct parse *parse, const char *argument, int value UNUSED)
{
	bool reflink = !strcmp(argument, "reflink");

	if (!reflink && strcmp(argument, "hardlink"))
		return refuse_argument(parse, argument, "is neither hardlink nor reflink; bytes are compared with either");
	parse->options->run.method = reflink ? DLK_REFLINK : DLK_HARDLINK;
	return 0;
}

static int set_keep_word(struct parse *parse, const char *argument, int value UNUSED)
{
	struct nearest nearest = { 0 };

	for (int i = 0; i < WORDS_KEEP; i++) {
		if (!strcmp(argument, words_keep[i]))
			return set_keep(parse, NULL, i);
		nearest_try(&nearest, argument, words_keep[i]);
	}
	refuse_argument(parse, argument, "is none of most-links, fewest-links, oldest, newest, first-path");
	return nearest.word ? refuse(parse, "\nDid you mean %s?", nearest.word) : -EINVAL;
}

static int respect(struct parse *parse, const char *argument UNUSED, int bits)
{
	parse->options->run.respect |= (unsigned)bits;
	parse->respected |= (unsigned)bits;
	return 0;
}

static int disregard(struct parse *parse, const char *argument UNUSED, int bits)
{
	parse->options->run.respect &= ~(unsigned)bits;
	parse->respected &= ~(unsigned)bits;
	return 0;
}

/* The bit of a word of --respect and --ignore; 0 for none. */
static int respect_bit(const char *word, size_t length)
{
	for (int bit = 0; bit < DLK_RESPECT_WORDS; bit++)
		if (!strncmp(word, words_respect[bit], length) && !words_respect[bit][length])
			return 1 << bit;
	return 0;
}

static int refuse_word(struct parse *parse, const char *argument, const char *word, size_t length)
{
	own_free char *copy = strndup(word, length);
	struct nearest nearest = { 0 };

	if (!copy)
		return out_of_memory(parse);
	for (size_t i = 0; i < countof(words_respect); i++)
		nearest_try(&nearest, copy, words_respect[i]);
	refuse_argument(parse, argument, "is not made of owner, mode, xattr, time, name, dir with commas between");
	return nearest.word ? refuse(parse, "\nDid you mean %s?", nearest.word) : -EINVAL;
}

/* "owner,mode"; `value` is 1 to respect them, 0 to ignore them. */
static int set_respect_list(struct parse *parse, const char *argument, int value)
{
	int bits = 0;

	for (const char *at = argument;; at++) {
		size_t length = strcspn(at, ",");
		int bit = respect_bit(at, length);

		if (!bit)
			return refuse_word(parse, argument, at, length);
		bits |= bit;
		at += length;
		if (!*at)
			break;
	}
	return value ? respect(parse, NULL, bits) : disregard(parse, NULL, bits);
}

static int add_filter(struct parse *parse, const char *pattern, enum dlk_filter_verdict verdict,
		      enum dlk_filter_syntax syntax)
{
	struct dlk_filter filter = { .verdict = verdict, .syntax = syntax, .pattern = pattern };

	return vec_push(&parse->options->filters, filter) ? out_of_memory(parse) : 0;
}

static int set_glob(struct parse *parse, const char *argument, int verdict)
{
	if (!*argument || !strcmp(argument, "/") || !strcmp(argument, "//"))
		return refuse_argument(parse, argument, "can match no name");
	return add_filter(parse, argument, (enum dlk_filter_verdict)verdict, DLK_GLOB);
}

static int set_regex(struct parse *parse, const char *argument, int verdict)
{
	char why[ERE_WHY_MAX];
	regex_t regex;

	if (ere_compile(argument, &regex, why)) {
		say_option(parse);
		text_puts(parse->problem, ": ");
		text_add_quoted(parse->problem, argument);
		if (*argument != '*')
			return refuse(parse, ": %s", why);
		return refuse(parse, ": %s.\nFor a pattern of the shell there is --%s", why, verdict == DLK_EXCLUDE ? "exclude" : "include");
	}
	regfree(&regex);
	return add_filter(parse, argument, (enum dlk_filter_verdict)verdict, DLK_REGEX);
}

/* ---- options that read a file ---- */

/* The whole file, kept with the options. */
static int read_list(struct parse *parse, const char *path, struct text *ret)
{
	struct text text = { 0 };
	int r;

	if (!strcmp(path, "-") && parse->read_stdin)
		return refuse_argument(parse, path, "was read already: standard input serves one option only");
	parse->read_stdin |= !strcmp(path, "-");
	r = listfile_read(path, &text);
	if (r || vec_push(&parse->options->texts, text)) {
		text_free(&text);
		if (!r || r == -ENOMEM)
			return out_of_memory(parse);
		say_option(parse);
		text_puts(parse->problem, ": cannot read ");
		text_add_quoted(parse->problem, path);
		return refuse(parse, ": %s", strerror(-r));
	}
	*ret = text;
	return 0;
}

/* One glob a line; empty lines and those that begin with '#' mean nothing. */
static int set_exclude_from(struct parse *parse, const char *argument, int value UNUSED)
{
	struct text text = { 0 };
	size_t at = 0;
	int r = read_list(parse, argument, &text);

	if (r)
		return r;
	if (text.count && memchr(text.at, 0, text.count))
		return refuse_argument(parse, argument, "holds NUL bytes: one pattern a line is expected");
	for (char *line; !r && (line = listfile_next(&text, &at, '\n'));)
		if (*line && *line != '#')
			r = set_glob(parse, line, DLK_EXCLUDE);
	return r;
}

static int add_path(struct parse *parse, const char *path)
{
	if (!*path)
		return refuse(parse, "an empty PATH was given");
	return vec_push(&parse->options->paths, path) ? out_of_memory(parse) : 0;
}

static int set_files0_from(struct parse *parse, const char *argument, int value UNUSED)
{
	struct text text = { 0 };
	size_t at = 0;
	int r = read_list(parse, argument, &text);

	if (r)
		return r;
	parse->options->paths_from_file = true;
	if (text.count && !memchr(text.at, 0, text.count) && memchr(text.at, '\n', text.count))
		return refuse_argument(parse, argument,
				       "holds lines, but NUL bytes between the names are expected\n"
				       "(find ... -print0, or tr '\\n' '\\0')");
	for (char *path; !r && (path = listfile_next(&text, &at, '\0'));) {
		if (!*path)
			return refuse_argument(parse, argument, "holds an empty name");
		r = add_path(parse, path);
	}
	return r;
}

/* ---- the table ---- */

enum topic { TOPIC_RUN, TOPIC_FILES, TOPIC_MATCH, TOPIC_KEEP, TOPIC_REPORT, TOPIC_COUNT };

/* A word for --help=TOPIC, and a title. */
static const struct {
	const char *word, *title;
} topics[TOPIC_COUNT] = {
	[TOPIC_RUN] = { "run", "What to do" },
	[TOPIC_FILES] = { "files", "Which files" },
	[TOPIC_MATCH] = { "match", "What must agree besides the content" },
	[TOPIC_KEEP] = { "keep", "Which file of equal ones stays" },
	[TOPIC_REPORT] = { "report", "What is told" },
};

struct row {
	char letter;          /* 0: none */
	const char *name;     /* NULL: none */
	const char *argument; /* what it takes; NULL: nothing; with '[': may be left out */
	int (*set)(struct parse *parse, const char *argument, int value);
	int value;
	enum topic topic;
	/* In --help: on a line of its own, in the short help as well, on the line of the row above, not at all. */
	enum { LINE, COMMON, JOINED, HIDDEN } shown;
	const char *help;
};

static const struct row rows[] = {
	{ 'n', "dry-run", NULL, set_dry_run, 0, TOPIC_RUN, COMMON, "only report: figures as of a real run" },
	{ 0, "method", "METHOD", set_method, 0, TOPIC_RUN, LINE, "hardlink (default) or reflink: share blocks" },
	{ 0, "plan", "FILE", set_plan, 0, TOPIC_RUN, LINE, "link nothing, write what would be linked to FILE" },
	{ 0, "apply", "FILE", set_plan, 1, TOPIC_RUN, LINE, "link what the plan in FILE says and nothing else" },
	{ 0, "recover", NULL, set_verb, OPTIONS_RECOVER, TOPIC_RUN, LINE,
	  "only finish or undo what a killed run left" },
	{ 0, "journal", "FILE", set_journal, 0, TOPIC_RUN, LINE, "note in FILE what replaces what, for --undo" },
	{ 0, "undo", "FILE", set_journal, OPTIONS_UNDO, TOPIC_RUN, LINE,
	  "give each name in FILE a file of its own again" },
	{ 0, "wait", NULL, set_wait, 0, TOPIC_RUN, LINE, "wait while another run works on the same files" },
	{ 0, "cache", "[=FILE]", set_cache, 1, TOPIC_RUN, LINE, "remember digests, so that the next run reads less" },
	{ 0, "no-cache", NULL, set_cache, 0, TOPIC_RUN, LINE, "do not, whatever was said before" },
	{ 0, "history", NULL, set_verb, OPTIONS_HISTORY, TOPIC_RUN, LINE, "show what runs with --cache freed" },
	{ 'j', "threads", "N", set_threads, 0, TOPIC_RUN, LINE, "use N threads; 0 or auto: as many as pay (default)" },
	{ 0, "max-time", "DUR", set_max_time, 0, TOPIC_RUN, LINE,
	  "end by then, as in 90m or 2h; most savings first;\n0 (default): no limit" },
	{ 0, "keep-dir-times", NULL, set_keep_dir_times, 0, TOPIC_RUN, LINE,
	  "put back the times of directories" },
	{ 0, "idle", NULL, set_idle, 0, TOPIC_RUN, LINE, "be last for disk and CPU, spare the page cache" },
	{ 0, "bwlimit", "RATE", set_rate, 0, TOPIC_RUN, LINE,
	  "read at most RATE a second: 500K, 20M; 0: no limit" },
	{ 'h', "help", "[=TOPIC]", set_help, 0, TOPIC_RUN, LINE,
	  "this, or: run, files, match, keep, report, all" },
	{ 'V', "version", NULL, set_verb, OPTIONS_VERSION, TOPIC_RUN, LINE, "print the version" },
	{ 'r', "recursive", NULL, ignore, 0, TOPIC_RUN, HIDDEN, NULL },

	{ 's', "min-size", "SIZE", set_size, SIZE_MIN, TOPIC_FILES, COMMON,
	  "leave smaller files alone: 1 (default), 4K, 2GB" },
	{ 'S', "max-size", "SIZE", set_size, SIZE_MAX_, TOPIC_FILES, LINE, "leave larger files alone" },
	{ 0, "minimum-size", "SIZE", set_size, SIZE_MIN, TOPIC_FILES, HIDDEN, NULL },
	{ 0, "maximum-size", "SIZE", set_size, SIZE_MAX_, TOPIC_FILES, HIDDEN, NULL },
	{ 'e', "exclude", "GLOB", set_glob, DLK_EXCLUDE, TOPIC_FILES, COMMON,
	  "leave names alone: '*.log', 'a/b/*.o', '.git/'" },
	{ 'i', "include", "GLOB", set_glob, DLK_INCLUDE, TOPIC_FILES, LINE,
	  "take names that a later -e would leave alone" },
	{ 0, "exclude-regex", "ERE", set_regex, DLK_EXCLUDE, TOPIC_FILES, LINE,
	  "the same with extended regular expressions," },
	{ 0, "include-regex", "ERE", set_regex, DLK_INCLUDE, TOPIC_FILES, LINE, "searched for in the path" },
	{ 0, "exclude-from", "FILE", set_exclude_from, 0, TOPIC_FILES, LINE, "one -e GLOB a line" },
	{ 0, "exclude-caches", NULL, set_flag, FLAG_CACHES, TOPIC_FILES, LINE, "leave directories with a CACHEDIR.TAG alone" },
	{ 0, "files0-from", "FILE", set_files0_from, 0, TOPIC_FILES, LINE,
	  "more PATHs, each ended by NUL; - is stdin" },
	{ 'x', "one-file-system", NULL, set_one_file_system, 0, TOPIC_FILES, LINE, "do not enter other file systems" },
	{ 0, "max-depth", "N", set_depth, 0, TOPIC_FILES, LINE, "look N levels deep; 1: what is right in PATH" },

	{ 0, "min-age", "DUR", set_min_age, 0, TOPIC_FILES, LINE,
	  "leave files alone that changed since: 10m, 1d" },

	{ 0, "respect", "LIST", set_respect_list, 1, TOPIC_MATCH, LINE,
	  "keep apart files that differ in these:\nowner,mode,xattr (default), time, name, dir" },
	{ 0, "ignore", "LIST", set_respect_list, 0, TOPIC_MATCH, COMMON, "link files that differ in these: owner,mode,xattr" },
	{ 'o', "ignore-owner", NULL, disregard, DLK_RESPECT_OWNER, TOPIC_MATCH, LINE, "ignore owner, " },
	{ 'p', "ignore-mode", NULL, disregard, DLK_RESPECT_MODE, TOPIC_MATCH, JOINED, "mode, " },
	{ 't', "ignore-time", NULL, disregard, DLK_RESPECT_TIME, TOPIC_MATCH, JOINED, "time, " },
	{ 'c', "content", NULL, disregard, DLK_RESPECT_OWNER | DLK_RESPECT_MODE | DLK_RESPECT_TIME, TOPIC_MATCH, JOINED,
	  "all three" },
	{ 'f', "respect-name", NULL, respect, DLK_RESPECT_NAME, TOPIC_MATCH, LINE, "respect name, " },
	{ 'd', "respect-dir", NULL, respect, DLK_RESPECT_DIR, TOPIC_MATCH, JOINED, "directory, " },
	{ 'X', "respect-xattrs", NULL, respect, DLK_RESPECT_XATTR, TOPIC_MATCH, JOINED, "extended attributes" },

	{ 0, "keep", "POLICY", set_keep_word, 0, TOPIC_KEEP, COMMON,
	  "most-links (default), fewest-links, oldest,\nnewest, first-path" },
	{ 'm', "maximize", NULL, set_keep, DLK_KEEP_MOST_LINKS, TOPIC_KEEP, LINE, "most-links, " },
	{ 'M', "minimize", NULL, set_keep, DLK_KEEP_FEWEST_LINKS, TOPIC_KEEP, JOINED, "fewest-links, " },
	{ 'O', "keep-oldest", NULL, set_keep, DLK_KEEP_OLDEST, TOPIC_KEEP, JOINED, "oldest, " },
	{ 'F', "prioritize-trees", NULL, set_keep, DLK_KEEP_FIRST_PATH, TOPIC_KEEP, JOINED, "first-path" },
	{ 0, "reference", "DIR", add_reference, 0, TOPIC_KEEP, LINE, "look into DIR as well, replace nothing below it" },
	{ 0, "isolate", NULL, set_flag, FLAG_ISOLATE, TOPIC_KEEP, LINE, "link only across different PATHs" },
	{ 0, "max-links", "N", set_max_links, 0, TOPIC_KEEP, LINE, "never more than N links of one file" },

	{ 'v', "verbose", NULL, set_verbose, 0, TOPIC_REPORT, COMMON, "list every set of equal files; -vv: with inodes" },
	{ 'q', "quiet", NULL, set_quiet, 0, TOPIC_REPORT, COMMON, "tell errors only" },
	{ 0, "json", NULL, set_output, OPTIONS_JSON, TOPIC_REPORT, COMMON, "report as one JSON object" },
	{ 0, "json-lines", NULL, set_output, OPTIONS_LINES, TOPIC_REPORT, LINE,
	  "one JSON object an event, as they happen" },
	{ '0', "print0", NULL, set_output, OPTIONS_NAMES, TOPIC_REPORT, LINE,
	  "print the names replaced only, each ended by NUL" },
	{ 0, "html", "FILE", set_html, 0, TOPIC_REPORT, COMMON, "write a page to look at in a browser as well" },
	{ 0, "progress", "[=WHEN]", set_progress, 0, TOPIC_REPORT, LINE,
	  "auto (default): on terminals; always; never" },
	{ 0, "metrics", "FILE", set_metrics, 0, TOPIC_REPORT, LINE, "write figures for Prometheus to FILE" },
	{ 0, "color", "[=WHEN]", set_color, 0, TOPIC_REPORT, LINE, "auto (default), always, never; or NO_COLOR" },
};

static int set_help(struct parse *parse, const char *argument, int value UNUSED)
{
	parse->options->verb = OPTIONS_HELP;
	parse->options->help_topic = argument;
	for (size_t i = 0; argument && i < countof(topics); i++)
		if (!strcmp(argument, topics[i].word))
			return 0;
	return !argument || !strcmp(argument, "all") ?
		       0 :
		       refuse_argument(parse, argument, "is none of run, files, match, keep, report, all");
}

/* getopt_long's value of a long option: its row's number beyond all letters. */
enum { LONG_FIRST = 256 };

static const struct row *row_of_letter(int letter)
{
	for (size_t i = 0; i < countof(rows); i++)
		if (letter && rows[i].letter == letter)
			return &rows[i];
	return NULL;
}

static const struct row *row_of(int value)
{
	return value >= LONG_FIRST ? &rows[value - LONG_FIRST] : row_of_letter(value);
}

static bool takes_optionally(const struct row *row)
{
	return row->argument && row->argument[0] == '[';
}

static void say_option(struct parse *parse)
{
	const struct row *row = parse->row;

	if (row->name)
		text_printf(parse->problem, "--%s", row->name);
	else
		text_printf(parse->problem, "-%c", row->letter);
}

/* ---- hints ---- */

/* What options of other programs of this kind are called here. */
static const struct {
	char letter;
	const char *name, *hint;
} strangers[] = {
	{ 'y', NULL, "bytes are always compared, there is no method of it to choose" },
	{ 'b', "io-size", "there is no buffer size to choose" },
	{ 0, "cache-size", "there is no cache size to choose" },
	{ 'l', "list-duplicates", "-n -v lists them, -n --print0 prints the names of copies" },
	{ 'z', "zero", "it is -0, --print0 here" },
	{ 0, "mount", "it is -x, --one-file-system here" },
	{ 'L', "link-hard", "linking is what happens without any option" },
	{ 'R', "recurse", "directories are always entered" },
	{ 'H', "hard-links", "files that are linked already are always taken into account" },
	{ 'T', NULL, "it is -j, --threads here" },
	{ 0, "exclude-subtree", "it is -e 'DIR/' here" },
	{ 0, "ignore-xattrs", "it is --ignore xattr here" },
};

static const char *hint_for_name(const char *name)
{
	for (size_t i = 0; i < countof(strangers); i++)
		if (strangers[i].name && !strcmp(strangers[i].name, name))
			return strangers[i].hint;
	return NULL;
}

static const char *hint_for_letter(char letter)
{
	for (size_t i = 0; i < countof(strangers); i++)
		if (strangers[i].letter == letter)
			return strangers[i].hint;
	return NULL;
}

/* How many long options begin so. */
static size_t candidates(struct parse *parse, const char *name, bool list)
{
	size_t count = 0, length = strlen(name);

	for (size_t i = 0; i < countof(rows); i++) {
		if (!rows[i].name || strncmp(rows[i].name, name, length))
			continue;
		if (list)
			text_printf(parse->problem, "%s --%s", count ? "," : "", rows[i].name);
		count++;
	}
	return count;
}

/* A long option that getopt_long did not know, as it was typed: "--name" or "--name=value". */
static int refuse_long(struct parse *parse, const char *word)
{
	own_free char *name = strndup(word + 2, strcspn(word + 2, "="));
	struct nearest nearest = { 0 };

	if (!name)
		return out_of_memory(parse);
	text_puts(parse->problem, "unknown option --");
	text_add_quoted(parse->problem, name);
	if (*name && candidates(parse, name, false) > 1) {
		text_puts(parse->problem, ": it could be");
		candidates(parse, name, true);
		return -EINVAL;
	}
	if (hint_for_name(name))
		return refuse(parse, ": %s", hint_for_name(name));
	for (size_t i = 0; i < countof(rows); i++)
		if (rows[i].name)
			nearest_try(&nearest, name, rows[i].name);
	return nearest.word ? refuse(parse, ": did you mean --%s?", nearest.word) : -EINVAL;
}

static bool looks_like_pattern(const char *word)
{
	return strpbrk(word, "*?[]\\^$|+(){}") != NULL;
}

static int refuse_x_argument(struct parse *parse, const char *word)
{
	text_puts(parse->problem, "-x takes no argument here (it is --one-file-system), and there is no file ");
	text_add_quoted(parse->problem, word);
	return refuse(parse, ".\nTo leave names alone: -e GLOB or --exclude-regex ERE");
}

/* A letter that is no option, in the word it was typed in. */
static int refuse_letter(struct parse *parse, char letter, const char *word)
{
	char name[] = { '-', letter, 0 };
	const char *found = strchr(word, letter);

	/* As hardlink's users may write it: -x'\.git'. */
	if (word[0] == '-' && word[1] == 'x' && found == word + 2)
		return refuse_x_argument(parse, word + 2);
	text_puts(parse->problem, "unknown option ");
	text_add_quoted(parse->problem, name);
	return hint_for_letter(letter) ? refuse(parse, ": %s", hint_for_letter(letter)) : -EINVAL;
}

/* ---- parsing ---- */

static int operand(struct parse *parse, const char *word)
{
	struct stat status;

	if (parse->after_x && looks_like_pattern(word) && lstat(word, &status) && errno == ENOENT)
		return refuse_x_argument(parse, word);
	return add_path(parse, word);
}

/* Other programs take the name from the next word. Files that are no cache are PATHs like any. */
static void note_cache_name(struct parse *parse, const char *word)
{
	parse->options->cache_in_paths |= cachefile_may_be(word);
}

static int missing_argument(struct parse *parse, int value)
{
	parse->row = row_of(value);
	say_option(parse);
	return refuse(parse, " needs %s after it", parse->row->argument);
}

static int unknown(struct parse *parse, int value, const char *word)
{
	if (value >= LONG_FIRST) {
		parse->row = row_of(value);
		say_option(parse);
		return refuse(parse, " takes no argument");
	}
	return value ? refuse_letter(parse, (char)value, word) : refuse_long(parse, word);
}

/* getopt's input. "-": operands come in order, as the argument of an option 1; ":": tell a missing argument apart. */
static void getopt_input(char *letters, struct option *longs)
{
	letters += sprintf(letters, "-:");
	for (size_t i = 0; i < countof(rows); i++) {
		const struct row *row = &rows[i];

		if (row->letter)
			letters += sprintf(letters, "%c%s", row->letter, !row->argument ? "" : takes_optionally(row) ? "::" : ":");
		if (!row->name)
			continue;
		*longs++ = (struct option){
			.name = row->name,
			.has_arg = !row->argument          ? no_argument
				   : takes_optionally(row) ? optional_argument
							   : required_argument,
			.val = LONG_FIRST + (int)i,
		};
	}
	*longs = (struct option){ 0 };
}

/* Options of which --apply, --undo and --history know nothing must not be passed over: somebody relies on them. */
static void note_use(struct parse *parse)
{
	const struct row *row = parse->row;
	bool selects = row->topic == TOPIC_FILES || row->topic == TOPIC_MATCH || row->topic == TOPIC_KEEP ||
		       row->set == set_method;
	bool works = row->set == set_max_time || row->set == set_rate || row->set == set_keep_dir_times ||
		     row->set == set_html || row->set == set_metrics;

	if (selects && !parse->selects)
		parse->selects = row;
	if (works && !parse->works)
		parse->works = row;
}

/* One word or letter of the command line. */
static int take(struct parse *parse, int value, const char *word)
{
	int r;

	if (value == 1 && parse->after_cache)
		note_cache_name(parse, optarg);
	parse->after_cache = false;
	if (value == 1)
		r = operand(parse, optarg);
	else if (value == ':')
		r = missing_argument(parse, optopt);
	else if (value == '?')
		r = unknown(parse, optopt, word);
	else {
		parse->row = row_of(value);
		r = parse->row->set(parse, optarg, parse->row->value);
		note_use(parse);
	}
	parse->after_x = value == 'x';
	return r;
}

static int take_all(struct parse *parse, int argc, char **argv)
{
	char letters[2 + 3 * countof(rows) + 1];
	struct option longs[countof(rows) + 1];
	int r = 0;

	getopt_input(letters, longs);
	optind = 0; /* start anew, also when called before */
	opterr = 0;
	while (!r && !wants_text_only(parse->options)) {
		int before = optind ? optind : 1;
		int value = getopt_long(argc, argv, letters, longs, NULL);

		if (value < 0)
			break;
		/* A cluster of letters is the word at `before` until its last letter was taken. */
		r = take(parse, value, argv[before]);
	}
	for (int i = optind; !r && i < argc && !wants_text_only(parse->options); i++)
		r = operand(parse, argv[i]);
	return r;
}

static int refuse_stray(struct parse *parse, const struct row *stray, const char *why)
{
	parse->row = stray;
	say_option(parse);
	return refuse(parse, " has no part in it: %s", why);
}

/* The option that asks for that form of the report. */
static const struct row *row_of_output(enum options_output output)
{
	for (size_t i = 0; i < countof(rows); i++)
		if (rows[i].set == set_output && rows[i].value == (int)output)
			return &rows[i];
	return NULL;
}

/* Past runs are shown as a table or as one list: whoever asks for another form would take the table for it. */
static int check_history(struct parse *parse, const struct row *stray)
{
	const struct options *options = parse->options;

	if (!stray && (options->output == OPTIONS_LINES || options->output == OPTIONS_NAMES))
		stray = row_of_output(options->output);
	if (stray)
		return refuse_stray(parse, stray, "--history only shows what was");
	return options->journal ? refuse(parse, "--history writes no --journal") : 0;
}

static int check_strays(struct parse *parse)
{
	const struct options *options = parse->options;
	const struct row *any = parse->selects ? parse->selects : parse->works;

	if (options->plan_from && parse->selects)
		return refuse_stray(parse, parse->selects, "--apply does what the plan says");
	if (options->undo && any)
		return refuse_stray(parse, any, "--undo does what the journal says");
	return options->verb == OPTIONS_HISTORY ? check_history(parse, any) : 0;
}

/* What only the whole command line shows. */
static int check(struct parse *parse)
{
	struct options *options = parse->options;

	if (options->plan_to && options->plan_from)
		return refuse(parse, "--plan makes a plan and --apply carries one out: not both at once");
	if ((options->plan_to || options->plan_from) && options->verb == OPTIONS_RECOVER)
		return refuse(parse, "--recover neither makes nor follows plans");
	if (options->run.method == DLK_REFLINK && options->journal && !options->undo)
		return refuse(parse, "--method reflink replaces no name: there is nothing for --journal to tell");
	if (options->plan_from && (options->paths.count || options->paths_from_file))
		return refuse(parse, "--apply takes no PATH: the plan says where");
	if (options->undo && (options->plan_to || options->plan_from))
		return refuse(parse, "--undo goes alone: not with --plan or --apply");
	if (options->undo && (options->paths.count || options->paths_from_file))
		return refuse(parse, "--undo takes no PATH: the journal says where");
	if (options->verb == OPTIONS_RECOVER && options->dry_run)
		return refuse(parse, "--recover changes what a killed run left: it cannot be a --dry-run");
	if (options->run.min_size > options->run.max_size)
		return refuse(parse, "no file is at least --min-size and at most --max-size");
	if (options->verb == OPTIONS_HISTORY && (options->plan_to || options->plan_from))
		return refuse(parse, "--history goes alone: not with --plan or --apply");
	if (options->verb == OPTIONS_HISTORY && (options->paths.count || options->paths_from_file))
		return refuse(parse, "--history takes no PATH; --cache=FILE says of which cache");
	if (check_strays(parse))
		return -EINVAL;
	if (options->verb == OPTIONS_HISTORY)
		return 0;
	if (!options->paths.count && !options->paths_from_file && !options->plan_from && !options->undo)
		return refuse(parse, "no PATH given");
	return 0;
}

int options_parse(int argc, char **argv, struct options *ret, struct text *ret_problem)
{
	struct parse parse = { .options = ret, .problem = ret_problem };
	int r;

	*ret = (struct options){ 0 };
	dlk_options_init(&ret->run);
	r = take_all(&parse, argc, argv);
	if (!r && !wants_text_only(ret))
		r = check(&parse);
	ret->run.filters = ret->filters.at;
	ret->run.filter_count = ret->filters.count;
	if (ret->run.method == DLK_REFLINK) /* metadata stay apart, whatever it is */
		ret->run.respect = parse.respected;
	ret->run.references = ret->references.at;
	ret->run.reference_count = ret->references.count;
	ret->dry_run |= ret->plan_to != NULL;
	ret->run.will_apply = !ret->dry_run;
	return r;
}

/* "photos/raw" is nothing below "photos", unless that has another "photos" in it. */
static bool begins_with_path(const struct dlk_filter *filter, const char *path)
{
	size_t length = strlen(path);

	while (length > 1 && path[length - 1] == '/')
		length--;
	return filter->syntax == DLK_GLOB && !strncmp(filter->pattern, path, length) && filter->pattern[length] == '/' &&
	       filter->pattern[length + 1];
}

static bool filter_has_path(const struct options *options)
{
	for (size_t i = 0; i < options->filters.count; i++)
		for (size_t p = 0; p < options->paths.count; p++)
			if (begins_with_path(&options->filters.at[i], options->paths.at[p]))
				return true;
	return false;
}

const char *options_advice(const struct options *options)
{
	size_t count = options->filters.count;

	if (options->cache_in_paths)
		return "the word after --cache is taken for a PATH: a cache is named by --cache=FILE";
	if (filter_has_path(options))
		return "an include or exclude begins with a PATH: GLOBs with a slash are matched against what comes below it";
	if (count && options->filters.at[count - 1].verdict == DLK_INCLUDE)
		return "an include that no exclude follows changes nothing: -i GLOB -e '*' takes only what GLOB "
		       "matches";
	return NULL;
}

void options_free(struct options *options)
{
	for (size_t i = 0; i < options->texts.count; i++)
		text_free(&options->texts.at[i]);
	vec_free(&options->texts);
	vec_free(&options->filters);
	vec_free(&options->paths);
	vec_free(&options->references);
}

bool options_word(size_t number, struct options_word *ret)
{
	if (number >= countof(rows))
		return false;
	*ret = (struct options_word){
		.letter = rows[number].letter,
		.name = rows[number].name,
		.argument = rows[number].argument,
		.help = rows[number].help,
	};
	return true;
}

/* ---- help ---- */

enum { HELP_COLUMN = 30 };

/* "  -n, --dry-run", or "  -o, -p, -t, -c" when rows are joined to it. Returns the row after them. */
static size_t help_names(struct text *text, size_t i)
{
	const struct row *row = &rows[i];
	bool joins = i + 1 < countof(rows) && rows[i + 1].shown == JOINED;

	text_printf(text, row->letter ? "  -%c" : "    ", row->letter);
	if (!joins)
		text_printf(text, "%s--%s%s%s", row->letter ? ", " : "  ", row->name,
			    row->argument && !takes_optionally(row) ? " " : "", row->argument ? row->argument : "");
	for (i++; i < countof(rows) && rows[i].shown >= JOINED; i++)
		if (rows[i].shown == JOINED)
			text_printf(text, ", -%c", rows[i].letter);
	return i;
}

static void pad(struct text *text, size_t line_begin)
{
	size_t width = text->count - line_begin;

	text_printf(text, "%*s", width < HELP_COLUMN ? (int)(HELP_COLUMN - width) : 1, "");
}

/* A row and those joined to it. Returns the row after them. */
static size_t help_line(struct text *text, size_t i)
{
	size_t begin = text->count, next = help_names(text, i);

	pad(text, begin);
	for (; i < next; i++) {
		for (const char *at = rows[i].help; at && *at;) {
			size_t length = strcspn(at, "\n");

			text_add(text, at, length);
			at += length;
			if (!*at)
				break;
			text_puts(text, "\n");
			pad(text, text->count);
			at++;
		}
	}
	text_puts(text, "\n");
	return next;
}

static void help_topic(struct text *text, enum topic topic)
{
	text_printf(text, "%s:\n", topics[topic].title);
	for (size_t i = 0; i < countof(rows);) {
		if (rows[i].topic == topic && rows[i].shown < JOINED)
			i = help_line(text, i);
		else
			i++;
	}
}

static void help_overview(struct text *text)
{
	text_puts(text, "Usage: dedupe-link [OPTION]... PATH...\n"
			"Finds files of equal content below the PATHs and makes them hard links of one\n"
			"file. It links unless -n is given.\n\n");
	for (size_t i = 0; i < countof(rows);) {
		if (rows[i].shown == COMMON)
			i = help_line(text, i);
		else
			i++;
	}
	text_puts(text, "\nMore options: --help=");
	for (size_t i = 0; i < countof(topics); i++)
		text_printf(text, "%s|", topics[i].word);
	text_puts(text, "all; see also man dedupe-link\n"
			"Examples:\n"
			"  dedupe-link -n ~/photos           what would be saved\n"
			"  dedupe-link -v -s 64K ~/photos    link what has 64 KiB at least, list it\n"
			"  dedupe-link -q /backup/daily.*    from cron: silent unless something fails\n");
}

void options_help(struct text *text, const char *topic)
{
	if (!topic)
		help_overview(text);
	for (size_t i = 0; topic && i < countof(topics); i++)
		if (!strcmp(topic, "all") || !strcmp(topic, topics[i].word))
			help_topic(text, (enum topic)i);
}
