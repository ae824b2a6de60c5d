/* SPDX-License-Identifier: MIT */
/* durable.c - one thread, one sync after the other; see durable.h */
#include "durable.h"

#include <errno.h>
#include <stdlib.h>

#include "../base/pool.h"
#include "../sys/sys.h"

struct durable {
	struct pool pool;
	bool done;
	size_t count;
	struct synced {
		struct durable_place place;
		int64_t since;
	} synced[];
};

static void sync_all(void *ctx, unsigned worker)
{
	struct durable *durable = ctx;
	(void)worker;
	for (size_t i = 0; i < durable->count; i++) {
		struct synced *synced = &durable->synced[i];
		int64_t before = sys->wall();
		if (!sys->syncfs(synced->place.fd))
			synced->since = before;
		close_fd(&synced->place.fd);
	}
}

int durable_begin(const struct durable_place *places, size_t count, bool beside, struct durable **ret)
{
	struct durable *durable = calloc(1, sizeof(*durable) + count * sizeof(durable->synced[0]));
	if (!durable) {
		for (size_t i = 0; i < count; i++)
			sys->close(places[i].fd);
		return -ENOMEM;
	}
	durable->count = count;
	for (size_t i = 0; i < count; i++)
		durable->synced[i] = (struct synced){ .place = places[i], .since = INT64_MIN };
	if (beside && count && pool_begin(&durable->pool, 1, sync_all, durable))
		durable->done = true; /* once the thread has ended */
	*ret = durable;
	return 0;
}

static void wait_for_all(struct durable *durable)
{
	pool_end(&durable->pool);
	if (!durable->done)
		sync_all(durable, 0);
	durable->done = true;
}

int64_t durable_since(struct durable *durable, uint32_t domain)
{
	int64_t since = INT64_MIN;
	wait_for_all(durable);
	for (size_t i = 0; i < durable->count; i++)
		if (durable->synced[i].place.domain == domain)
			since = durable->synced[i].since;
	return since;
}

void durable_free(struct durable *durable)
{
	if (!durable)
		return;
	pool_end(&durable->pool);
	for (size_t i = 0; i < durable->count; i++)
		close_fd(&durable->synced[i].place.fd);
	free(durable);
}
