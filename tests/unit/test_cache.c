/* SPDX-License-Identifier: MIT */
/*
 * The cache promises: what it says of a file is what was put for it as it is now; a file that may have changed is believed for a
 * time only; whatever happens to its file, it gives wrong answers never and none at worst.
 */
#include "pipeline.h"

#include "../../src/core/cache.h"
#include "../../src/core/settled.h"
#include "../../src/core/store.h"

static struct pipeline pipeline;
static struct cache *cache;
static struct cache_finder *finder;
static char db[300];
static int64_t days_later; /* how far the clock is ahead */

static int64_t later(void)
{
	return sys_kernel.wall() + days_later * 24 * 60 * 60 * NS_PER_S;
}

static void begin(void)
{
	scratch_begin();
	snprintf(db, sizeof(db), "%s/cache.db", top_path);
	must(!mkdirat(top, "tree", 0755));
	days_later = 0;
	table.wall = later;
	sys_replace(&table);
}

static void finish(void)
{
	scratch_end();
}

/* A run: the tree is walked anew, and the cache opened. */
static void open_cache(void)
{
	char tree[300];
	snprintf(tree, sizeof(tree), "%s/tree", top_path);
	const char *const paths[] = { tree };
	pipeline_begin(&pipeline);
	must(!pipeline_roots(&pipeline, paths, 1) && !pipeline_walk(&pipeline));
	must(!cache_open(db, &pipeline.tell, &pipeline.catalog, &cache));
	for (uint32_t i = 0; cache && i < pipeline.catalog.inodes.count; i++) {
		struct inode_id id = { i };
		struct path_id path = { catalog_inode(&pipeline.catalog, id)->first_path };
		char name[300];
		struct stamp stamp;
		snprintf(name, sizeof(name), "tree/%s", catalog_name(&pipeline.catalog, path));
		must(!stamp_at(top, name, &stamp) && !cache_note(cache, id, &stamp));
	}
	must(!cache || !cache_begin(cache));
	must(!cache || !cache_finder_new(cache, &finder));
}

static void close_cache(void)
{
	if (cache)
		cache_flush(cache);
	cache_finder_free(finder);
	finder = NULL;
	cache_close(cache);
	cache = NULL;
	pipeline_end(&pipeline);
}

/* False, and said so, where there is no SQLite or no lasting name of the file system. */
static bool usable(void)
{
	bool can = cache && !pipeline_told(&pipeline, DLK_EVENT_NOTE, NULL);
	struct volume volume;
	if (can && !volume_look(top, &volume))
		return true;
	close_cache();
	return false;
}

static struct inode_id inode_of(const char *name)
{
	for (uint32_t i = 0; i < pipeline.catalog.inodes.count; i++) {
		struct path_id path = { catalog_inode(&pipeline.catalog, (struct inode_id){ i })->first_path };
		if (!strcmp(catalog_name(&pipeline.catalog, path), name))
			return (struct inode_id){ i };
	}
	ck_abort_msg("%s was not found", name);
	return (struct inode_id){ ID_NONE };
}

static struct digest digest_of(uint64_t n)
{
	return (struct digest){ mix64(n), ~n };
}

static void put(const char *name, enum cache_part part, uint64_t n)
{
	struct digest digest = digest_of(n);
	must(cache_may_keep(cache, inode_of(name)));
	cache_put(cache, inode_of(name), part, &digest);
}

/* 0: nothing is remembered. */
static bool has(const char *name, enum cache_part part, uint64_t n)
{
	struct cache_found found;
	struct digest want = digest_of(n);
	bool is = cache_find(finder, inode_of(name), part, &found);
	must(!is || !n || digest_equal(&found.digest, &want));
	return is;
}

static bool has_xattrs(const char *name, enum cache_part part, uint32_t xattrs)
{
	struct cache_found found;
	bool is = cache_find(finder, inode_of(name), part, &found) && found.has_xattrs;
	must(!is || found.xattrs == xattrs);
	return is;
}

static void touch(const char *name)
{
	char path[300];
	snprintf(path, sizeof(path), "tree/%s", name);
	must(!fchmodat(top, path, 0600, 0) && !fchmodat(top, path, 0644, 0));
}

