/* SPDX-License-Identifier: MIT */
/*
 * cache.c - records in blocks, a queue in front of them
 *
 *	put -> queue -> (now and then, sorted) -> blocks of the store
 *	find <- a finder's block <- store
 *
 * A block holds what is known of up to 128 inodes whose numbers lie side by side. Finding goes by inode number, so each block is
 * read once; a million files are eight thousand reads instead of a million look-ups. A block carries a digest of itself under the
 * cache's secret, for SQLite has no sums: a flipped bit makes a block that is not believed, and is written anew. The secret has a
 * sum of its own: XXH3 does not use all of it for what is short, so blocks could fit under a damaged one, and digests of before and
 * after the damage would never meet.
 *
 * Whoever fills the queue writes it, in one transaction, while the others go on; nobody waits unless writing falls far behind.
 */
#include "cache.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "reach.h"
#include "store.h"

enum {
	SLOT_BITS = 7,
	SLOTS = 1 << SLOT_BITS,
	NUMBER_BITS = 14,           /* of a volume, in the id of a block */
	INO_BITS = 56,              /* inodes with larger numbers are not remembered */
	ID_BITS = INO_BITS - SLOT_BITS,
	BATCH = 16 * 1024,          /* notes from which on the queue is written */
	BEHIND_MOST = 16 * BATCH,   /* notes from which on whoever puts one waits for that, or drops them */
	AHEAD_MOST = 1 << 20,       /* bytes a finder reads ahead, and one block more */
	STEPS_MOST = 8,             /* from block to block, before the wanted one is searched for */
	PATIENCE = 3,               /* s after which it is written though there are fewer */
	BELIEVED = 60,              /* days, and up to as many again */
	PRUNE_DAYS = 7,
	VOLUME_DAYS = 400,
	LIST_DAYS = 60,
	COARSE = 2,                 /* s: the grain of time stamps of whole seconds */
	CLOCK_TICK = 20,            /* ms, and more than any kernel's */
};

enum { HAS_XATTRS = 1 << CACHE_PARTS };

/* What is known of an inode. */
struct record {
	uint64_t version; /* of size, mtime and birth time */
	int64_t ctime;    /* when it was read */
	uint32_t xattrs;
	uint16_t day;     /* when that was, since the epoch */
	uint16_t roots;   /* what the run that read it was asked for, folded */
	struct digest digests[CACHE_PARTS];
};

struct block {
	int64_t id;  /* -1: none */
	uint8_t parts[SLOTS]; /* bits of enum cache_part and HAS_XATTRS; 0: nothing known, the record is not set */
	struct record records[SLOTS];
};

/* A record in the store; the digests its bits tell of follow. */
struct stored {
	uint64_t version;
	int64_t ctime;
	uint32_t xattrs;
	uint16_t day, roots;
	uint8_t slot, parts;
} __attribute__((packed));

enum { STORED_MOST = sizeof(struct digest) + SLOTS * (sizeof(struct stored) + CACHE_PARTS * sizeof(struct digest)) };

enum deed { PUT_XATTRS = CACHE_PARTS, MOVE_CTIME, FORGET };

/* A stored block that is good, as it lies in somebody's memory: mostly few of its records are asked for. */
struct view {
	int64_t id; /* -1: none */
	const unsigned char *bytes;
	uint16_t at[SLOTS]; /* where each record begins; 0: there is none */
};
_Static_assert(STORED_MOST <= UINT16_MAX, "offsets fit");

/* What is to be done to a record: a part put, or a deed. */
struct note {
	uint64_t ino;
	uint32_t volume;  /* index */
	uint32_t order;   /* in which they came */
	uint64_t version;
	int64_t ctime, before; /* before: MOVE_CTIME only */
	struct digest digest;
	uint32_t xattrs;
	int what;
};

/* How an inode looks now. */
struct mark {
	uint64_t version;
	int64_t ctime;
};

struct cache_volume {
	struct volume id;
	struct store_volume stored; /* number 0: not known to the store */
};

struct cache {
	struct store *store;        /* NULL after trouble */
	char *path;
	struct tell *tell;
	const struct catalog *catalog;
	struct digest_key key;
	struct stamp file;
	struct seq marks;           /* by inode id */
	VEC(struct cache_volume) volumes;
	VEC(uint32_t) domains;      /* volume of each domain; ID_NONE: none */
	uint64_t asked;             /* a number for what this run was asked for; */
	uint16_t roots;             /* and one folded */
	uint16_t today;
	uint64_t comparisons;       /* atomic */
	bool mute;                  /* atomic: nothing more is written */
	bool damaged;               /* atomic: blocks that were no good were met */
	unsigned state;             /* atomic: another one once something was written, or the store is another */

	pthread_mutex_t queue_mutex;
	VEC(struct note) queue;
	int64_t written;            /* when the queue was written last */

	pthread_mutex_t mutex;      /* the store, and what follows */
	VEC(struct note) behind;    /* on the way into the store */
	int trouble;                /* that a finder met; nothing is found any more until it has been seen to */
	struct block work;
	unsigned char *buffer;      /* STORED_MOST */
};

/* A block as it is stored, read ahead. */
struct fetched {
	int64_t id;
	size_t at, length; /* in the finder's bytes; length 0: there is none */
};

struct cache_finder {
	struct cache *cache;
	struct view view; /* of bytes below */
	unsigned state; /* of the cache when all this was read */
	VEC(struct fetched) ahead;
	size_t next;    /* of those ahead, the first that may be asked for */
	VEC(unsigned char) bytes;
};

/* ---- trouble ---- */

static bool is_mute(const struct cache *cache)
{
	return __atomic_load_n(&cache->mute, __ATOMIC_RELAXED);
}

/* What finders have at hand is true no more. */
static void change(struct cache *cache)
{
	__atomic_add_fetch(&cache->state, 1, __ATOMIC_RELEASE);
}

