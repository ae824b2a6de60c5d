/* SPDX-License-Identifier: MIT */
/* Equal files become the sets that the policy says, whatever must agree, and those kept apart are counted with the reason. */
#include "unit.h"

#include "../../src/core/plan.h"
#include "forest.h"
#include "scratch.h"

enum { FILES_MOST = 40, NAMES_MOST = 160, MASKS = 1 << DLK_RESPECT_WORDS, POLICIES = DLK_KEEP_FIRST_PATH + 1 };

/* One file of the class, plainly. */
struct file {
	struct stamp stamp;
	uint32_t xattrs, inode, names;
	uint32_t first; /* of its paths, in order */
	const char *name;
	char dir[512];
};

static struct forest forest;
static struct file files[FILES_MOST];
static uint32_t file_count;
static struct dlk_plan plan;
static uint64_t variety; /* 1 to 3: how many different facts files may have */

/* ---- a class drawn ---- */

static void draw_name(uint32_t dir, char ret[FOREST_NAME])
{
	snprintf(ret, FOREST_NAME, "%c", (char)('a' + draw(3)));
	if (forest_taken(&forest, dir, ret))
		forest_name(&forest, dir, ret);
}

/* Few different owners, modes and times, so that any two files agree in some of them. */
static void draw_file(struct file *file, uint32_t number)
{
	*file = (struct file){
		.stamp = {
			.ino = 1 + number,
			.size = 1000,
			.blocks = 1 + draw(50),
			.mtime = 50 + (int64_t)draw(variety),
			.uid = (uint32_t)draw(variety) / 2,
			.gid = (uint32_t)draw(variety) / 2,
			.mode = (uint16_t)(S_IFREG | (draw(variety) / 2 ? 0644 : 0600)),
			.immutable = !draw(12),
			.seal = (uint8_t)(draw(6) ? 0 : draw(4)),
		},
		.xattrs = (uint32_t)draw(variety),
		.names = draw(3) ? 1 : 1 + (uint32_t)draw(4),
	};
	file->stamp.links = file->names + (draw(5) ? 0 : 1 + (uint32_t)draw(3));
	/* A file of one link is not looked for: it has one name. */
	for (uint32_t i = 0; i < file->names; i++) {
		char name[FOREST_NAME];
		uint32_t dir = (uint32_t)draw(forest.dirs.count);
		draw_name(dir, name);
		file->inode = forest_file(&forest, dir, name, &file->stamp, 0).v;
	}
}

/* Facts that the lists say, not the catalog. */
static void note_first(struct file *file)
{
	const char *parts[FOREST_DEPTH];
	file->first = ID_NONE;
	for (uint32_t p = 0; p < forest.paths.count; p++)
		if (forest.paths.at[p].inode == file->inode &&
		    (file->first == ID_NONE || forest_order(&forest, p, file->first) < 0))
			file->first = p;
	size_t count = forest_parts(&forest, file->first, parts);
	file->name = forest.paths.at[file->first].name;
	for (size_t i = 0; i + 1 < count; i++) {
		strcat(file->dir, parts[i]);
		strcat(file->dir, "/");
	}
}

static void draw_class(void)
{
	forest = (struct forest){ 0 };
	forest_plant(&forest, draw(9), 4);
	variety = 1 + draw(3);
	file_count = 2 + (uint32_t)draw(FILES_MOST - 1);
	for (uint32_t i = 0; i < file_count; i++)
		draw_file(&files[i], i);
	for (uint32_t i = 0; i < file_count; i++)
		note_first(&files[i]);
}

static void make_plan(unsigned respect, enum dlk_keep keep, uint32_t max_links)
{
	memset(&plan, 0, sizeof(plan));
	plan.options = (struct dlk_options){ .respect = respect, .keep = keep, .max_links = max_links };
	plan.catalog = forest.catalog;
	plan.fates = calloc(forest.paths.count + 1, 1);
	tell_init(&plan.tell, &plan.options, &plan.tally);
}

static void drop_plan(void)
{
	forest.catalog = plan.catalog;
	plan_class_free(plan.class);
	vec_free(&plan.members);
	vec_free(&plan.sets);
	free(plan.fates);
	tell_free(&plan.tell);
}

/* ---- the plain way ---- */

