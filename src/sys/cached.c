/* SPDX-License-Identifier: MIT */
/*
 * cached.c - cachestat(2) where it is known (Linux 6.5), else mincore(2) over a mapping that is never touched
 *
 * Most files are wholly in the cache or not at all, and cachestat tells that in one call. Only for the others, and on older
 * kernels, the pages are looked at one by one, in windows. POSIX_FADV_DONTNEED then drops the gaps.
 */
#include "cached.h"

#include <errno.h>
#include <unistd.h>

enum { WINDOW = 4096 /* pages looked at in one call */ };

static uint64_t page_size(void)
{
	return (uint64_t)sysconf(_SC_PAGESIZE);
}

static void add_gap(struct cached *cached, uint64_t begin, uint64_t end)
{
	struct cached_gap gap = { begin, end };
	size_t count = cached->gaps.count;
	if (count && cached->gaps.at[count - 1].end == begin)
		cached->gaps.at[count - 1].end = end;
	else if (vec_push(&cached->gaps, gap))
		return; /* without memory it counts as cached */
}

static void look_at_pages(int fd, uint64_t pages, struct cached *cached)
{
	unsigned char resident[WINDOW];
	for (uint64_t from = 0; from < pages; from += WINDOW) {
		size_t count = (size_t)u64_min(WINDOW, pages - from);
		if (sys->mincore(fd, (off_t)(from * page_size()), count * page_size(), resident))
			return;
		for (size_t i = 0; i < count; i++)
			if (!(resident[i] & 1))
				add_gap(cached, from + i, from + i + 1);
	}
}

void cached_note(int fd, uint64_t size, struct cached *ret)
{
	struct cached cached = { 0 };
	uint64_t pages = size / page_size() + (size % page_size() != 0), there;
	*ret = cached;
	if (!pages)
		return;
	int r = sys->cachestat(fd, &there);
	if (!r && !there)
		add_gap(&cached, 0, pages);
	else if (r || there < pages)
		look_at_pages(fd, pages, &cached);
	*ret = cached;
}

void cached_join(struct cached *cached, const struct cached *other)
{
	struct cached both = { 0 };
	size_t i = 0, j = 0;
	while (i < cached->gaps.count && j < other->gaps.count) {
		const struct cached_gap *a = &cached->gaps.at[i], *b = &other->gaps.at[j];
		uint64_t begin = u64_max(a->begin, b->begin), end = u64_min(a->end, b->end);
		if (begin < end)
			add_gap(&both, begin, end);
		if (a->end < b->end)
			i++;
		else
			j++;
	}
	cached_free(cached);
	*cached = both;
}

/* A last page that the file fills in part is dropped only when the range goes beyond it. */
void cached_restore(int fd, const struct cached *cached)
{
	for (size_t i = 0; i < cached->gaps.count; i++) {
		const struct cached_gap *gap = &cached->gaps.at[i];
		sys->fadvise(fd, (off_t)(gap->begin * page_size()), (off_t)((gap->end - gap->begin) * page_size()),
			     POSIX_FADV_DONTNEED);
	}
}

void cached_free(struct cached *cached)
{
	vec_free(&cached->gaps);
}
