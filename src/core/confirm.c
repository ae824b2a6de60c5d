/* SPDX-License-Identifier: MIT */
/*
 * confirm.c - lockstep comparison of a few files
 *
 * All candidates begin in one group. Each group goes through its files chunk by chunk against its leader; whoever differs
 * leaves and forms groups with others that differ in the same way. So each byte of each file is read once, but for the chunk at
 * which files part. A file in a group of its own is read no further.
 *
 * Between chunks the leases are looked at: a program that wants to write waits for milliseconds, not for the rest of the file.
 */
#include "confirm.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "../sys/extent.h"
#include "temp.h"

#define NO_GROUP UINT32_MAX

enum { LOOK_EVERY = 2 /* ms */ };

struct proof {
	struct candidate *keeper, *target;
};

int confirm_init(struct confirm *confirm, const struct dlk_options *options)
{
	*confirm = (struct confirm){
		.stop = options->stop,
		.xattrs = options->respect & DLK_RESPECT_XATTR,
		.buffers = malloc(2 * CONFIRM_CHUNK),
	};
	return confirm->buffers ? 0 : -ENOMEM;
}

void confirm_free(struct confirm *confirm)
{
	free(confirm->buffers);
	confirm->buffers = NULL;
}

/* ---- candidates ---- */

/* Looks at a file's mount when it is another than the last one's: a run goes through few. */
static int look_at_mount(struct confirm *confirm, const struct candidate *candidate)
{
	if (candidate->stamp.dev == confirm->mount.dev && candidate->stamp.mount == confirm->mount.mount)
		return 0;
	return mount_look(candidate->fd, &confirm->mount);
}

/*
 * A lease, and the stamp as it is under it: only what was seen under the lease counts. Where leases mean nothing a refusal
 * does not either (network file systems), nor on what is no regular file; elsewhere a lease that was given may still not
 * bind every writer.
 */
static int lease_and_look(struct confirm *confirm, struct candidate *candidate)
{
	int leased = lease_take(candidate->fd, &candidate->lease);
	int r = stamp_fd(candidate->fd, &candidate->stamp);
	if (!r && !stamp_regular(&candidate->stamp))
		r = -ENOTSUP;
	if (!r)
		r = look_at_mount(confirm, candidate);
	if (!r && confirm->mount.leases_here)
		r = leased;
	else
		lease_drop(&candidate->lease);
	candidate->holes_true = confirm->mount.holes_true;
	candidate->weaker = candidate->lease.state == LEASE_NONE || !confirm->mount.leases;
	return r;
}

int candidate_open(struct confirm *confirm, int fd, struct candidate **ret)
{
	struct candidate *candidate = calloc(1, sizeof(*candidate));
	if (!candidate) {
		sys->close(fd);
		return -ENOMEM;
	}
	candidate->fd = fd;
	candidate->refs = 1;
	candidate->synced = INT64_MIN;
	candidate->lease.fd = fd;
	int r = lease_and_look(confirm, candidate);
	if (!r && confirm->xattrs)
		r = xattrs_read(fd, &candidate->xattrs);
	if (!r && manners_spares_cache(confirm->manners))
		cached_note(fd, candidate->stamp.size, &candidate->cached);
	if (r) {
		candidate_unref(candidate);
		return r;
	}
	*ret = candidate;
	return 0;
}

uint64_t candidate_version(const struct candidate *candidate)
{
	const struct xattrs *xattrs = &candidate->xattrs;
	uint64_t version = stamp_fingerprint(&candidate->stamp);
	return xattrs->length ? mix64(version ^ temp_hash_bytes(xattrs->bytes, xattrs->length)) : version;
}

struct candidate *candidate_ref(struct candidate *candidate)
{
	candidate->refs++;
	return candidate;
}

void candidate_release(struct candidate *candidate)
{
	lease_drop(&candidate->lease);
}

void candidate_unref(struct candidate *candidate)
{
	if (!candidate || --candidate->refs)
		return;
	lease_drop(&candidate->lease);
	if (candidate->fd >= 0)
		cached_restore(candidate->fd, &candidate->cached);
	cached_free(&candidate->cached);
	close_fd(&candidate->fd);
	xattrs_free(&candidate->xattrs);
	free(candidate);
}

/* ---- comparing ---- */

struct comparing {
	struct confirm *confirm;
	struct candidate **candidates;
	size_t count;
	uint64_t size;
	uint32_t groups; /* numbers given out */
	int64_t looked;
};

/* Nothing more is done with it, so nobody is to wait for it either. */
static void leave_out(struct candidate *candidate, int error)
{
	candidate->group = NO_GROUP;
	candidate->error = error;
	lease_drop(&candidate->lease);
}

