/* SPDX-License-Identifier: MIT */
/* Who stays is who stays by the policy, nobody gets more links than it may, and a second run has nothing to move. */
#include "unit.h"

#include "../../src/core/keeper.h"
#include "forest.h"

enum { POLICIES = DLK_KEEP_FIRST_PATH + 1, FILES_MOST = 400, NAMES_MOST = 12 };

/* Equal files, plainly: which names each has, and how many links. */
struct file {
	uint64_t links, outside; /* outside: links that have no name here */
	int64_t mtime;
	uint32_t names[FILES_MOST * 4]; /* numbers of places */
	uint32_t count;
};

struct place {
	uint32_t dir;
	char name[FOREST_NAME];
};

static struct file files[FILES_MOST];
static struct place places[FILES_MOST * NAMES_MOST];
static uint32_t file_count, place_count;

static struct forest forest;
static struct inode_id inodes[FILES_MOST];

/* Makes the catalog of the files as they are now. */
static void catalogue(void)
{
	uint32_t order[FILES_MOST];
	catalog_free(&forest.catalog);
	vec_free(&forest.paths);
	forest_sow(&forest);
	for (uint32_t i = 0; i < file_count; i++)
		order[i] = i;
	draw_shuffle(order, file_count);
	for (uint32_t n = 0; n < file_count; n++) {
		struct file *file = &files[order[n]];
		/* Every inode has a number of its own; it stands for the file in `size`. */
		struct stamp stamp = { .ino = 1 + n, .size = order[n], .links = (uint32_t)file->links,
				       .mtime = file->mtime };
		draw_shuffle(file->names, file->count);
		for (uint32_t i = 0; i < file->count; i++) {
			const struct place *place = &places[file->names[i]];
			inodes[n] = forest_file(&forest, place->dir, place->name, &stamp, 0);
		}
		must(!catalog_sort_names(&forest.catalog, inodes[n]));
	}
}

/* One in `outsiders` files has links elsewhere; 0: none. */
static void draw_files(uint32_t count, uint32_t names_most, uint64_t outsiders)
{
	file_count = count;
	place_count = 0;
	for (uint32_t f = 0; f < count; f++) {
		struct file *file = &files[f];
		*file = (struct file){ .mtime = (int64_t)draw(6), .count = 1 + (uint32_t)draw(names_most) };
		file->outside = outsiders && !draw(outsiders) ? draw(names_most) : 0;
		file->links = file->count + file->outside;
		for (uint32_t i = 0; i < file->count; i++, place_count++) {
			struct place *place = &places[place_count];
			file->names[i] = place_count;
			place->dir = (uint32_t)draw(forest.dirs.count);
			/* Short numbers, shuffled: unlike forest_name, never a name twice without looking. */
			snprintf(place->name, sizeof(place->name), "%c%u", (char)('a' + draw(26)), place_count);
		}
	}
}

/* ---- the plain way ---- */

static uint32_t file_of(struct inode_id id)
{
	return (uint32_t)catalog_inode(&forest.catalog, id)->size;
}

/* By the lists the catalog was made of, not by what it says. */
static uint32_t naive_first(uint32_t inode)
{
	uint32_t first = ID_NONE;
	for (uint32_t p = 0; p < forest.paths.count; p++)
		if (forest.paths.at[p].inode == inode && (first == ID_NONE || forest_order(&forest, p, first) < 0))
			first = p;
	return first;
}

static uint32_t firsts[FILES_MOST]; /* by inode */

