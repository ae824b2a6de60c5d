/* SPDX-License-Identifier: MIT */
/*
 * sift.c - items, a digest each, sorted; runs of equal digests go on
 *
 * Whole buckets go through all levels in batches, so that items take little memory beside the catalog's inodes.
 * An item is an inode that could still have an equal. Readers take items by a shared counter, in the order of the walk with
 * inode numbers ascending within a stretch, which is near enough to the order on disk. Between levels there is one thread.
 */
#include "sift.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "../base/fail.h"
#include "../base/pool.h"
#include "../base/sort.h"
#include "../sys/cached.h"
#include "../sys/xattr.h"
#include "order.h"
#include "reach.h"
#include "settled.h"

enum {
	READERS = 64,
	STREAMS_LEAST = 16,  /* of large files */
	IN_FLIGHT = 8 << 20, /* bytes of whole files being read at once, beyond that many */
	TAKE_LEAST = 16,     /* items a reader takes at once; neighbours share a directory, which each reader opens for itself */
	TAKE_MOST = 64,      /* of many */
	TAKE_BYTES = 1 << 20, /* of whole files */
	SORTERS = 16,        /* threads at most */
	FINDERS = 4,         /* the same; each reads some MiB ahead, and SQLite answers one at a time */
	STRETCH = 4096,      /* items ordered by inode number at once, or remembered */
	REACH_DIRS = 64,
	BATCH_LEAST = 128 * 1024, /* items in memory at once: as many, or */
	BATCHES_MOST = 2,         /* so many that there are no more batches than this: each goes through all directories */
};

#define DROPPED ID_NONE

/* The first three are parts of enum cache_part. LEVEL_XATTRS: of files whose bytes are known from the cache, attributes only. */
enum level { LEVEL_HEAD, LEVEL_TAIL, LEVEL_WHOLE, LEVEL_XATTRS };
_Static_assert((int)LEVEL_TAIL == CACHE_TAIL && (int)LEVEL_WHOLE == CACHE_WHOLE, "levels are parts");

#define XATTRS_UNKNOWN 2 /* a digest of attributes is odd, or 0 for none */

struct item {
	uint32_t inode;  /* DROPPED: cannot be read, or stands in a class already */
	uint32_t xattrs;
	struct digest digest;
};

struct sifting {
	struct sift *sift;
	const struct bucket_table *table;
	struct item *items;
	size_t count;
	size_t known;        /* the first so many need not be read at this level */
	bool compared;       /* atomic: some of them were compared by an earlier run */
	enum level level;
	size_t take;         /* items a reader takes at once */
	size_t reach_dirs;   /* directories a reader may keep open */
	unsigned readers;    /* how many there were in the end, the last time: the next begins with them */
	size_t next;         /* atomic: items taken */
	uint64_t bytes_read; /* atomic */
	int error;           /* atomic: ends everything */
	struct cache_finder *finder; /* with a cache: the calling thread's */
	pthread_mutex_t mutex;       /* what follows */
	VEC(uint32_t) unknown;       /* with a cache: buckets of which something could not be read, or not be remembered */
	/* for those who watch */
	size_t done;             /* atomic: items read at this level */
	uint64_t read_before;    /* bytes_read when the level began */
	uint64_t to_read;        /* bytes of the level */
	uint64_t found;          /* bytes of files found to be equal to another, at the levels before */
	uint64_t glimpsed;       /* atomic: the same while whole files are read */
	uint64_t saved_told;     /* which of equals stays is seen differently by the two: never told less than before */
	uint64_t *seen;          /* digests of whole files; NULL: nobody watches, or there is no memory */
	size_t seen_mask;
	struct way {
		uint64_t files, bytes;   /* of all batches */
		uint64_t looked, settled; /* files of which something was read; bytes that need not be read any more */
		uint64_t told;           /* bytes; a file alike at its ends is read again from its beginning */
		bool long_one;           /* there are several batches, and levels come again and again; one tells its levels */
	} way;
};

/* A reader's own. */
struct reader {
	struct sifting *sifting;
	struct reach reach;
	char *buffer;
	uint64_t bytes;
	uid_t euid;
};

static struct catalog_inode *item_inode(const struct sifting *sifting, const struct item *item)
{
	return catalog_inode(sifting->sift->catalog, (struct inode_id){ item->inode });
}

static bool small(uint64_t size)
{
	return size <= SIFT_SMALL;
}

/* ---- for those who watch ---- */

static uint64_t bytes_to_read(enum level level, const struct catalog_inode *inode)
{
	if (level == LEVEL_WHOLE)
		return catalog_bytes(inode);
	return level == LEVEL_HEAD && small(inode->size) ? inode->size : SIFT_END;
}

/* What would be freed if it went. */
static uint64_t bytes_held(const struct catalog_inode *inode)
{
	return inode->links <= inode->names ? inode->blocks * 512 : 0;
}

/* One level of the only batch: what it has to read is known. */
static void see_level(const struct sifting *sifting, uint64_t done, uint64_t read, struct dlk_event *ret)
{
	ret->step = sifting->level + 1;
	ret->done = done;
	ret->total = sifting->count - sifting->known;
	ret->bytes = read;
	ret->bytes_total = sifting->to_read;
}

