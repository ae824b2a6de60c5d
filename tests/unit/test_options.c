/* SPDX-License-Identifier: MIT */
/* The command line means what it says, in the order in which it was typed, and a mistake is told with a way out. */
#include "../../src/cli/options.h"

#include "unit.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

enum { WORDS_MAX = 16 };

struct parsed {
	struct options options;
	struct text problem;
	int result;
};

/* Parses words separated by single blanks; getopt may reorder the array, so it is a copy. */
static struct parsed parse(const char *line)
{
	static char copy[4096], name[] = "dedupe-link";
	char *argv[WORDS_MAX + 2] = { name }, *rest = copy;
	struct parsed parsed = { 0 };
	int argc = 1;

	snprintf(copy, sizeof(copy), "%s", line);
	for (char *word; *line && (word = strsep(&rest, " "));) {
		ck_assert_int_le(argc, WORDS_MAX);
		argv[argc++] = word;
	}
	parsed.result = options_parse(argc, argv, &parsed.options, &parsed.problem);
	return parsed;
}

static void drop(struct parsed *parsed)
{
	options_free(&parsed->options);
	text_free(&parsed->problem);
}

/* ---- what is taken ---- */

START_TEST(defaults_are_those_of_the_library)
{
	struct parsed parsed = parse("a b");
	struct dlk_options library;

	dlk_options_init(&library);
	ck_assert_int_eq(parsed.result, 0);
	ck_assert_uint_eq(parsed.options.paths.count, 2);
	ck_assert_str_eq(parsed.options.paths.at[0], "a");
	ck_assert_str_eq(parsed.options.paths.at[1], "b");
	ck_assert(parsed.options.run.will_apply);
	ck_assert_uint_eq(parsed.options.run.min_size, library.min_size);
	ck_assert_uint_eq(parsed.options.run.max_size, library.max_size);
	ck_assert_uint_eq(parsed.options.run.respect, library.respect);
	ck_assert_uint_eq(parsed.options.run.max_depth, library.max_depth);
	ck_assert_uint_eq(parsed.options.run.filter_count, 0);
	drop(&parsed);
}
END_TEST

START_TEST(dry_run_is_one_wherever_it_stands)
{
	static const char *const lines[] = { "-n a", "a -n", "a --dry-run", "-vn a", "a --dry", "a -xn" };

	for (int posixly = 0; posixly < 2; posixly++) {
		for (size_t i = 0; i < countof(lines); i++) {
			struct parsed parsed = parse(lines[i]);

			ck_assert_msg(!parsed.result && parsed.options.dry_run && !parsed.options.run.will_apply &&
					      parsed.options.paths.count == 1,
				      "%s", lines[i]);
			drop(&parsed);
		}
		setenv("POSIXLY_CORRECT", "1", 1);
	}
}
END_TEST

START_TEST(all_after_two_dashes_are_paths)
{
	struct parsed parsed = parse("a -- -n --json");

	ck_assert_int_eq(parsed.result, 0);
	ck_assert(!parsed.options.dry_run);
	ck_assert_uint_eq(parsed.options.paths.count, 3);
	ck_assert_str_eq(parsed.options.paths.at[2], "--json");
	drop(&parsed);
}
END_TEST

static const struct {
	const char *line;
	uint64_t min, max;
} sizes[] = {
	{ "-s 0 a", 0, UINT64_MAX },
	{ "-s 4K a", 4096, UINT64_MAX },
	{ "-s1.5M -S 2GB a", 3 << 19, 2000000000 },
	{ "--min-size=10 --max-size=10 a", 10, 10 },
	{ "--minimum-size 7 --maximum-size 8KiB a", 7, 8192 },
};

START_TEST(sizes_are_taken_under_all_names)
{
	for (size_t i = 0; i < countof(sizes); i++) {
		struct parsed parsed = parse(sizes[i].line);

		ck_assert_msg(!parsed.result && parsed.options.run.min_size == sizes[i].min &&
				      parsed.options.run.max_size == sizes[i].max,
			      "%s", sizes[i].line);
		drop(&parsed);
	}
}
END_TEST