static void let_go(struct cache *cache)
{
	change(cache);
	store_close(cache->store);
	cache->store = NULL;
	__atomic_store_n(&cache->mute, true, __ATOMIC_RELAXED);
}

static int copy_run(void *ctx, const struct dlk_past_run *run)
{
	return store_add_run(ctx, run);
}

/* The rows of the damaged file that can still be read go into the new one. */
static void save_history(struct store *new, const char *aside)
{
	struct store *old;
	if (store_open(aside, STORE_READ, NULL, 0, &old))
		return;
	if (!store_begin(new, STORE_WRITE)) {
		int read = store_each_run(old, copy_run, new), written = store_commit(new);
		(void)read;    /* up to the damage */
		(void)written;
	}
	store_close(old);
}

/* Sets the damaged file aside and begins a new one under the same secret, so that what this run reads is kept. */
static int begin_anew(struct cache *cache)
{
	struct text aside = { 0 };
	let_go(cache);
	int r = store_set_aside(cache->path, &aside);
	if (!r)
		tell_note_error(cache->tell, DLK_REASON_CACHE_DAMAGED, cache->path, aside.at, EUCLEAN);
	if (!r)
		r = store_open(cache->path, STORE_WRITE, &cache->key, sizeof(cache->key), &cache->store);
	if (!r)
		save_history(cache->store, aside.at);
	text_free(&aside);
	return r;
}

static int know_volumes(struct cache *cache);

/* The store failed. Damage is set aside; else it is done without, or used as it is. */
static void fail(struct cache *cache, int error, bool writing)
{
	if (error == -EUCLEAN && store_writable(cache->store)) {
		error = begin_anew(cache);
		if (!error) {
			__atomic_store_n(&cache->mute, false, __ATOMIC_RELAXED);
			cache->file = *store_stamp(cache->store);
			error = know_volumes(cache);
			writing = true;
		}
	}
	if (!error)
		return;
	tell_note_error(cache->tell, writing && cache->store ? DLK_REASON_CACHE_UNWRITTEN : DLK_REASON_CACHE_UNUSED,
			cache->path, NULL, error);
	if (writing && cache->store)
		__atomic_store_n(&cache->mute, true, __ATOMIC_RELAXED);
	else
		let_go(cache);
}

/* ---- blocks ---- */

static int64_t block_id(uint32_t number, uint64_t ino)
{
	return (int64_t)((uint64_t)number << ID_BITS | ino >> SLOT_BITS);
}

/* Of its bytes and of where it belongs: one that stands elsewhere is no good either. */
static struct digest block_digest(const struct cache *cache, const struct volume *volume, int64_t id, const void *bytes,
				  size_t length)
{
	struct digest place, content;
	const uint64_t words[] = { volume->words[0], volume->words[1], volume->words[2],
				   (uint64_t)id & ((UINT64_C(1) << ID_BITS) - 1), length };
	digest_bytes(&cache->key, words, sizeof(words), &place);
	digest_bytes(&cache->key, bytes, length, &content);
	return digest_chain(place, content);
}

/* Bytes of a record's digests before that of `part`. */
static size_t digests_before(uint8_t parts, unsigned part)
{
	static const uint8_t ones[1 << CACHE_PARTS] = { 0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4 };
	return ones[parts & ((1u << part) - 1)] * sizeof(struct digest);
}

/* Notes where records begin. False: these are no records. */
static bool index_records(struct view *view, size_t length)
{
	for (size_t at = sizeof(struct digest), next; at < length; at = next) {
		struct stored stored;
		if (length - at < sizeof(stored))
			return false;
		memcpy(&stored, view->bytes + at, sizeof(stored));
		next = at + sizeof(stored) + digests_before(stored.parts, CACHE_PARTS);
		if (stored.slot >= SLOTS || next > length)
			return false;
		view->at[stored.slot] = (uint16_t)at;
	}
	return true;
}

/* A record of a view, but for its digests. Returns which parts there are. */
static uint8_t view_record(const struct view *view, unsigned slot, struct record *ret)
{
	struct stored stored;
	if (!view->at[slot])
		return 0;
	memcpy(&stored, view->bytes + view->at[slot], sizeof(stored));
	ret->version = stored.version;
	ret->ctime = stored.ctime;
	ret->xattrs = stored.xattrs;
	ret->day = stored.day;
	ret->roots = stored.roots;
	return stored.parts;
}

/* Of a part that is there. */
static struct digest view_digest(const struct view *view, unsigned slot, uint8_t parts, unsigned part)
{
	struct digest digest;
	memcpy(&digest, view->bytes + view->at[slot] + sizeof(struct stored) + digests_before(parts, part), sizeof(digest));
	return digest;
}

static void *append(unsigned char *at, const void *bytes, size_t length)
{
	memcpy(at, bytes, length);
	return at + length;
}

/* Returns the length. */
static size_t encode(const struct cache *cache, const struct volume *volume, const struct block *block,
		     unsigned char buffer[STORED_MOST])
{
	unsigned char *begin = buffer + sizeof(struct digest), *at = begin;
	for (unsigned slot = 0; slot < SLOTS; slot++) {
		const struct record *record = &block->records[slot];
		if (!block->parts[slot])
			continue;
		struct stored stored = { .version = record->version, .ctime = record->ctime, .xattrs = record->xattrs,
					 .day = record->day, .roots = record->roots, .slot = (uint8_t)slot,
					 .parts = block->parts[slot] };
		at = append(at, &stored, sizeof(stored));
		for (int part = 0; part < CACHE_PARTS; part++)
			if (stored.parts & 1 << part)
				at = append(at, &record->digests[part], sizeof(record->digests[part]));
	}
	struct digest digest = block_digest(cache, volume, block->id, begin, (size_t)(at - begin));
	memcpy(buffer, &digest, sizeof(digest));
	return (size_t)(at - buffer);
}

