/* SPDX-License-Identifier: MIT */
/* What was found is kept as it was found: names, links, stamps, order and buckets agree with plain lists. */
#include "unit.h"

#include <errno.h>

#include "../../src/core/bucket.h"
#include "forest.h"

static int sign(int n)
{
	return n < 0 ? -1 : n > 0;
}

/* `count` files of one link each, in directories drawn. */
static void add_singles(struct forest *forest, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		char name[FOREST_NAME];
		uint32_t dir = (uint32_t)draw(forest->dirs.count);
		struct stamp stamp = { .ino = 1 + i, .size = 10, .links = 1, .mode = S_IFREG };
		forest_name(forest, dir, name);
		forest_file(forest, dir, name, &stamp, 0);
	}
}

/* All at once, from any order, as one by one. */
static void check_sorted(struct forest *forest)
{
	uint32_t count = (uint32_t)forest->paths.count, order[128];
	struct catalog_numbered paths[128];
	must(count <= countof(order));
	for (uint32_t i = 0; i < count; i++)
		order[i] = i;
	draw_shuffle(order, count);
	for (uint32_t i = 0; i < count; i++)
		paths[i] = (struct catalog_numbered){ { order[i] }, order[i] + 7 };
	must(!catalog_sort_paths(&forest->catalog, paths, count));
	for (uint32_t i = 0; i < count; i++)
		must(paths[i].number == paths[i].path.v + 7);
	for (uint32_t i = 1; i < count; i++)
		must(forest_order(forest, paths[i - 1].path.v, paths[i].path.v) < 0);
}

START_TEST(order_is_that_of_component_lists)
{
	uint64_t unlike_joined = 0, wrong = 0;
	for (unsigned round = 0; round < 60; round++) {
		struct forest forest = { 0 };
		char a[4096], b[4096];
		draw_state = round;
		forest_plant(&forest, round % 3 ? 30 : 200, round % 17); /* and deep enough for jumps */
		add_singles(&forest, 60);
		for (uint32_t i = 0; i < forest.paths.count; i++) {
			for (uint32_t j = 0; j < forest.paths.count; j++) {
				int expected = sign(forest_order(&forest, i, j));
				int got = sign(catalog_path_order(&forest.catalog, (struct path_id){ i },
								  (struct path_id){ j }));
				wrong += got != expected;
				forest_text(&forest, i, a);
				forest_text(&forest, j, b);
				unlike_joined += forest_root(&forest, i) == forest_root(&forest, j) &&
						 sign(strcmp(a, b)) != expected;
			}
		}
		check_sorted(&forest);
		forest_fell(&forest);
	}
	must(wrong == 0);
	/* Else an order of joined paths would have passed as well. */
	ck_assert_uint_gt(unlike_joined, 1000);
}
END_TEST

/* No recursion: as deep as memory lasts. The depth is filled in deepest first, which is the order that costs most. */
START_TEST(order_copes_with_very_deep_trees)
{
	enum { DEPTH = 200000, COMPARISONS = 2000000 };
	struct catalog catalog;
	struct stamp stamp = { .ino = 1, .links = 1 };
	struct inode_id inode;
	uint32_t root;
	bool fresh;
	catalog_init(&catalog);
	must(catalog_add_root(&catalog, "r", "r", &root) == 0);
	struct mount_facts facts = { .dev = 1 };
	uint32_t domain;
	must(catalog_add_domain(&catalog, &facts, &domain) == 0);
	for (uint32_t i = DEPTH; i-- > 0;)
		must(catalog_set_dir(&catalog, (struct dir_id){ i },
						 (struct dir_id){ i ? i - 1 : ID_NONE }, root, "d", 1, &stamp, domain) == 0);
	must(!catalog_rank_dirs(&catalog));
	const struct {
		uint32_t dir;
		const char *name;
	} files[] = { { DEPTH - 1, "b" }, { DEPTH - 1, "a" }, { DEPTH - 2, "e" }, { DEPTH - 2, "c" }, { 0, "z" } };
	for (size_t i = 0; i < countof(files); i++)
		must(catalog_add_file(&catalog, (struct dir_id){ files[i].dir }, files[i].name, 1, &stamp,
						  domain, &inode, &fresh) == 0);
	/* In order: c (beside d), a, b (below d), e, z. */
	static const uint32_t order[] = { 3, 1, 0, 2, 4 };
	for (size_t i = 0; i + 1 < countof(order); i++) {
		struct path_id a = { order[i] }, b = { order[i + 1] };
		ck_assert_int_lt(catalog_path_order(&catalog, a, b), 0);
		ck_assert_int_gt(catalog_path_order(&catalog, b, a), 0);
	}
	for (unsigned i = 0; i < COMPARISONS; i++) /* not step by step: somebody may put a file into each of the directories */
		must(catalog_path_order(&catalog, (struct path_id){ 4 }, (struct path_id){ i % 2 }) > 0);
	struct catalog_numbered paths[countof(order)];
	for (uint32_t i = 0; i < countof(order); i++)
		paths[i] = (struct catalog_numbered){ { i }, i };
	must(!catalog_sort_paths(&catalog, paths, countof(order)));
	for (size_t i = 0; i < countof(order); i++)
		ck_assert_uint_eq(paths[i].path.v, order[i]);
	char *text = catalog_path_string(&catalog, (struct path_id){ 1 });
	ck_assert_ptr_nonnull(text);
	must(strlen(text) == 1 + 2 * (DEPTH - 1) + 2);
	ck_assert_str_eq(text + strlen(text) - 4, "/d/a");
	free(text);
	catalog_free(&catalog);
}
END_TEST