enum { OWNER = DLK_RESPECT_OWNER, MODE = DLK_RESPECT_MODE, XATTR = DLK_RESPECT_XATTR };

static const struct {
	const char *line;
	unsigned respect;
} policies[] = {
	{ "a", OWNER | MODE | XATTR },
	{ "-o a", MODE | XATTR },
	{ "-p a", OWNER | XATTR },
	{ "-t a", OWNER | MODE | XATTR },
	{ "-c a", XATTR },
	{ "-X a", OWNER | MODE | XATTR },
	{ "-f a", OWNER | MODE | XATTR | DLK_RESPECT_NAME },
	{ "-fd a", OWNER | MODE | XATTR | DLK_RESPECT_NAME | DLK_RESPECT_DIR },
	{ "--ignore owner,mode,xattr a", 0 },
	{ "--ignore=xattr --respect time,name a", OWNER | MODE | DLK_RESPECT_TIME | DLK_RESPECT_NAME },
	{ "--respect time -t a", OWNER | MODE | XATTR },
	{ "--ignore xattr -X a", OWNER | MODE | XATTR },
	{ "-c --respect owner a", OWNER | XATTR },
	{ "--ignore-owner --ignore-mode --ignore-time --respect-name --respect-dir --respect-xattrs a",
	  XATTR | DLK_RESPECT_NAME | DLK_RESPECT_DIR },
};

START_TEST(policies_add_up_from_left_to_right)
{
	for (size_t i = 0; i < countof(policies); i++) {
		struct parsed parsed = parse(policies[i].line);

		ck_assert_msg(!parsed.result && parsed.options.run.respect == policies[i].respect, "%s: %#x",
			      policies[i].line, parsed.options.run.respect);
		drop(&parsed);
	}
}
END_TEST

static const struct {
	const char *line;
	enum dlk_keep keep;
} keeps[] = {
	{ "a", DLK_KEEP_MOST_LINKS },
	{ "-m a", DLK_KEEP_MOST_LINKS },
	{ "-M a", DLK_KEEP_FEWEST_LINKS },
	{ "-O a", DLK_KEEP_OLDEST },
	{ "-F a", DLK_KEEP_FIRST_PATH },
	{ "--keep newest a", DLK_KEEP_NEWEST },
	{ "--keep=first-path a", DLK_KEEP_FIRST_PATH },
	{ "--keep oldest --keep most-links a", DLK_KEEP_MOST_LINKS },
};

START_TEST(last_keep_policy_counts)
{
	for (size_t i = 0; i < countof(keeps); i++) {
		struct parsed parsed = parse(keeps[i].line);

		ck_assert_msg(!parsed.result && parsed.options.run.keep == keeps[i].keep, "%s", keeps[i].line);
		drop(&parsed);
	}
}
END_TEST

START_TEST(filters_stay_in_order)
{
	static const struct dlk_filter expected[] = {
		{ DLK_INCLUDE, DLK_GLOB, "*.jpg" },
		{ DLK_EXCLUDE, DLK_REGEX, "^x" },
		{ DLK_EXCLUDE, DLK_GLOB, "*" },
		{ DLK_INCLUDE, DLK_REGEX, "y$" },
	};
	struct parsed parsed = parse("-i *.jpg --exclude-regex ^x a -e * --include-regex=y$");

	ck_assert_int_eq(parsed.result, 0);
	ck_assert_uint_eq(parsed.options.run.filter_count, countof(expected));
	for (size_t i = 0; i < countof(expected); i++) {
		ck_assert_int_eq(parsed.options.run.filters[i].verdict, expected[i].verdict);
		ck_assert_int_eq(parsed.options.run.filters[i].syntax, expected[i].syntax);
		ck_assert_str_eq(parsed.options.run.filters[i].pattern, expected[i].pattern);
	}
	drop(&parsed);
}
END_TEST