static int naive_order(enum dlk_keep keep, uint32_t a, uint32_t b)
{
	const struct file *x = &files[file_of((struct inode_id){ a })], *y = &files[file_of((struct inode_id){ b })];
	if (keep == DLK_KEEP_MOST_LINKS && x->links != y->links)
		return x->links > y->links ? -1 : 1;
	if (keep == DLK_KEEP_FEWEST_LINKS && x->links != y->links)
		return x->links < y->links ? -1 : 1;
	if (keep == DLK_KEEP_NEWEST && x->mtime != y->mtime)
		return x->mtime > y->mtime ? -1 : 1;
	if (keep != DLK_KEEP_FIRST_PATH && x->mtime != y->mtime)
		return x->mtime < y->mtime ? -1 : 1;
	return forest_order(&forest, firsts[a], firsts[b]);
}

/* Each in turn goes to the first keeper with room for all of its names, or becomes one. Answers by inode. */
static void naive_assign(enum dlk_keep keep, uint64_t limit, uint32_t *sorted, uint32_t *ret_keeper)
{
	static uint64_t links[FILES_MOST];
	for (uint32_t i = 0; i < file_count; i++) {
		sorted[i] = inodes[i].v;
		for (uint32_t j = i; j > 0 && naive_order(keep, sorted[j], sorted[j - 1]) < 0; j--) {
			uint32_t kept = sorted[j];
			sorted[j] = sorted[j - 1];
			sorted[j - 1] = kept;
		}
	}
	for (uint32_t i = 0; i < file_count; i++) {
		const struct file *file = &files[file_of((struct inode_id){ sorted[i] })];
		ret_keeper[sorted[i]] = sorted[i];
		links[sorted[i]] = file->links;
		for (uint32_t k = 0; k < i; k++) {
			uint32_t keeper = sorted[k];
			if (ret_keeper[keeper] == keeper && links[keeper] + file->count <= limit) {
				ret_keeper[sorted[i]] = keeper;
				links[keeper] += file->count;
				break;
			}
		}
	}
}

static struct inode_id members[FILES_MOST];
static uint32_t keepers[FILES_MOST];

static int by_path(const void *a, const void *b, void *ctx)
{
	const struct catalog *catalog = ctx;
	struct path_id x = { catalog_inode(catalog, *(const struct inode_id *)a)->first_path };
	struct path_id y = { catalog_inode(catalog, *(const struct inode_id *)b)->first_path };
	return catalog_path_order(catalog, x, y);
}

static bool with_references, with_isolation;

/* Fills `members` in the order of who rather stays, and `keepers` with each one's keeper in that order. */
static void assign(enum dlk_keep keep, uint64_t limit)
{
	struct inode_id paths[FILES_MOST];
	uint32_t order[FILES_MOST], keeper[FILES_MOST], place[FILES_MOST];
	memcpy(paths, inodes, sizeof(paths));
	memset(order, 0xff, sizeof(order));
	memset(keeper, 0xff, sizeof(keeper));
	qsort_r(paths, file_count, sizeof(*paths), by_path, &forest.catalog);
	struct keeper_rules rules = {
		.keep = keep,
		.limit = limit,
		.references = with_references,
		.isolate = with_isolation,
	};
	must(!keeper_assign(&forest.catalog, &rules, paths, file_count, order, keeper));
	for (uint32_t i = 0; i < file_count; i++) {
		must(order[i] < file_count);
		members[i] = paths[order[i]];
		place[order[i]] = i;
	}
	for (uint32_t i = 0; i < file_count; i++) {
		must(keeper[order[i]] < file_count);
		keepers[i] = place[keeper[order[i]]];
	}
}

static void check_against_naive(enum dlk_keep keep, uint64_t limit)
{
	uint32_t sorted[FILES_MOST], naive[FILES_MOST];
	for (uint32_t i = 0; i < file_count; i++)
		firsts[inodes[i].v] = naive_first(inodes[i].v);
	naive_assign(keep, limit, sorted, naive);
	for (uint32_t i = 0; i < file_count; i++) {
		/* In the order of who rather stays, so that each is there once and a keeper before its targets. */
		must(members[i].v == sorted[i]);
		must(keepers[i] <= i && keepers[keepers[i]] == keepers[i]);
		must(members[keepers[i]].v == naive[members[i].v]);
		if (i)
			must(keeper_order(&forest.catalog, keep, members[i - 1], members[i]) < 0);
	}
}