START_TEST(what_was_put_is_found)
{
	scratch_text("tree/a", "aaaa");
	scratch_text("tree/b", "bbbb");
	open_cache();
	if (!usable()) {
		unit_skip("no cache here");
		return;
	}
	put("a", CACHE_HEAD, 1);
	put("a", CACHE_EQUALS, 2);
	put("b", CACHE_WHOLE, 3);
	cache_put_xattrs(cache, inode_of("a"), 7);
	close_cache();
	open_cache();
	ck_assert(has("a", CACHE_HEAD, 1) && has("a", CACHE_EQUALS, 2) && has("b", CACHE_WHOLE, 3));
	ck_assert(!has("a", CACHE_TAIL, 0) && !has("a", CACHE_WHOLE, 0) && !has("b", CACHE_HEAD, 0));
	ck_assert(has_xattrs("a", CACHE_HEAD, 7));
	ck_assert(!has_xattrs("b", CACHE_WHOLE, 0));
	/* a part more does not drop the others */
	put("a", CACHE_TAIL, 4);
	close_cache();
	open_cache();
	ck_assert(has("a", CACHE_HEAD, 1) && has("a", CACHE_TAIL, 4));
	cache_forget(cache, inode_of("a"));
	close_cache();
	open_cache();
	ck_assert(!has("a", CACHE_HEAD, 0) && has("b", CACHE_WHOLE, 3));
	ck_assert_uint_eq(pipeline.told.count, 0);
	close_cache();
}
END_TEST

/* Size, mtime, another inode under the name: nothing is said of them. */
START_TEST(a_changed_file_is_another)
{
	static const char *const names[] = { "size", "time", "inode", "same" };
	for (size_t i = 0; i < countof(names); i++) {
		char path[40];
		snprintf(path, sizeof(path), "tree/%s", names[i]);
		scratch_text(path, "text");
	}
	open_cache();
	if (!usable()) {
		unit_skip("no cache here");
		return;
	}
	for (size_t i = 0; i < countof(names); i++)
		put(names[i], CACHE_HEAD, i + 1);
	close_cache();
	const struct timespec times[] = { { 0, UTIME_OMIT }, { 1000, 1 } };
	int fd = openat(top, "tree/size", O_WRONLY | O_APPEND | O_CLOEXEC);
	must(fd >= 0 && write(fd, "x", 1) == 1 && !close(fd));
	must(!utimensat(top, "tree/time", times, 0));
	must(!unlinkat(top, "tree/inode", 0));
	scratch_text("tree/inode", "text");
	open_cache();
	ck_assert(!has("size", CACHE_HEAD, 0) && !has("time", CACHE_HEAD, 0) && !has("inode", CACHE_HEAD, 0));
	ck_assert(has("same", CACHE_HEAD, 4));
	close_cache();
}
END_TEST

/* While ctime stays: for ever. Once it moved: for 60 to 119 days, attributes not at all; after that read again, and then for ever. */
START_TEST(a_touched_file_is_believed_for_a_time)
{
	static const struct {
		int64_t days;
		int touched, untouched; /* 1: found; -1: not; 0: either */
	} cases[] = { { 0, 1, 1 }, { 59, 1, 1 }, { 80, 0, 1 }, { 120, -1, 1 }, { 4000, -1, 1 }, { -30, -1, 1 } };
	scratch_text("tree/touched", "t");
	scratch_text("tree/quiet", "q");
	open_cache();
	if (!usable()) {
		unit_skip("no cache here");
		return;
	}
	put("touched", CACHE_HEAD, 1);
	put("quiet", CACHE_HEAD, 2);
	cache_put_xattrs(cache, inode_of("touched"), 0);
	cache_put_xattrs(cache, inode_of("quiet"), 0);
	close_cache();
	touch("touched");
	for (size_t i = 0; i < countof(cases); i++) {
		days_later = cases[i].days;
		open_cache();
		ck_assert(cases[i].touched <= 0 || has("touched", CACHE_HEAD, 1));
		ck_assert(cases[i].touched >= 0 || !has("touched", CACHE_HEAD, 0));
		ck_assert(has("quiet", CACHE_HEAD, 2));
		ck_assert(!has_xattrs("touched", CACHE_HEAD, 0));
		ck_assert(has_xattrs("quiet", CACHE_HEAD, 0));
		close_cache();
	}
	/* read again: what is put replaces all that was known */
	days_later = 4000;
	open_cache();
	put("touched", CACHE_TAIL, 5);
	close_cache();
	open_cache();
	ck_assert(has("touched", CACHE_TAIL, 5) && !has("touched", CACHE_HEAD, 0));
	close_cache();
}
END_TEST

