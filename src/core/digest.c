/* SPDX-License-Identifier: MIT */
/*
 * digest.c - the only file that knows xxHash
 *
 * A file's digest must not depend on where its holes are, since a copy may have them elsewhere. So blocks of zeros are never
 * fed, read or not; each block that follows a gap is preceded by its offset.
 */
#include "digest.h"

#include <errno.h>
#include <string.h>
#include <xxhash.h>

#include "../sys/extent.h"
#include "../sys/sys.h"

enum { BLOCK = 64 * 1024 };
_Static_assert(DIGEST_BUFFER % BLOCK == 0, "blocks must not straddle reads");

int digest_key_make(struct digest_key *ret)
{
	return sys_random(ret->secret, sizeof(ret->secret));
}

void digest_bytes(const struct digest_key *key, const void *bytes, size_t length, struct digest *ret)
{
	XXH128_hash_t hash = XXH3_128bits_withSecret(bytes, length, key->secret, sizeof(key->secret));
	ret->low = hash.low64;
	ret->high = hash.high64;
}

struct digest digest_chain(struct digest before, struct digest next)
{
	return (struct digest){
		.low = mix64(before.low) + next.low,
		.high = mix64(before.high) + next.high,
	};
}

static bool all_zero(const char *bytes, size_t length)
{
	return !bytes[0] && !memcmp(bytes, bytes + 1, length - 1);
}

struct feeding {
	XXH3_state_t *state;
	uint64_t fed_to; /* the offset behind the last block fed */
};

static void feed(struct feeding *feeding, uint64_t offset, const char *bytes, size_t length)
{
	for (size_t at = 0; at < length; at += BLOCK) {
		size_t n = size_min(BLOCK, length - at);
		if (all_zero(bytes + at, n))
			continue;
		if (offset + at != feeding->fed_to) {
			uint64_t mark = offset + at;
			XXH3_128bits_update(feeding->state, &mark, sizeof(mark));
		}
		XXH3_128bits_update(feeding->state, bytes + at, n);
		feeding->fed_to = offset + at + n;
	}
}

/* Reads exactly `length` bytes; the end of the file before that is -ENODATA, never taken for content. */
static int read_all(int fd, char *buffer, size_t length, uint64_t offset)
{
	size_t have = 0;
	while (have < length) {
		ssize_t n = sys->pread(fd, buffer + have, length - have, (off_t)(offset + have));
		if (n <= 0)
			return n ? (int)n : -ENODATA;
		have += (size_t)n;
	}
	return 0;
}

/* Feeds the data in [from, to), in reads that begin at multiples of the buffer's size, so that blocks are always the same. */
static int feed_range(struct feeding *feeding, int fd, uint64_t from, uint64_t to, char *buffer,
		      struct manners *manners, uint64_t *read)
{
	while (from < to) {
		size_t n = (size_t)u64_min(DIGEST_BUFFER, to - from);
		int r = manners_pause(manners, n);
		if (!r)
			r = read_all(fd, buffer, n, from);
		if (r)
			return r;
		__atomic_add_fetch(read, n, __ATOMIC_RELAXED);
		feed(feeding, from, buffer, n);
		from += n;
	}
	return 0;
}

static uint64_t round_down(uint64_t n)
{
	return n / BLOCK * BLOCK;
}

static uint64_t round_up(uint64_t n, uint64_t most)
{
	uint64_t up = (n + BLOCK - 1) / BLOCK * BLOCK;
	return up < n ? most : u64_min(up, most);
}

static void free_state(XXH3_state_t **state)
{
	XXH3_freeState(*state);
}

int digest_file(const struct digest_key *key, int fd, uint64_t size, void *buffer, struct manners *manners,
		uint64_t *read, struct digest *ret)
{
	OWN(free_state) XXH3_state_t *state = XXH3_createState(); /* its size is the library's own affair */
	if (!state)
		return -ENOMEM;
	XXH3_128bits_reset_withSecret(state, key->secret, sizeof(key->secret));
	struct feeding feeding = { .state = state };
	uint64_t at = 0;
	while (at < size) {
		uint64_t begin, end;
		int r = extent_data(fd, at, size, &begin, &end);
		if (r)
			return r;
		begin = u64_max(round_down(begin), at); /* `at` itself is a block's begin */
		end = round_up(end, size);
		r = feed_range(&feeding, fd, begin, end, buffer, manners, read);
		if (r)
			return r;
		at = u64_max(end, begin);
		if (begin >= size)
			break;
	}
	XXH128_hash_t hash = XXH3_128bits_digest(state);
	ret->low = hash.low64;
	ret->high = hash.high64;
	return 0;
}