/* Moves names as assigned. Targets whose links are all here are gone; the others have no name here any more. */
static uint32_t apply(uint64_t limit)
{
	static struct file after[FILES_MOST];
	uint32_t count = 0, moved = 0;
	for (uint32_t k = 0; k < file_count; k++) {
		if (keepers[k] != k)
			continue;
		struct file *file = &after[count++];
		*file = files[file_of(members[k])];
		for (uint32_t i = k + 1; i < file_count; i++) {
			if (keepers[i] != k)
				continue;
			const struct file *target = &files[file_of(members[i])];
			for (uint32_t n = 0; n < target->count; n++)
				file->names[file->count++] = target->names[n];
			file->links += target->count;
			moved += target->count;
		}
		/* What had more than the limit before keeps it, but gets nothing. */
		must(file->links <= limit || file->links == files[file_of(members[k])].links);
	}
	memcpy(files, after, count * sizeof(files[0]));
	file_count = count;
	return moved;
}

START_TEST(assignment_is_the_naive_one)
{
	uint64_t split = 0, moved = 0;
	for (unsigned round = 0; round < 600; round++) {
		enum dlk_keep keep = (enum dlk_keep)(round % POLICIES);
		uint64_t limit = round % 7 ? 1 + draw(24) : UINT32_MAX;
		draw_state = round;
		forest = (struct forest){ 0 };
		forest_draw(&forest, 8, 8);
		draw_files(1 + (uint32_t)draw(60), 1 + (uint32_t)draw(NAMES_MOST), draw(4));
		catalogue();
		assign(keep, limit);
		check_against_naive(keep, limit);
		uint32_t before = file_count;
		moved += apply(limit);
		split += file_count > 1 && file_count < before;
		forest_fell(&forest);
	}
	ck_assert_uint_gt(moved, 10000);
	ck_assert_uint_gt(split, 100);
}
END_TEST

/* Many keepers with a little room each, and files that only the last of them can take. */
START_TEST(room_is_found_behind_many_keepers)
{
	forest = (struct forest){ 0 };
	forest_draw(&forest, 0, 0);
	draw_files(390, 1, 0);
	for (uint32_t f = 0; f < file_count; f++) {
		/* 190 with 9 names, 100 with 6, 100 with 4, and a limit of 10. */
		uint32_t names = f < 190 ? 9 : f < 290 ? 6 : 4;
		files[f].count = 0;
		for (; files[f].count < names; files[f].count++, place_count++) {
			files[f].names[files[f].count] = place_count;
			places[place_count].dir = 0;
			snprintf(places[place_count].name, FOREST_NAME, "%u", place_count);
		}
		files[f].links = names;
	}
	catalogue();
	assign(DLK_KEEP_MOST_LINKS, 10);
	check_against_naive(DLK_KEEP_MOST_LINKS, 10);
	ck_assert_uint_eq(apply(10), 400);
	forest_fell(&forest);
}
END_TEST

/* The roots of an inode's names, as bits. */
static unsigned roots_of(struct inode_id id)
{
	unsigned roots = 0;
	for (uint32_t at = catalog_inode(&forest.catalog, id)->first_path; at != ID_NONE;
	     at = catalog_path(&forest.catalog, (struct path_id){ at })->next)
		roots |= 1u << catalog_dir(&forest.catalog,
					   (struct dir_id){ catalog_path(&forest.catalog, (struct path_id){ at })->dir })->root;
	return roots;
}

/*
 * Members in the order of who rather stays: each goes to the first keeper that may take it, and keeps itself only when none may.
 * References keep, before all others.
 */