/* What is allowed and seldom meant is told. */
START_TEST(advice_is_given)
{
	static const char effect[] = "changes nothing", path[] = "begins with a PATH", cache[] = "--cache=FILE";
	static const struct {
		const char *line, *says;
	} lines[] = {
		{ "a", NULL },			    { "-e x a", NULL },
		{ "-i x -e y a", NULL },	    { "-i x a", effect },
		{ "-e x -i y a", effect },	    { "--include-regex x a", effect },

		{ "-e a/b a", path },		    { "a/ -e a/b/", path },
		{ "-e /x/y/*.o b /x/y", path },	    { "-e ./b .", path },
		{ "-e ../b ..", path },		    { "-e a a", NULL },
		{ "-e a/ a", NULL },		    { "-e ab/c a", NULL },
		{ "-e b/a a", NULL },		    { "-e /b /x/b", NULL },
		{ "-e /b /", NULL },		    { "--exclude-regex=a/b a", NULL },

		{ "--cache /no/such a", cache },    { "a --cach /no/such", cache },
		{ "--cache a -x", cache },	    { "--cache=/no/such a", NULL },
		{ "--cache / a", NULL },	    { "--cache " MANUAL, NULL },
		{ "--cache -n /no/such", NULL },    { "--cache -- /no/such", NULL },
		{ "--no-cache /no/such", NULL },    { "/no/such --cache", NULL },
		{ "--cache /dev/null", NULL },
	};

	for (size_t i = 0; i < countof(lines); i++) {
		struct parsed parsed = parse(lines[i].line);
		const char *advice = options_advice(&parsed.options);

		ck_assert_int_eq(parsed.result, 0);
		ck_assert_msg(lines[i].says ? advice && strstr(advice, lines[i].says) : !advice, "%s", lines[i].line);
		drop(&parsed);
	}
}
END_TEST

START_TEST(the_rest_is_taken)
{
	struct parsed parsed = parse("-x -r -vv --wait --max-depth 3 -j 4 --max-links 100 --json --color=never a");

	ck_assert_int_eq(parsed.result, 0);
	ck_assert(parsed.options.run.one_file_system && parsed.options.run.wait);
	ck_assert_uint_eq(parsed.options.run.max_depth, 3);
	ck_assert_uint_eq(parsed.options.run.threads, 4);
	ck_assert_uint_eq(parsed.options.run.max_links, 100);
	ck_assert_uint_eq(parsed.options.verbose, 2);
	ck_assert_int_eq(parsed.options.output, OPTIONS_JSON);
	ck_assert_int_eq(parsed.options.color, OPTIONS_NEVER);
	drop(&parsed);
	parsed = parse("-v -q -0 --recover --color a");
	ck_assert_int_eq(parsed.result, 0);
	ck_assert(parsed.options.quiet && !parsed.options.verbose);
	ck_assert_int_eq(parsed.options.output, OPTIONS_NAMES);
	ck_assert_int_eq(parsed.options.verb, OPTIONS_RECOVER);
	ck_assert_int_eq(parsed.options.color, OPTIONS_ALWAYS);
	drop(&parsed);
}
END_TEST

START_TEST(help_and_version_need_no_path)
{
	struct parsed parsed = parse("--no-such -h");

	ck_assert_int_eq(parsed.result, -EINVAL);
	drop(&parsed);
	parsed = parse("-h --no-such");
	ck_assert_int_eq(parsed.result, 0);
	ck_assert_int_eq(parsed.options.verb, OPTIONS_HELP);
	drop(&parsed);
	parsed = parse("--version");
	ck_assert_int_eq(parsed.result, 0);
	ck_assert_int_eq(parsed.options.verb, OPTIONS_VERSION);
	drop(&parsed);
}
END_TEST

/* ---- files ---- */

/* A file of these bytes as standard input. */
static void give_stdin(const char *bytes, size_t length)
{
	FILE *file = tmpfile();

	ck_assert_ptr_nonnull(file);
	ck_assert_uint_eq(fwrite(bytes, 1, length, file), length);
	ck_assert_int_eq(fflush(file), 0);
	rewind(file);
	ck_assert_int_eq(dup2(fileno(file), STDIN_FILENO), STDIN_FILENO);
	ck_assert_int_ge(lseek(STDIN_FILENO, 0, SEEK_SET), 0);
	fclose(file);
}

