/* SPDX-License-Identifier: MIT */
/* store_none.c - what stands in for store.c where SQLite is missing: nothing can be opened, so nothing else is ever called */
#include "store.h"

#include <errno.h>

int store_open(const char *path UNUSED, enum store_mode mode UNUSED, const void *secret UNUSED, size_t length UNUSED,
	       struct store **ret UNUSED)
{
	return -ENOSYS;
}

void store_close(struct store *store UNUSED)
{
}

bool store_writable(const struct store *store UNUSED)
{
	return false;
}

const struct stamp *store_stamp(const struct store *store UNUSED)
{
	return NULL;
}

int store_secret(struct store *store UNUSED, void *ret UNUSED, size_t length UNUSED)
{
	return -ENOSYS;
}

int store_begin(struct store *store UNUSED, enum store_mode mode UNUSED)
{
	return -ENOSYS;
}

int store_commit(struct store *store UNUSED)
{
	return -ENOSYS;
}

int store_end(struct store *store UNUSED)
{
	return -ENOSYS;
}

void store_cancel(struct store *store UNUSED)
{
}

int store_get(struct store *store UNUSED, int64_t id UNUSED, const void **ret UNUSED, size_t *ret_length UNUSED)
{
	return -ENOSYS;
}

int store_first(struct store *store UNUSED, int64_t from UNUSED, int64_t *ret_id UNUSED)
{
	return -ENOSYS;
}

int store_after(struct store *store UNUSED, int64_t *ret_id UNUSED)
{
	return -ENOSYS;
}

int store_bytes(struct store *store UNUSED, const void **ret UNUSED, size_t *ret_length UNUSED)
{
	return -ENOSYS;
}

int store_put(struct store *store UNUSED, int64_t id UNUSED, const void *bytes UNUSED, size_t length UNUSED)
{
	return -ENOSYS;
}

int store_drop(struct store *store UNUSED, int64_t from UNUSED, int64_t to UNUSED)
{
	return -ENOSYS;
}

int store_next(struct store *store UNUSED, int64_t from UNUSED, int64_t to UNUSED, int64_t *ret_id UNUSED)
{
	return -ENOSYS;
}

int store_shrink(struct store *store UNUSED)
{
	return -ENOSYS;
}

int store_volume(struct store *store UNUSED, const struct volume *volume UNUSED, struct store_volume *ret UNUSED)
{
	return -ENOSYS;
}

int store_add_volume(struct store *store UNUSED, const struct volume *volume UNUSED, uint32_t *ret_number UNUSED)
{
	return -ENOSYS;
}

int store_set_volume(struct store *store UNUSED, const struct store_volume *volume UNUSED)
{
	return -ENOSYS;
}

int store_has_records(struct store *store UNUSED, bool *ret UNUSED)
{
	return -ENOSYS;
}

int store_old_volume(struct store *store UNUSED, int64_t before UNUSED, int64_t *ret_rowid UNUSED)
{
	return -ENOSYS;
}

int store_drop_volume(struct store *store UNUSED, int64_t rowid UNUSED)
{
	return -ENOSYS;
}

int store_add_run(struct store *store UNUSED, const struct dlk_past_run *run UNUSED)
{
	return -ENOSYS;
}

int store_each_run(struct store *store UNUSED, int (*visit)(void *ctx, const struct dlk_past_run *run) UNUSED,
		   void *ctx UNUSED)
{
	return -ENOSYS;
}

int store_set_aside(const char *path UNUSED, struct text *ret UNUSED)
{
	return -ENOSYS;
}
