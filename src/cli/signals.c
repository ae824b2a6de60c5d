/* SPDX-License-Identifier: MIT */
/* signals.c - handlers that set a flag */
#include "signals.h"

#include <errno.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>

#include "../base/wait.h"

static volatile int stop;
static volatile atomic_flag no_question = ATOMIC_FLAG_INIT;
static sem_t bell;

static const struct {
	int number;
	const char *name;
} stoppers[] = { { SIGTERM, "SIGTERM" }, { SIGINT, "SIGINT" }, { SIGHUP, "SIGHUP" }, { SIGXCPU, "SIGXCPU" } };

/* sem_post may be called in a handler, and changes errno on failure only: more rings than an int counts. */
static void ring(void)
{
	int saved = errno;

	sem_post(&bell);
	errno = saved;
}

static void on_stop(int number)
{
	int none = 0;

	__atomic_compare_exchange_n(&stop, &none, number, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
	ring();
}

static void on_question(int number UNUSED)
{
	atomic_flag_clear(&no_question);
	ring();
}

void signals_watch(void)
{
	/* No SA_RESTART: who waits for the lock must notice. */
	struct sigaction action = { .sa_handler = on_stop }, old;

	sem_init(&bell, 0, 0);
	for (size_t i = 0; i < countof(stoppers); i++)
		if (!sigaction(stoppers[i].number, NULL, &old) && old.sa_handler != SIG_IGN)
			sigaction(stoppers[i].number, &action, NULL);
	atomic_flag_test_and_set(&no_question);
	action = (struct sigaction){ .sa_handler = on_question, .sa_flags = SA_RESTART };
	sigaction(SIGUSR1, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
}

const volatile int *signals_stop(void)
{
	return &stop;
}

int signals_stopped(void)
{
	return __atomic_load_n(&stop, __ATOMIC_RELAXED);
}

const char *signals_name(int number)
{
	for (size_t i = 0; i < countof(stoppers); i++)
		if (stoppers[i].number == number)
			return stoppers[i].name;
	return "a signal";
}

bool signals_asked_for_progress(void)
{
	return !atomic_flag_test_and_set(&no_question);
}

void signals_wait(int ms)
{
	struct timespec until = wait_until(ms < 0 ? 0 : ms);

	if (ms < 0)
		(void)sem_wait(&bell);
	else
		(void)sem_clockwait(&bell, CLOCK_MONOTONIC, &until);
}

void signals_wake(void)
{
	sem_post(&bell);
}
