/* SPDX-License-Identifier: MIT */
/*
 * digest.h - XXH3-128 of bytes and files, under a secret of this run's own
 *
 * A digest nominates files for comparison and nothing more. The secret is random for each run: with the published default
 * secret anybody can make files whose digests agree (a lane whose low half cancels the key multiplies to zero), which
 * could not link them but would waste comparisons.
 */
#ifndef CORE_DIGEST_H
#define CORE_DIGEST_H

#include "manners.h"

struct digest {
	uint64_t low, high;
};

enum { DIGEST_SECRET = 192 };

struct digest_key {
	unsigned char secret[DIGEST_SECRET];
};

enum { DIGEST_BUFFER = 128 * 1024 };

/* A fresh random key. */
MUST_CHECK int digest_key_make(struct digest_key *ret);

void digest_bytes(const struct digest_key *key, const void *bytes, size_t length, struct digest *ret);

/*
 * Of the first `size` bytes of an open file, read through `buffer` (DIGEST_BUFFER bytes). Holes are skipped without being read
 * and count as the zeros they are, whatever the layout. -ENODATA when the file is shorter; the rest as
 * manners_pause() (manners may be NULL). Bytes that were read are added to *read (atomic) as they come.
 */
MUST_CHECK int digest_file(const struct digest_key *key, int fd, uint64_t size, void *buffer, struct manners *manners,
			   uint64_t *read, struct digest *ret);

/* `next` continued from `before`: equal exactly when both were. */
struct digest digest_chain(struct digest before, struct digest next);

static inline bool digest_equal(const struct digest *a, const struct digest *b)
{
	return a->low == b->low && a->high == b->high;
}

#endif