static unsigned differ(const struct file *a, const struct file *b, unsigned words)
{
	unsigned found = rule_stamp_differs(&a->stamp, &b->stamp);
	found |= a->xattrs != b->xattrs ? DLK_RESPECT_XATTR : 0;
	found |= strcmp(a->name, b->name) ? DLK_RESPECT_NAME : 0;
	found |= strcmp(a->dir, b->dir) ? DLK_RESPECT_DIR : 0;
	found &= words;
	return a->stamp.seal == b->stamp.seal ? found : found | MASKS;
}

static int rank(enum dlk_keep keep, const struct file *a, const struct file *b)
{
	if (keep == DLK_KEEP_MOST_LINKS && a->stamp.links != b->stamp.links)
		return a->stamp.links > b->stamp.links ? -1 : 1;
	if (keep == DLK_KEEP_FEWEST_LINKS && a->stamp.links != b->stamp.links)
		return a->stamp.links < b->stamp.links ? -1 : 1;
	if (keep == DLK_KEEP_NEWEST && a->stamp.mtime != b->stamp.mtime)
		return a->stamp.mtime > b->stamp.mtime ? -1 : 1;
	if (keep != DLK_KEEP_FIRST_PATH && a->stamp.mtime != b->stamp.mtime)
		return a->stamp.mtime < b->stamp.mtime ? -1 : 1;
	return forest_order(&forest, a->first, b->first);
}

static int by_path(const void *a, const void *b)
{
	const struct file *const *x = a, *const *y = b;
	return forest_order(&forest, (*x)->first, (*y)->first);
}

struct naive_set {
	const struct file *files[FILES_MOST]; /* the keeper first, then by path */
	uint32_t count;
};

struct naive {
	struct naive_set sets[FILES_MOST];
	uint32_t count;
	uint64_t aside; /* names */
	struct dlk_apart apart[MASKS];
	unsigned char fates[NAMES_MOST * 2];
};

static void sort_by_rank(const struct file **group, uint32_t count)
{
	for (uint32_t i = 1; i < count; i++)
		for (uint32_t j = i; j > 0 && rank(plan.options.keep, group[j], group[j - 1]) < 0; j--) {
			const struct file *kept = group[j];
			group[j] = group[j - 1];
			group[j - 1] = kept;
		}
}

/* Splits a group (in the order of who stays) at the link limit. */
static void naive_split(struct naive *naive, const struct file **group, uint32_t count, uint64_t limit)
{
	uint64_t links[FILES_MOST];
	uint32_t first = naive->count, set;
	for (uint32_t i = 0; i < count; i++) {
		for (set = first; set < naive->count; set++)
			if (links[set - first] + group[i]->names <= limit)
				break;
		if (set == naive->count) {
			naive->sets[naive->count++].count = 0;
			links[set - first] = group[i]->stamp.links;
		} else {
			links[set - first] += group[i]->names;
		}
		naive->sets[set].files[naive->sets[set].count++] = group[i];
	}
	/* Keepers to which nothing came are no sets. */
	uint32_t kept = first;
	for (set = first; set < naive->count; set++)
		if (naive->sets[set].count > 1)
			naive->sets[kept++] = naive->sets[set];
	naive->count = kept;
	for (set = first; set < naive->count; set++)
		qsort(naive->sets[set].files + 1, naive->sets[set].count - 1, sizeof(struct file *), by_path);
}

static void naive_fates(struct naive *naive)
{
	for (uint32_t s = 0; s < naive->count; s++)
		for (uint32_t i = 1; i < naive->sets[s].count; i++)
			for (uint32_t p = 0; p < forest.paths.count; p++)
				if (forest.paths.at[p].inode == naive->sets[s].files[i]->inode)
					naive->fates[p] = DLK_FATE_PLANNED;
}

static int by_keeper(const void *a, const void *b)
{
	const struct naive_set *x = a, *y = b;
	return by_path(&x->files[0], &y->files[0]);
}

