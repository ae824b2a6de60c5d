/* SPDX-License-Identifier: MIT */
/*
 * scenes.c - the trees, as tables
 *
 * They are small, since each is built thousands of times, and have one of each kind: keepers with and without further
 * names, targets with several, one that a name outside holds, files alike but for a byte, large ones that are compared
 * only when linking, sparse ones, some whose attributes keep them apart, and what is no file.
 */
#include "scenes.h"

#include <errno.h>

/* clang-format off */
#define FILE_(path, group, seed, size)  { path, PLANT_FILE, NULL, group, { seed, size, 0, false, 0 }, NULL }
#define OTHER(path, seed, size, at)     { path, PLANT_FILE, NULL, 0, { seed, size, at, false, 0 }, NULL }
#define LINK(path, to)                  { path, PLANT_LINK, to, 0, { 0, 0, 0, false, 0 }, NULL }
#define SPARSE(path, group, seed, size, at) { path, PLANT_FILE, NULL, group, { seed, size, at, true, 0 }, NULL }
#define TAGGED(path, group, seed, size, tag) { path, PLANT_FILE, NULL, group, { seed, size, 0, false, 0 }, tag }

static const struct plant small[] = {
	FILE_("tree/d1/a1", 'a', 'A', 700),
	FILE_("tree/d1/deep/a2", 'a', 'A', 700),
	FILE_("tree/d2/a3", 'a', 'A', 700),
	OTHER("tree/d2/a4", 'A', 700, 699),
	FILE_("tree/d1/b1", 'b', 'B', 5000),
	LINK("tree/d2/b2", "tree/d1/b1"),
	LINK("tree/d2/b3", "tree/d1/b1"),
	FILE_("tree/d1/b4", 'b', 'B', 5000),
	LINK("tree/d2/b5", "tree/d1/b4"),
	FILE_("tree/d1/deep/b6", 'b', 'B', 5000),
	FILE_("tree/d1/h1", 'h', 'H', 90),
	LINK("tree/d1/h2", "tree/d1/h1"),
	LINK("tree/d2/h3", "tree/d1/h1"),
	FILE_("tree/d2/h4", 'h', 'H', 90),
	LINK("out/h5", "tree/d2/h4"),
	{ "tree/d1/symlink", PLANT_SYMLINK, "a1", 0, { 0, 0, 0, false, 0 }, NULL },
	{ "tree/d2/fifo", PLANT_FIFO, NULL, 0, { 0, 0, 0, false, 0 }, NULL },
};

static const struct plant large[] = {
	FILE_("tree/d1/c1", 'c', 'C', 140000),
	FILE_("tree/d2/c2", 'c', 'C', 140000),
	OTHER("tree/d1/c3", 'C', 140000, 135000),
	OTHER("tree/d2/c4", 'C', 140000, 199),
	SPARSE("tree/d1/s1", 's', 'S', 300000, 0),
	SPARSE("tree/d2/s2", 's', 'S', 300000, 0),
	SPARSE("tree/d2/s3", 0, 'S', 300000, 5000),
};

#define BIG_TAG "................................................................................................" \
		"................................................................................................" \
		"................................................................................................"

static const struct plant tagged[] = {
	TAGGED("tree/d1/x1", 'x', 'X', 300, "one"),
	TAGGED("tree/d2/x2", 'x', 'X', 300, "one"),
	TAGGED("tree/d1/x3", 0, 'X', 300, "two"),
	TAGGED("tree/d1/x4", 'y', 'X', 300, NULL),
	TAGGED("tree/d2/x5", 'y', 'X', 300, NULL),
	TAGGED("tree/d1/y1", 'z', 'Y', 70000, BIG_TAG "1"),
	TAGGED("tree/d2/y2", 'z', 'Y', 70000, BIG_TAG "1"),
	TAGGED("tree/d2/y3", 0, 'Y', 70000, BIG_TAG "2"),
};

/* Single names, for actors: what they do to one name is nobody else's. */
static const struct plant single[] = {
	FILE_("tree/d1/a1", 'a', 'A', 700),
	FILE_("tree/d1/deep/a2", 'a', 'A', 700),
	FILE_("tree/d2/a3", 'a', 'A', 700),
	FILE_("tree/d2/a4", 'a', 'A', 700),
};

