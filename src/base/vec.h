/* SPDX-License-Identifier: MIT */
/*
 * vec.h - growing arrays, of two kinds
 *
 * VEC(type) is contiguous and moves when it grows: for small things and for sorting. SEQ is made of segments that
 * never move and never need copying: for the millions (growing a 500 MB vec needs 1.5 GB for a moment).
 *
 *	VEC(int) numbers = {0};
 *	r = vec_push(&numbers, 7);           // 0 or -ENOMEM
 *	for (size_t i = 0; i < numbers.count; i++) use(numbers.at[i]);
 *	vec_free(&numbers);
 */
#ifndef BASE_VEC_H
#define BASE_VEC_H

#include <errno.h>
#include <stdlib.h>

#include "base.h"

#define VEC(type)             \
	struct {              \
		type *at;     \
		size_t count; \
		size_t room;  \
	}

/* Makes room for `count` elements of `size` in all. Internal: use vec_reserve. */
MUST_CHECK int vec_grow(void **at, size_t *room, size_t count, size_t size);

/* `n` is evaluated twice. Mostly there is room, and no call. */
#define vec_reserve(v, n) ((n) <= (v)->room ? 0 : vec_grow((void **)&(v)->at, &(v)->room, (n), sizeof(*(v)->at)))
#define vec_push(v, value)                                                                 \
	(vec_reserve((v), (v)->count + 1) ? -ENOMEM : ((v)->at[(v)->count++] = (value), 0))
#define vec_free(v) (free((v)->at), (v)->at = NULL, (v)->count = (v)->room = 0)

enum { SEQ_SEGMENT = 1 << 14 };

/* Elements of one size in segments of SEQ_SEGMENT; an element's address never changes. */
struct seq {
	void **segments;
	size_t segment_count, segment_room;
	size_t count;
	size_t size; /* of one element; set by seq_init */
};

static inline void seq_init(struct seq *seq, size_t element_size)
{
	*seq = (struct seq){ .size = element_size };
}

/* Makes room for `count` elements in all. Internal: use seq_resize. */
MUST_CHECK int seq_grow(struct seq *seq, size_t count);

/* Makes count at least `count`; new elements are zeroed. -ENOMEM. */
MUST_CHECK static inline int seq_resize(struct seq *seq, size_t count)
{
	int r = count <= seq->segment_count * SEQ_SEGMENT ? 0 : seq_grow(seq, count);
	if (!r && seq->count < count)
		seq->count = count;
	return r;
}

static inline void *seq_at(const struct seq *seq, size_t index)
{
	return (char *)seq->segments[index / SEQ_SEGMENT] + index % SEQ_SEGMENT * seq->size;
}

void seq_free(struct seq *seq);

#endif