/* Somebody waits for the file: give it back now. */
static void give_way(struct candidate *candidate)
{
	candidate->group = NO_GROUP;
	candidate->spoiled = true;
	lease_drop(&candidate->lease);
}

static void look_at_leases(struct comparing *c)
{
	int64_t now = sys->now();
	if (now - c->looked < LOOK_EVERY * NS_PER_MS)
		return;
	c->looked = now;
	if (c->confirm->between)
		c->confirm->between(c->confirm->ctx);
	for (size_t i = 0; i < c->count; i++)
		if (c->candidates[i]->group != NO_GROUP && lease_look(&c->candidates[i]->lease) == LEASE_BROKEN)
			give_way(c->candidates[i]);
}

static bool stopped(const struct confirm *confirm)
{
	return confirm->stop && __atomic_load_n(confirm->stop, __ATOMIC_RELAXED);
}

/* Waits for what was read, if the rate is limited, with an eye on the leases. */
static int keep_pace(struct comparing *c, uint64_t bytes)
{
	struct confirm *confirm = c->confirm;
	int64_t left = manners_wait(confirm->manners, bytes), until = left > 0 ? sys->now() + left : 0;
	while (left > 0 && !stopped(confirm) && !manners_link_late(confirm->manners)) {
		sys->sleep(left < LOOK_EVERY * NS_PER_MS ? left : LOOK_EVERY * NS_PER_MS);
		look_at_leases(c);
		left = until - sys->now();
	}
	if (stopped(confirm))
		return -ECANCELED;
	return manners_link_late(confirm->manners) ? -ETIME : 0;
}

/* Exactly `length` bytes: the end of the file before that is an error, never content. */
static int read_chunk(struct confirm *confirm, struct candidate *candidate, char *buffer, uint64_t at, size_t length)
{
	size_t have = 0;
	while (have < length) {
		ssize_t n = sys->pread(candidate->fd, buffer + have, length - have, (off_t)(at + have));
		if (n <= 0)
			return n ? (int)n : -ENODATA;
		have += (size_t)n;
	}
	confirm->bytes_read += length;
	return 0;
}

/* The first candidate of a group from index `from` on, or NULL. */
static struct candidate *next_in_group(const struct comparing *c, uint32_t group, size_t *from)
{
	for (size_t i = *from; i < c->count; i++) {
		if (c->candidates[i]->group == group) {
			*from = i + 1;
			return c->candidates[i];
		}
	}
	return NULL;
}

/*
 * One chunk of one group. Those unlike the leader become a group of their own, and go through the same chunk again with a
 * leader of theirs; so a chunk is read again at most as often as there are different files in the group.
 */
static void compare_chunk(struct comparing *c, uint32_t group, uint64_t at, size_t length)
{
	struct confirm *confirm = c->confirm;
	char *ours = confirm->buffers, *theirs = confirm->buffers + CONFIRM_CHUNK;
	while (group != NO_GROUP) {
		uint32_t parted = NO_GROUP;
		size_t from = 0;
		struct candidate *leader = NULL, *other;
		int r = 0;
		while (!leader && (other = next_in_group(c, group, &from))) {
			r = read_chunk(confirm, other, ours, at, length);
			if (r)
				leave_out(other, r);
			else
				leader = other;
		}
		while (leader && (other = next_in_group(c, group, &from))) {
			r = read_chunk(confirm, other, theirs, at, length);
			if (r) {
				leave_out(other, r);
			} else if (memcmp(ours, theirs, length) != 0) {
				if (parted == NO_GROUP)
					parted = c->groups++;
				other->group = parted;
			}
		}
		group = parted;
	}
}

static size_t group_size(const struct comparing *c, uint32_t group)
{
	size_t from = 0, size = 0;
	while (next_in_group(c, group, &from))
		size++;
	return size;
}

/* Whether no two candidates are equal so far any more, so that reading on can show nothing. */
static bool all_apart(const struct comparing *c)
{
	for (uint32_t group = 0; group < c->groups; group++)
		if (group_size(c, group) > 1)
			return false;
	return true;
}

/* The next offset from `at` on at which any candidate has data: where all have holes, for certain, all are equal. */
static uint64_t skip_holes(const struct comparing *c, uint64_t at)
{
	uint64_t next = c->size;
	for (size_t i = 0; i < c->count && next > at; i++) {
		struct candidate *candidate = c->candidates[i];
		uint64_t begin, end;
		if (candidate->group == NO_GROUP)
			continue;
		if (!candidate->holes_true || candidate->stamp.blocks * 512 >= c->size ||
		    extent_data(candidate->fd, at, c->size, &begin, &end))
			return at;
		next = u64_min(next, begin);
	}
	return next > at ? next : at;
}