static const struct plant pair[] = {
	FILE_("tree/d1/p1", 'p', 'P', 150000),
	FILE_("tree/d2/p2", 'p', 'P', 150000),
	OTHER("tree/d2/p3", 'P', 150000, 140000),
};

static const struct plant unequal[] = {
	FILE_("tree/d1/q1", 0, 'Q', 150000),
	OTHER("tree/d2/q2", 'Q', 150000, 140000),
};

/* So many sets that the file system is synced as a whole. */
#define TWO(n, seed) FILE_("tree/d1/m" n, seed, seed, 600), FILE_("tree/d2/n" n, seed, seed, 600)
static const struct plant many[] = {
	TWO("01", 'A'), TWO("02", 'B'), TWO("03", 'C'), TWO("04", 'D'), TWO("05", 'E'), TWO("06", 'F'), TWO("07", 'G'),
	TWO("08", 'H'), TWO("09", 'I'), TWO("10", 'J'), TWO("11", 'K'), TWO("12", 'L'), TWO("13", 'M'), TWO("14", 'N'),
	TWO("15", 'O'), TWO("16", 'P'), TWO("17", 'Q'), TWO("18", 'R'), TWO("19", 'S'), TWO("20", 'T'), TWO("21", 'U'),
	TWO("22", 'V'), TWO("23", 'W'), TWO("24", 'X'), TWO("25", 'Y'), TWO("26", 'Z'), TWO("27", 'a'), TWO("28", 'b'),
	TWO("29", 'c'), TWO("30", 'd'), TWO("31", 'e'), TWO("32", 'f'), TWO("33", 'g'),
};

#define TREE(plants) plants, countof(plants)
#define NEITHER (WORLD_NO_EXCHANGE | WORLD_NO_LEASES)
#define ACTS(act, when, exchange) { ACT_##act, WHEN_##when, exchange }