/* All levels of all batches as one way, on which nothing goes back: what later batches must read nobody knows yet. */
static void see_way(struct sifting *sifting, uint64_t done, uint64_t read, struct dlk_event *ret)
{
	struct way *way = &sifting->way;
	way->told = u64_max(way->told, u64_min(way->settled + read, way->bytes));
	ret->done = way->looked + (sifting->level == LEVEL_HEAD ? done : 0);
	ret->total = way->files;
	ret->bytes = way->told;
	ret->bytes_total = way->bytes;
}

static void tell_how_far(struct sifting *sifting)
{
	uint64_t read = __atomic_load_n(&sifting->bytes_read, __ATOMIC_RELAXED) - sifting->read_before;
	uint64_t done = __atomic_load_n(&sifting->done, __ATOMIC_RELAXED);
	struct dlk_event event = { .kind = DLK_EVENT_PROGRESS, .phase = DLK_PHASE_HASH };
	if (sifting->level == LEVEL_XATTRS)
		return; /* no content is read */
	if (sifting->way.long_one)
		see_way(sifting, done, u64_min(read, sifting->to_read), &event);
	else
		see_level(sifting, done, u64_min(read, sifting->to_read), &event);
	uint64_t saved = sifting->found + __atomic_load_n(&sifting->glimpsed, __ATOMIC_RELAXED);
	event.saved = sifting->saved_told = u64_max(saved, sifting->saved_told);
	tell_progress(sifting->sift->tell, &event);
}

/* Reading whole files is the long part. Somebody who watches wants to see what it finds, not only at its end. */
static void watch_begin(struct sifting *sifting)
{
	sifting->done = 0;
	sifting->read_before = sifting->bytes_read;
	sifting->to_read = 0;
	if (!sifting->sift->tell->observe || sifting->level == LEVEL_XATTRS)
		return;
	for (size_t i = sifting->known; i < sifting->count; i++)
		sifting->to_read += bytes_to_read(sifting->level, item_inode(sifting, &sifting->items[i]));
	if (sifting->level == LEVEL_WHOLE) {
		for (sifting->seen_mask = 1; sifting->seen_mask < 2 * sifting->count;)
			sifting->seen_mask *= 2;
		sifting->seen = calloc(sifting->seen_mask--, sizeof(*sifting->seen));
	}
	tell_how_far(sifting);
}

static void watch_end(struct sifting *sifting)
{
	if (sifting->sift->tell->observe)
		tell_how_far(sifting);
	sifting->glimpsed = 0;
	free(sifting->seen);
	sifting->seen = NULL;
}

/* A whole file was read: was its digest seen before? The table is half empty at least, so the search ends. */
static void glimpse(struct sifting *sifting, const struct catalog_inode *inode, uint64_t digest)
{
	digest |= 1; /* 0 is an empty slot */
	for (size_t at = digest >> 1 & sifting->seen_mask;; at = (at + 1) & sifting->seen_mask) {
		uint64_t other = 0;
		if (__atomic_compare_exchange_n(&sifting->seen[at], &other, digest, false, __ATOMIC_RELAXED,
						__ATOMIC_RELAXED))
			return;
		if (other != digest)
			continue;
		__atomic_add_fetch(&sifting->glimpsed, bytes_held(inode), __ATOMIC_RELAXED);
		return;
	}
}

/* ---- reading one file ---- */

static int read_xattrs(struct reader *reader, int fd, uint32_t *ret)
{
	struct xattrs xattrs;
	int r = xattrs_read(fd, &xattrs);
	if (r)
		return r;
	*ret = 0;
	if (xattrs.length) {
		struct digest digest;
		digest_bytes(reader->sifting->sift->key, xattrs.bytes, xattrs.length, &digest);
		*ret = (uint32_t)digest.low | 1;
	}
	xattrs_free(&xattrs);
	return 0;
}

/* `length` bytes at `offset`, all of them: a file that has become shorter is not equal to anything. */
static int read_part(struct reader *reader, int fd, uint64_t offset, size_t length, struct digest *ret)
{
	size_t have = 0;
	while (have < length) {
		ssize_t n = sys->pread(fd, reader->buffer + have, length - have, (off_t)(offset + have));
		if (n <= 0)
			return n ? (int)n : -ENODATA;
		have += (size_t)n;
	}
	reader->bytes += length;
	digest_bytes(reader->sifting->sift->key, reader->buffer, length, ret);
	return 0;
}

static int read_whole(struct reader *reader, int fd, const struct catalog_inode *inode, struct digest *ret)
{
	struct sifting *sifting = reader->sifting;
	struct stamp now;
	int r = stamp_fd(fd, &now);
	if (!r && (!stamp_regular(&now) || now.ino != inode->ino || now.size != inode->size))
		r = -ENODATA;
	if (!r)
		r = digest_file(sifting->sift->key, fd, inode->size, reader->buffer, sifting->sift->manners,
				&sifting->bytes_read, ret);
	return r;
}

/* What was read of an item goes into the cache as it is, before it is chained or marked. */
static void remember(struct sifting *sifting, const struct item *item, const struct digest *digest, bool xattrs)
{
	struct inode_id inode = { item->inode };
	if (sifting->level != LEVEL_XATTRS)
		cache_put(sifting->sift->cache, inode, (enum cache_part)sifting->level, digest);
	if (xattrs)
		cache_put_xattrs(sifting->sift->cache, inode, item->xattrs);
}