START_TEST(paths_are_shown_with_their_root)
{
	struct forest forest = { 0 };
	char expected[4096];
	draw_state = 3;
	forest_plant(&forest, 50, 8);
	add_singles(&forest, 300);
	for (uint32_t i = 0; i < forest.paths.count; i++) {
		char *got = catalog_path_string(&forest.catalog, (struct path_id){ i });
		forest_text(&forest, i, expected);
		must(!strcmp(got, expected));
		free(got);
	}
	/* A root itself is shown as it was given, and appending keeps what was there. */
	struct text text = { 0 };
	text_puts(&text, "> ");
	catalog_dir_text(&forest.catalog, (struct dir_id){ 2 }, &text);
	ck_assert_str_eq(text.at, "> /y/");
	text_free(&text);
	forest_fell(&forest);
}
END_TEST

/* ---- links ---- */

/* A file as the plain map knows it. */
struct known {
	uint32_t domain;
	uint64_t ino;
	uint32_t links;
	uint32_t id; /* ID_NONE: not met yet */
};

enum { FILES = 4000, NAMES = 20000 };

static struct stamp stamp_of(const struct known *file)
{
	uint64_t h = mix64(file->ino << 8 | file->domain);
	return (struct stamp){
		.ino = file->ino,
		.size = h % 1000,
		.blocks = h % 77,
		.mtime = (int64_t)h,
		.links = file->links,
		.uid = (uint32_t)(h % 5),
		.gid = (uint32_t)(h % 7),
		.mode = (uint16_t)(S_IFREG | h % 0777),
		.immutable = h % 11 == 0,
		.seal = (uint8_t)(h % 13 < 4 ? h % 13 : 0),
	};
}

/* Inode numbers of which many agree in one domain or in their low bits. */
static void make_files(struct known *files)
{
	for (uint32_t i = 0; i < FILES; i++)
		files[i] = (struct known){
			.domain = i % FOREST_DOMAINS,
			.ino = (uint64_t)(1 + i / FOREST_DOMAINS) << (i % 2 ? 0 : 32),
			.links = i % 4 ? 2 + i % 3 : 1,
			.id = ID_NONE,
		};
}

