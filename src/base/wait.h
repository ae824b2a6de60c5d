/* SPDX-License-Identifier: MIT */
/* wait.h - waiting, for so long at most, by the clock that only goes on */
#ifndef BASE_WAIT_H
#define BASE_WAIT_H

#include <pthread.h>
#include <time.h>

#include "base.h"

/* A condition that pthread_cond_timedwait(3) waits for until a time of wait_until(). */
static inline void wait_init(pthread_cond_t *ret_condition)
{
	pthread_condattr_t monotonic;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(ret_condition, &monotonic);
	pthread_condattr_destroy(&monotonic);
}

/* The time in `ms` milliseconds, which is not negative, by CLOCK_MONOTONIC. */
static inline struct timespec wait_until(int ms)
{
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += ms % 1000 * NS_PER_MS;
	until.tv_sec += ms / 1000 + until.tv_nsec / NS_PER_S;
	until.tv_nsec %= NS_PER_S;
	return until;
}

#endif