/* A part put while the rest is believed only must not make the rest certain. */
START_TEST(a_new_part_does_not_renew_the_others)
{
	scratch_text("tree/a", "a");
	open_cache();
	if (!usable()) {
		unit_skip("no cache here");
		return;
	}
	put("a", CACHE_HEAD, 1);
	close_cache();
	touch("a");
	days_later = 50;
	open_cache();
	put("a", CACHE_TAIL, 2);
	close_cache();
	open_cache();
	ck_assert(has("a", CACHE_HEAD, 1) && has("a", CACHE_TAIL, 2));
	close_cache();
	days_later = 120;
	open_cache();
	ck_assert(!has("a", CACHE_HEAD, 0) && !has("a", CACHE_TAIL, 0));
	close_cache();
}
END_TEST

START_TEST(our_own_links_leave_it_certain)
{
	struct stamp before, after;
	scratch_text("tree/ours", "o");
	scratch_text("tree/theirs", "t");
	open_cache();
	if (!usable()) {
		unit_skip("no cache here");
		return;
	}
	for (int i = 0; i < 2; i++) {
		const char *name = i ? "theirs" : "ours", *path = i ? "tree/theirs" : "tree/ours";
		put(name, CACHE_HEAD, (uint64_t)i + 1);
		cache_put_xattrs(cache, inode_of(name), 0);
		must(!stamp_at(top, path, &before));
		touch(name);
		must(!stamp_at(top, path, &after) && after.ctime != before.ctime);
		/* ours by the ctime that was noted; of the other somebody moved it before */
		cache_linked(cache, inode_of(name), before.ctime - i, &after);
	}
	close_cache();
	days_later = 200;
	open_cache();
	ck_assert(has("ours", CACHE_HEAD, 1) && has_xattrs("ours", CACHE_HEAD, 0));
	ck_assert(!has("theirs", CACHE_HEAD, 0) && !has_xattrs("theirs", CACHE_HEAD, 0));
	close_cache();
}
END_TEST

static int64_t standing; /* ns */

static int64_t stand_still(void)
{
	return standing;
}

/* What is read in the tick a file was written in may be written once more in that tick, without a trace. */
START_TEST(a_file_written_just_now_is_waited_for)
{
	scratch_text("tree/a", "a");
	open_cache();
	if (!usable()) {
		unit_skip("no cache here");
		return;
	}
	struct stamp stamp;
	must(!stamp_at(top, "tree/a", &stamp));
	table.wall = stand_still;
	standing = stamp.ctime;
	ck_assert(!cache_may_keep(cache, inode_of("a"))); /* the clock does not go on: waiting ends */
	standing = stamp.ctime + 1;
	ck_assert(cache_may_keep(cache, inode_of("a")));
	standing = stamp.ctime - NS_PER_S; /* a clock that was set back */
	ck_assert(!cache_may_keep(cache, inode_of("a")));
	stamp.ctime -= stamp.ctime % NS_PER_S; /* a file system that keeps seconds */
	must(!cache_note(cache, inode_of("a"), &stamp));
	standing = stamp.ctime + NS_PER_S;
	ck_assert(!cache_may_keep(cache, inode_of("a")));
	standing = stamp.ctime + 3 * NS_PER_S;
	ck_assert(cache_may_keep(cache, inode_of("a")));
	close_cache();
}
END_TEST