START_TEST(links_of_one_inode_stand_together)
{
	static struct known files[FILES];
	static uint32_t file_of[NAMES], names_of[FILES];
	struct catalog catalog;
	struct forest forest = { 0 };
	uint32_t inodes = 0, names = 0, known = 0;
	draw_state = 11;
	forest_plant(&forest, 0, 0);
	catalog = forest.catalog;
	make_files(files);
	for (uint32_t i = 0; i < NAMES; i++) {
		uint32_t f = (uint32_t)draw(FILES);
		struct known *file = &files[f];
		struct dir_id dir = { (uint32_t)draw(FOREST_ROOTS) };
		char name[16];
		snprintf(name, sizeof(name), "n%u", names);
		if (file->links == 1 && file->id != ID_NONE)
			continue;
		if (file->id != ID_NONE && draw(2)) {
			must(catalog_add_name(&catalog, dir, name, strlen(name), (struct inode_id){ file->id }) == 0);
			known++;
		} else {
			struct stamp stamp = stamp_of(file);
			struct inode_id id = { ID_NONE };
			bool fresh;
			must(catalog_add_file(&catalog, dir, name, strlen(name), &stamp, file->domain, &id,
							  &fresh) == 0);
			must(fresh == (file->id == ID_NONE));
			must(id.v == (fresh ? inodes : file->id));
			inodes += fresh;
			file->id = id.v;
		}
		file_of[names++] = f;
		names_of[f]++;
	}
	ck_assert_uint_gt(known, 1000);
	must(catalog.inodes.count == inodes);
	must(catalog.paths.count == names);

	uint32_t seen = 0;
	for (uint32_t f = 0; f < FILES; f++) {
		if (files[f].id == ID_NONE)
			continue;
		const struct catalog_inode *inode = catalog_inode(&catalog, (struct inode_id){ files[f].id });
		struct stamp got = catalog_stamp(&catalog, inode), expected = stamp_of(&files[f]);
		expected.dev = 1 + files[f].domain / 2;
		expected.mount = 7 + files[f].domain;
		must(stamp_same_version(&got, &expected));
		must(got.links == expected.links);
		must(got.blocks == expected.blocks);
		must(got.mount == expected.mount);
		must(got.immutable == expected.immutable && got.seal == expected.seal);
		must(inode->names == names_of[f]);
		for (uint32_t at = inode->first_path; at != ID_NONE;
		     at = catalog_path(&catalog, (struct path_id){ at })->next, seen++)
			must(file_of[at] == f);
	}
	/* Each name was met once in the chain of its own inode, so none is missing or in two chains. */
	must(seen == names);
	forest.catalog = catalog;
	forest_fell(&forest);
}
END_TEST

START_TEST(names_are_sorted_within_their_inode)
{
	for (unsigned round = 0; round < 100; round++) {
		struct forest forest = { 0 };
		struct stamp stamp = { .ino = 5, .links = 50, .mode = S_IFREG };
		struct inode_id id = { 0 };
		uint32_t sorted[50], count = 1 + (uint32_t)round % 50;
		draw_state = 1000 + round;
		forest_plant(&forest, 12, 8);
		for (uint32_t i = 0; i < count; i++) {
			char name[FOREST_NAME];
			uint32_t dir = (uint32_t)draw(forest.dirs.count);
			forest_name(&forest, dir, name);
			id = forest_file(&forest, dir, name, &stamp, 1);
			sorted[i] = i;
		}
		for (uint32_t i = 1; i < count; i++)
			for (uint32_t j = i; j > 0 && forest_order(&forest, sorted[j], sorted[j - 1]) < 0; j--) {
				uint32_t kept = sorted[j];
				sorted[j] = sorted[j - 1];
				sorted[j - 1] = kept;
			}
		must(catalog_sort_names(&forest.catalog, id) == 0);
		uint32_t at = catalog_inode(&forest.catalog, id)->first_path;
		for (uint32_t i = 0; i < count; i++) {
			must(at == sorted[i]);
			at = catalog_path(&forest.catalog, (struct path_id){ at })->next;
		}
		must(at == ID_NONE);
		forest_fell(&forest);
	}
}
END_TEST

START_TEST(fields_hold_the_largest_values)
{
	struct forest forest = { 0 };
	const struct stamp stamp = {
		.ino = UINT64_MAX,
		.size = UINT64_MAX >> 1,
		.blocks = (UINT64_C(1) << 40) - 1,
		.mtime = INT64_MIN,
		.links = UINT32_MAX,
		.uid = UINT32_MAX,
		.gid = UINT32_MAX - 1,
		.mode = S_IFREG | 07777,
		.immutable = true,
	};
	forest_plant(&forest, 0, 0);
	struct inode_id id = forest_file(&forest, 0, "f", &stamp, 2);
	struct stamp got = catalog_stamp(&forest.catalog, catalog_inode(&forest.catalog, id));
	must(got.ino == stamp.ino);
	must(got.size == stamp.size);
	must(got.blocks == stamp.blocks);
	must(got.mtime == stamp.mtime);
	must(got.links == stamp.links);
	must(got.uid == stamp.uid);
	must(got.gid == stamp.gid);
	must(got.mode == stamp.mode);
	must(got.immutable);
	forest_fell(&forest);
}
END_TEST

