/* SPDX-License-Identifier: MIT */
/*
 * The option parser: any words are taken or refused with a harmless message, and what is taken can be used.
 *
 * The input: words, each ended by NUL, up to an empty one; what files hold that options name is the rest.
 */
#include "fuzz.h"

#include <errno.h>
#include <limits.h>

#include "../../src/cli/listfile.h"
#include "../../src/cli/options.h"
#include "../../src/core/rule.h"

enum { WORDS_MOST = 24 };

static struct fuzz_input file;

/* Instead of the file system: linked with --wrap=listfile_read. */
int __wrap_listfile_read(const char *path, struct text *ret);

int __wrap_listfile_read(const char *path, struct text *ret)
{
	if (!strcmp(path, "missing"))
		return -ENOENT;
	text_add(ret, (const char *)file.at, file.left);
	return ret->failed ? -ENOMEM : 0;
}

static void check_taken(const struct options *options)
{
	const struct dlk_options *run = &options->run;
	struct rule *rule = NULL;
	fuzz_check(run->filter_count == options->filters.count && run->filters == options->filters.at);
	fuzz_check(run->will_apply == !options->dry_run);
	fuzz_check(!(run->respect & ~((1U << DLK_RESPECT_WORDS) - 1)));
	fuzz_check(run->keep <= DLK_KEEP_FIRST_PATH && run->threads <= 1024 && run->max_links != 1);
	if (options->verb == OPTIONS_HELP || options->verb == OPTIONS_VERSION)
		return;
	/* A plan, a journal or a cache says itself where; all else needs PATHs, and those do not take any. */
	bool told = options->plan_from || options->undo || options->verb == OPTIONS_HISTORY;
	fuzz_check(told != (options->paths.count || options->paths_from_file));
	for (size_t i = 0; i < options->paths.count; i++)
		fuzz_check(*options->paths.at[i]);
	fuzz_check(run->min_size <= run->max_size);
	fuzz_check(!(options->verb == OPTIONS_RECOVER && options->dry_run));
	/* Patterns that were taken compile, and can be asked. */
	fuzz_check(!rule_compile(run, &rule));
	rule_takes_file(rule, "a/b.jpg", "b.jpg");
	rule_enters_dir(rule, "a", "a");
	rule_free(rule);
	options_advice(options);
}

/* One parse; getopt reorders words and keeps a state, so the next must not see it. */
static int parse(char *const *words, int count, struct text *ret_problem)
{
	char *argv[WORDS_MOST + 2];
	struct options options;
	memcpy(argv, words, (size_t)(count + 1) * sizeof(*argv));
	int r = options_parse(count, argv, &options, ret_problem);
	fuzz_check(!r || r == -EINVAL || r == -ENOMEM);
	fuzz_check(!r == !ret_problem->count);
	if (r)
		fuzz_check(fuzz_harmless(ret_problem->at, ret_problem->count, "\n"));
	else
		check_taken(&options);
	options_free(&options);
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = { data, size };
	char *words[WORDS_MOST + 2] = { strdup("dedupe-link") };
	struct text problems[2] = { { 0 } };
	int count = 1;
	while (input.left && count <= WORDS_MOST) {
		char *word = fuzz_string(&input);
		/* An empty word ends them; "\1" stands for one that is empty. */
		if (!*word) {
			free(word);
			break;
		}
		if (!strcmp(word, "\1"))
			*word = '\0';
		words[count++] = word;
	}
	file = input;
	int first = parse(words, count, &problems[0]);
	fuzz_check(parse(words, count, &problems[1]) == first);
	fuzz_check(problems[0].count == problems[1].count &&
		   (!problems[0].count || !memcmp(problems[0].at, problems[1].at, problems[0].count)));
	for (size_t i = 0; i < countof(problems); i++)
		text_free(&problems[i]);
	for (int i = 0; i < count; i++)
		free(words[i]);
	return 0;
}
