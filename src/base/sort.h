/* SPDX-License-Identifier: MIT */
/*
 * sort.h - qsort_r without its overhead for none, one or two elements: most duplicate sets have two members, and there are millions
 */
#ifndef BASE_SORT_H
#define BASE_SORT_H

#include <stdlib.h>

#include "base.h"

/* Sorts `count` elements of `size` bytes; `at` may be NULL when there are none. `order` says <0, 0, >0. */
static inline void sort(void *at, size_t count, size_t size, int (*order)(const void *a, const void *b, void *ctx), void *ctx)
{
	char *first = at;
	if (count > 2) {
		qsort_r(at, count, size, order, ctx);
	} else if (count == 2 && order(first, first + size, ctx) > 0) {
		for (size_t i = 0; i < size; i++) {
			char byte = first[i];
			first[i] = first[size + i];
			first[size + i] = byte;
		}
	}
}

#endif
