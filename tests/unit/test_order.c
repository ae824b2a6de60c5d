/* SPDX-License-Identifier: MIT */
/*
 * The number of readers suits the device: many where reading is waiting, few where a head has to travel.
 *
 * The rule is tried on made-up devices in made-up time: what a tick brings is reckoned from the number of readers. So nothing
 * here depends on how busy the machine is.
 */
#include "unit.h"

#include "../../src/core/order.h"
#include "draw.h"

enum { MOST = 64, TICK_US = 10000, TAKE = 16 };

/* Files finished in a tick by so many readers. */
typedef double device_fn(unsigned readers);

/* Answers any number of readers at once, each after half a millisecond. */
static double latency(unsigned readers)
{
	return readers * TICK_US / 500.0;
}

/* The same behind a link that carries no more than 16 readers bring. */
static double narrow(unsigned readers)
{
	return latency(readers < 16 ? readers : 16);
}

/*
 * One head, a file at a time: 100 us to read it, and 20 us for each file passed on the way. Readers take TAKE neighbours at a
 * time, so with n of them the next to be served is about n / 2 * TAKE files away, and with one it is the next file.
 */
static double head(unsigned readers)
{
	return TICK_US / (100 + (readers - 1) * TAKE / 2 * 20.0);
}

static double noise; /* a tick brings so much less, at random: 0 to 1 */

struct ran {
	unsigned readers; /* at the end */
	unsigned ticks;   /* until all files were read */
};

/* `waits` of each file: 1 for a device, 0 where all lies in memory. A neighbour takes nearly all from tick `from` to `to`. */
static struct ran run(device_fn *device, double waits, double files, unsigned from, unsigned to)
{
	struct order_rule rule = { .readers = ORDER_FIRST, .most = MOST };
	struct ran ran = { 0 };
	double done = 0, before = 0;
	while (done < files) {
		double share = 1 - noise * (double)draw(1000) / 1000;
		done += device(rule.readers) * (ran.ticks >= from && ran.ticks < to ? 0.1 : share);
		struct order_tick tick = {
			.files = (uint64_t)done - (uint64_t)before,
			.all_files = (uint64_t)done,
			.work = (uint64_t)(done * 65536),
		};
		tick.switches = (uint64_t)((double)tick.files * waits);
		before = done;
		order_decide(&rule, &tick);
		ck_assert_uint_ge(rule.readers, ORDER_FIRST);
		ck_assert_uint_le(rule.readers, MOST);
		ran.ticks++;
	}
	ran.readers = rule.readers;
	return ran;
}

static double best(device_fn *device, double files)
{
	double most = 0;
	for (unsigned readers = ORDER_FIRST; readers <= MOST; readers *= 2)
		most = device(readers) > most ? device(readers) : most;
	return files / most;
}

START_TEST(latency_gets_many_readers)
{
	struct ran ran = run(latency, 1, 100000, 0, 0);
	ck_assert_uint_eq(ran.readers, MOST);
	ck_assert(ran.ticks < 1.15 * best(latency, 100000));
}
END_TEST

START_TEST(what_gains_nothing_does_no_harm)
{
	ck_assert(run(narrow, 1, 100000, 0, 0).ticks < 1.15 * best(narrow, 100000));
}
END_TEST

START_TEST(memory_needs_no_more_than_at_first)
{
	ck_assert_uint_eq(run(latency, 0.2, 100000, 0, 0).readers, ORDER_FIRST);
}
END_TEST

START_TEST(head_is_left_to_few_readers)
{
	const double files = 20000;
	ck_assert(files / head(MOST) > 10 * best(head, files)); /* else the device shows nothing */
	struct ran ran = run(head, 1, files, 0, 0);
	ck_assert_uint_eq(ran.readers, ORDER_FIRST);
	ck_assert(ran.ticks < 1.25 * best(head, files));
}
END_TEST

/* Another program that takes the disk just while doublings are on trial must not leave us with few for good. */
START_TEST(neighbour_does_not_deceive)
{
	for (unsigned from = 0; from < 30; from++)
		for (unsigned length = 1; length < 20; length++)
			ck_assert_uint_eq(run(latency, 1, 100000, from, from + length).readers, MOST);
}
END_TEST