static int read_level(struct reader *reader, int fd, const struct catalog_inode *inode, struct item *item, bool keep)
{
	enum level level = reader->sifting->level;
	struct digest digest;
	int r = 0;
	if (level == LEVEL_XATTRS) {
		digest = item->digest;
	} else if (level == LEVEL_HEAD && !small(inode->size)) {
		sys->fadvise(fd, 0, 0, POSIX_FADV_RANDOM); /* else the kernel reads far ahead for one page */
		r = read_part(reader, fd, 0, SIFT_END, &digest);
	} else if (level == LEVEL_HEAD) {
		r = read_part(reader, fd, 0, (size_t)inode->size, &digest);
	} else if (level == LEVEL_TAIL) {
		sys->fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
		r = read_part(reader, fd, inode->size - SIFT_END, SIFT_END, &digest);
	} else {
		r = read_whole(reader, fd, inode, &digest);
	}
	bool last = level >= LEVEL_WHOLE || small(inode->size);
	if (!r && last)
		r = read_xattrs(reader, fd, &item->xattrs);
	if (r)
		return r;
	if (keep)
		remember(reader->sifting, item, &digest, last);
	item->digest = level == LEVEL_HEAD || level == LEVEL_XATTRS ? digest : digest_chain(item->digest, digest);
	return 0;
}

static int open_item(struct reader *reader, const struct catalog_inode *inode, int *ret_fd)
{
	bool mine = !reader->euid || catalog_meta(reader->sifting->sift->catalog, inode)->uid == reader->euid;
	return reach_inode_or_other(&reader->reach, inode, mine, ret_fd);
}

static void tell_trouble(struct sifting *sifting, const struct catalog_inode *inode, int r)
{
	own_free char *path = catalog_path_string(sifting->sift->catalog, (struct path_id){ inode->first_path });
	if (r == -ENODATA || fail_changed(r))
		tell_skip(sifting->sift->tell, DLK_STAGE_HASH, path, DLK_REASON_CHANGED, inode->names);
	else
		tell_error(sifting->sift->tell, DLK_STAGE_HASH, path, r);
}

/* The size and the domain are part of what is sorted by, so that files of different buckets never meet. */
static void mark_bucket(const struct sifting *sifting, const struct catalog_inode *inode, struct digest *digest)
{
	digest->low ^= mix64(inode->size + 1);
	digest->high ^= mix64(catalog_match(sifting->sift->catalog, inode) + UINT64_C(1));
}

/* At the pace that was asked for (whole files are read at it by digest_file), and leaving the page cache as it was. */
static int read_politely(struct reader *reader, int fd, const struct catalog_inode *inode, struct item *item, bool keep)
{
	struct manners *manners = reader->sifting->sift->manners;
	struct cached cached = { 0 };
	uint64_t before = reader->bytes;
	if (manners_spares_cache(manners))
		cached_note(fd, inode->size, &cached);
	int r = read_level(reader, fd, inode, item, keep);
	if (manners_spares_cache(manners))
		cached_restore(fd, &cached);
	cached_free(&cached);
	if (!r && reader->sifting->level != LEVEL_WHOLE)
		r = manners_pause(manners, reader->bytes - before);
	return r == -ETIME && reader->sifting->level != LEVEL_WHOLE ? 0 : r; /* it was read all the same */
}

static void note_unknown(struct sifting *sifting, const struct catalog_inode *inode)
{
	pthread_mutex_lock(&sifting->mutex);
	if (vec_push(&sifting->unknown, inode->bucket))
		__atomic_store_n(&sifting->error, -ENOMEM, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&sifting->mutex);
}

static void read_item(struct reader *reader, struct item *item)
{
	struct sifting *sifting = reader->sifting;
	const struct catalog_inode *inode = item_inode(sifting, item);
	bool keep = sifting->sift->cache && cache_may_keep(sifting->sift->cache, (struct inode_id){ item->inode });
	int fd = -1;
	int r = manners_read_late(sifting->sift->manners) ? -ETIME : open_item(reader, inode, &fd);
	keep = keep && !r && reach_is(sifting->sift->catalog, inode, fd); /* what is remembered must be of it */
	if (!r)
		r = read_politely(reader, fd, inode, item, keep);
	close_fd(&fd);
	if (sifting->sift->cache && (r || !keep))
		note_unknown(sifting, inode);
	if (r == -ENOMEM || r == -ECANCELED) {
		__atomic_store_n(&sifting->error, r, __ATOMIC_RELAXED);
	} else if (r == -ETIME) {
		item->inode = DROPPED;
	} else if (r) {
		tell_trouble(sifting, inode, r);
		item->inode = DROPPED;
	} else if (sifting->level == LEVEL_HEAD) {
		mark_bucket(sifting, inode, &item->digest);
	} else if (sifting->seen) {
		glimpse(sifting, inode, item->digest.low);
	}
}

static bool going_on(struct sifting *sifting)
{
	if (tell_stopped(sifting->sift->tell))
		__atomic_store_n(&sifting->error, -ECANCELED, __ATOMIC_RELAXED);
	return !__atomic_load_n(&sifting->error, __ATOMIC_RELAXED);
}