/* 80 bytes a file is the promise for the whole program; what many have in common must be kept once. */
START_TEST(common_facts_are_kept_once)
{
	enum { KINDS = 3000 };
	struct forest forest = { 0 };
	forest_plant(&forest, 0, 0);
	for (uint32_t i = 0; i < 5 * KINDS; i++) {
		uint32_t k = i % KINDS;
		struct stamp stamp = { .ino = 1 + i, .links = 1, .uid = k / 60, .gid = k / 4 % 15, .mode = k / 4 % 2,
				       .immutable = k % 2, .seal = k / 2 % 2 };
		char name[FOREST_NAME];
		struct inode_id id;
		bool fresh;
		snprintf(name, sizeof(name), "%u", i);
		must(catalog_add_file(&forest.catalog, (struct dir_id){ 0 }, name, strlen(name), &stamp, 0, &id,
						  &fresh) == 0);
		struct stamp got = catalog_stamp(&forest.catalog, catalog_inode(&forest.catalog, id));
		stamp.dev = 1;
		must(stamp_same_version(&got, &stamp) && got.immutable == stamp.immutable);
	}
	must(forest.catalog.metas.count == KINDS);
	ck_assert_uint_le(sizeof(struct catalog_inode) + sizeof(struct catalog_path), 60);
	forest_fell(&forest);
}
END_TEST

START_TEST(domains_are_told_apart_by_device_and_mount)
{
	struct catalog catalog;
	uint32_t domain;
	static const struct {
		uint64_t dev, mount;
		uint32_t domain;
	} adds[] = { { 1, 1, 0 }, { 1, 2, 1 }, { 2, 1, 2 }, { 1, 1, 0 }, { 2, 2, 3 }, { 2, 1, 2 } };
	catalog_init(&catalog);
	for (size_t i = 0; i < countof(adds); i++) {
		struct mount_facts facts = { .dev = adds[i].dev, .mount = adds[i].mount };
		must(catalog_add_domain(&catalog, &facts, &domain) == 0);
		must(domain == adds[i].domain);
	}
	must(catalog.domains.count == 4);
	catalog_free(&catalog);
}
END_TEST

/* Subvolumes of one file system match, whichever mount they are met by; what could be one file twice never does. */
START_TEST(parts_of_one_file_system_match)
{
	struct catalog catalog;
	uint32_t domain;
	static const struct {
		uint64_t dev, mount, whole[2];
		uint32_t match;
	} adds[] = { { 1, 1, { 7, 7 }, 0 }, { 2, 1, { 7, 7 }, 0 }, { 3, 1, { 0, 0 }, 2 }, { 4, 1, { 0, 0 }, 3 }, { 5, 2, { 7, 7 }, 0 },
		     { 2, 3, { 7, 7 }, 5 }, { 6, 1, { 7, 8 }, 6 }, { 8, 1, { 0, 8 }, 7 }, { 9, 9, { 0, 8 }, 7 } };
	catalog_init(&catalog);
	for (uint32_t i = 0; i < countof(adds); i++) {
		struct mount_facts facts = { .dev = adds[i].dev, .mount = adds[i].mount,
					     .whole = { adds[i].whole[0], adds[i].whole[1] } };
		must(catalog_add_domain(&catalog, &facts, &domain) == 0 && domain == i);
		ck_assert_uint_eq(catalog.matches.at[i], adds[i].match);
	}
	catalog_free(&catalog);
}
END_TEST

/* ---- buckets ---- */

enum { INODES = 100000 };

struct sized {
	uint64_t size;
	uint32_t domain, id;
};

static int order_sized(const void *a, const void *b)
{
	const struct sized *x = a, *y = b;
	if (x->domain != y->domain)
		return x->domain < y->domain ? -1 : 1;
	return x->size < y->size ? -1 : x->size > y->size;
}