/* Many inodes, in blocks and batches; those that are gone are dropped after a week, those of other roots are not. */
START_TEST(what_is_gone_is_dropped)
{
	enum { FILES = 300 };
	struct volume volume;
	char path[40];
	open_cache();
	if (!usable()) {
		unit_skip("no cache here");
		return;
	}
	close_cache();
	for (int i = 0; i < FILES; i++) {
		snprintf(path, sizeof(path), "tree/f%d", i);
		scratch_text(path, "x");
	}
	open_cache();
	cache_set_roots(cache, 1);
	for (int i = 0; i < FILES; i++) {
		snprintf(path, sizeof(path), "f%d", i);
		put(path, CACHE_HEAD, (uint64_t)i + 1);
		if (i == FILES / 2) {
			cache_flush(cache);
			cache_set_roots(cache, 2);
		}
	}
	close_cache();
	for (int i = 0; i < FILES; i += 2) {
		snprintf(path, sizeof(path), "tree/f%d", i);
		must(!unlinkat(top, path, 0));
	}
	for (int week = 0; week < 2; week++) {
		struct store_volume stored;
		struct store *store;
		days_later = week * 8;
		open_cache();
		cache_set_roots(cache, 1);
		cache_prune(cache);
		for (int i = 1; i < FILES; i += 2) {
			snprintf(path, sizeof(path), "f%d", i);
			must(has(path, CACHE_HEAD, (uint64_t)i + 1));
		}
		close_cache();
		must(!volume_look(top, &volume) && !store_open(db, STORE_READ, NULL, 0, &store));
		must(!store_volume(store, &volume, &stored));
		/* of the first half and one, put for roots 1, every second is gone: 76 of them */
		ck_assert_uint_eq(stored.records, week ? FILES - 76 : FILES);
		store_close(store);
	}
}
END_TEST

enum { MANY = 700 };

static const char *name_of_many(size_t i)
{
	static char name[20];
	snprintf(name, sizeof(name), "f%zu", i);
	return name;
}

/* Each of every `step`th is found as it was put. */
static void check_many(struct cache_finder *who, const struct inode_id *inodes, size_t step, bool backwards)
{
	for (size_t i = 0; i < MANY; i += step) {
		size_t at = backwards ? MANY - 1 - i : i;
		struct digest want = digest_of(at);
		struct cache_found found;
		must(cache_find(who, inodes[at], CACHE_HEAD, &found) && digest_equal(&found.digest, &want));
		must(!cache_find(who, inodes[at], CACHE_TAIL, &found));
	}
}

struct asking {
	const struct inode_id *inodes;
	size_t rounds; /* atomic: begun */
};

static void ask_many(void *ctx, unsigned worker)
{
	struct asking *asking = ctx;
	struct cache_finder *mine;
	must(!cache_finder_new(cache, &mine));
	while (__atomic_fetch_add(&asking->rounds, 1, __ATOMIC_RELAXED) < 200) {
		cache_look_ahead(mine, asking->inodes, MANY / (worker + 1));
		check_many(mine, asking->inodes, 1 + worker, worker % 2);
	}
	cache_finder_free(mine);
}

/* Ahead, one by one, backwards, skipping most, by several threads, and after something was written. */
START_TEST(it_does_not_matter_how_it_is_asked)
{
	static struct inode_id inodes[MANY];
	open_cache();
	if (!usable()) {
		unit_skip("no cache here");
		return;
	}
	close_cache();
	for (size_t i = 0; i < MANY; i++) {
		char path[40];
		snprintf(path, sizeof(path), "tree/%s", name_of_many(i));
		scratch_text(path, "x");
	}
	open_cache();
	for (size_t i = 0; i < MANY; i++)
		put(name_of_many(i), CACHE_HEAD, i);
	close_cache();
	open_cache();
	for (size_t i = 0; i < MANY; i++)
		inodes[i] = inode_of(name_of_many(i));
	check_many(finder, inodes, 1, false);
	check_many(finder, inodes, 1, true);
	check_many(finder, inodes, MANY / 3, false);
	struct asking asking = { .inodes = inodes };
	cache_hold(cache);
	pool_run(4, ask_many, &asking);
	cache_release(cache);
	cache_look_ahead(finder, inodes, MANY);
	check_many(finder, inodes, 1, false);
	for (size_t i = 0; i < MANY; i += 2)
		put(name_of_many(i), CACHE_TAIL, i);
	cache_forget(cache, inodes[1]);
	cache_flush(cache);
	for (size_t i = 0; i < MANY; i += 2)
		must(has(name_of_many(i), CACHE_TAIL, i) && has(name_of_many(i), CACHE_HEAD, i));
	ck_assert(!has(name_of_many(1), CACHE_HEAD, 0));
	ck_assert_uint_eq(pipeline.told.count, 0);
	close_cache();
}
END_TEST