START_TEST(paths_come_from_a_file)
{
	static const char names[] = "one\0two\nlines\0-n";
	struct parsed parsed;

	give_stdin(names, sizeof(names) - 1);
	parsed = parse("zero --files0-from -");
	ck_assert_int_eq(parsed.result, 0);
	ck_assert_uint_eq(parsed.options.paths.count, 4);
	ck_assert_str_eq(parsed.options.paths.at[2], "two\nlines");
	ck_assert_str_eq(parsed.options.paths.at[3], "-n");
	ck_assert(!parsed.options.dry_run);
	drop(&parsed);
}
END_TEST

START_TEST(empty_list_of_paths_is_no_mistake)
{
	struct parsed parsed = parse("--files0-from /dev/null");

	ck_assert_int_eq(parsed.result, 0);
	ck_assert_uint_eq(parsed.options.paths.count, 0);
	drop(&parsed);
}
END_TEST

START_TEST(patterns_come_from_a_file)
{
	static const char lines[] = "# what is left alone\n*.o\n\n.git/\n#no\nlast";
	struct parsed parsed;

	give_stdin(lines, sizeof(lines) - 1);
	parsed = parse("-e first --exclude-from=- -i later a");
	ck_assert_int_eq(parsed.result, 0);
	ck_assert_uint_eq(parsed.options.run.filter_count, 5);
	ck_assert_str_eq(parsed.options.run.filters[0].pattern, "first");
	ck_assert_str_eq(parsed.options.run.filters[1].pattern, "*.o");
	ck_assert_str_eq(parsed.options.run.filters[2].pattern, ".git/");
	ck_assert_str_eq(parsed.options.run.filters[3].pattern, "last");
	ck_assert_int_eq(parsed.options.run.filters[3].verdict, DLK_EXCLUDE);
	ck_assert_str_eq(parsed.options.run.filters[4].pattern, "later");
	drop(&parsed);
}
END_TEST

START_TEST(lists_that_are_none_are_refused)
{
	static const struct {
		const char *bytes;
		size_t length;
		const char *line, *says;
	} wrong[] = {
		{ "a\nb\n", 4, "--files0-from -", "NUL" },
		{ "a\0\0b", 4, "--files0-from -", "empty name" },
		{ "a\0b", 3, "--exclude-from - x", "NUL" },
		{ "a\n/\n", 4, "--exclude-from - x", "no name" },
		{ "a", 1, "--exclude-from - --files0-from -", "already" },
		{ "", 0, "--files0-from /no/such/list", "No such file" },
	};

	for (size_t i = 0; i < countof(wrong); i++) {
		struct parsed parsed;

		give_stdin(wrong[i].bytes, wrong[i].length);
		parsed = parse(wrong[i].line);
		ck_assert_int_eq(parsed.result, -EINVAL);
		ck_assert_msg(strstr(parsed.problem.at, wrong[i].says) != NULL, "%s: %s", wrong[i].line,
			      parsed.problem.at);
		drop(&parsed);
	}
}
END_TEST

/* ---- mistakes ---- */