const struct scene scenes[] = {
	{ "small", TREE(small), VERB_APPLY, 0, 0, { 0 }, 0, 1, false, false, false },
	{ "large", TREE(large), VERB_APPLY, 0, 0, { 0 }, 0, 1, false, false, false },
	{ "tagged", TREE(tagged), VERB_APPLY, 0, 0, { 0 }, 0, 1, false, false, false },
	{ "many", TREE(many), VERB_APPLY, 0, WORLD_LATER, { 0 }, 0, 1, true, false, false },
	{ "pair", TREE(pair), VERB_PAIR, 0, 0, { 0 }, 0, 1, false, false, false },
	{ "pair-unequal", TREE(unequal), VERB_PAIR, -EILSEQ, 0, { 0 }, 0, 1, false, false, false },
	{ "pair-no-exchange", TREE(pair), VERB_PAIR, 0, NEITHER, { 0 }, 0, 1, false, false, false },
	{ "no-exchange", TREE(small), VERB_APPLY, 0, WORLD_NO_EXCHANGE, { 0 }, 0, 9, false, false, false },
	{ "no-leases", TREE(small), VERB_APPLY, 0, WORLD_NO_LEASES, { 0 }, 0, 9, false, false, false },
	{ "no-openat2", TREE(small), VERB_APPLY, 0, WORLD_NO_OPENAT2, { 0 }, 0, 9, false, false, false },
	{ "leftover-1", TREE(small), VERB_APPLY, 0, 0, { 0 }, 1, 11, false, false, false },
	{ "leftover-7", TREE(small), VERB_APPLY, 0, 0, { 0 }, 7, 11, false, false, false },
	{ "recover-1", TREE(small), VERB_RECOVER, 0, 0, { 0 }, 1, 2, false, false, false },
	{ "recover-2", TREE(small), VERB_RECOVER, 0, 0, { 0 }, 2, 2, false, false, false },
	{ "recover-6", TREE(small), VERB_RECOVER, 0, 0, { 0 }, 6, 3, false, false, false },
	{ "recover-7", TREE(small), VERB_RECOVER, 0, 0, { 0 }, 7, 3, false, false, false },
	{ "recover-over", TREE(small), VERB_RECOVER, 0, WORLD_NO_EXCHANGE, { 0 }, 6, 3, false, false, false },
	{ "journal", TREE(small), VERB_APPLY, 0, 0, { 0 }, 0, 5, false, false, true },
	{ "journal-tagged", TREE(tagged), VERB_APPLY, 0, 0, { 0 }, 0, 9, false, false, true },
	{ "journal-no-exchange", TREE(small), VERB_APPLY, 0, WORLD_NO_EXCHANGE, { 0 }, 0, 9, false, false, true },
	{ "undo", TREE(small), VERB_UNDO, 0, 0, { 0 }, 0, 1, false, false, false },
	{ "undo-large", TREE(large), VERB_UNDO, 0, 0, { 0 }, 0, 1, false, false, false },
	{ "undo-tagged", TREE(tagged), VERB_UNDO, 0, 0, { 0 }, 0, 1, false, false, false },
	{ "undo-many", TREE(many), VERB_UNDO, 0, 0, { 0 }, 0, 11, false, true, false },
	{ "undo-no-exchange", TREE(small), VERB_UNDO, 0, WORLD_NO_EXCHANGE, { 0 }, 0, 9, false, false, false },
	{ "undo-no-leases", TREE(small), VERB_UNDO, 0, WORLD_NO_LEASES, { 0 }, 0, 9, false, false, false },
	{ "save-before", TREE(single), VERB_APPLY, 0, 0, ACTS(SAVE, BEFORE, 2), 0, 5, false, false, false },
	{ "save-after", TREE(single), VERB_APPLY, 0, 0, ACTS(SAVE, AFTER, 2), 0, 5, false, false, false },
	{ "delete-before", TREE(single), VERB_APPLY, 0, 0, ACTS(DELETE, BEFORE, 2), 0, 5, false, false, false },
	{ "delete-after", TREE(single), VERB_APPLY, 0, 0, ACTS(DELETE, AFTER, 2), 0, 5, false, false, false },
	{ "chmod-before", TREE(single), VERB_APPLY, 0, 0, ACTS(CHMOD, BEFORE, 2), 0, 5, false, false, false },
	{ "chmod-after", TREE(single), VERB_APPLY, 0, 0, ACTS(CHMOD, AFTER, 2), 0, 5, false, false, false },
	{ "dir-before", TREE(single), VERB_APPLY, 0, 0, ACTS(DIR, BEFORE, 2), 0, 5, false, false, false },
	{ "ask-before", TREE(single), VERB_APPLY, 0, 0, ACTS(ASK, BEFORE, 2), 0, 5, false, false, false },
	{ "ask-after", TREE(single), VERB_APPLY, 0, 0, ACTS(ASK, AFTER, 2), 0, 5, false, false, false },
	{ "write-after", TREE(single), VERB_APPLY, 0, WORLD_NO_LEASES, ACTS(WRITE, AFTER, 2), 0, 5, false, false, false },
	{ "write-before", TREE(single), VERB_APPLY, 0, WORLD_NO_LEASES, ACTS(WRITE, BEFORE, 2), 0, 5, false, false, false },
	{ "forge-before", TREE(single), VERB_APPLY, 0, WORLD_NO_LEASES, ACTS(FORGE, BEFORE, 2), 0, 5, false, false, false },
	{ "save-grace", TREE(single), VERB_APPLY, 0, 0, ACTS(SAVE, GRACE, 2), 0, 5, false, false, false },
	{ "delete-grace", TREE(single), VERB_APPLY, 0, 0, ACTS(DELETE, GRACE, 2), 0, 5, false, false, false },
	{ "chmod-grace", TREE(single), VERB_APPLY, 0, 0, ACTS(CHMOD, GRACE, 2), 0, 5, false, false, false },
	{ "ask-grace", TREE(single), VERB_APPLY, 0, 0, ACTS(ASK, GRACE, 2), 0, 5, false, false, false },
	{ "write-grace", TREE(single), VERB_APPLY, 0, WORLD_NO_LEASES, ACTS(WRITE, GRACE, 2), 0, 5, false, false, false },
	{ "hold", TREE(single), VERB_APPLY, 0, 0, ACTS(HOLD, BEFORE, 0), 0, 5, false, false, false },
	{ "save-after-over", TREE(single), VERB_APPLY, 0, WORLD_NO_EXCHANGE, ACTS(SAVE, AFTER, 1), 0, 5, false, false, false },
	{ "write-after-over", TREE(single), VERB_APPLY, 0, NEITHER, ACTS(WRITE, AFTER, 1), 0, 5, false, false, false },
};
/* clang-format on */

const size_t scene_count = countof(scenes);