/* A block that stands in another's place, or has a bit flipped, is not believed; the rest is. */
START_TEST(damage_is_not_believed)
{
	struct store *store;
	const void *bytes;
	size_t length;
	unsigned char copy[4096];
	int64_t id;
	scratch_text("tree/a", "a");
	open_cache();
	if (!usable()) {
		unit_skip("no cache here");
		return;
	}
	put("a", CACHE_HEAD, 1);
	close_cache();
	must(!store_open(db, STORE_WRITE, NULL, 0, &store) && !store_next(store, 0, INT64_MAX, &id));
	must(!store_get(store, id, &bytes, &length) && length < sizeof(copy) - 1);
	memcpy(copy, bytes, length);
	store_close(store);
	for (size_t bit = 0; bit <= length * 8; bit += 5) {
		bool moved = bit + 5 > length * 8;
		copy[bit / 8] ^= (unsigned char)(1 << bit % 8);
		must(!store_open(db, STORE_WRITE, NULL, 0, &store));
		must(!store_put(store, id, copy, moved ? length - 1 : length)); /* or cut short */
		store_close(store);
		copy[bit / 8] ^= (unsigned char)(1 << bit % 8);
		open_cache();
		ck_assert(!has("a", CACHE_HEAD, 0));
		ck_assert_uint_eq(pipeline.told.count, 0);
		cache_flush(cache);
		ck_assert_uint_eq(pipeline_told(&pipeline, DLK_EVENT_NOTE, "cache.db"), 1);
		ck_assert_int_eq(pipeline.told.at[0].reason, DLK_REASON_CACHE_DAMAGED);
		close_cache();
	}
	open_cache();
	put("a", CACHE_HEAD, 3);
	close_cache();
	open_cache();
	ck_assert(has("a", CACHE_HEAD, 3));
	close_cache();
}
END_TEST

/* The database, and where in it its secret lies. */
static long find_secret(unsigned char *file, size_t room)
{
	int fd = scratch_open("cache.db");
	ssize_t length = read(fd, file, room);
	must(length > 0 && (size_t)length < room && !close(fd));
	unsigned char *at = memmem(file, (size_t)length, cache_key(cache), sizeof(struct digest_key));
	must(at);
	return at - file;
}

/* Whichever bit of the secret flips: what was put under the other one is not found, the file is set aside, and a new one used. */
START_TEST(a_damaged_secret_is_not_used)
{
	static unsigned char file[1 << 20];
	scratch_text("tree/a", "a");
	open_cache();
	if (!usable()) {
		unit_skip("no cache here");
		return;
	}
	for (long byte = 0; byte < DIGEST_SECRET; byte++) {
		struct digest_key whole = *cache_key(cache);
		put("a", CACHE_HEAD, 1);
		cache_flush(cache);
		long at = find_secret(file, sizeof(file)) + byte;
		close_cache();
		int fd = openat(top, "cache.db", O_WRONLY | O_CLOEXEC);
		file[at] ^= (unsigned char)(1 << byte % 8);
		must(fd >= 0 && pwrite(fd, &file[at], 1, at) == 1 && !close(fd));
		open_cache();
		must(cache && !has("a", CACHE_HEAD, 0) && memcmp(cache_key(cache), &whole, sizeof(whole)));
		must(pipeline_told(&pipeline, DLK_EVENT_NOTE, "cache.db") == 1);
		must(pipeline.told.at[0].reason == DLK_REASON_CACHE_DAMAGED);
		must(!unlinkat(top, "cache.db.damaged", 0));
	}
	put("a", CACHE_HEAD, 2);
	close_cache();
	open_cache();
	ck_assert(has("a", CACHE_HEAD, 2));
	ck_assert_uint_eq(pipeline.told.count, 0);
	close_cache();
}
END_TEST

static int swapped; /* atomic */