static void read_items(void *ctx, struct order_reader *me)
{
	struct sifting *sifting = ctx;
	struct reader reader = {
		.sifting = sifting,
		.buffer = malloc(DIGEST_BUFFER),
		.euid = geteuid(),
	};
	if (!reader.buffer) {
		__atomic_store_n(&sifting->error, -ENOMEM, __ATOMIC_RELAXED);
		return;
	}
	reach_init(&reader.reach, sifting->sift->catalog, sifting->reach_dirs);
	reader.reach.kept = sifting->sift->kept;
	size_t take = sifting->take;
	while (going_on(sifting) && order_stay(me)) {
		size_t from = __atomic_fetch_add(&sifting->next, take, __ATOMIC_RELAXED);
		size_t to = size_min(from + take, sifting->count);
		if (from >= to)
			break;
		for (size_t i = from; i < to; i++) {
			uint64_t before = reader.bytes;
			read_item(&reader, &sifting->items[i]);
			order_finished(me, 1, reader.bytes - before);
		}
		__atomic_add_fetch(&sifting->bytes_read, reader.bytes, __ATOMIC_RELAXED);
		reader.bytes = 0;
		__atomic_add_fetch(&sifting->done, to - from, __ATOMIC_RELAXED);
	}
	reach_free(&reader.reach);
	free(reader.buffer);
}

static void tick(void *ctx)
{
	tell_how_far(ctx);
}

/* Bytes of a whole file to be read, on average; 0 when only parts are read. */
static uint64_t mean_bytes(const struct sifting *sifting)
{
	uint64_t bytes = 0;
	if (sifting->level != LEVEL_WHOLE)
		return 0;
	for (size_t i = sifting->known; i < sifting->count; i++)
		bytes += bytes_to_read(sifting->level, item_inode(sifting, &sifting->items[i]));
	return bytes / (sifting->count - sifting->known) + 1;
}

/* More than a few streams of large files gain nothing anywhere, and on a disk with a head they lose. */
static unsigned streams(uint64_t mean)
{
	return mean ? (unsigned)u64_min(u64_max(IN_FLIGHT / mean, STREAMS_LEAST), READERS) : READERS;
}

/* All readers have several turns; and of large files none sits on many while others have none. */
static size_t take_size(const struct sifting *sifting, uint64_t mean)
{
	size_t turn = (sifting->count - sifting->known) / (8 * READERS);
	size_t take = size_max(size_min(turn, TAKE_MOST), TAKE_LEAST);
	return mean ? (size_t)u64_max(u64_min(TAKE_BYTES / mean, take), 1) : take;
}

static int read_all(struct sifting *sifting)
{
	if (sifting->known == sifting->count)
		return 0;
	uint64_t mean = mean_bytes(sifting);
	const struct reach_kept *kept = sifting->sift->kept;
	unsigned descriptors = kept ? kept->others : sys_descriptors(), wanted = streams(mean);
	unsigned most = descriptors / 12 < wanted ? descriptors / 12 : wanted;
	sifting->reach_dirs = size_min(REACH_DIRS, descriptors / (2 * (most ? most : 1)));
	struct order order = {
		.fixed = sifting->sift->options->threads,
		.first = sifting->readers,
		.most = most ? most : 1,
		.read = read_items,
		.ctx = sifting,
		.tick = tick,
	};
	sifting->next = sifting->known;
	sifting->take = take_size(sifting, mean);
	watch_begin(sifting);
	sifting->readers = order_run(&order);
	watch_end(sifting);
	return sifting->error;
}

/* ---- sorting: by digest, in place ---- */

static bool item_before(const struct item *a, const struct item *b)
{
	return a->digest.low != b->digest.low ? a->digest.low < b->digest.low : a->digest.high < b->digest.high;
}

static void sort_few(struct item *items, size_t count)
{
	for (size_t i = 1; i < count; i++) {
		struct item item = items[i];
		size_t at = i;
		for (; at && item_before(&item, &items[at - 1]); at--)
			items[at] = items[at - 1];
		items[at] = item;
	}
}

static int order_items_by_digest(const void *a, const void *b, void *ctx)
{
	(void)ctx;
	return item_before(a, b) ? -1 : item_before(b, a);
}

/* As sort_few, for any number: they are in order mostly, and where not they may be very many. */
static void sort_rest(struct item *items, size_t count)
{
	size_t at = 1;
	while (at < count && !item_before(&items[at], &items[at - 1]))
		at++;
	if (at < count)
		sort(items, count, sizeof(*items), order_items_by_digest, NULL);
}

enum { PILES = 256 };

/* Of one item at least. */
static bool one_pile(const size_t begins[PILES + 1])
{
	size_t pile = 0;
	while (begins[pile + 1] == begins[0])
		pile++;
	return begins[pile + 1] == begins[PILES];
}

/* Deals items out by one byte, in place, each to the next free slot of its pile. The piles' begins, and the end, go to `ret`. */
static void deal(struct item *items, size_t count, unsigned shift, size_t ret[PILES + 1])
{
	size_t at[PILES] = { 0 };
	for (size_t i = 0; i < count; i++)
		at[items[i].digest.low >> shift & 255]++;
	ret[0] = 0;
	for (size_t pile = 0; pile < PILES; pile++) {
		ret[pile + 1] = ret[pile] + at[pile];
		at[pile] = ret[pile];
	}
	if (one_pile(ret))
		return;
	for (size_t pile = 0; pile < PILES; pile++) {
		while (at[pile] < ret[pile + 1]) {
			size_t home = items[at[pile]].digest.low >> shift & 255;
			struct item item = items[at[pile]];
			items[at[pile]] = items[at[home]];
			items[at[home]++] = item;
		}
	}
}

