/* SPDX-License-Identifier: MIT */
/* What a visit of a plan shows: each name of its sets once, or those alone that are to move; and which directory lies above which. */
#include "scratch.h"

#include "../../include/dedupe-link.h"

enum { SEEN_MOST = 400, TEXT = 100 };

struct seen {
	size_t count;
	struct {
		char path[TEXT], name[TEXT];
		uint64_t set, dir, freed;
		enum dlk_fate fate;
	} members[SEEN_MOST];
	uint64_t sets, names; /* names: as the sets say */
};

static int see_set(void *ctx, const struct dlk_set *set)
{
	struct seen *seen = ctx;
	must(set->index == seen->sets++);
	seen->names += set->names;
	return 0;
}

static int see_member(void *ctx, const struct dlk_set *set, const struct dlk_member *member)
{
	struct seen *seen = ctx;
	must(seen->count < SEEN_MOST && set->index == seen->sets - 1);
	snprintf(seen->members[seen->count].path, TEXT, "%s", member->path ? member->path : "");
	snprintf(seen->members[seen->count].name, TEXT, "%s", member->name);
	seen->members[seen->count].set = set->index;
	seen->members[seen->count].dir = member->dir;
	seen->members[seen->count].freed = member->freed;
	seen->members[seen->count++].fate = member->fate;
	return 0;
}

static void visit(const struct dlk_plan *plan, bool moved_only, bool no_paths, struct seen *ret)
{
	const struct dlk_plan_visitor visitor = {
		.moved_only = moved_only, .no_paths = no_paths, .set = see_set, .member = see_member,
	};
	*ret = (struct seen){ 0 };
	must(!dlk_plan_each(plan, &visitor, ret));
}

/* Three contents, each in files of several names, spread over directories in directories. */
static void plant(void)
{
	must(!mkdirat(top, "a", 0755) && !mkdirat(top, "a/b", 0755) && !mkdirat(top, "a/b/c", 0755) && !mkdirat(top, "z", 0755));
	static const char *const dirs[] = { "a", "a/b", "a/b/c", "z", "." };
	for (size_t dir = 0; dir < countof(dirs); dir++) {
		for (int content = 0; content < 3; content++) {
			char path[TEXT], other[TEXT], text[TEXT];
			snprintf(path, sizeof(path), "%s/f%d", dirs[dir], content);
			snprintf(text, sizeof(text), "content %d of more than nothing", content);
			scratch_write(path, text, strlen(text) + (size_t)content, false);
			snprintf(other, sizeof(other), "%s/g%d", dirs[countof(dirs) - 1 - dir], content);
			must(!linkat(top, path, top, other, 0));
		}
	}
}

static struct dlk_plan *scan(void)
{
	const char *const paths[] = { top_path };
	struct dlk_options options;
	struct dlk_plan *plan;
	dlk_options_init(&options);
	options.respect = 0;
	must(!dlk_scan(&options, paths, 1, &plan));
	return plan;
}

START_TEST(what_moves_is_what_is_not_kept)
{
	static struct seen all, moved, bare;
	struct dlk_plan *plan = scan();
	visit(plan, false, false, &all);
	visit(plan, true, false, &moved);
	visit(plan, true, true, &bare);
	ck_assert_uint_eq(all.sets, 3);
	ck_assert_uint_eq(all.count, all.names);
	ck_assert_uint_eq(all.count, 30);
	ck_assert_uint_eq(moved.sets, all.sets);
	ck_assert_uint_eq(moved.names, all.names);
	ck_assert_uint_eq(moved.count, dlk_plan_tally(plan)->links_made);
	ck_assert_uint_eq(moved.count, 24);
	ck_assert_uint_eq(bare.count, moved.count);
	uint64_t freed = 0;
	for (size_t i = 0, m = 0; i < all.count; i++) {
		if (all.members[i].fate == DLK_FATE_KEEPER) {
			must(!all.members[i].freed);
			continue;
		}
		must(m < moved.count && !strcmp(all.members[i].path, moved.members[m].path));
		must(all.members[i].set == moved.members[m].set && all.members[i].freed == moved.members[m].freed);
		must(!bare.members[m].path[0] && !strcmp(bare.members[m].name, all.members[i].name));
		must(bare.members[m].dir == all.members[i].dir && bare.members[m].freed == all.members[i].freed);
		freed += all.members[i].freed;
		m++;
	}
	ck_assert_uint_eq(freed, dlk_plan_tally(plan)->bytes_saved);
	dlk_plan_free(plan);
}
END_TEST

/* The path of a directory is that of the one above and a name more; numbers fall on the way to the root. */
START_TEST(directories_lead_up_to_the_root)
{
	static struct seen all;
	struct dlk_plan *plan = scan();
	visit(plan, false, false, &all);
	for (size_t i = 0; i < all.count; i++) {
		uint64_t dir = all.members[i].dir, above;
		char *path;
		must(!dlk_plan_dir(plan, dir, &path));
		ck_assert_int_eq(strncmp(all.members[i].path, path, strlen(path)), 0);
		while (!dlk_plan_dir_above(plan, dir, &above)) {
			char *upper;
			must(above < dir && !dlk_plan_dir(plan, above, &upper));
			must(!strncmp(path, upper, strlen(upper)) && path[strlen(upper)] == '/' &&
			     !strchr(path + strlen(upper) + 1, '/'));
			free(path);
			path = upper;
			dir = above;
		}
		ck_assert_str_eq(path, top_path);
		free(path);
	}
	uint64_t above;
	char *path;
	ck_assert_int_eq(dlk_plan_dir_above(plan, UINT64_MAX, &above), -ENOENT);
	ck_assert_int_eq(dlk_plan_dir(plan, UINT64_MAX, &path), -ENOENT);
	dlk_plan_free(plan);
}
END_TEST

static void begin(void)
{
	scratch_begin();
	plant();
}

int main(void)
{
	const TTest *const tests[] = {
		what_moves_is_what_is_not_kept,
		directories_lead_up_to_the_root,
	};
	return unit_run_in("visit", tests, countof(tests), begin, scratch_end);
}