/* Another program saves over the name when it is opened to be read. */
static int swap_and_open(int dirfd, const char *path, int flags, mode_t mode)
{
	bool file = !(flags & (O_PATH | O_DIRECTORY)) && !strcmp(path, "a");
	if (file && !__atomic_exchange_n(&swapped, 1, __ATOMIC_RELAXED))
		must(!renameat(top, "saved", dirfd, path)); /* of the same size */
	return sys_kernel.openat(dirfd, path, flags, mode);
}

static uint64_t links_foreseen(void)
{
	char tree[300];
	struct dlk_options options;
	struct dlk_plan *plan;
	snprintf(tree, sizeof(tree), "%s/tree", top_path);
	dlk_options_init(&options);
	options.cache = db;
	must(!dlk_scan(&options, (const char *const[]){ tree }, 1, &plan));
	uint64_t links = dlk_plan_tally(plan)->links_made;
	dlk_plan_free(plan);
	return links;
}

/* What was read by a name that leads to another file by then is not put down as the digest of the one it was. */
START_TEST(a_file_saved_over_while_it_is_read_is_not_taken_for_the_old_one)
{
	open_cache();
	if (!usable()) {
		unit_skip("no cache here");
		return;
	}
	close_cache();
	scratch_text("tree/a", "same");
	must(!linkat(top, "tree/a", top, "kept", 0)); /* out of the run's sight */
	scratch_text("tree/copy", "same");
	scratch_text("saved", "else");
	table.openat = swap_and_open;
	swapped = 0;
	ck_assert_uint_eq(links_foreseen(), 0);
	ck_assert(swapped);
	must(!renameat(top, "kept", top, "tree/a"));
	ck_assert_uint_eq(links_foreseen(), 1); /* the old file, and the copy */
}
END_TEST

static unsigned notes; /* that the last run told of the cache */

/*
 * A run: which sizes below 32 were settled, bit by bit. It finds all others to be so, too, but for those `restless`. `roots`: what it was
 * asked for.
 */
static uint32_t settled_sizes(uint64_t roots, uint32_t restless)
{
	struct settled settled = { 0 };
	struct bucket_table *buckets = &pipeline.buckets;
	uint32_t found = 0;
	uint64_t files = 0;
	open_cache();
	cache_set_roots(cache, roots);
	for (uint32_t i = 0; i < pipeline.catalog.inodes.count; i++) {
		struct inode_id id = { i };
		bucket_at(buckets, catalog_inode(&pipeline.catalog, id)->bucket)->sum += cache_version(cache, id);
	}
	must(!settled_recall(&settled, cache, buckets));
	for (size_t i = 0; i < buckets->buckets.count; i++) {
		struct bucket *bucket = bucket_at(buckets, i);
		must(bucket->size < 32);
		found |= (uint32_t)(bucket->settled > 0) << bucket->size;
		files += bucket->settled ? bucket->count : 0;
		bucket->restless = restless >> bucket->size & 1;
	}
	ck_assert_uint_eq(settled.files, files);
	must(!settled_remember(&settled, cache, buckets));
	settled_free(&settled);
	cache_flush(cache);
	notes = pipeline_told(&pipeline, DLK_EVENT_NOTE, "cache.db");
	close_cache();
	return found;
}

START_TEST(sizes_without_equals_are_settled)
{
	enum { FOUR = 1 << 4, FIVE = 1 << 5, SEVEN = 1 << 7 };
	scratch_text("tree/a", "aaaa");
	scratch_text("tree/b", "bbbb");
	scratch_text("tree/c", "ccccc");
	scratch_text("tree/d", "ddddd");
	scratch_text("tree/alone", "eeeeee");
	scratch_text("tree/f", "fffffff");
	scratch_text("tree/g", "ggggggg");
	open_cache();
	if (!usable()) {
		unit_skip("no cache here");
		return;
	}
	close_cache();
	ck_assert_uint_eq(settled_sizes(1, SEVEN), 0);
	ck_assert_uint_eq(settled_sizes(1, SEVEN), FOUR | FIVE);
	touch("a");
	ck_assert_uint_eq(settled_sizes(1, SEVEN), FOUR | FIVE);
	/* other roots have a list of their own */
	ck_assert_uint_eq(settled_sizes(2, 0), 0);
	ck_assert_uint_eq(settled_sizes(2, 0), FOUR | FIVE | SEVEN);
	ck_assert_uint_eq(settled_sizes(1, SEVEN), FOUR | FIVE);
	/* a file that changed, one that came, and one that went */
	const struct timespec times[] = { { 0, UTIME_OMIT }, { 1000, 1 } };
	must(!utimensat(top, "tree/a", times, 0));
	ck_assert_uint_eq(settled_sizes(1, FOUR), FIVE);
	scratch_text("tree/new", "nnnnn");
	ck_assert_uint_eq(settled_sizes(1, 0), SEVEN);
	must(!unlinkat(top, "tree/new", 0));
	ck_assert_uint_eq(settled_sizes(1, 0), FOUR | SEVEN);
	/* restless, though it has not changed since */
	ck_assert_uint_eq(settled_sizes(1, FOUR), FOUR | FIVE | SEVEN);
	ck_assert_uint_eq(settled_sizes(1, 0), FIVE | SEVEN);
	ck_assert_uint_eq(notes, 0);
}
END_TEST