/* Digests are random bits: eight rounds at most; piles of equal digests are in order as they are. */
static void sort_items(struct item *items, size_t count, unsigned shift)
{
	size_t begins[PILES + 1];
	if (count <= 32) {
		sort_few(items, count);
		return;
	}
	deal(items, count, shift, begins);
	for (size_t pile = 0; pile < PILES; pile++) {
		size_t n = begins[pile + 1] - begins[pile];
		if (n > 1 && shift)
			sort_items(items + begins[pile], n, shift - 8);
		else if (n > 1) /* the low halves agree, and so do the high ones but for the domain, which is in them (mark_bucket) */
			sort_rest(items + begins[pile], n);
	}
}

struct dealt {
	struct item *items;
	unsigned shift; /* of what the piles are still to be sorted by */
	size_t begins[PILES + 1];
	size_t next;    /* atomic: piles taken */
};

static void sort_piles(void *ctx, unsigned worker)
{
	struct dealt *dealt = ctx;
	size_t pile;
	(void)worker;
	while ((pile = __atomic_fetch_add(&dealt->next, 1, __ATOMIC_RELAXED)) < PILES)
		sort_items(dealt->items + dealt->begins[pile], dealt->begins[pile + 1] - dealt->begins[pile], dealt->shift);
}

/* By which byte to sort first: the foremost in which any two differ. Not the last, by which nobody sorts further. */
static unsigned first_difference(const struct item *items, size_t count)
{
	uint64_t differ = 0;
	unsigned shift = 56;
	for (size_t i = 0; i < count; i++)
		differ |= items[i].digest.low ^ items[0].digest.low;
	while (shift > 8 && !(differ >> shift))
		shift -= 8;
	return shift;
}

/* All that are at hand, many by several threads. Inode numbers begin alike, digests do not. */
static void sort_all(const struct sifting *sifting)
{
	enum { MANY = 16 * 1024 };
	struct dealt dealt = { .items = sifting->items, .shift = 56 };
	if (sifting->count < MANY) {
		sort_items(sifting->items, sifting->count, 56);
		return;
	}
	deal(sifting->items, sifting->count, dealt.shift, dealt.begins);
	if (one_pile(dealt.begins)) {
		dealt.shift = first_difference(sifting->items, sifting->count);
		deal(sifting->items, sifting->count, dealt.shift, dealt.begins);
	}
	dealt.shift -= 8;
	pool_run(pool_size(sifting->sift->options->threads, SORTERS, sifting->count / MANY), sort_piles, &dealt);
}

/* ---- levels ---- */

static void drop_unreadable(struct sifting *sifting)
{
	size_t kept = 0;
	for (size_t i = 0; i < sifting->count; i++)
		if (sifting->items[i].inode != DROPPED)
			sifting->items[kept++] = sifting->items[i];
	sifting->count = kept;
}

/*
 * Most items have met nobody else's digest: that is found out cheaper than by sorting them. A cell is one bit for the first of the
 * digests that fall into it, and one for all others; where only one fell, it is the only one of its kind. Without memory all stay.
 */
static void drop_singles(struct sifting *sifting)
{
	enum { CELLS = 8 /* for an item */, WORD = 32 /* cells in a word */ };
	size_t words = 1, kept = 0;
	while (words * WORD < sifting->count * CELLS)
		words *= 2;
	own_free uint64_t *cells = calloc(words, sizeof(*cells));
	for (size_t i = 0; i < sifting->count && cells; i++) {
		uint64_t digest = sifting->items[i].digest.low, *word = &cells[digest / WORD & (words - 1)];
		unsigned first = digest % WORD;
		*word |= UINT64_C(1) << (*word >> first & 1 ? first + WORD : first);
	}
	for (size_t i = 0; i < sifting->count && cells; i++) {
		uint64_t digest = sifting->items[i].digest.low;
		if (cells[digest / WORD & (words - 1)] >> (digest % WORD + WORD) & 1)
			sifting->items[kept++] = sifting->items[i];
	}
	if (cells)
		sifting->count = kept;
}

static int add_class(struct sifting *sifting, const struct item *items, size_t count, bool decided)
{
	struct sift *sift = sifting->sift;
	struct sift_class class = { .first = sift->members.count, .count = (uint32_t)count, .decided = decided };
	int r = vec_push(&sift->classes, class);
	bucket_at(sifting->table, item_inode(sifting, &items[0])->bucket)->restless = true;
	for (size_t i = 0; i < count && !r; i++) {
		struct sift_member member = { { items[i].inode }, items[i].xattrs };
		if (i && decided)
			sifting->found += bytes_held(item_inode(sifting, &items[i]));
		r = vec_push(&sift->members, member);
	}
	return r;
}

static void recall_xattrs(const struct cache_found *found, struct item *item)
{
	item->xattrs = found->has_xattrs ? found->xattrs : XATTRS_UNKNOWN;
}

/*
 * Whether one comparison of an earlier run had all of these large files, alike at both ends, so that it is known who equals whom.
 * Then their digests become what it found.
 */
