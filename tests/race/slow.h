/* SPDX-License-Identifier: MIT */
/* slow.h - what the slowed program counts, in a file that many runs and the storm map together */
#ifndef RACE_SLOW_H
#define RACE_SLOW_H

#include <stdatomic.h>
#include <stdint.h>

struct slow_counts {
	_Atomic uint64_t staged;    /* temporary links made */
	_Atomic uint64_t exchanged; /* exchanges that put a link at a name */
	_Atomic uint64_t undone;    /* exchanges that put something back */
	_Atomic uint64_t dropped;   /* old files unlinked */
};

#endif
