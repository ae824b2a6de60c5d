/* SPDX-License-Identifier: MIT */
/* What was added is found by whoever asks afterwards, what was not never is, while one adds and many ask. */
#include "unit.h"

#include <pthread.h>
#include <sched.h>

#include "../../src/core/seen.h"
#include "draw.h"

static bool has(const struct seen *seen, uint32_t domain, uint64_t ino)
{
	uint32_t inode;
	return seen_find(seen, domain, ino, &inode);
}

START_TEST(nothing_is_seen_at_first)
{
	struct seen seen = { 0 };
	ck_assert(!has(&seen, 0, 1));
	seen_free(&seen);
	seen_free(&seen);
}
END_TEST

/* Nothing is too large to be a key, and none is taken for another. */
START_TEST(whatever_the_numbers_are)
{
	static const uint64_t inos[] = { 0, 1, (UINT64_C(1) << 48) - 1, UINT64_C(1) << 48, UINT64_MAX };
	static const uint32_t domains[] = { 0, 1, 0xffff, 0x10000, UINT32_MAX };
	struct seen seen = { 0 };
	for (uint32_t i = 0; i < countof(inos) * countof(domains); i++) {
		uint32_t domain = domains[i / countof(inos)], inode;
		uint64_t ino = inos[i % countof(inos)];
		ck_assert(!has(&seen, domain, ino));
		ck_assert_int_eq(seen_add(&seen, domain, ino, i), 0);
		ck_assert(seen_find(&seen, domain, ino, &inode));
		ck_assert_uint_eq(inode, i);
		ck_assert_int_eq(seen_add(&seen, domain, ino, i + 1), 0);
		ck_assert(seen_find(&seen, domain, ino, &inode));
		ck_assert_uint_eq(inode, i);
	}
	ck_assert_int_eq(seen_add(&seen, 7, 7, UINT32_MAX - 1), 0);
	uint32_t last;
	ck_assert(seen_find(&seen, 7, 7, &last));
	ck_assert_uint_eq(last, UINT32_MAX - 1);
	seen_free(&seen);
	ck_assert(!has(&seen, 0, 1));
}
END_TEST

START_TEST(exactly_what_was_added_is_seen)
{
	enum { COUNT = 200000 };
	struct seen seen = { 0 };
	for (uint64_t i = 0; i < COUNT; i++)
		must(!seen_add(&seen, (uint32_t)(i % 5), 1 + i * 3, (uint32_t)i));
	for (uint64_t i = 0; i < COUNT; i++) {
		uint32_t inode;
		must(seen_find(&seen, (uint32_t)(i % 5), 1 + i * 3, &inode) && inode == i);
		must(!has(&seen, (uint32_t)((i + 1) % 5), 1 + i * 3));
		must(!has(&seen, (uint32_t)(i % 5), 2 + i * 3));
	}
	seen_free(&seen);
}
END_TEST

/* Seconds of this thread to add numbers that all want one place in a table of seed 0, in one of that seed or another. */
static double time_of_chosen(uint64_t seed)
{
	enum { CHOSEN = 8000, PLACES = 1 << 12 /* of four, in the table that so many are in at last */ };
	struct seen seen = { .seed = seed };
	static uint64_t inos[CHOSEN];
	uint64_t number = 0;
	for (uint32_t i = 0; i < CHOSEN; i++) {
		while (mix64(++number) % PLACES)
			;
		inos[i] = number << 2;
	}
	double begun = draw_seconds();
	for (uint32_t i = 0; i < CHOSEN; i++)
		must(!seen_add(&seen, 0, inos[i], i));
	double time = draw_seconds() - begun;
	seen_free(&seen);
	return time;
}

/* Whoever keeps the inodes that suit does not know the seed. */
START_TEST(numbers_cannot_be_chosen_to_meet)
{
	double chosen = time_of_chosen(0), scattered = 1;
	for (uint64_t seed = 1; seed <= 5; seed++) {
		double time = time_of_chosen(mix64(seed));
		scattered = time < scattered ? time : scattered;
	}
	ck_assert_double_gt(chosen, 10 * scattered); /* they are well chosen */
}
END_TEST

/* ---- threads ---- */

enum { READERS = 4, ADDED = 60000 };

struct shared {
	struct seen seen;
	uint64_t added; /* atomic: numbers up to this one are in, each odd */
	bool done;      /* atomic */
};

struct reader {
	struct shared *shared;
	uint64_t missed, invented;
	uint64_t asked; /* atomic */
};

static void *ask(void *ctx)
{
	struct reader *reader = ctx;
	struct shared *shared = reader->shared;
	uint64_t state = (uint64_t)(uintptr_t)reader;
	while (!__atomic_load_n(&shared->done, __ATOMIC_ACQUIRE)) {
		uint64_t added = __atomic_load_n(&shared->added, __ATOMIC_ACQUIRE);
		for (unsigned i = 0; i < 64; i++) {
			uint64_t number = mix64(++state) % (ADDED + 1);
			/* Published before we asked, so it must be there; even numbers never are. */
			uint32_t inode = 0;
			bool found = number && seen_find(&shared->seen, 3, 2 * number - 1, &inode);
			reader->missed += number && number <= added && !found;
			reader->invented += has(&shared->seen, 3, 2 * number) || inode != (found ? number : 0);
		}
		__atomic_add_fetch(&reader->asked, 64, __ATOMIC_RELAXED);
	}
	return NULL;
}

/* Until every reader has asked once more: so that they ask between additions, however busy the machine is. */
static void wait_for(const struct reader *readers)
{
	for (unsigned i = 0; i < READERS; i++) {
		uint64_t before = __atomic_load_n(&readers[i].asked, __ATOMIC_RELAXED);
		while (__atomic_load_n(&readers[i].asked, __ATOMIC_RELAXED) == before)
			sched_yield();
	}
}

/* ThreadSanitizer looks on in its build; tables are outgrown six times meanwhile. */
START_TEST(many_ask_while_one_adds)
{
	static struct shared shared;
	struct reader readers[READERS];
	pthread_t threads[READERS];
	for (unsigned i = 0; i < READERS; i++) {
		readers[i] = (struct reader){ .shared = &shared };
		ck_assert_int_eq(pthread_create(&threads[i], NULL, ask, &readers[i]), 0);
	}
	for (uint64_t number = 1; number <= ADDED; number++) {
		must(!seen_add(&shared.seen, 3, 2 * number - 1, (uint32_t)number));
		__atomic_store_n(&shared.added, number, __ATOMIC_RELEASE);
		if (number % (ADDED / 20) == 0)
			wait_for(readers);
	}
	__atomic_store_n(&shared.done, true, __ATOMIC_RELEASE);
	for (unsigned i = 0; i < READERS; i++) {
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
		ck_assert_uint_eq(readers[i].missed, 0);
		ck_assert_uint_eq(readers[i].invented, 0);
	}
	for (uint64_t number = 1; number <= ADDED; number++)
		must(has(&shared.seen, 3, 2 * number - 1));
	seen_free(&shared.seen);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		nothing_is_seen_at_first,
		whatever_the_numbers_are,
		exactly_what_was_added_is_seen,
		numbers_cannot_be_chosen_to_meet,
		many_ask_while_one_adds,
	};
	return unit_run("seen", tests, countof(tests));
}