static bool were_compared(struct sifting *sifting, struct item *items, size_t count)
{
	struct cache_found found[SIFT_UNDECIDED];
	if (sifting->level != LEVEL_TAIL || !sifting->compared || count > SIFT_UNDECIDED)
		return false;
	for (size_t i = 0; i < count; i++) {
		struct inode_id inode = { items[i].inode };
		if (!cache_find(sifting->finder, inode, CACHE_EQUALS, &found[i]) ||
		    found[i].digest.low != found[0].digest.low)
			return false;
	}
	for (size_t i = 0; i < count; i++) {
		items[i].digest = found[i].digest;
		recall_xattrs(&found[i], &items[i]);
	}
	return true;
}

static bool whole_is_known(struct sifting *sifting, const struct item *items, size_t count)
{
	struct cache_found whole;
	for (size_t i = 0; i < count; i++)
		if (!cache_find(sifting->finder, (struct inode_id){ items[i].inode }, CACHE_WHOLE, &whole))
			return false;
	return true;
}

/* Groups of equals of an earlier comparison. */
static int add_compared(struct sifting *sifting, struct item *items, size_t count)
{
	int r = 0;
	sort_few(items, count);
	for (size_t from = 0, to; from < count && !r; from = to) {
		for (to = from + 1; to < count && digest_equal(&items[from].digest, &items[to].digest);)
			to++;
		if (to - from > 1)
			r = add_class(sifting, items + from, to - from, true);
	}
	return r;
}

/* A run of items that agree so far: a class, or worth another level, or alone. Returns how many stay items. */
static int settle(struct sifting *sifting, struct item *items, size_t count, size_t *kept)
{
	if (count < 2)
		return 0;
	bool whole = sifting->level == LEVEL_WHOLE || small(item_inode(sifting, items)->size);
	if (!whole && sifting->sift->cache && were_compared(sifting, items, count))
		return add_compared(sifting, items, count);
	bool far_enough = sifting->level == LEVEL_TAIL || manners_read_late(sifting->sift->manners);
	bool enough = far_enough && sifting->sift->options->will_apply && count <= SIFT_UNDECIDED &&
		      sifting->sift->options->method == DLK_HARDLINK && !sifting->sift->options->decide &&
		      !(sifting->sift->cache && whole_is_known(sifting, items, count));
	if (whole || enough)
		return add_class(sifting, items, count, whole);
	memmove(&sifting->items[*kept], items, count * sizeof(*items));
	*kept += count;
	return 0;
}

static int settle_runs(struct sifting *sifting)
{
	struct item *items = sifting->items;
	size_t kept = 0;
	int r = 0;
	for (size_t from = 0, to; from < sifting->count && !r; from = to) {
		for (to = from + 1; to < sifting->count && digest_equal(&items[from].digest, &items[to].digest);)
			to++;
		r = settle(sifting, items + from, to - from, &kept);
	}
	sifting->count = kept;
	return r;
}

static int divide(struct sifting *sifting)
{
	struct cache *cache = sifting->sift->cache;
	drop_singles(sifting);
	sort_all(sifting);
	if (cache)
		cache_hold(cache);
	int r = settle_runs(sifting);
	if (cache)
		cache_release(cache);
	return r;
}

static int order_by_ino(const void *a, const void *b, void *sifting)
{
	const struct item *x = a, *y = b;
	uint64_t i = item_inode(sifting, x)->ino, j = item_inode(sifting, y)->ino;
	return i < j ? -1 : i > j;
}

static int order_by_inode_id(const void *a, const void *b)
{
	const struct item *x = a, *y = b;
	return x->inode < y->inode ? -1 : x->inode > y->inode;
}

/* At LEVEL_HEAD, where they may be millions, each has its place for a digest (see gather). */
static void order_stretch(struct sifting *sifting, struct item *items, size_t count)
{
	if (sifting->level == LEVEL_HEAD)
		sort_items(items, count, 56);
	else
		qsort_r(items, count, sizeof(*items), order_by_ino, sifting);
}

/* Those that are to be read. */
static void order_items(struct sifting *sifting)
{
	struct item *items = sifting->items + sifting->known;
	size_t count = sifting->count - sifting->known;
	if (sifting->level != LEVEL_HEAD || sifting->sift->cache) /* sorted just now; else they come in this order */
		qsort(items, count, sizeof(*items), order_by_inode_id);
	for (size_t i = 0; i < count; i += STRETCH)
		order_stretch(sifting, items + i, size_min(STRETCH, count - i));
}

/* ---- what is remembered ---- */

/* In the order in which the cache is cheapest. */
static void order_for_cache(struct sifting *sifting)
{
	if (sifting->level == LEVEL_HEAD)
		sort_all(sifting);
	else
		qsort_r(sifting->items, sifting->count, sizeof(*sifting->items), order_by_ino, sifting);
}

/* True when the item need not be read at this level. */
static bool recall(struct sifting *sifting, struct cache_finder *finder, struct item *item)
{
	const struct catalog_inode *inode = item_inode(sifting, item);
	struct cache_found found;
	if (!cache_find(finder, (struct inode_id){ item->inode }, (enum cache_part)sifting->level, &found))
		return false;
	if (sifting->level == LEVEL_WHOLE || small(inode->size))
		recall_xattrs(&found, item);
	if (found.compared)
		__atomic_store_n(&sifting->compared, true, __ATOMIC_RELAXED);
	item->digest = sifting->level == LEVEL_HEAD ? found.digest : digest_chain(item->digest, found.digest);
	if (sifting->level == LEVEL_HEAD)
		mark_bucket(sifting, inode, &item->digest);
	return true;
}