/* Two files of four bytes, found to differ. False, and skipped, where there can be no cache. */
static bool four_is_settled(void)
{
	scratch_text("tree/a", "aaaa");
	scratch_text("tree/b", "bbbb");
	open_cache();
	if (!usable()) {
		unit_skip("no cache here");
		return false;
	}
	close_cache();
	ck_assert_uint_eq(settled_sizes(1, 0), 0);
	return true;
}

/* For a week since it was found; nothing that a run says meanwhile makes it longer. */
START_TEST(what_is_settled_is_looked_at_again)
{
	static const struct {
		int64_t days;
		bool settled;
	} nights[] = { { 1, true }, { 3, true }, { 6, true }, { 7, false }, { 8, true }, { 13, true }, { 14, false }, { 13, false }, { 30, false } };
	if (!four_is_settled())
		return;
	for (size_t i = 0; i < countof(nights); i++) {
		char path[40];
		/* something else changes each night, so that the list is written */
		snprintf(path, sizeof(path), "tree/new%zu", i);
		scratch_text(path, "something else");
		days_later = nights[i].days;
		ck_assert_uint_eq(settled_sizes(1, 1 << 14) & 1 << 4, nights[i].settled ? 1 << 4 : 0);
	}
}
END_TEST

/* Bit by bit, and cut short. */
START_TEST(a_damaged_list_is_not_believed)
{
	struct store *store;
	const void *bytes;
	size_t length;
	unsigned char copy[256];
	int64_t id;
	if (!four_is_settled())
		return;
	must(!store_open(db, STORE_WRITE, NULL, 0, &store) && !store_next(store, 0, INT64_MAX, &id));
	must(!store_get(store, id, &bytes, &length) && length < sizeof(copy));
	memcpy(copy, bytes, length);
	store_close(store);
	for (size_t bit = 0; bit <= length * 8; bit += 3) {
		size_t cut = bit + 3 > length * 8 ? length : bit % 7 == 0 ? bit / 8 : 0;
		copy[bit / 8] ^= (unsigned char)(1 << bit % 8);
		must(!store_open(db, STORE_WRITE, NULL, 0, &store) && !store_put(store, id, copy, length - cut));
		store_close(store);
		copy[bit / 8] ^= (unsigned char)(1 << bit % 8);
		ck_assert_uint_eq(settled_sizes(1, 0), 0);
		ck_assert_uint_eq(notes, 1);
		ck_assert_uint_eq(settled_sizes(1, 0), 1 << 4);
		ck_assert_uint_eq(notes, 0);
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		what_was_put_is_found,
		a_changed_file_is_another,
		a_touched_file_is_believed_for_a_time,
		a_new_part_does_not_renew_the_others,
		our_own_links_leave_it_certain,
		a_file_written_just_now_is_waited_for,
		what_is_gone_is_dropped,
		it_does_not_matter_how_it_is_asked,
		damage_is_not_believed,
		a_damaged_secret_is_not_used,
		sizes_without_equals_are_settled,
		what_is_settled_is_looked_at_again,
		a_damaged_list_is_not_believed,
		a_file_saved_over_while_it_is_read_is_not_taken_for_the_old_one,
	};
	return unit_run_in("cache", tests, countof(tests), begin, finish);
}
