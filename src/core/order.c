/* SPDX-License-Identifier: MIT */
/* order.c - the number of readers, found as it runs; see order.h */
#include "order.h"

#include <pthread.h>

#include "../base/pool.h"
#include "../base/wait.h"
#include "../sys/sys.h"

enum {
	CREWS = 32, /* the first, and one for each doubling in six trials; later ones find no place */
	TICK_MS = 10,
	TELL_TICKS = 10,
	JUDGE_TICKS = 10,
	FEW_FILES = 8,
	REST_TICKS = 100, /* the first; each is twice as long as the one before */
};

struct crew {
	struct order *order;
	pthread_mutex_t mutex;
	pthread_cond_t gone;
	unsigned running, readers;
	struct order_reader *reading; /* all that run */
	struct pool pools[CREWS]; /* each doubling is one */
	unsigned pool_count;
};

/* With the mutex held. */
static void join_in(struct crew *crew, struct order_reader *me)
{
	*me = (struct order_reader){ .order = crew->order, .next = crew->reading, .link = &crew->reading };
	if (me->next)
		me->next->link = &me->next;
	crew->reading = me;
}

static void leave(struct order_reader *me)
{
	*me->link = me->next;
	if (me->next)
		me->next->link = me->link;
	me->order->finished += me->finished;
	me->order->work += me->work;
}

/* What all have done so far. */
static void sum_up(const struct crew *crew, struct order_tick *tick)
{
	tick->all_files = crew->order->finished;
	tick->work = crew->order->work;
	for (const struct order_reader *each = crew->reading; each; each = each->next) {
		tick->all_files += __atomic_load_n(&each->finished, __ATOMIC_RELAXED);
		tick->work += __atomic_load_n(&each->work, __ATOMIC_RELAXED);
	}
}

static void reader(void *ctx, unsigned worker)
{
	struct crew *crew = ctx;
	struct order_reader me;
	(void)worker;
	pthread_mutex_lock(&crew->mutex);
	join_in(crew, &me);
	pthread_mutex_unlock(&crew->mutex);
	crew->order->read(crew->order->ctx, &me);
	pthread_mutex_lock(&crew->mutex);
	leave(&me);
	crew->running--;
	pthread_cond_signal(&crew->gone);
	pthread_mutex_unlock(&crew->mutex);
}

/* With the mutex held, so that `running` counts readers before they can leave. */
static void add_readers(struct crew *crew, unsigned count)
{
	if (!count || crew->pool_count == CREWS)
		return;
	unsigned started = pool_begin(&crew->pools[crew->pool_count], count, reader, crew);
	crew->running += started;
	crew->readers += started;
	crew->pool_count++;
}

/* Waits a tick at the most; true while readers run. */
static bool wait_tick(struct crew *crew)
{
	struct timespec until = wait_until(TICK_MS);
	while (crew->running)
		if (pthread_cond_timedwait(&crew->gone, &crew->mutex, &until))
			break;
	return crew->running > 0;
}

/* ---- the rule ---- */

static double pace(const struct order_rule *rule, const struct order_tick *tick)
{
	return rule->ticks ? (double)(tick->work - rule->work) / rule->ticks : 0;
}

static void change(struct order_rule *rule, const struct order_tick *tick, unsigned readers)
{
	rule->readers = readers;
	rule->ticks = 0;
	rule->files = tick->all_files;
	rule->work = tick->work;
}

/* Readers wait: twice as many, once there is something to compare with. */
static void grow(struct order_rule *rule, const struct order_tick *tick)
{
	bool known = tick->all_files - rule->files >= FEW_FILES || rule->ticks >= JUDGE_TICKS;
	if (rule->before <= 0 && !known)
		return;
	if (rule->before <= 0)
		rule->before = pace(rule, tick);
	change(rule, tick, rule->readers * 2 < rule->most ? rule->readers * 2 : rule->most);
}

/* The last doubling has had its time. */
static void judge(struct order_rule *rule, const struct order_tick *tick)
{
	rule->after = pace(rule, tick);
	bool worse = rule->after < rule->before / 2;
	rule->before = 0;
	if (!worse || rule->readers <= ORDER_FIRST)
		return;
	rule->state = ORDER_RETREATED;
	change(rule, tick, ORDER_FIRST);
}