static void naive_plan(struct naive *naive, bool read_only, uint64_t limit)
{
	const struct file *sorted[FILES_MOST], *groups[FILES_MOST][FILES_MOST];
	uint32_t sizes[FILES_MOST] = { 0 }, count = 0, group_count = 0, main = 0;
	for (uint32_t i = 0; i < file_count; i++) {
		if (read_only || files[i].stamp.immutable)
			naive->aside += files[i].names;
		else
			sorted[count++] = &files[i];
	}
	qsort(sorted, count, sizeof(sorted[0]), by_path);
	for (uint32_t i = 0; i < count; i++) {
		uint32_t g = 0;
		while (g < group_count && differ(groups[g][0], sorted[i], plan.options.respect))
			g++;
		group_count += g == group_count;
		groups[g][sizes[g]++] = sorted[i];
	}
	for (uint32_t g = 1; g < group_count; g++)
		if (sizes[g] > sizes[main]) /* of equal ones the first stays: groups are in path order */
			main = g;
	for (uint32_t g = 0; g < group_count; g++) {
		const struct file *first = groups[g][0];
		sort_by_rank(groups[g], sizes[g]);
		naive_split(naive, groups[g], sizes[g], limit);
		if (g == main)
			continue;
		/* The first of the main group may be sorted away already: any other of it agrees in the same words. */
		unsigned words = differ(first, groups[main][0], plan.options.respect);
		struct dlk_apart *apart = &naive->apart[words & MASKS ? 0 : words];
		apart->files++;
		if (groups[g][0]->stamp.links <= groups[g][0]->names)
			apart->bytes += groups[g][0]->stamp.blocks * 512;
	}
	qsort(naive->sets, naive->count, sizeof(naive->sets[0]), by_keeper);
	naive_fates(naive);
}

/* ---- both ---- */

static void add_class(void)
{
	struct sift_member members[FILES_MOST];
	uint32_t order[FILES_MOST];
	size_t first, count;
	for (uint32_t i = 0; i < file_count; i++)
		order[i] = i;
	draw_shuffle(order, file_count);
	for (uint32_t i = 0; i < file_count; i++)
		members[i] = (struct sift_member){ { files[order[i]].inode }, files[order[i]].xattrs };
	must(!plan_add_class(&plan, members, file_count, &first, &count));
	must(first == 0 && count == plan.sets.count);
	must(!plan_sort(&plan));
}

static void compare(const struct naive *naive)
{
	must(plan.sets.count == naive->count);
	for (uint32_t s = 0; s < naive->count; s++) {
		const struct plan_set *set = &plan.sets.at[s];
		must(set->count == naive->sets[s].count);
		for (uint32_t i = 0; i < set->count; i++)
			must(plan.members.at[set->first + i].v == naive->sets[s].files[i]->inode);
	}
	for (uint32_t p = 0; p < forest.paths.count; p++)
		must(plan_fate(&plan, (struct path_id){ p }) == (enum dlk_fate)naive->fates[p]);
	must(plan.tally.skipped_refused == naive->aside);
	for (unsigned words = 0; words < MASKS; words++) {
		must(plan.tally.apart[words].files == naive->apart[words].files);
		must(plan.tally.apart[words].bytes == naive->apart[words].bytes);
	}
	must(!plan.tally.errors && !plan.tally.skipped_in_use && !plan.tally.skipped_changed);
}

START_TEST(sets_are_the_naive_ones_for_every_policy)
{
	static struct naive naive;
	uint64_t sets[MASKS] = { 0 }, apart = 0, aside = 0;
	for (unsigned round = 0; round < MASKS * 25; round++) {
		unsigned respect = round % MASKS;
		bool read_only = round % 50 == 49;
		uint32_t max_links = round % 3 ? 0 : 2 + (uint32_t)draw(8), own_limit = round % 5 ? UINT32_MAX : 6;
		draw_state = round;
		draw_class();
		forest.catalog.domains.at[0].link_limit = own_limit;
		forest.catalog.domains.at[0].read_only = read_only;
		make_plan(respect, (enum dlk_keep)(round / MASKS % POLICIES), max_links);
		add_class();
		memset(&naive, 0, sizeof(naive));
		naive_plan(&naive, read_only, max_links && max_links < own_limit ? max_links : own_limit);
		compare(&naive);
		sets[respect] += plan.sets.count;
		aside += naive.aside;
		for (unsigned words = 0; words < MASKS; words++)
			apart += naive.apart[words].files;
		drop_plan();
		forest_fell(&forest);
	}
	/* Else the comparison proves little. */
	for (unsigned respect = 0; respect < MASKS; respect++)
		must(sets[respect] > 0);
	ck_assert_uint_gt(apart, 1000);
	ck_assert_uint_gt(aside, 1000);
}
END_TEST

/* ---- time ---- */

