/* SPDX-License-Identifier: MIT */
/* vec.c - the parts of both growing arrays that do not depend on the element's type */
#include "vec.h"

#include <string.h>

enum { FIRST_ROOM = 8 };

/*
 * `at` is the address of a pointer of some other type than void *. It is read and written by memcpy, since an access as
 * void * would be undefined (C17 6.5p7), and the compiler may order it behind the caller's own accesses.
 */
int vec_grow(void **at, size_t *room, size_t count, size_t size)
{
	if (count <= *room)
		return 0;
	size_t wanted = *room ? *room : FIRST_ROOM;
	while (wanted < count)
		if (__builtin_mul_overflow(wanted, 2, &wanted))
			return -ENOMEM;
	size_t bytes;
	if (__builtin_mul_overflow(wanted, size, &bytes))
		return -ENOMEM;
	void *old;
	memcpy(&old, at, sizeof(old));
	void *grown = realloc(old, bytes);
	if (!grown)
		return -ENOMEM;
	memcpy(at, &grown, sizeof(grown));
	*room = wanted;
	return 0;
}

int seq_grow(struct seq *seq, size_t count)
{
	size_t segments = count / SEQ_SEGMENT + (count % SEQ_SEGMENT != 0);
	int r = vec_grow((void **)&seq->segments, &seq->segment_room, segments, sizeof(*seq->segments));
	if (r)
		return r;
	while (seq->segment_count < segments) {
		void *segment = calloc(SEQ_SEGMENT, seq->size);
		if (!segment)
			return -ENOMEM;
		seq->segments[seq->segment_count++] = segment;
	}
	return 0;
}

void seq_free(struct seq *seq)
{
	for (size_t i = 0; i < seq->segment_count; i++)
		free(seq->segments[i]);
	free(seq->segments);
	seq_init(seq, seq->size);
}