static const struct {
	const char *line, *says;
} mistakes[] = {
	{ "", "no PATH" },
	{ "-n", "no PATH" },
	{ "--", "no PATH" },
	{ "--exclude-regex *.jpg a", "there is --exclude" },
	{ "--include-regex *.jpg a", "there is --include" },
	{ "--dryrun a", "did you mean --dry-run?" },
	{ "--wiat a", "did you mean --wait?" },
	{ "--exlude x a", "did you mean --exclude?" },
	{ "--jsn=3 a", "did you mean --json?" },
	{ "--completely-different a", "unknown option --completely-different" },
	{ "--res a", "--respect, --respect-name" },
	{ "-Z a", "unknown option -Z" },
	{ "-nZ a", "unknown option -Z" },
	{ "-y memcmp a", "always compared" },
	{ "--mount a", "--one-file-system" },
	{ "--json=3 a", "takes no argument" },
	{ "a -s", "needs SIZE" },
	{ "a --keep", "needs POLICY" },
	{ "-s abc a", "no size" },
	{ "-s K a", "a number comes first" },
	{ "-s -5 a", "no size" },
	{ "-s 99999999999999999999 a", "more than any file" },
	{ "-s 2 -S 1 a", "no file is" },
	{ "-j x a", "no whole number" },
	{ "-j 99999 a", "too large" },
	{ "--max-depth -1 a", "no whole number" },
	{ "--max-links 1 a", "2 at least" },
	{ "--keep oldst a", "Did you mean oldest?" },
	{ "--ignore ownr,mode a", "Did you mean owner?" },
	{ "--ignore owner,,mode a", "is not made of" },
	{ "--respect  a", "is not made of" },
	{ "-e / a", "no name" },
	{ "--exclude-regex (a a", "Unmatched" },
	{ "--exclude-regex (a)\\1 a", "Back references" },
	{ "--color=blue a", "none of auto" },
	{ "--json -0 a", "--print0" },
	{ "--recover -n a", "dry-run" },
	{ "-x \\.git/ a", "-x takes no argument" },
	{ "-x .*\\.tmp$ a", "--exclude-regex" },
	{ "-x\\.git a", "-x takes no argument" },
	/* What would be passed over, and somebody relies on. */
	{ "--apply p -e *.db", "--exclude has no part in it" },
	{ "--reference golden --apply p", "--reference has no part in it" },
	{ "--apply p --method reflink", "--method has no part in it" },
	{ "--apply p -o", "--ignore-owner has no part in it" },
	{ "--undo j -s 1M", "--min-size has no part in it" },
	{ "--undo j --method reflink", "--method has no part in it" },
	{ "--method reflink --journal j a", "nothing for --journal to tell" },
	{ "--undo j --max-time 1s", "--max-time has no part in it" },
	{ "--history -x", "--one-file-system has no part in it" },
	{ "--history --metrics m", "--metrics has no part in it" },
	{ "--history --json-lines", "--json-lines has no part in it" },
	{ "-0 --history", "--print0 has no part in it" },
	{ "--history --journal j", "--journal" },
	{ "--history --recover a", "each go alone" },
	{ "--recover a --history", "each go alone" },
	{ "--history --undo j", "each go alone" },
	{ "--undo j --undo k", "second journal" },
	{ "--plan - a", "./-" },
	{ "--journal - a", "./-" },
};

START_TEST(mistakes_are_told_with_a_way_out)
{
	for (size_t i = 0; i < countof(mistakes); i++) {
		struct parsed parsed = parse(mistakes[i].line);

		ck_assert_msg(parsed.result == -EINVAL, "%s: %d", mistakes[i].line, parsed.result);
		ck_assert_msg(parsed.problem.at && strstr(parsed.problem.at, mistakes[i].says), "%s: %s",
			      mistakes[i].line, parsed.problem.at);
		drop(&parsed);
	}
}
END_TEST

START_TEST(no_raw_escape_comes_back)
{
	static const char *const lines[] = { "--\033[31m a", "-\033 a", "-s \033[31m a", "--keep \033 a", "--ignore \033 a",
					     "--exclude-regex (\033 a", "--files0-from \033", "-x \033* a", "-j \033 a" };

	for (size_t i = 0; i < countof(lines); i++) {
		struct parsed parsed = parse(lines[i]);

		ck_assert_int_eq(parsed.result, -EINVAL);
		ck_assert_ptr_null(strchr(parsed.problem.at, '\033'));
		drop(&parsed);
	}
}
END_TEST

