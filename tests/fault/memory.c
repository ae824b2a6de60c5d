/* SPDX-License-Identifier: MIT */
/* memory.c - what the linker puts in the place of the allocators */
#include "memory.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "faulty.h"

static const struct fault *plan; /* NULL: not begun */
static struct report *report;

/* A wrapper calls what it wraps by this name. */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *pointer, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t most);
void *__real_XXH3_createState(void);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *), void *argument);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *pointer, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t most);
void *__wrap_XXH3_createState(void);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *), void *argument);

void memory_begin(const struct fault *fault, struct report *in)
{
	plan = fault;
	report = in;
}

void memory_end(void)
{
	plan = NULL;
}

static bool fails(void)
{
	if (!plan)
		return false;
	unsigned n = __atomic_add_fetch(&report->allocations, 1, __ATOMIC_RELAXED);
	bool hit = (plan->mode == FAULT_MEMORY_ONCE && n == plan->nth) ||
		   (plan->mode == FAULT_MEMORY_ON && n >= plan->nth);
	if (hit)
		__atomic_add_fetch(&report->fired, 1, __ATOMIC_RELAXED);
	if (hit)
		errno = ENOMEM;
	return hit;
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *pointer, size_t size)
{
	return fails() ? NULL : __real_realloc(pointer, size);
}

char *__wrap_strdup(const char *text)
{
	return fails() ? NULL : __real_strdup(text);
}

char *__wrap_strndup(const char *text, size_t most)
{
	return fails() ? NULL : __real_strndup(text, most);
}

void *__wrap_XXH3_createState(void)
{
	return fails() ? NULL : __real_XXH3_createState();
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *), void *argument)
{
	return fails() ? EAGAIN : __real_pthread_create(thread, attr, start, argument);
}
