/* SPDX-License-Identifier: MIT */
/* base.h - the few words every file here speaks: attributes, array length, checked arithmetic */
#ifndef BASE_BASE_H
#define BASE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MUST_CHECK __attribute__((warn_unused_result))
#define FORMAT_PRINTF(string, first) __attribute__((format(printf, string, first)))
#define UNUSED __attribute__((unused))

#define countof(array) (sizeof(array) / sizeof((array)[0]))

#define NS_PER_S INT64_C(1000000000)
#define NS_PER_MS INT64_C(1000000)

static inline size_t size_max(size_t a, size_t b)
{
	return a > b ? a : b;
}

static inline size_t size_min(size_t a, size_t b)
{
	return a < b ? a : b;
}

static inline uint64_t u64_min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Sizes of sparse files may be as large as any number: what does not fit is the largest. */
static inline uint64_t u64_add(uint64_t a, uint64_t b)
{
	uint64_t sum;
	return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

static inline uint64_t u64_max(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* Finalizer of a 64-bit hash: every input bit reaches every output bit. For tables keyed by inode or size. */
static inline uint64_t mix64(uint64_t x)
{
	x ^= x >> 32;
	x *= UINT64_C(0xd6e8feb86659fd93);
	x ^= x >> 32;
	x *= UINT64_C(0xd6e8feb86659fd93);
	x ^= x >> 32;
	return x;
}

#endif