/* Processor time to plan `count` equal files of one link. */
static double time_of(uint32_t count, uint32_t max_links)
{
	struct sift_member *members = calloc(count, sizeof(*members));
	struct stamp stamp = { .links = 1, .blocks = 1 };
	size_t first, sets;
	bool fresh;
	forest = (struct forest){ 0 };
	forest_plant(&forest, 0, 0);
	for (uint32_t i = 0; i < count; i++) {
		char name[16];
		int length = snprintf(name, sizeof(name), "%08u", (unsigned)(i * UINT32_C(2654435761) % 99999989));
		stamp.ino = 1 + i;
		must(!catalog_add_file(&forest.catalog, (struct dir_id){ 0 }, name, (size_t)length, &stamp, 0,
				       &members[i].inode, &fresh));
	}
	make_plan(0, DLK_KEEP_MOST_LINKS, max_links);
	free(plan.fates);
	plan.fates = calloc(count + 1, 1);
	double begun = draw_seconds();
	must(!plan_add_class(&plan, members, count, &first, &sets));
	double took = draw_seconds() - begun;
	must(sets == count / max_links && plan.members.count == count);
	drop_plan();
	forest_fell(&forest);
	free(members);
	return took;
}

static double best_time_of(uint32_t count, uint32_t max_links)
{
	double best = time_of(count, max_links);
	for (unsigned i = 0; i < 2; i++) {
		double next = time_of(count, max_links);
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
	static const uint32_t limits[] = { 2, 100, 50000 };
	for (size_t i = 0; i < countof(limits); i++) {
		double few = best_time_of(12500, limits[i] < 12500 ? limits[i] : 12500);
		double many = best_time_of(100000, limits[i]);
		ck_assert_msg(many < 40 * few + 0.05, "limit %u: 100,000 files %f s, an eighth of them %f s", limits[i],
			      many, few);
	}
}
END_TEST

/* ---- what could not be asked ---- */

static unsigned opened, fails_from, errors_told;
static int fails_with;

/* As if each file had a block of attributes, which equal files may share. */
static int statx_with_attributes(int dirfd, const char *path, int flags, unsigned mask, struct statx *ret)
{
	int r = sys_kernel.statx(dirfd, path, flags, mask, ret);
	if (!r && S_ISREG(ret->stx_mode))
		ret->stx_blocks += 8;
	return r;
}

static int open_until(int dirfd, const char *path, int flags, mode_t mode)
{
	bool file = !strcmp(path, "one") || !strcmp(path, "two");
	return file && ++opened > fails_from ? fails_with : sys_kernel.openat(dirfd, path, flags, mode);
}

static void count_errors(void *ctx UNUSED, const struct dlk_event *event)
{
	errors_told += event->kind == DLK_EVENT_ERROR && event->stage == DLK_STAGE_HASH && event->error == -fails_with;
}

static struct dlk_tally look_with_openings(unsigned from, int error)
{
	const char *const paths[] = { top_path };
	struct dlk_options options;
	struct dlk_plan *looked;
	opened = errors_told = 0;
	fails_from = from;
	fails_with = error;
	dlk_options_init(&options);
	options.threads = 1;
	options.observe = count_errors;
	must(!dlk_scan(&options, paths, 1, &looked));
	struct dlk_tally tally = *dlk_plan_tally(looked);
	dlk_plan_free(looked);
	return tally;
}

/* Two files of one link are opened to be read, then one and the other to ask which blocks they share. */
START_TEST(shared_blocks_that_could_not_be_asked_for_are_told)
{
	scratch_begin();
	scratch_text("one", "the same");
	scratch_text("two", "the same");
	table.statx = statx_with_attributes;
	table.openat = open_until;
	sys_replace(&table);
	ck_assert_uint_eq(look_with_openings(UINT_MAX, 0).inodes_freed, 1);
	unsigned all = opened;
	ck_assert_uint_eq(all, 4);
	for (unsigned missing = 1; missing <= 2; missing++) {
		struct dlk_tally tally = look_with_openings(all - missing, -EMFILE);
		ck_assert(tally.errors == 1 && errors_told == 1 && tally.inodes_freed == 1);
		tally = look_with_openings(all - missing, -ENOENT); /* met again when it is to be replaced */
		ck_assert(!tally.errors && tally.inodes_freed == 1);
	}
	scratch_end();
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		sets_are_the_naive_ones_for_every_policy,
		time_grows_with_the_files,
		shared_blocks_that_could_not_be_asked_for_are_told,
	};
	return unit_run("plan", tests, countof(tests));
}