static void look_ahead(struct cache_finder *finder, const struct item *items, size_t count)
{
	struct inode_id inodes[STRETCH];
	for (size_t i = 0; i < count; i++)
		inodes[i].v = items[i].inode;
	cache_look_ahead(finder, inodes, count);
}

/* Of one stretch, those that are known come first. Returns how many. */
static size_t recall_stretch(struct sifting *sifting, struct cache_finder *finder, struct item *items, size_t count)
{
	size_t known = 0;
	look_ahead(finder, items, count);
	for (size_t i = 0; i < count; i++) {
		struct item item = items[i];
		if (!recall(sifting, finder, &item))
			continue;
		items[i] = items[known];
		items[known++] = item;
	}
	return known;
}

/* Several threads remember, stretch by stretch. */
struct recalling {
	struct sifting *sifting;
	size_t next;    /* atomic: stretches taken */
	size_t known[]; /* of each stretch */
};

static void recall_stretches(struct recalling *recalling, struct cache_finder *finder)
{
	struct sifting *sifting = recalling->sifting;
	for (;;) {
		size_t stretch = __atomic_fetch_add(&recalling->next, 1, __ATOMIC_RELAXED), from = stretch * STRETCH;
		if (from >= sifting->count)
			return;
		size_t count = size_min(STRETCH, sifting->count - from);
		recalling->known[stretch] = recall_stretch(sifting, finder, sifting->items + from, count);
	}
}

static void recall_some(void *ctx, unsigned worker)
{
	struct recalling *recalling = ctx;
	struct cache_finder *finder;
	if (!worker) {
		recall_stretches(recalling, recalling->sifting->finder);
	} else if (!cache_finder_new(recalling->sifting->sift->cache, &finder)) {
		recall_stretches(recalling, finder);
		cache_finder_free(finder);
	}
}

/* Brings what is known of all stretches before all the rest. */
static void gather_known(const struct recalling *recalling, size_t stretches)
{
	struct sifting *sifting = recalling->sifting;
	struct item *items = sifting->items;
	for (size_t stretch = 0; stretch < stretches; stretch++) {
		for (size_t i = stretch * STRETCH; i < stretch * STRETCH + recalling->known[stretch]; i++) {
			struct item item = items[i];
			items[i] = items[sifting->known];
			items[sifting->known++] = item;
		}
	}
}

/* Those that are known come first. */
static int recall_items(struct sifting *sifting)
{
	struct cache *cache = sifting->sift->cache;
	size_t stretches = (sifting->count + STRETCH - 1) / STRETCH;
	sifting->known = 0;
	sifting->compared = false;
	if (!cache)
		return 0;
	own_free struct recalling *recalling = calloc(1, sizeof(*recalling) + stretches * sizeof(recalling->known[0]));
	if (!recalling)
		return -ENOMEM;
	recalling->sifting = sifting;
	order_for_cache(sifting);
	cache_hold(cache);
	pool_run(pool_size(sifting->sift->options->threads, FINDERS, stretches), recall_some, recalling);
	gather_known(recalling, stretches);
	cache_release(cache);
	return 0;
}

/* Attributes leave no trace in mtime, so they are read again once somebody touched the file: of those few that have equals. */
static int gather_unknown(struct sifting *sifting)
{
	const struct sift *sift = sifting->sift;
	size_t count = 0;
	for (size_t i = 0; i < sift->members.count; i++)
		count += sift->members.at[i].xattrs == XATTRS_UNKNOWN;
	free(sifting->items);
	sifting->items = malloc((count + 1) * sizeof(*sifting->items));
	if (!sifting->items)
		return -ENOMEM;
	sifting->count = sifting->known = 0;
	for (size_t i = 0; i < sift->members.count; i++)
		if (sift->members.at[i].xattrs == XATTRS_UNKNOWN)
			sifting->items[sifting->count++] = (struct item){ .inode = sift->members.at[i].inode.v, .digest = { i, 0 } };
	return 0;
}

/* Classes without the members that could not be read. */
static void drop_members(struct sift *sift)
{
	size_t classes = 0;
	for (size_t c = 0; c < sift->classes.count; c++) {
		struct sift_class class = sift->classes.at[c];
		struct sift_member *members = &sift->members.at[class.first];
		uint32_t kept = 0;
		for (uint32_t i = 0; i < class.count; i++)
			if (members[i].inode.v != DROPPED)
				members[kept++] = members[i];
		class.count = kept;
		if (kept > 1)
			sift->classes.at[classes++] = class;
	}
	sift->classes.count = classes;
}

static int complete_xattrs(struct sifting *sifting)
{
	sifting->level = LEVEL_XATTRS;
	int r = gather_unknown(sifting);
	if (r || !sifting->count)
		return r;
	order_items(sifting);
	r = read_all(sifting);
	for (size_t i = 0; i < sifting->count; i++) {
		const struct item *item = &sifting->items[i];
		sifting->sift->members.at[item->digest.low].inode.v = item->inode;
		sifting->sift->members.at[item->digest.low].xattrs = item->xattrs;
	}
	drop_members(sifting->sift);
	return r;
}

