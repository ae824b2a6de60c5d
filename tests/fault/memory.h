/* SPDX-License-Identifier: MIT */
/*
 * memory.h - allocation n fails, and thread n cannot be started
 *
 * The linker wraps malloc, calloc, realloc, strdup, strndup, xxHash's own allocation and pthread_create (see
 * tests/meson.build); all are counted together.
 */
#ifndef FAULT_MEMORY_H
#define FAULT_MEMORY_H

struct fault;
struct report;

void memory_begin(const struct fault *fault, struct report *report);
void memory_end(void);

#endif