static void view_nothing(struct view *view, int64_t id)
{
	view->id = id;
	memset(view->at, 0, sizeof(view->at));
}

/* Makes a view of what was stored; of what is no good, an empty one. */
static void view_make(struct cache *cache, struct view *view, const struct volume *volume, int64_t id,
		      const unsigned char *bytes, size_t length)
{
	struct digest digest, stored;
	bool good = length >= sizeof(stored) && length <= STORED_MOST;
	view_nothing(view, id);
	view->bytes = bytes;
	if (good) {
		memcpy(&stored, bytes, sizeof(stored));
		digest = block_digest(cache, volume, id, bytes + sizeof(stored), length - sizeof(stored));
		good = digest_equal(&digest, &stored) && index_records(view, length);
	}
	if (!good) {
		view_nothing(view, id);
		__atomic_store_n(&cache->damaged, true, __ATOMIC_RELAXED);
	}
}

/* Makes a block to work on. */
static void unpack(struct block *block, const struct view *view)
{
	block->id = view->id;
	for (unsigned slot = 0; slot < SLOTS; slot++) {
		struct record *record = &block->records[slot];
		uint8_t parts = block->parts[slot] = view_record(view, slot, record);
		for (unsigned part = 0; part < CACHE_PARTS; part++)
			record->digests[part] = parts & 1 << part ? view_digest(view, slot, parts, part) : (struct digest){ 0 };
	}
}

/* Reads a block to work on; one that is not there, or no good, is empty. */
static int load(struct cache *cache, struct block *block, const struct volume *volume, int64_t id)
{
	struct view view;
	const void *bytes;
	size_t length;
	int r = store_get(cache->store, id, &bytes, &length);
	if (!r)
		view_make(cache, &view, volume, id, bytes, length);
	else
		view_nothing(&view, id);
	unpack(block, &view);
	return r == -ENOENT ? 0 : r;
}

static int save(struct cache *cache, const struct volume *volume, const struct block *block)
{
	size_t length = encode(cache, volume, block, cache->buffer);
	if (length == sizeof(struct digest))
		return store_drop(cache->store, block->id, block->id + 1);
	return store_put(cache->store, block->id, cache->buffer, length);
}

/* ---- what is believed ---- */

static struct mark *mark_of(const struct cache *cache, struct inode_id inode)
{
	return seq_at(&cache->marks, inode.v);
}

/* Long enough ago that somebody may have written into it meanwhile and set its mtime back. */
static bool too_old(const struct cache *cache, const struct record *record, uint64_t ino)
{
	int age = (int)cache->today - record->day;
	return age < -1 || age >= BELIEVED + (int)(mix64(ino) % BELIEVED);
}

static bool believed(const struct cache *cache, const struct record *record, uint64_t ino, uint64_t version, int64_t ctime)
{
	return record->version == version && (record->ctime == ctime || !too_old(cache, record, ino));
}

uint32_t cache_number(const struct cache *cache, uint32_t domain)
{
	uint32_t volume = domain < cache->domains.count ? cache->domains.at[domain] : ID_NONE;
	return volume == ID_NONE ? 0 : cache->volumes.at[volume].stored.number;
}

/* The volume of an inode, by index; ID_NONE: it is not remembered. */
static uint32_t volume_of(const struct cache *cache, const struct catalog_inode *inode)
{
	uint32_t domain = catalog_meta(cache->catalog, inode)->domain;
	return cache_number(cache, domain) && inode->ino >> INO_BITS == 0 ? cache->domains.at[domain] : ID_NONE;
}

int cache_finder_new(struct cache *cache, struct cache_finder **ret)
{
	struct cache_finder *finder = calloc(1, sizeof(*finder));
	if (!finder)
		return -ENOMEM;
	finder->cache = cache;
	finder->view.id = -1;
	*ret = finder;
	return 0;
}

void cache_finder_free(struct cache_finder *finder)
{
	if (!finder)
		return;
	vec_free(&finder->ahead);
	vec_free(&finder->bytes);
	free(finder);
}

static void forget_ahead(struct cache_finder *finder)
{
	finder->state = __atomic_load_n(&finder->cache->state, __ATOMIC_ACQUIRE);
	finder->view.id = -1;
	finder->ahead.count = finder->bytes.count = finder->next = 0;
}

/* On the way from block to block of the store. */
struct cursor {
	bool placed;
	int64_t from, id; /* id: of the first block from `from` on */
	int r;            /* -ENOENT: there is none; anything else but 0: trouble */
};

/* Blocks are asked for in order, nearly always: the next is mostly a few steps away, and seldom worth a search. */
static void go_to(struct store *store, struct cursor *cursor, int64_t id)
{
	bool ahead = cursor->placed && cursor->from <= id;
	for (int steps = 0; ahead && !cursor->r && cursor->id < id && steps < STEPS_MOST; steps++)
		cursor->r = store_after(store, &cursor->id);
	if (!ahead || (!cursor->r && cursor->id < id))
		cursor->r = store_first(store, id, &cursor->id);
	cursor->placed = true;
	cursor->from = id;
}

/* With the mutex held: SQLite is asked by one thread at a time, and what it gave is gone with the next question. */
static int fetch(struct cache_finder *finder, struct cursor *cursor, int64_t id)
{
	struct cache *cache = finder->cache;
	struct fetched fetched = { .id = id, .at = finder->bytes.count };
	const void *bytes;
	if (cache->store && !cache->trouble) {
		go_to(cache->store, cursor, id);
		int r = cursor->r;
		if (!r && cursor->id == id)
			r = store_bytes(cache->store, &bytes, &fetched.length);
		if (r && r != -ENOENT)
			cache->trouble = r;
	}
	if (cache->trouble)
		fetched.length = 0;
	if (vec_reserve(&finder->bytes, fetched.at + fetched.length))
		return -ENOMEM;
	if (fetched.length)
		memcpy(finder->bytes.at + fetched.at, bytes, fetched.length);
	finder->bytes.count += fetched.length;
	return vec_push(&finder->ahead, fetched);
}