static int compare_all(struct comparing *c)
{
	uint64_t at = skip_holes(c, 0);
	int r = stopped(c->confirm) ? -ECANCELED : 0;
	if (r)
		return r;
	while (at < c->size && !all_apart(c)) {
		size_t length = (size_t)u64_min(CONFIRM_CHUNK, c->size - at);
		uint64_t before = c->confirm->bytes_read;
		uint32_t groups = c->groups; /* groups that form now have been through this chunk */
		for (uint32_t group = 0; group < groups; group++)
			if (group_size(c, group) > 1)
				compare_chunk(c, group, at, length);
		look_at_leases(c);
		r = keep_pace(c, c->confirm->bytes_read - before);
		if (r)
			return r;
		at = skip_holes(c, at + length);
	}
	return 0;
}

int confirm_compare(struct confirm *confirm, struct candidate **candidates, size_t count)
{
	assert(count <= CONFIRM_MOST);
	struct comparing c = {
		.confirm = confirm,
		.candidates = candidates,
		.count = count,
		.groups = 1,
		.looked = sys->now(),
	};
	if (!count)
		return 0;
	c.size = candidates[0]->stamp.size;
	confirm->rounds++;
	for (size_t i = 0; i < count; i++) {
		struct candidate *candidate = candidates[i];
		candidate->round = confirm->rounds;
		candidate->error = 0;
		candidate->group = candidate->spoiled ? NO_GROUP : 0;
		if (!candidate->spoiled && candidate->stamp.size != c.size)
			leave_out(candidate, -ENODATA);
	}
	return compare_all(&c);
}

bool confirm_equal(const struct candidate *a, const struct candidate *b)
{
	return a->round && a->round == b->round && a->group != NO_GROUP && a->group == b->group && !a->spoiled &&
	       !b->spoiled;
}

/* ---- proofs ---- */

/* Still the file that was compared, in every respect. */
static int untouched(struct candidate *candidate)
{
	struct stamp now;
	int r = stamp_fd(candidate->fd, &now);
	if (r)
		return r;
	if (lease_look(&candidate->lease) == LEASE_BROKEN || !stamp_untouched(&now, &candidate->stamp))
		candidate->spoiled = true;
	return candidate->spoiled ? -EBUSY : 0;
}

int confirm_prove(struct confirm *confirm, struct candidate *keeper, struct candidate *target,
		  struct proof **ret_proof)
{
	if (keeper->spoiled || target->spoiled)
		return -EBUSY;
	if (!confirm_equal(keeper, target) || stamp_same_file(&keeper->stamp, &target->stamp))
		return -EILSEQ;
	if (confirm->xattrs && !xattrs_equal(&keeper->xattrs, &target->xattrs))
		return -ENODATA;
	int r = untouched(keeper);
	if (!r)
		r = untouched(target);
	if (r)
		return r;
	return proof_share(&(struct proof){ keeper, target }, ret_proof);
}

int confirm_attributes(const struct confirm *confirm, const struct candidate *candidate)
{
	struct xattrs now;
	if (!confirm->xattrs)
		return 0;
	int r = xattrs_read(candidate->fd, &now);
	if (r)
		return r == -EAGAIN ? -ESTALE : r; /* one went while it was read */
	r = xattrs_equal(&now, &candidate->xattrs) ? 0 : -ESTALE;
	xattrs_free(&now);
	return r;
}

int proof_share(const struct proof *proof, struct proof **ret_proof)
{
	struct proof *copy = malloc(sizeof(*copy));
	if (!copy)
		return -ENOMEM;
	*copy = (struct proof){ candidate_ref(proof->keeper), candidate_ref(proof->target) };
	*ret_proof = copy;
	return 0;
}

struct candidate *proof_keeper(const struct proof *proof)
{
	return proof->keeper;
}

struct candidate *proof_target(const struct proof *proof)
{
	return proof->target;
}

void proof_free(struct proof *proof)
{
	if (!proof)
		return;
	candidate_unref(proof->keeper);
	candidate_unref(proof->target);
	free(proof);
}

/*
 * What they were to each other and to the rest of their wave is remembered: others of it are still to be proven. One that could not be
 * read lost its lease by that, so nothing more is done with it.
 */
int confirm_again(struct confirm *confirm, const struct proof *proof)
{
	struct candidate *pair[] = { proof->keeper, proof->target };
	struct candidate before[] = { *pair[0], *pair[1] };
	int r = confirm_compare(confirm, pair, countof(pair));
	if (!r)
		r = pair[0]->error ? pair[0]->error : pair[1]->error;
	if (!r && !confirm_equal(pair[0], pair[1]))
		r = -EILSEQ;
	for (size_t i = 0; i < countof(pair); i++) {
		pair[i]->spoiled |= pair[i]->error != 0;
		pair[i]->round = before[i].round;
		pair[i]->group = before[i].group;
		pair[i]->error = before[i].error;
	}
	return r;
}
