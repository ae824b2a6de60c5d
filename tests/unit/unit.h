/* SPDX-License-Identifier: MIT */
/*
 * unit.h - the frame of a unit test program: one libcheck suite, one line of figures at the end
 *
 *	START_TEST(name_is_quoted) { ... ck_assert_str_eq(...); } END_TEST
 *
 *	int main(void)
 *	{
 *		static const TTest *const tests[] = { name_is_quoted, ... };
 *		return unit_run("text", tests, countof(tests));
 *	}
 *
 * Every test runs in a process of its own (CK_FORK=no in the environment: in this one, for debuggers and valgrind). A
 * test that cannot run here calls unit_skip("why") and returns at once. The last line on stdout is
 * "NAME: N passed, N failed, N skipped"; the exit status is 1 when any failed, 77 when all were skipped.
 */
#ifndef UNIT_UNIT_H
#define UNIT_UNIT_H

#include <check.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "../../src/base/base.h"

enum { UNIT_SECONDS = 600 }; /* sanitizers, on a busy machine */

/* Shared with the processes the tests run in. */
static _Atomic int *unit_skipped;

/* Says that the running test cannot run here; it must return right after. libcheck calls the function NAME_fn. */
#define unit_skip(...)                                                           \
	do {                                                                     \
		printf("SKIP %.*s: ", (int)sizeof(__func__) - 4, __func__);      \
		printf(__VA_ARGS__);                                             \
		printf("\n");                                                    \
		fflush(stdout);                                                  \
		atomic_fetch_add(unit_skipped, 1);                               \
	} while (0)

/* ck_assert for long loops: libcheck sends each of its own through a pipe, passed or not. */
#define must(condition)                                         \
	do {                                                    \
		if (!(condition))                               \
			ck_abort_msg("not so: %s", #condition); \
	} while (0)

/* `before` and `after`, if not NULL, run around each test, in its process. */
static inline int unit_run_in(const char *name, const TTest *const *tests, size_t count, SFun before, SFun after)
{
	unit_skipped = mmap(NULL, sizeof(*unit_skipped), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (unit_skipped == MAP_FAILED) {
		perror("mmap");
		return 1;
	}
	Suite *suite = suite_create(name);
	TCase *cases = tcase_create(name);
	tcase_set_timeout(cases, UNIT_SECONDS);
	tcase_add_checked_fixture(cases, before, after);
	for (size_t i = 0; i < count; i++)
		tcase_add_test(cases, tests[i]);
	suite_add_tcase(suite, cases);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner), skipped = atomic_load(unit_skipped);
	int passed = srunner_ntests_run(runner) - failed - skipped;
	srunner_free(runner);
	printf("%s: %d passed, %d failed, %d skipped\n", name, passed, failed, skipped);
	return failed ? 1 : passed == 0 && skipped ? 77 : 0;
}

static inline int unit_run(const char *name, const TTest *const *tests, size_t count)
{
	return unit_run_in(name, tests, count, NULL, NULL);
}

#endif
