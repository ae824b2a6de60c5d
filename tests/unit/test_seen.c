/* SPDX-License-Identifier: MIT */
/* What was added is found by whoever asks afterwards, what was not never is, while one adds and many ask. */
#include "unit.h"

#include <pthread.h>
#include <sched.h>

#include "../../src/core/seen.h"
#include "draw.h"

static bool has(const struct seen *seen, uint32_t domain, uint64_t ino)
{
	struct inode_id inode;
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

/* Numbers and domains that do not fit the key are never seen, rather than taken for others. */
START_TEST(what_does_not_fit_is_not_kept)
{
	static const struct {
		uint32_t domain;
		uint64_t ino;
		bool kept;
	} keys[] = {
		{ 0, 1, true },
		{ 0, (UINT64_C(1) << 48) - 1, true },
		{ 0, UINT64_C(1) << 48, false },
		{ 0, UINT64_MAX, false },
		{ 0xffff, 1, true },
		{ 0x10000, 1, false },
		{ UINT32_MAX, 1, false },
		{ 1, 0, true },
		{ 0, 0, false },
	};
	struct seen seen = { 0 };
	for (size_t i = 0; i < countof(keys); i++) {
		ck_assert(!has(&seen, keys[i].domain, keys[i].ino));
		ck_assert_int_eq(seen_add(&seen, keys[i].domain, keys[i].ino, (struct inode_id){ 1 }), 0);
		ck_assert_int_eq(has(&seen, keys[i].domain, keys[i].ino), keys[i].kept);
		ck_assert_int_eq(seen_add(&seen, keys[i].domain, keys[i].ino, (struct inode_id){ 1 }), 0);
	}
	seen_free(&seen);
	ck_assert(!has(&seen, 0, 1));
}
END_TEST

START_TEST(exactly_what_was_added_is_seen)
{
	enum { COUNT = 200000 };
	struct seen seen = { 0 };
	for (uint64_t i = 0; i < COUNT; i++)
		must(!seen_add(&seen, (uint32_t)(i % 5), 1 + i * 3, (struct inode_id){ (uint32_t)i }));
	for (uint64_t i = 0; i < COUNT; i++) {
		struct inode_id inode;
		must(seen_find(&seen, (uint32_t)(i % 5), 1 + i * 3, &inode) && inode.v == i);
		must(!has(&seen, (uint32_t)((i + 1) % 5), 1 + i * 3));
		must(!has(&seen, (uint32_t)(i % 5), 2 + i * 3));
	}
	seen_free(&seen);
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
			struct inode_id inode = { 0 };
			bool found = number && seen_find(&shared->seen, 3, 2 * number - 1, &inode);
			reader->missed += number && number <= added && !found;
			reader->invented += has(&shared->seen, 3, 2 * number) || inode.v != (found ? number : 0);
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
		must(!seen_add(&shared.seen, 3, 2 * number - 1, (struct inode_id){ (uint32_t)number }));
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
		what_does_not_fit_is_not_kept,
		exactly_what_was_added_is_seen,
		many_ask_while_one_adds,
	};
	return unit_run("seen", tests, countof(tests));
}