/* Where the inode's record is, if its volume has any. */
static const struct cache_volume *place(const struct cache *cache, struct inode_id id, int64_t *ret_block)
{
	const struct catalog_inode *inode = catalog_inode(cache->catalog, id);
	uint32_t index = volume_of(cache, inode);
	if (index == ID_NONE)
		return NULL;
	*ret_block = block_id(cache->volumes.at[index].stored.number, inode->ino);
	return &cache->volumes.at[index];
}

void cache_look_ahead(struct cache_finder *finder, const struct inode_id *inodes, size_t count)
{
	struct cache *cache = finder->cache;
	struct cursor cursor = { 0 };
	int64_t block, last = -1;
	pthread_mutex_lock(&cache->mutex);
	forget_ahead(finder);
	for (size_t i = 0; i < count && finder->bytes.count < AHEAD_MOST; i++) {
		if (!place(cache, inodes[i], &block) || block == last)
			continue;
		if (fetch(finder, &cursor, block))
			break; /* what is not ahead is fetched when it is asked for */
		last = block;
	}
	pthread_mutex_unlock(&cache->mutex);
}

static const struct fetched *find_ahead(struct cache_finder *finder, int64_t id)
{
	for (size_t i = finder->next; i < finder->ahead.count; i++) {
		if (finder->ahead.at[i].id == id) {
			finder->next = i;
			return &finder->ahead.at[i];
		}
	}
	return NULL;
}

/* Makes the block the one in view. Without memory it is empty: a file is read again. */
static void find_block(struct cache_finder *finder, const struct cache_volume *volume, int64_t id)
{
	bool fresh = finder->state == __atomic_load_n(&finder->cache->state, __ATOMIC_ACQUIRE);
	const struct fetched *fetched = NULL;
	struct cursor cursor = { 0 };
	if (fresh && finder->view.id == id)
		return;
	if (fresh)
		fetched = find_ahead(finder, id);
	if (!fetched) {
		pthread_mutex_lock(&finder->cache->mutex);
		forget_ahead(finder);
		fetched = fetch(finder, &cursor, id) ? NULL : finder->ahead.at;
		pthread_mutex_unlock(&finder->cache->mutex);
	}
	if (fetched && fetched->length)
		view_make(finder->cache, &finder->view, &volume->id, id, finder->bytes.at + fetched->at, fetched->length);
	else
		view_nothing(&finder->view, id);
}

bool cache_find(struct cache_finder *finder, struct inode_id id, enum cache_part part, struct cache_found *ret)
{
	const struct cache *cache = finder->cache;
	uint64_t ino = catalog_inode(cache->catalog, id)->ino;
	int64_t block;
	const struct cache_volume *volume = place(cache, id, &block);
	if (!volume)
		return false;
	find_block(finder, volume, block);
	const struct mark *mark = mark_of(cache, id);
	struct record record;
	uint8_t parts = view_record(&finder->view, ino % SLOTS, &record);
	if (!(parts & 1 << part) || !believed(cache, &record, ino, mark->version, mark->ctime))
		return false;
	*ret = (struct cache_found){
		.digest = view_digest(&finder->view, ino % SLOTS, parts, part),
		.xattrs = record.xattrs,
		.has_xattrs = parts & HAS_XATTRS && record.ctime == mark->ctime,
		.compared = parts & 1 << CACHE_EQUALS,
	};
	return true;
}

void cache_hold(struct cache *cache)
{
	int r = cache->store ? store_begin(cache->store, STORE_READ) : 0;
	if (r)
		fail(cache, r, false);
}

/* When no finder is at work. */
static void see_to_trouble(struct cache *cache)
{
	int trouble = cache->trouble;
	cache->trouble = 0;
	if (trouble)
		fail(cache, trouble, false);
}

void cache_release(struct cache *cache)
{
	int r = cache->store ? store_end(cache->store) : 0;
	if (r && !cache->trouble)
		cache->trouble = r;
	see_to_trouble(cache);
}

uint16_t cache_today(const struct cache *cache)
{
	return cache->today;
}

bool cache_is_empty(struct cache *cache)
{
	bool has = false;
	int r = cache->store ? store_has_records(cache->store, &has) : 0;
	if (r)
		fail(cache, r, false);
	return !has;
}

bool cache_knows(const struct cache *cache)
{
	for (size_t i = 0; i < cache->volumes.count; i++)
		if (cache->volumes.at[i].stored.records)
			return true;
	return false;
}

/*
 * A later write gets a ctime of its own once the clock has moved on. A stamp without a fraction comes from a file system that
 * keeps whole seconds, or from one moment in a million.
 */
bool cache_may_keep(const struct cache *cache, struct inode_id inode)
{
	int64_t ctime = mark_of(cache, inode)->ctime, now = sys->wall();
	if (is_mute(cache))
		return false;
	if (ctime % NS_PER_S == 0)
		return now - ctime >= COARSE * NS_PER_S;
	for (int waited = 0; ctime >= now && ctime - now < CLOCK_TICK * NS_PER_MS && waited < CLOCK_TICK; waited++) {
		sys->sleep(NS_PER_MS);
		now = sys->wall();
	}
	return ctime < now;
}

/* ---- writing ---- */

