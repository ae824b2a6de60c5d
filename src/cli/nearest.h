/* SPDX-License-Identifier: MIT */
/* nearest.h - what somebody who mistyped may have meant */
#ifndef CLI_NEAREST_H
#define CLI_NEAREST_H

#include "../base/base.h"

/* The best guess so far. Zeroed is valid: no guess. */
struct nearest {
	const char *word;
	size_t distance;
};

/*
 * Takes `word` as the guess for `typed` if it is nearer than the last: fewer letters put in, left out, changed or
 * exchanged with their neighbour, and at most a third of them.
 */
void nearest_try(struct nearest *nearest, const char *typed, const char *word);

#endif
