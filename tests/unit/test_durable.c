/* SPDX-License-Identifier: MIT */
/* File systems are synced beside other work, once each; what is said of them is true; descriptors do not leak. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <unistd.h>

#include "../../src/core/durable.h"
#include "../../src/sys/sys.h"

enum { PLACES = 3 };

static struct sys_calls table;
static int started, ended;      /* atomic: calls of syncfs */
static bool waits;              /* each call waits for a post */
static sem_t may_end;
static int failing = -1;        /* this descriptor cannot be synced */
static int64_t clock_now;       /* what sys->wall() tells */
static bool no_threads;

int __real_pthread_create(pthread_t *ret, const pthread_attr_t *attributes, void *(*start)(void *), void *ctx);
int __wrap_pthread_create(pthread_t *ret, const pthread_attr_t *attributes, void *(*start)(void *), void *ctx);

int __wrap_pthread_create(pthread_t *ret, const pthread_attr_t *attributes, void *(*start)(void *), void *ctx)
{
	return no_threads ? EAGAIN : __real_pthread_create(ret, attributes, start, ctx);
}

static int watched_syncfs(int fd)
{
	__atomic_add_fetch(&started, 1, __ATOMIC_RELAXED);
	while (waits && sem_wait(&may_end))
		;
	__atomic_add_fetch(&ended, 1, __ATOMIC_RELAXED);
	__atomic_add_fetch(&clock_now, 100, __ATOMIC_RELAXED); /* a sync takes its time */
	return fd == failing ? -EIO : 0;
}

static int64_t told_wall(void)
{
	return __atomic_load_n(&clock_now, __ATOMIC_RELAXED);
}

static void before(void)
{
	table = sys_kernel;
	table.syncfs = watched_syncfs;
	table.wall = told_wall;
	sys_replace(&table);
	clock_now = 1000;
	ck_assert_int_eq(sem_init(&may_end, 0, 0), 0);
}

static void make_places(struct durable_place places[PLACES])
{
	for (uint32_t i = 0; i < PLACES; i++) {
		places[i] = (struct durable_place){ .domain = 10 + i, .fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC) };
		ck_assert_int_ge(places[i].fd, 0);
	}
}

static void all_are_closed(const struct durable_place places[PLACES])
{
	for (size_t i = 0; i < PLACES; i++)
		ck_assert(fcntl(places[i].fd, F_GETFD) < 0 && errno == EBADF);
}

static void all_were_synced(struct durable *durable)
{
	for (uint32_t i = 0; i < PLACES; i++)
		ck_assert_int_eq(durable_since(durable, 10 + i), 1000 + 100 * i);
	ck_assert_int_eq(durable_since(durable, 9), INT64_MIN);
	ck_assert_int_eq(ended, PLACES);
}

START_TEST(syncs_while_others_work)
{
	struct durable_place places[PLACES];
	struct durable *durable;
	make_places(places);
	waits = true;
	ck_assert_int_eq(durable_begin(places, PLACES, true, &durable), 0);
	ck_assert_int_eq(__atomic_load_n(&ended, __ATOMIC_RELAXED), 0); /* and yet we are here */
	for (int i = 0; i < PLACES; i++)
		sem_post(&may_end);
	all_were_synced(durable);
	all_are_closed(places);
	durable_free(durable);
}
END_TEST

/* One thread was asked for, or no other can be had: then it is done when it is asked for, once. */
START_TEST(syncs_when_asked_without_threads)
{
	for (int beside = 0; beside < 2; beside++) {
		struct durable_place places[PLACES];
		struct durable *durable;
		no_threads = true;
		started = ended = 0;
		clock_now = 1000;
		make_places(places);
		ck_assert_int_eq(durable_begin(places, PLACES, beside, &durable), 0);
		ck_assert_int_eq(started, 0);
		all_were_synced(durable);
		all_are_closed(places);
		durable_free(durable);
	}
}
END_TEST

START_TEST(what_failed_is_not_durable)
{
	struct durable_place places[PLACES];
	struct durable *durable;
	make_places(places);
	failing = places[1].fd;
	ck_assert_int_eq(durable_begin(places, PLACES, true, &durable), 0);
	ck_assert_int_eq(durable_since(durable, 10), 1000);
	ck_assert_int_eq(durable_since(durable, 11), INT64_MIN);
	ck_assert_int_eq(durable_since(durable, 12), 1200);
	all_are_closed(places);
	durable_free(durable);
}
END_TEST

START_TEST(freed_without_being_asked)
{
	for (int beside = 0; beside < 2; beside++) {
		struct durable_place places[PLACES];
		struct durable *durable;
		make_places(places);
		ended = 0;
		ck_assert_int_eq(durable_begin(places, PLACES, beside, &durable), 0);
		durable_free(durable);
		ck_assert_int_eq(ended, beside ? PLACES : 0);
		all_are_closed(places);
	}
	durable_free(NULL);
}
END_TEST

START_TEST(nothing_to_sync)
{
	struct durable *durable;
	ck_assert_int_eq(durable_begin(NULL, 0, true, &durable), 0);
	ck_assert_int_eq(durable_since(durable, 0), INT64_MIN);
	ck_assert_int_eq(started, 0);
	durable_free(durable);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		syncs_while_others_work, syncs_when_asked_without_threads, what_failed_is_not_durable, freed_without_being_asked,
		nothing_to_sync,
	};
	return unit_run_in("durable", tests, countof(tests), before, NULL);
}