static void apply_part(struct cache *cache, uint8_t *parts, struct record *record, const struct note *note)
{
	if (!*parts || !believed(cache, record, note->ino, note->version, note->ctime)) {
		*parts = 0;
		*record = (struct record){ .version = note->version, .ctime = note->ctime, .day = cache->today,
					   .roots = cache->roots };
	}
	/* Where the record is of an earlier ctime, it stays so: all of it is believed, none of it beyond doubt. */
	*parts |= (uint8_t)(1 << note->what);
	record->digests[note->what] = note->digest;
}

static void apply_note(struct cache *cache, struct block *block, const struct note *note)
{
	uint8_t *parts = &block->parts[note->ino % SLOTS];
	struct record *record = &block->records[note->ino % SLOTS];
	bool had = *parts, same = had && record->version == note->version;
	if (note->what < CACHE_PARTS)
		apply_part(cache, parts, record, note);
	else if (note->what == FORGET && same)
		*parts = 0;
	else if (note->what == MOVE_CTIME && same && record->ctime == note->before)
		record->ctime = note->ctime;
	else if (note->what == PUT_XATTRS && same && record->ctime == note->ctime) {
		*parts |= HAS_XATTRS;
		record->xattrs = note->xattrs;
	}
	cache->volumes.at[note->volume].stored.records += (uint64_t)((bool)*parts - had);
}