/* The verdict in favour of few is one of the moment: what the same device can do is found out soon after. */
START_TEST(rest_comes_to_an_end)
{
	struct order_rule rule = { .readers = ORDER_FIRST, .most = MOST, .rest = 100, .state = ORDER_RESTING };
	struct order_tick tick = { 0 };
	unsigned ticks = 0;
	for (; rule.readers < MOST; ticks++) {
		tick.files = (uint64_t)latency(rule.readers);
		tick.switches = tick.files;
		tick.all_files += tick.files;
		tick.work += tick.files * 65536;
		order_decide(&rule, &tick);
		ck_assert_uint_lt(ticks, 110);
	}
	ck_assert_uint_ge(ticks, 100);
}
END_TEST

/* What many bring while they are leaving must not be taken for the pace of few. */
START_TEST(leavers_do_not_count)
{
	struct order_rule rule = { .readers = ORDER_FIRST, .most = MOST, .after = 1000, .state = ORDER_RETREATED };
	struct order_tick tick = { .leaving = 62 };
	for (unsigned ticks = 0; ticks < 50; ticks++) {
		tick.work += 2000;
		order_decide(&rule, &tick);
		ck_assert_int_eq(rule.state, ORDER_RETREATED);
	}
	tick.leaving = 0;
	for (unsigned ticks = 0; rule.state == ORDER_RETREATED; ticks++) {
		ck_assert_uint_lt(ticks, 20);
		tick.work += 500;
		order_decide(&rule, &tick);
	}
	ck_assert_uint_eq(rule.readers, MOST);
}
END_TEST

START_TEST(noise_does_not_deceive)
{
	noise = 0.5;
	for (draw_state = 1; draw_state < 200; draw_state += 2) {
		uint64_t seed = draw_state;
		ck_assert_uint_eq(run(latency, 1, 100000, 0, 0).readers, MOST);
		ck_assert_uint_eq(run(head, 1, 20000, 0, 0).readers, ORDER_FIRST);
		draw_state = seed;
	}
}
END_TEST

/* ---- with threads ---- */

struct pile {
	size_t files, next, leavers;
};

static void read_files(void *ctx, struct order_reader *me)
{
	struct pile *pile = ctx;
	while (order_stay(me)) {
		if (__atomic_fetch_add(&pile->next, 1, __ATOMIC_RELAXED) >= pile->files)
			return;
		order_finished(me, 1, 4096);
	}
	__atomic_fetch_add(&pile->leavers, 1, __ATOMIC_RELAXED);
}

START_TEST(surplus_readers_leave_and_all_is_read)
{
	struct pile pile = { .files = 100000 };
	struct order order = { .fixed = 5, .most = MOST, .surplus = 3, .read = read_files, .ctx = &pile };
	ck_assert_uint_eq(order_run(&order), 5);
	ck_assert_uint_eq(order.finished, pile.files);
	ck_assert_uint_eq(order.work, pile.files * (65536 + 4096));
	ck_assert_uint_le(pile.leavers, 3);
	ck_assert_uint_eq(order.surplus, 3 - pile.leavers);
}
END_TEST

START_TEST(begins_with_what_is_known)
{
	struct pile pile = { .files = 0 };
	ck_assert_uint_eq(order_run(&(struct order){ .first = 16, .most = MOST, .read = read_files, .ctx = &pile }), 16);
	ck_assert_uint_eq(order_run(&(struct order){ .first = 16, .most = 4, .read = read_files, .ctx = &pile }), 4);
	ck_assert_uint_eq(order_run(&(struct order){ .most = MOST, .read = read_files, .ctx = &pile }), ORDER_FIRST);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		latency_gets_many_readers,
		what_gains_nothing_does_no_harm,
		memory_needs_no_more_than_at_first,
		head_is_left_to_few_readers,
		neighbour_does_not_deceive,
		rest_comes_to_an_end,
		leavers_do_not_count,
		noise_does_not_deceive,
		surplus_readers_leave_and_all_is_read,
		begins_with_what_is_known,
	};
	return unit_run("order", tests, countof(tests));
}