/* ---- from buckets to items ---- */

static uint32_t worth(const struct bucket *bucket)
{
	return bucket->count > 1 && !bucket->settled ? bucket->count : 0;
}

/* What orders items before they have a digest: inode numbers, file system by file system. */
static struct digest place_of(const struct catalog *catalog, const struct catalog_inode *inode)
{
	return (struct digest){ (uint64_t)catalog_meta(catalog, inode)->domain << 56 ^ inode->ino, 0 };
}

/* The next batch's items, in the order of the walk, which goes directory by directory. None: all buckets are through. */
static int gather(struct sifting *sifting, const struct bucket_table *table, uint32_t *cursor)
{
	const struct catalog *catalog = sifting->sift->catalog;
	size_t count = 0;
	uint32_t from = *cursor;
	while (count < sifting->sift->batch && *cursor < table->buckets.count)
		count += worth(bucket_at(table, (*cursor)++));
	sifting->items = malloc((count + 1) * sizeof(*sifting->items));
	if (!sifting->items)
		return -ENOMEM;
	for (uint32_t i = 0; i < catalog->inodes.count && sifting->count < count; i++) {
		const struct catalog_inode *inode = catalog_inode(catalog, (struct inode_id){ i });
		uint32_t bucket = inode->bucket;
		if (bucket >= from && bucket < *cursor && worth(bucket_at(table, bucket)))
			sifting->items[sifting->count++] = (struct item){ .inode = i, .digest = place_of(catalog, inode) };
	}
	return 0;
}

/* Bytes that would be read if all items of all batches went on to the end. */
static uint64_t bytes_of_all(const struct sifting *sifting, const struct bucket_table *table)
{
	const struct catalog *catalog = sifting->sift->catalog;
	uint64_t bytes = 0;
	for (uint32_t i = 0; i < catalog->inodes.count; i++) {
		const struct catalog_inode *inode = catalog_inode(catalog, (struct inode_id){ i });
		if (inode->bucket != ID_NONE && worth(bucket_at(table, inode->bucket)))
			bytes += bytes_to_read(LEVEL_WHOLE, inode);
	}
	return bytes;
}

/* The same of the items at hand. */
static uint64_t bytes_at_hand(const struct sifting *sifting)
{
	uint64_t bytes = 0;
	for (size_t i = 0; i < sifting->count; i++)
		bytes += bytes_to_read(LEVEL_WHOLE, item_inode(sifting, &sifting->items[i]));
	return bytes;
}

static int sift_batch(struct sifting *sifting)
{
	struct way *way = &sifting->way;
	uint64_t looked = way->looked + sifting->count, settled = way->settled + (way->long_one ? bytes_at_hand(sifting) : 0);
	int r = 0;
	for (sifting->level = LEVEL_HEAD; !r && sifting->count && sifting->level <= LEVEL_WHOLE; sifting->level++) {
		r = recall_items(sifting);
		order_items(sifting);
		if (!r)
			r = read_all(sifting);
		drop_unreadable(sifting);
		if (!r)
			r = divide(sifting);
		way->looked = looked;
		way->settled = settled - (way->long_one ? bytes_at_hand(sifting) : 0);
	}
	return r;
}

/* Batch after batch. */
static int sift_all(struct sifting *sifting)
{
	struct sift *sift = sifting->sift;
	uint32_t cursor = 0;
	bool more;
	int r;
	do {
		r = gather(sifting, sifting->table, &cursor);
		more = sifting->count;
		if (!r)
			r = sift_batch(sifting);
		free(sifting->items);
		sifting->items = NULL;
		sifting->count = 0;
	} while (!r && more);
	if (!r && sift->cache)
		r = complete_xattrs(sifting);
	free(sifting->items);
	return r;
}

int sift_run(struct sift *sift, struct bucket_table *table)
{
	struct sifting sifting = { .sift = sift, .table = table, .mutex = PTHREAD_MUTEX_INITIALIZER };
	struct settled settled = { 0 };
	int r = sift->cache ? cache_finder_new(sift->cache, &sifting.finder) : 0;
	if (!r && sift->cache)
		r = settled_recall(&settled, sift->cache, table);
	if (!sift->batch && sift->cache && cache_knows(sift->cache))
		sift->batch = sift->catalog->inodes.count + 1; /* each block of the cache is read once for each batch */
	if (!sift->batch)
		sift->batch = size_max(BATCH_LEAST, sift->catalog->inodes.count / BATCHES_MOST);
	uint64_t files = table->files - settled.files;
	sifting.way = (struct way){ .files = files, .long_one = files > sift->batch };
	if (sifting.way.long_one)
		sifting.way.bytes = bytes_of_all(&sifting, table);
	if (!r)
		r = sift_all(&sifting);
	for (size_t i = 0; i < sifting.unknown.count; i++)
		bucket_at(table, sifting.unknown.at[i])->restless = true;
	if (!r && sift->cache)
		r = settled_remember(&settled, sift->cache, table);
	settled_free(&settled);
	vec_free(&sifting.unknown);
	pthread_mutex_destroy(&sifting.mutex);
	cache_finder_free(sifting.finder);
	sift->bytes_read += sifting.bytes_read;
	return r;
}

void sift_free(struct sift *sift)
{
	vec_free(&sift->members);
	vec_free(&sift->classes);
}