static int order_notes(const void *a, const void *b)
{
	const struct note *x = a, *y = b;
	if (x->volume != y->volume)
		return x->volume < y->volume ? -1 : 1;
	if (x->ino != y->ino)
		return x->ino < y->ino ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

static int write_notes(struct cache *cache)
{
	struct block *block = &cache->work;
	const struct note *notes = cache->behind.at;
	size_t count = cache->behind.count;
	int r = 0;
	for (size_t from = 0, to; from < count && !r; from = to) {
		const struct cache_volume *volume = &cache->volumes.at[notes[from].volume];
		int64_t id = block_id(volume->stored.number, notes[from].ino);
		r = load(cache, block, &volume->id, id);
		for (to = from; to < count && !r; to++) {
			if (notes[to].volume != notes[from].volume || block_id(volume->stored.number, notes[to].ino) != id)
				break;
			apply_note(cache, block, &notes[to]);
		}
		if (!r)
			r = save(cache, &volume->id, block);
	}
	for (size_t i = 0; i < cache->volumes.count && !r; i++) {
		cache->volumes.at[i].stored.seen = cache->today;
		if (cache->volumes.at[i].stored.number)
			r = store_set_volume(cache->store, &cache->volumes.at[i].stored);
	}
	return r;
}

/* In one transaction, or not at all. */
static void write_behind(struct cache *cache)
{
	if (!cache->behind.count || is_mute(cache) || !cache->store)
		return;
	qsort(cache->behind.at, cache->behind.count, sizeof(*cache->behind.at), order_notes);
	change(cache);
	int r = store_begin(cache->store, STORE_WRITE);
	if (!r) {
		r = write_notes(cache);
		if (!r)
			r = store_commit(cache->store);
		if (r)
			store_cancel(cache->store);
	}
	if (!r || (r == -EBUSY && cache->behind.count > BEHIND_MOST))
		cache->behind.count = 0;
	if (r && r != -EBUSY) {
		fail(cache, r, true);
		cache->behind.count = 0;
	}
}

/* The queue becomes what is behind. `order` goes on, so that what was behind before stays first. */
static int take_queue(struct cache *cache)
{
	int r;
	pthread_mutex_lock(&cache->queue_mutex);
	r = vec_reserve(&cache->behind, cache->behind.count + cache->queue.count);
	for (size_t i = 0; i < cache->queue.count && !r; i++) {
		cache->queue.at[i].order = (uint32_t)cache->behind.count;
		cache->behind.at[cache->behind.count++] = cache->queue.at[i];
	}
	cache->queue.count = 0;
	cache->written = sys->now();
	pthread_mutex_unlock(&cache->queue_mutex);
	return r;
}

static void write_locked(struct cache *cache)
{
	int r = take_queue(cache);
	if (r && cache->store)
		fail(cache, r, true);
	write_behind(cache);
}

/* Without waiting for another who writes already, unless that falls far behind. */
static void write_some(struct cache *cache, bool wait)
{
	if (wait)
		pthread_mutex_lock(&cache->mutex);
	else if (pthread_mutex_trylock(&cache->mutex))
		return;
	write_locked(cache);
	pthread_mutex_unlock(&cache->mutex);
}

static void add_note(struct cache *cache, struct inode_id id, struct note note)
{
	const struct catalog_inode *inode = catalog_inode(cache->catalog, id);
	uint32_t volume = volume_of(cache, inode);
	if (is_mute(cache) || volume == ID_NONE)
		return;
	note.ino = inode->ino;
	note.volume = volume;
	note.version = mark_of(cache, id)->version;
	note.ctime = mark_of(cache, id)->ctime;
	pthread_mutex_lock(&cache->queue_mutex);
	int r = vec_push(&cache->queue, note);
	size_t count = cache->queue.count;
	bool due = r || count >= BATCH || sys->now() - cache->written > PATIENCE * NS_PER_S;
	pthread_mutex_unlock(&cache->queue_mutex);
	if (due) /* a note for which there is no memory is a file that is read again */
		write_some(cache, r || count >= BEHIND_MOST);
}

void cache_put(struct cache *cache, struct inode_id inode, enum cache_part part, const struct digest *digest)
{
	add_note(cache, inode, (struct note){ .what = (int)part, .digest = *digest });
}

void cache_put_xattrs(struct cache *cache, struct inode_id inode, uint32_t xattrs)
{
	add_note(cache, inode, (struct note){ .what = PUT_XATTRS, .xattrs = xattrs });
}

void cache_forget(struct cache *cache, struct inode_id inode)
{
	add_note(cache, inode, (struct note){ .what = FORGET });
}

void cache_linked(struct cache *cache, struct inode_id inode, int64_t before, const struct stamp *now)
{
	struct mark *mark = mark_of(cache, inode);
	if (mark->ctime != before)
		return;
	mark->ctime = now->ctime;
	add_note(cache, inode, (struct note){ .what = MOVE_CTIME, .before = before });
}

uint64_t cache_comparison(struct cache *cache)
{
	return __atomic_add_fetch(&cache->comparisons, 1, __ATOMIC_RELAXED);
}

void cache_flush(struct cache *cache)
{
	see_to_trouble(cache);
	write_some(cache, true);
	if (__atomic_load_n(&cache->damaged, __ATOMIC_RELAXED) && cache->store)
		tell_note_error(cache->tell, DLK_REASON_CACHE_DAMAGED, cache->path, NULL, EUCLEAN);
	__atomic_store_n(&cache->damaged, false, __ATOMIC_RELAXED);
	if (cache->behind.count && cache->store && !is_mute(cache))
		tell_note_error(cache->tell, DLK_REASON_CACHE_UNWRITTEN, cache->path, NULL, EBUSY);
	cache->behind.count = 0;
}

void cache_add_run(struct cache *cache, const struct dlk_past_run *run)
{
	pthread_mutex_lock(&cache->mutex);
	for (int try = 0; try < 2 && cache->store && !is_mute(cache); try++) {
		int r = store_add_run(cache->store, run);
		if (!r)
			break;
		fail(cache, r, true); /* after damage there is a new file: once more */
	}
	pthread_mutex_unlock(&cache->mutex);
}

/* ---- lists ---- */

/* As it is stored: in front of the caller's bytes. */
struct list_head {
	struct digest digest; /* of all behind it */
	uint16_t day;         /* when it was written */
} __attribute__((packed));

/* Volumes have numbers from 1 on, and blocks of number 0 are lists. */
static int64_t list_id(const struct cache *cache)
{
	return (int64_t)(cache->asked >> (64 - ID_BITS));
}

static struct digest list_digest(const struct cache *cache, int64_t id, const void *list, size_t length)
{
	static const struct volume none;
	const unsigned char *after = (const unsigned char *)list + sizeof(struct digest);
	return block_digest(cache, &none, id, after, length - sizeof(struct digest));
}

static bool list_is_good(const struct cache *cache, int64_t id, const void *list, size_t length)
{
	struct digest digest, stored;
	if (length < sizeof(struct list_head))
		return false;
	memcpy(&stored, list, sizeof(stored));
	digest = list_digest(cache, id, list, length);
	return digest_equal(&digest, &stored);
}

int cache_get_list(struct cache *cache, void **ret, size_t *ret_length)
{
	const void *list;
	size_t length;
	*ret = NULL;
	int r = cache->store ? store_get(cache->store, list_id(cache), &list, &length) : -ENOENT;
	if (r && r != -ENOENT)
		fail(cache, r, false);
	if (r)
		return 0;
	if (!list_is_good(cache, list_id(cache), list, length)) {
		__atomic_store_n(&cache->damaged, true, __ATOMIC_RELAXED);
		return 0;
	}
	*ret_length = length - sizeof(struct list_head);
	*ret = malloc(*ret_length + 1);
	if (!*ret)
		return -ENOMEM;
	memcpy(*ret, (const unsigned char *)list + sizeof(struct list_head), *ret_length);
	return 0;
}

static int put_list(struct cache *cache, const void *list, size_t length)
{
	int r = store_begin(cache->store, STORE_WRITE);
	if (r)
		return r;
	r = store_put(cache->store, list_id(cache), list, length);
	if (!r)
		r = store_commit(cache->store);
	if (r)
		store_cancel(cache->store);
	return r;
}

/* A list that could not be written is one that is made again. */
void cache_put_list(struct cache *cache, const void *bytes, size_t length)
{
	size_t room = sizeof(struct list_head) + length;
	own_free unsigned char *list = malloc(room);
	struct list_head head = { .day = cache->today };
	if (!list || is_mute(cache) || !cache->store)
		return;
	memcpy(append(list, &head, sizeof(head)), bytes, length);
	head.digest = list_digest(cache, list_id(cache), list, room);
	memcpy(list, &head, sizeof(head));
	pthread_mutex_lock(&cache->mutex);
	int r = put_list(cache, list, room);
	if (r && r != -EBUSY)
		fail(cache, r, true);
	pthread_mutex_unlock(&cache->mutex);
}

/* ---- pruning ---- */

static int order_inos(const void *a, const void *b)
{
	uint64_t i = *(const uint64_t *)a, j = *(const uint64_t *)b;
	return i < j ? -1 : i > j;
}

/* The numbers of all inodes of a volume in the catalog. */
static int gather_inos(const struct cache *cache, uint32_t volume, uint64_t **ret, size_t *ret_count)
{
	VEC(uint64_t) found = { 0 };
	int r = 0;
	for (uint32_t i = 0; i < cache->catalog->inodes.count && !r; i++) {
		const struct catalog_inode *inode = catalog_inode(cache->catalog, (struct inode_id){ i });
		if (volume_of(cache, inode) == volume)
			r = vec_push(&found, inode->ino);
	}
	if (r) {
		vec_free(&found);
		return r;
	}
	if (found.count)
		qsort(found.at, found.count, sizeof(*found.at), order_inos);
	*ret = found.at;
	*ret_count = found.count;
	return 0;
}

static int prune_block(struct cache *cache, struct cache_volume *volume, int64_t id, const uint64_t *inos_there, size_t count,
		       uint64_t *kept)
{
	struct block *block = &cache->work;
	uint64_t base = ((uint64_t)id & ((UINT64_C(1) << ID_BITS) - 1)) << SLOT_BITS;
	bool changed = false;
	int r = load(cache, block, &volume->id, id);
	for (unsigned slot = 0; slot < SLOTS && !r; slot++) {
		uint64_t ino = base + slot;
		if (!block->parts[slot])
			continue;
		if (block->records[slot].roots != cache->roots ||
		    (count && bsearch(&ino, inos_there, count, sizeof(ino), order_inos))) {
			++*kept;
			continue;
		}
		block->parts[slot] = 0;
		changed = true;
	}
	return r || !changed ? r : save(cache, &volume->id, block);
}

static int prune_volume(struct cache *cache, uint32_t index)
{
	struct cache_volume *volume = &cache->volumes.at[index];
	int64_t id = block_id(volume->stored.number, 0), end = block_id(volume->stored.number + 1, 0);
	own_free uint64_t *there = NULL;
	size_t count;
	uint64_t kept = 0;
	int r = gather_inos(cache, index, &there, &count);
	while (!r && !(r = store_next(cache->store, id, end, &id))) {
		r = prune_block(cache, volume, id, there, count, &kept);
		id++;
	}
	if (r != -ENOENT)
		return r;
	volume->stored.records = volume->stored.kept = kept;
	volume->stored.pruned = volume->stored.seen = cache->today;
	return store_set_volume(cache->store, &volume->stored);
}

/* Lists of runs that come no more. */
static int prune_lists(struct cache *cache)
{
	int64_t id = 0;
	int r;
	while (!(r = store_next(cache->store, id, block_id(1, 0), &id))) {
		struct list_head head = { 0 };
		const void *list;
		size_t length;
		r = store_get(cache->store, id, &list, &length);
		if (!r && length >= sizeof(head))
			memcpy(&head, list, sizeof(head));
		if (!r && (cache->today < head.day || cache->today - head.day >= LIST_DAYS))
			r = store_drop(cache->store, id, id + 1);
		if (r)
			return r;
		id++;
	}
	return r == -ENOENT ? 0 : r;
}

/* File systems nobody has seen for a year. */
static int prune_volumes(struct cache *cache)
{
	int64_t row;
	int r;
	while (!(r = store_old_volume(cache->store, cache->today - VOLUME_DAYS, &row))) {
		if (row > 0 && !(row >> NUMBER_BITS)) /* else it never had blocks */
			r = store_drop(cache->store, block_id((uint32_t)row, 0), block_id((uint32_t)row + 1, 0));
		if (!r)
			r = store_drop_volume(cache->store, row);
		if (r)
			return r;
	}
	return r == -ENOENT ? 0 : r;
}

static bool prune_due(const struct cache *cache, const struct cache_volume *volume)
{
	const struct store_volume *stored = &volume->stored;
	return stored->number && (stored->records > stored->kept + stored->kept / 4 + 1024 ||
				  cache->today - stored->pruned >= PRUNE_DAYS || cache->today < stored->pruned);
}

static int prune(struct cache *cache)
{
	int r = store_begin(cache->store, STORE_WRITE);
	if (r)
		return r;
	change(cache);
	for (uint32_t i = 0; i < cache->volumes.count && !r; i++)
		if (prune_due(cache, &cache->volumes.at[i]))
			r = prune_volume(cache, i);
	if (!r)
		r = prune_volumes(cache);
	if (!r)
		r = prune_lists(cache);
	if (!r)
		r = store_commit(cache->store);
	if (r)
		store_cancel(cache->store);
	return r ? r : store_shrink(cache->store);
}

void cache_prune(struct cache *cache)
{
	bool due = false;
	for (size_t i = 0; i < cache->volumes.count; i++)
		due |= prune_due(cache, &cache->volumes.at[i]);
	if (!due || is_mute(cache) || !cache->store)
		return;
	pthread_mutex_lock(&cache->mutex);
	write_locked(cache);
	int r = cache->store && !is_mute(cache) ? prune(cache) : 0;
	if (r && r != -EBUSY)
		fail(cache, r, true);
	pthread_mutex_unlock(&cache->mutex);
}

/* ---- beginning ---- */

void cache_set_roots(struct cache *cache, uint64_t roots)
{
	cache->asked = mix64(roots);
	cache->roots = (uint16_t)(cache->asked >> 48);
}

const struct digest_key *cache_key(const struct cache *cache)
{
	return &cache->key;
}

bool cache_is(const struct cache *cache, const struct stamp *stamp)
{
	return stamp_same_file(&cache->file, stamp);
}

int cache_note(struct cache *cache, struct inode_id inode, const struct stamp *stamp)
{
	int r = seq_resize(&cache->marks, (size_t)inode.v + 1);
	if (r)
		return r;
	uint64_t version = mix64(mix64(mix64(stamp->size) ^ (uint64_t)stamp->mtime) ^ (uint64_t)stamp->btime);
	*mark_of(cache, inode) = (struct mark){ .version = version, .ctime = stamp->ctime };
	return 0;
}

uint64_t cache_version(const struct cache *cache, struct inode_id inode)
{
	return mix64(catalog_inode(cache->catalog, inode)->ino ^ mix64(mark_of(cache, inode)->version));
}

/* *ret_unknown: whether there is one the store does not have. */
static int find_volumes(struct cache *cache, bool *ret_unknown)
{
	*ret_unknown = false;
	for (size_t i = 0; i < cache->volumes.count; i++) {
		struct cache_volume *volume = &cache->volumes.at[i];
		volume->stored = (struct store_volume){ 0 };
		int r = store_volume(cache->store, &volume->id, &volume->stored);
		if (r && r != -ENOENT)
			return r;
		*ret_unknown |= r == -ENOENT;
		if (volume->stored.number >> NUMBER_BITS)
			volume->stored.number = 0;
	}
	return 0;
}

static int add_unknown(struct cache *cache)
{
	int r = 0;
	for (size_t i = 0; i < cache->volumes.count && !r; i++) {
		struct cache_volume *volume = &cache->volumes.at[i];
		struct store_volume known;
		r = store_volume(cache->store, &volume->id, &known); /* another run may have added it meanwhile */
		if (r != -ENOENT)
			continue;
		known = (struct store_volume){ .seen = cache->today, .pruned = cache->today };
		r = store_add_volume(cache->store, &volume->id, &known.number);
		if (!r)
			r = store_set_volume(cache->store, &known);
	}
	return r;
}

/* A cache that was copied from another machine looks like that, or one of several volumes that meets a new one. */
static int tell_if_elsewhere(struct cache *cache)
{
	int64_t other;
	for (size_t i = 0; i < cache->volumes.count; i++)
		if (cache->volumes.at[i].stored.number)
			return 0;
	int r = store_old_volume(cache->store, INT64_MAX, &other);
	if (!r)
		tell_note(cache->tell, DLK_REASON_CACHE_ELSEWHERE, cache->path, NULL);
	return r == -ENOENT ? 0 : r;
}

/* The number of each volume; new ones get one. */
static int know_volumes(struct cache *cache)
{
	bool unknown;
	int r = find_volumes(cache, &unknown);
	if (!r && unknown)
		r = tell_if_elsewhere(cache);
	if (r || !unknown || is_mute(cache))
		return r;
	r = store_begin(cache->store, STORE_WRITE);
	if (r)
		return r == -EBUSY ? 0 : r;
	r = add_unknown(cache);
	if (!r)
		r = store_commit(cache->store);
	if (r)
		store_cancel(cache->store);
	return r ? r : find_volumes(cache, &unknown);
}

static int add_volume(struct cache *cache, const struct volume *id)
{
	uint32_t index = 0;
	while (index < cache->volumes.count && !volume_equal(&cache->volumes.at[index].id, id))
		index++;
	int r = 0;
	if (index == cache->volumes.count) {
		struct cache_volume volume = { .id = *id };
		r = vec_push(&cache->volumes, volume);
	}
	return r ? r : vec_push(&cache->domains, index);
}

/* Some directory of the domain, open. */
static int open_domain(struct reach *reach, uint32_t domain, int *ret_fd)
{
	const struct catalog *catalog = reach->catalog;
	int r = -ENOENT, dirfd;
	for (uint32_t i = 0; i < catalog->dirs.count && r; i++) {
		if (catalog_dir(catalog, (struct dir_id){ i })->domain != domain)
			continue;
		r = reach_dir(reach, (struct dir_id){ i }, &dirfd);
		int fd = r ? r : sys->openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
		if (fd >= 0)
			*ret_fd = fd;
		r = fd < 0 ? fd : 0;
	}
	return r;
}

int cache_begin(struct cache *cache)
{
	struct reach reach;
	int r = 0;
	reach_init(&reach, cache->catalog, 4);
	for (uint32_t domain = 0; domain < cache->catalog->domains.count && r != -ENOMEM; domain++) {
		struct volume volume;
		own_fd int fd = -1;
		r = open_domain(&reach, domain, &fd);
		if (!r)
			r = volume_look(fd, &volume);
		if (!r)
			r = add_volume(cache, &volume);
		else if (r != -ENOMEM)
			r = vec_push(&cache->domains, ID_NONE);
	}
	reach_free(&reach);
	if (r == -ENOMEM || !cache->store)
		return r;
	r = know_volumes(cache);
	if (r)
		fail(cache, r, false);
	return 0;
}

static int open_store(struct cache *cache)
{
	int r = store_open(cache->path, STORE_WRITE, &cache->key, sizeof(cache->key), &cache->store);
	if (!r)
		r = store_secret(cache->store, &cache->key, sizeof(cache->key));
	if (r == -EUCLEAN)
		r = begin_anew(cache);
	if (r)
		return r;
	cache->mute = !store_writable(cache->store);
	cache->file = *store_stamp(cache->store);
	if (cache->mute)
		tell_note_error(cache->tell, DLK_REASON_CACHE_UNWRITTEN, cache->path, NULL, EROFS);
	return 0;
}

int cache_open(const char *path, struct tell *tell, const struct catalog *catalog, struct cache **ret)
{
	struct cache *cache = calloc(1, sizeof(*cache));
	if (!cache)
		return -ENOMEM;
	cache->tell = tell;
	cache->catalog = catalog;
	cache->today = (uint16_t)(sys->wall() / NS_PER_S / (24 * 60 * 60));
	cache->written = sys->now();
	seq_init(&cache->marks, sizeof(struct mark));
	pthread_mutex_init(&cache->queue_mutex, NULL);
	pthread_mutex_init(&cache->mutex, NULL);
	cache->path = strdup(path);
	cache->buffer = malloc(STORED_MOST);
	int r = cache->path && cache->buffer ? 0 : -ENOMEM;
	if (!r)
		r = sys_random(&cache->comparisons, sizeof(cache->comparisons));
	if (!r)
		r = digest_key_make(&cache->key);
	if (!r)
		r = open_store(cache);
	if (!r) {
		*ret = cache;
		return 0;
	}
	if (r != -ENOMEM)
		tell_note_error(tell, DLK_REASON_CACHE_UNUSED, path, NULL, r);
	cache_close(cache);
	return r == -ENOMEM ? r : 0;
}

void cache_close(struct cache *cache)
{
	if (!cache)
		return;
	if (cache->store)
		write_some(cache, true);
	store_close(cache->store);
	seq_free(&cache->marks);
	vec_free(&cache->volumes);
	vec_free(&cache->domains);
	vec_free(&cache->queue);
	vec_free(&cache->behind);
	pthread_mutex_destroy(&cache->queue_mutex);
	pthread_mutex_destroy(&cache->mutex);
	free(cache->path);
	free(cache->buffer);
	free(cache);
}