static void check_rules(uint64_t limit, unsigned references)
{
	uint64_t links[FILES_MOST];
	unsigned roots[FILES_MOST];
	bool others = false;
	for (uint32_t i = 0; i < file_count; i++) {
		const struct catalog_inode *inode = catalog_inode(&forest.catalog, members[i]);
		unsigned mine = roots_of(members[i]);
		bool reference = with_references && mine & references;
		uint32_t want = i;
		must(!reference || !others);
		others |= !reference;
		for (uint32_t k = 0; k < i && want == i && !reference; k++)
			if (keepers[k] == k && links[k] + inode->names <= limit && !(with_isolation && roots[k] & mine))
				want = k;
		must(keepers[i] == want);
		links[want] = want == i ? inode->links : links[want] + inode->names;
		roots[want] = want == i ? mine : roots[want] | mine;
	}
}

START_TEST(references_keep_and_roots_stay_apart)
{
	uint64_t moved = 0;
	for (unsigned round = 0; round < 600; round++) {
		uint64_t limit = round % 3 ? 1 + draw(24) : UINT32_MAX;
		unsigned references = 1u << round % FOREST_ROOTS;
		draw_state = round;
		forest = (struct forest){ 0 };
		forest_draw(&forest, 8, 8);
		draw_files(1 + (uint32_t)draw(60), 1 + (uint32_t)draw(NAMES_MOST), draw(4));
		catalogue();
		forest.catalog.roots.at[round % FOREST_ROOTS].reference = true;
		with_references = round % 4 != 0;
		with_isolation = round % 4 != 1;
		assign((enum dlk_keep)(round % POLICIES), limit);
		check_rules(limit, references);
		for (uint32_t i = 0; i < file_count; i++)
			moved += keepers[i] != i;
		forest_fell(&forest);
	}
	with_references = with_isolation = false;
	ck_assert_uint_gt(moved, 1000);
}
END_TEST

START_TEST(second_run_has_nothing_to_move)
{
	uint64_t moved = 0;
	for (unsigned round = 0; round < 600; round++) {
		enum dlk_keep keep = (enum dlk_keep)(round % POLICIES);
		uint64_t limit = 2 + draw(24);
		draw_state = 5000 + round;
		forest = (struct forest){ 0 };
		forest_draw(&forest, 8, 8);
		draw_files(1 + (uint32_t)draw(60), 1 + (uint32_t)draw(NAMES_MOST), 0);
		catalogue();
		assign(keep, limit);
		moved += apply(limit);
		catalogue();
		assign(keep, limit);
		for (uint32_t i = 0; i < file_count; i++)
			must(keepers[i] == i);
		forest_fell(&forest);
	}
	ck_assert_uint_gt(moved, 10000);
}
END_TEST

/*
 * With links that have no name here, the order of keepers may turn round when they get links, and one that was too large to be
 * taken in may have few names here. So a second run may move a little; but each that does leaves fewer files.
 */
START_TEST(later_runs_come_to_an_end)
{
	for (unsigned round = 0; round < 600; round++) {
		enum dlk_keep keep = (enum dlk_keep)(round % POLICIES);
		uint64_t limit = 2 + draw(24);
		draw_state = 9000 + round;
		forest = (struct forest){ 0 };
		forest_draw(&forest, 8, 8);
		draw_files(1 + (uint32_t)draw(60), 1 + (uint32_t)draw(NAMES_MOST), 2);
		uint32_t before = file_count, moved;
		do {
			catalogue();
			assign(keep, limit);
			moved = apply(limit);
			must(!moved == (file_count == before));
			before = file_count;
		} while (moved);
		forest_fell(&forest);
	}
}
END_TEST

