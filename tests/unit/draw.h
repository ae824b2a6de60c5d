/* SPDX-License-Identifier: MIT */
/* draw.h - numbers that look random and are the same in every run, and the processor time something took */
#ifndef UNIT_DRAW_H
#define UNIT_DRAW_H

#include <time.h>

#include "../../src/base/base.h"

static uint64_t draw_state;

static inline uint64_t draw_any(void)
{
	return mix64(draw_state += UINT64_C(0x9e3779b97f4a7c15));
}

/* 0 ... below - 1. */
static inline uint64_t draw(uint64_t below)
{
	return draw_any() % below;
}

static inline void draw_bytes(void *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++)
		((unsigned char *)bytes)[i] = (unsigned char)draw_any();
}

/* Brings `count` numbers into any order. */
static inline void draw_shuffle(uint32_t *at, size_t count)
{
	for (size_t i = count; i > 1; i--) {
		size_t j = draw(i);
		uint32_t kept = at[i - 1];
		at[i - 1] = at[j];
		at[j] = kept;
	}
}

/* Processor time of this thread, in seconds: other programs do not count. */
static inline double draw_seconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

#endif