/* Is it faster with few? What those bring who have yet to leave is not theirs. */
static void judge_retreat(struct order_rule *rule, const struct order_tick *tick)
{
	rule->state = ORDER_RESTING;
	rule->rest = rule->rest ? rule->rest * 2 : REST_TICKS;
	if (pace(rule, tick) < rule->after) {
		rule->state = ORDER_RAMPING;
		change(rule, tick, rule->most);
	}
}

/* A verdict may have come of a moment's stall: doublings are tried again, with the pace of the rest to beat. */
static void rise(struct order_rule *rule, const struct order_tick *tick)
{
	rule->state = ORDER_RAMPING;
	rule->before = pace(rule, tick);
	change(rule, tick, rule->readers);
}

void order_decide(struct order_rule *rule, const struct order_tick *tick)
{
	rule->ticks++;
	if (rule->state == ORDER_RAMPING && tick->switches * 4 > tick->files && rule->readers < rule->most)
		grow(rule, tick);
	else if (rule->state == ORDER_RAMPING && rule->before > 0 && rule->ticks >= JUDGE_TICKS)
		judge(rule, tick);
	else if (rule->state == ORDER_RETREATED && tick->leaving)
		change(rule, tick, rule->readers);
	else if (rule->state == ORDER_RETREATED && rule->ticks >= JUDGE_TICKS)
		judge_retreat(rule, tick);
	else if (rule->state == ORDER_RESTING && rule->ticks >= rule->rest)
		rise(rule, tick);
}

/* ---- carrying it out ---- */

static void follow(struct crew *crew, struct order_rule *rule)
{
	if (rule->readers > crew->readers) {
		add_readers(crew, rule->readers - crew->readers);
	} else if (rule->readers < crew->readers) {
		__atomic_store_n(&crew->order->surplus, crew->readers - rule->readers, __ATOMIC_RELAXED);
		crew->readers = rule->readers;
	}
	rule->readers = crew->readers; /* perhaps fewer could be had */
}

static void steer(struct crew *crew)
{
	struct order *order = crew->order;
	struct order_rule rule = { .readers = crew->readers, .most = order->most };
	uint64_t switches = sys_switches(), files = 0;
	for (unsigned n = 0; wait_tick(crew); n++) {
		uint64_t switches_now = sys_switches();
		struct order_tick tick = {
			.switches = switches_now - switches,
			.leaving = __atomic_load_n(&order->surplus, __ATOMIC_RELAXED),
		};
		sum_up(crew, &tick);
		tick.files = tick.all_files - files;
		if (!order->fixed) {
			order_decide(&rule, &tick);
			follow(crew, &rule);
		}
		switches = switches_now;
		files = tick.all_files;
		if (order->tick && n % TELL_TICKS == TELL_TICKS - 1) {
			pthread_mutex_unlock(&crew->mutex);
			order->tick(order->ctx);
			pthread_mutex_lock(&crew->mutex);
		}
	}
}

static void read_alone(struct crew *crew)
{
	struct order_reader me;
	join_in(crew, &me);
	crew->order->read(crew->order->ctx, &me);
	leave(&me);
}

unsigned order_run(struct order *order)
{
	struct crew crew = { .order = order };
	pthread_mutex_init(&crew.mutex, NULL);
	wait_init(&crew.gone);

	unsigned first = order->fixed ? order->fixed : order->first ? order->first : ORDER_FIRST;
	pthread_mutex_lock(&crew.mutex);
	add_readers(&crew, first < order->most ? first : order->most);
	bool alone = !crew.readers;
	steer(&crew);
	pthread_mutex_unlock(&crew.mutex);
	if (alone) /* no thread could be had */
		read_alone(&crew);

	for (unsigned i = 0; i < crew.pool_count; i++)
		pool_end(&crew.pools[i]);
	pthread_cond_destroy(&crew.gone);
	pthread_mutex_destroy(&crew.mutex);
	return crew.readers;
}
