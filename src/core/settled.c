/* SPDX-License-Identifier: MIT */
/* settled.c - from the list of a cache to marks on buckets, and back */
#include "settled.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { DAYS = 7 /* fits in bucket.settled */ };

struct entry {
	uint64_t size, sum;
	uint32_t number; /* of the file system */
	uint16_t day;    /* when all of it was found to differ */
} __attribute__((packed));

/* Files of several domains in one bucket, or one file system seen through several, are left alone. */
static bool stands_alone(const struct cache *cache, const struct catalog *catalog, uint32_t domain)
{
	for (uint32_t other = 0; other < catalog->domains.count; other++)
		if (other != domain && (catalog->matches.at[other] == catalog->matches.at[domain] ||
					cache_number(cache, other) == cache_number(cache, domain)))
			return false;
	return true;
}

static int number_domains(struct settled *settled, const struct cache *cache, const struct catalog *catalog)
{
	settled->numbers = calloc(catalog->domains.count + 1, sizeof(*settled->numbers));
	if (!settled->numbers)
		return -ENOMEM;
	int r = 0;
	for (uint32_t domain = 0; domain < catalog->domains.count && !r; domain++) {
		uint32_t number = stands_alone(cache, catalog, domain) ? cache_number(cache, domain) : 0;
		settled->numbers[domain] = number;
		while (number && !r && settled->domains.count <= number)
			r = vec_push(&settled->domains, ID_NONE);
		if (number && !r)
			settled->domains.at[number] = domain;
	}
	return r;
}

static void recall_entry(struct settled *settled, const struct entry *entry, uint16_t today, const struct bucket_table *table)
{
	uint32_t domain = entry->number < settled->domains.count ? settled->domains.at[entry->number] : ID_NONE;
	struct bucket *bucket = domain == ID_NONE ? NULL : bucket_find(table, entry->size, domain);
	bool late = today < entry->day || today - entry->day >= DAYS;
	if (!bucket || bucket->sum != entry->sum || bucket->count < 2 || late)
		return;
	bucket->settled = (unsigned)(today - entry->day + 1) & 15;
	settled->files += bucket->count;
}

int settled_recall(struct settled *settled, struct cache *cache, const struct bucket_table *table)
{
	own_free void *list = NULL;
	size_t length = 0;
	int r = cache_get_list(cache, &list, &length);
	if (!r) /* a damaged cache is another by now, with other numbers */
		r = number_domains(settled, cache, table->catalog);
	if (r)
		return r;
	settled->listed = length / sizeof(struct entry);
	for (size_t i = 0; list && i < settled->listed; i++) {
		struct entry entry;
		memcpy(&entry, (const char *)list + i * sizeof(entry), sizeof(entry));
		recall_entry(settled, &entry, cache_today(cache), table);
	}
	return 0;
}

static bool is_settled(const struct settled *settled, const struct bucket *bucket)
{
	return bucket->count > 1 && !bucket->restless && settled->numbers[bucket->match];
}

/* Whether those that were remembered are those that are settled now: then nothing needs to be written. */
static bool stays(const struct settled *settled, const struct bucket_table *table, size_t *ret_count)
{
	size_t recalled = 0;
	*ret_count = 0;
	for (size_t i = 0; i < table->buckets.count; i++) {
		const struct bucket *bucket = bucket_at(table, i);
		*ret_count += is_settled(settled, bucket);
		recalled += is_settled(settled, bucket) && bucket->settled;
	}
	return recalled == *ret_count && recalled == settled->listed;
}

int settled_remember(const struct settled *settled, struct cache *cache, const struct bucket_table *table)
{
	size_t count, at = 0;
	if (stays(settled, table, &count))
		return 0;
	own_free struct entry *list = malloc((count + 1) * sizeof(*list));
	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < table->buckets.count; i++) {
		const struct bucket *bucket = bucket_at(table, i);
		if (!is_settled(settled, bucket))
			continue;
		int age = bucket->settled ? bucket->settled - 1 : 0;
		list[at++] = (struct entry){
			.size = bucket->size,
			.sum = bucket->sum,
			.number = settled->numbers[bucket->match],
			.day = (uint16_t)(cache_today(cache) - age),
		};
	}
	cache_put_list(cache, list, count * sizeof(*list));
	return 0;
}

void settled_free(struct settled *settled)
{
	free(settled->numbers);
	vec_free(&settled->domains);
	*settled = (struct settled){ 0 };
}
