/* SPDX-License-Identifier: MIT */
/* signals.c - handlers that set a flag */
#include "signals.h"

#include <signal.h>
#include <stdatomic.h>

static volatile int stop;
static volatile atomic_flag no_question = ATOMIC_FLAG_INIT;

static const struct {
	int number;
	const char *name;
} stoppers[] = { { SIGTERM, "SIGTERM" }, { SIGINT, "SIGINT" }, { SIGHUP, "SIGHUP" }, { SIGXCPU, "SIGXCPU" } };

static void on_stop(int number)
{
	if (!stop)
		stop = number;
}

static void on_question(int number UNUSED)
{
	atomic_flag_clear(&no_question);
}

void signals_watch(void)
{
	/* No SA_RESTART: who waits for the lock must notice. */
	struct sigaction action = { .sa_handler = on_stop }, old;

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