/* The short one on a small screen with the prompt below it, each topic too. */
START_TEST(help_fits_a_screen)
{
	static const char *const topics[] = { NULL, "run", "files", "match", "keep", "report" };

	for (size_t i = 0; i < countof(topics); i++) {
		struct text text = { 0 };
		size_t lines = 0;

		options_help(&text, topics[i]);
		for (const char *at = text.at, *end; (end = strchr(at, '\n')); at = end + 1, lines++)
			ck_assert_msg(end - at <= 80, "%.*s", (int)(end - at), at);
		ck_assert_uint_ge(lines, 3);
		ck_assert_uint_le(lines, 24);
		text_free(&text);
	}
}
END_TEST

/* What 0 means is not to be guessed: the run that ends at once, or the one that reads nothing. */
START_TEST(help_says_that_0_is_no_limit)
{
	static const char *const names[] = { "--max-time DUR", "--bwlimit RATE" };
	struct text text = { 0 };

	options_help(&text, "run");
	for (size_t i = 0; i < countof(names); i++) {
		const char *begin = strstr(text.at, names[i]), *next;

		ck_assert_ptr_nonnull(begin);
		next = strstr(begin + 2, "--");
		ck_assert_ptr_nonnull(next);
		begin = strstr(begin, "no limit");
		ck_assert_msg(begin && begin < next, "%s", names[i]);
	}
	text_free(&text);
}
END_TEST

/* The next long option named in the manual, whose dashes are escaped, or NULL. */
static const char *next_in_manual(const char **at, char *ret, size_t room)
{
	const char *found = strstr(*at, "\\-\\-");
	size_t count = 0;

	if (!found)
		return NULL;
	for (found += 4; *found && count + 1 < room; found++) {
		if (*found == '\\' && found[1] == '-')
			continue;
		if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789-", *found))
			break;
		ret[count++] = *found;
	}
	ret[count] = 0;
	*at = found;
	return ret;
}

static char manual[1 << 17];

static void read_manual(void)
{
	FILE *file = fopen(MANUAL, "r");

	ck_assert_msg(file != NULL, "%s", MANUAL);
	manual[fread(manual, 1, sizeof(manual) - 1, file)] = 0;
	fclose(file);
}

START_TEST(manual_names_only_what_there_is)
{
	const char *at = manual;
	char name[64], line[80];
	size_t named = 0;

	read_manual();
	while (next_in_manual(&at, name, sizeof(name))) {
		struct parsed parsed;

		if (!*name)
			continue;
		snprintf(line, sizeof(line), "--%s", name);
		parsed = parse(line);
		ck_assert_msg(!parsed.problem.at || !strstr(parsed.problem.at, "unknown"), "%s", name);
		named++;
		drop(&parsed);
	}
	ck_assert_uint_gt(named, 30);
}
END_TEST

START_TEST(manual_names_all_of_help)
{
	struct text help = { 0 };
	char name[64], escaped[128];

	read_manual();
	options_help(&help, "all");
	for (const char *at = help.at; (at = strstr(at, "--")); at += 2) {
		size_t length = strspn(at + 2, "abcdefghijklmnopqrstuvwxyz0-"), count = 0;

		ck_assert_uint_lt(length, sizeof(name));
		for (size_t i = 0; i < length + 2; i++) {
			if (at[i] == '-')
				escaped[count++] = '\\';
			escaped[count++] = at[i];
		}
		escaped[count] = 0;
		ck_assert_msg(strstr(manual, escaped) != NULL, "%s", escaped);
	}
	text_free(&help);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		defaults_are_those_of_the_library,
		dry_run_is_one_wherever_it_stands,
		all_after_two_dashes_are_paths,
		sizes_are_taken_under_all_names,
		policies_add_up_from_left_to_right,
		last_keep_policy_counts,
		filters_stay_in_order,
		advice_is_given,
		the_rest_is_taken,
		help_and_version_need_no_path,
		paths_come_from_a_file,
		empty_list_of_paths_is_no_mistake,
		patterns_come_from_a_file,
		lists_that_are_none_are_refused,
		mistakes_are_told_with_a_way_out,
		no_raw_escape_comes_back,
		help_fits_a_screen,
		help_says_that_0_is_no_limit,
		manual_names_only_what_there_is,
		manual_names_all_of_help,
	};

	return unit_run("options", tests, countof(tests));
}