/* The least example of it: the file of 6 links comes first, then, when the next has 6 as well and is older, second. */
START_TEST(second_run_may_move_what_has_links_elsewhere)
{
	forest = (struct forest){ 0 };
	forest_draw(&forest, 0, 0);
	draw_files(3, 1, 0);
	files[0] = (struct file){ .mtime = 5, .links = 6, .names = { 0 }, .count = 1 };
	files[1] = (struct file){ .mtime = 1, .links = 3, .names = { 1, 2 }, .count = 2 };
	files[2] = (struct file){ .mtime = 3, .links = 3, .names = { 3, 4, 5 }, .count = 3 };
	for (uint32_t i = 0; i < 6; i++)
		places[i] = (struct place){ .dir = 0, .name = { (char)('a' + i) } };
	static const uint32_t moved[] = { 3, 1, 0 };
	for (size_t run = 0; run < countof(moved); run++) {
		catalogue();
		assign(DLK_KEEP_MOST_LINKS, 7);
		ck_assert_uint_eq(apply(7), moved[run]);
	}
	forest_fell(&forest);
}
END_TEST

/* ---- time ---- */

/* Processor time to assign `count` single files. */
static double time_of(uint32_t count, uint64_t limit)
{
	struct catalog catalog;
	struct mount_facts facts = { .dev = 1 };
	struct stamp stamp = { .ino = 1, .links = 1 };
	struct inode_id *singles = malloc(count * sizeof(*singles));
	uint32_t *order = malloc(count * sizeof(*order)), *keeper = malloc(count * sizeof(*keeper)), id;
	bool fresh;
	catalog_init(&catalog);
	must(!catalog_add_root(&catalog, "r", "r", &id) && !catalog_add_domain(&catalog, &facts, &id));
	must(!catalog_set_dir(&catalog, (struct dir_id){ 0 }, (struct dir_id){ ID_NONE }, 0, "", 0, &stamp, 0));
	must(!catalog_rank_dirs(&catalog));
	for (uint32_t i = 0; i < count; i++) {
		char name[16];
		int length = snprintf(name, sizeof(name), "%08u", (unsigned)i);
		stamp.ino = 1 + i;
		stamp.mtime = (int64_t)(i * UINT32_C(2654435761) % 99999989);
		must(!catalog_add_file(&catalog, (struct dir_id){ 0 }, name, (size_t)length, &stamp, 0, &singles[i],
				       &fresh));
	}
	double begun = draw_seconds();
	must(!keeper_assign(&catalog, &(struct keeper_rules){ .limit = limit }, singles, count, order, keeper));
	double took = draw_seconds() - begun;
	for (uint32_t i = 0; i < count; i++)
		must(keeper[order[i]] == order[i - i % limit]);
	free(singles);
	free(order);
	free(keeper);
	catalog_free(&catalog);
	return took;
}

/* The best of a few, so that a busy machine does not count. */
static double best_time_of(uint32_t count, uint64_t limit)
{
	double best = time_of(count, limit);
	for (unsigned i = 0; i < 4; i++) {
		double next = time_of(count, limit);
		best = next < best ? next : best;
	}
	return best;
}

/* Were it quadratic, eight times the files would take 64 times as long. Sorting takes ten times, with cold caches more. */
START_TEST(time_grows_with_the_files)
{
	if (getenv("DEDUPE_SLOW")) {
		unit_skip("a sanitizer slows some of the code more than the rest");
		return;
	}
	static const struct {
		uint32_t count;
		uint64_t limit;
	} loads[] = { { 65010, 65000 }, { 100000, 2 }, { 100000, 1 } };
	for (size_t i = 0; i < countof(loads); i++) {
		double few = best_time_of(loads[i].count / 8, loads[i].limit);
		double many = best_time_of(loads[i].count, loads[i].limit);
		ck_assert_msg(many < 40 * few + 0.05, "%u files: %f s, an eighth of them: %f s", loads[i].count, many, few);
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		assignment_is_the_naive_one, room_is_found_behind_many_keepers,
		references_keep_and_roots_stay_apart, second_run_has_nothing_to_move, later_runs_come_to_an_end,
		second_run_may_move_what_has_links_elsewhere, time_grows_with_the_files,
	};
	return unit_run("keeper", tests, countof(tests));
}
