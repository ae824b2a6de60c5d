/* SPDX-License-Identifier: MIT */
/*
 * durable.h - file systems synced whole, beside other work
 *
 * Where many keepers are to be made durable, their file system is synced once before anything is linked. That is mostly waiting:
 * it is begun as soon as it is known to be needed, and waited for when the first name is to be replaced. What a file had when the
 * sync began is on disk when it has ended; a file that changed later shows it by its ctime.
 */
#ifndef CORE_DURABLE_H
#define CORE_DURABLE_H

#include "../base/base.h"

struct durable;

/* A directory, open for reading, of a file system to be synced. */
struct durable_place {
	uint32_t domain; /* the caller's name for it */
	int fd;
};

/*
 * Begins to sync; the descriptors are taken over, whatever is returned. With `beside`, a thread does it, if one can be had; else
 * the first who asks does. To be freed by durable_free. -ENOMEM.
 */
MUST_CHECK int durable_begin(const struct durable_place *places, size_t count, bool beside, struct durable **ret);

/*
 * Waits for all syncs. Returns when (as sys->wall() has it) the one of this domain began, or INT64_MIN if there was none or it
 * failed. By one thread.
 */
int64_t durable_since(struct durable *durable, uint32_t domain);

/* Waits as well. NULL is fine. */
void durable_free(struct durable *durable);

#endif