START_TEST(buckets_are_groups_of_one_size_and_domain)
{
	static struct sized sized[INODES];
	uint64_t files = 0;
	struct forest forest = { 0 };
	struct bucket_table table;
	draw_state = 21;
	forest_plant(&forest, 0, 0);
	bucket_init(&table, &forest.catalog, 21);
	for (uint32_t i = 0; i < INODES; i++) {
		/* A few sizes with very many files, many with few, and sizes that agree in their low bits. */
		uint64_t size = draw(3) == 0 ? draw(8) : draw(3) ? draw(INODES) : draw(INODES) << 40;
		struct stamp stamp = { .ino = 1 + i, .size = size, .blocks = draw(20), .links = 1 };
		struct inode_id id;
		bool fresh;
		uint32_t domain = (uint32_t)draw(FOREST_DOMAINS);
		must(catalog_add_file(&forest.catalog, (struct dir_id){ 0 }, "n", 1, &stamp, domain, &id,
						  &fresh) == 0);
		sized[i] = (struct sized){ size, domain, id.v };
		must(bucket_add(&table, id, 0) == 0);
	}
	qsort(sized, INODES, sizeof(sized[0]), order_sized);
	uint32_t keys = 0;
	for (uint32_t from = 0, to; from < INODES; from = to, keys++) {
		uint32_t bucket = catalog_inode(&forest.catalog, (struct inode_id){ sized[from].id })->bucket;
		for (to = from; to < INODES && !order_sized(&sized[from], &sized[to]); to++) {
			const struct catalog_inode *inode = catalog_inode(&forest.catalog, (struct inode_id){ sized[to].id });
			must(inode->bucket == bucket);
		}
		must(bucket < table.buckets.count && bucket_at(&table, bucket)->count == to - from);
		files += to - from > 1 ? to - from : 0;
	}
	/* As many buckets as groups, each group in one bucket: they are the same. */
	must(table.buckets.count == keys);
	ck_assert_uint_eq(table.files, files);

	bucket_free(&table);
	must(table.buckets.count == 0 && table.files == 0);
	forest_fell(&forest);
}
END_TEST

/* The longest row of slots that are taken: how far is looked at worst. */
static size_t longest_run(const struct bucket_table *table)
{
	size_t longest = 0, run = 0;
	for (size_t slot = 0; slot < table->room; slot++) {
		run = table->slots[slot] == ID_NONE ? 0 : run + 1;
		longest = size_max(longest, run);
	}
	return longest;
}

/* Files whose sizes all want slot 0 in a table of seed 0, in a table of that seed or another. */
static size_t run_of_chosen_sizes(uint64_t seed)
{
	enum { CHOSEN = 1000, SLOTS = 2048 };
	struct forest forest = { 0 };
	struct bucket_table table;
	forest_plant(&forest, 0, 0);
	bucket_init(&table, &forest.catalog, seed);
	uint64_t size = 0;
	for (uint32_t i = 0; i < CHOSEN; i++) {
		struct stamp stamp = { .ino = 1 + i, .links = 1 };
		struct inode_id id;
		bool fresh;
		while (mix64(++size) % SLOTS)
			;
		stamp.size = size;
		must(!catalog_add_file(&forest.catalog, (struct dir_id){ 0 }, "f", 1, &stamp, 0, &id, &fresh));
		must(!bucket_add(&table, id, 0));
	}
	must(table.room == SLOTS && table.buckets.count == CHOSEN);
	size_t longest = longest_run(&table);
	bucket_free(&table);
	forest_fell(&forest);
	return longest;
}

/* Whoever chooses sizes does not know the seed: they lie as scattered as any. */
START_TEST(sizes_cannot_be_chosen_to_meet)
{
	ck_assert_uint_eq(run_of_chosen_sizes(0), 1000); /* they are well chosen */
	for (uint64_t seed = 1; seed <= 20; seed++)
		ck_assert_uint_lt(run_of_chosen_sizes(mix64(seed)), 150);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		order_is_that_of_component_lists,
		order_copes_with_very_deep_trees,
		paths_are_shown_with_their_root,
		links_of_one_inode_stand_together,
		names_are_sorted_within_their_inode,
		fields_hold_the_largest_values,
		common_facts_are_kept_once,
		domains_are_told_apart_by_device_and_mount,
		parts_of_one_file_system_match,
		buckets_are_groups_of_one_size_and_domain,
		sizes_cannot_be_chosen_to_meet,
	};
	return unit_run("catalog", tests, countof(tests));
}
