/* SPDX-License-Identifier: MIT */
/* Whatever somebody made of a plan, what is read are steps below its roots between files as they were planned, or a reason. */
#include "scratch.h"

#include <sys/mman.h>

#include "../../include/dedupe-link.h"
#include "../../src/base/text.h"

enum { FILES = 5, STEPS = 4, LINES = STEPS + 2, REASONS = DLK_REASON_SHORT_NAMES + 1 };

static const char *const names[FILES] = { "a", "b", "c", "sub/d", "sub/e" };
static struct text lines[LINES]; /* header, steps that make all others links of a, counts */

/* What reading a plan came to. */
struct reading {
	int result;
	uint64_t planned, outside; /* names: that would go; that are none of the tree's files */
	uint64_t sets;
	struct dlk_tally tally;
	unsigned refused[REASONS], skipped[REASONS]; /* events, by reason */
	char keeper[PATH_MAX]; /* of the last set */
};

/* ---- plans as text ---- */

static void add_side(struct text *text, const char *key, const char *path, const struct stat *file)
{
	text_printf(text, "\"%s\": {\"path\": \"%s\", \"inode\": %llu, \"size\": %lld, \"mtime\": \"%lld\", \"uid\": %u, \"gid\": %u, "
			  "\"mode\": \"%04o\"}", key, path, (unsigned long long)file->st_ino, (long long)file->st_size,
		    (long long)file->st_mtim.tv_sec * NS_PER_S + file->st_mtim.tv_nsec, file->st_uid, file->st_gid,
		    file->st_mode & 07777u);
}

/* A step between two files; as somebody may call them. */
static void add_step(struct text *text, const char *keeper, const char *keeper_path, const char *target, const char *target_path)
{
	struct stat k, d;
	must(!fstatat(top, keeper, &k, 0) && !fstatat(top, target, &d, 0));
	text_puts(text, "{");
	add_side(text, "keeper", keeper_path, &k);
	text_puts(text, ", ");
	add_side(text, "duplicate", target_path, &d);
	text_puts(text, "}\n");
}

static char *path_of(const char *name)
{
	static char paths[4][PATH_MAX];
	static unsigned next;
	char *path = paths[next++ % countof(paths)];
	snprintf(path, PATH_MAX, "%s/%s", top_path, name);
	return path;
}

static void set_up(void)
{
	static const struct timespec times[2] = { { 1000000000, 5 }, { 1000000000, 5 } };
	scratch_begin();
	must(!mkdirat(top, "sub", 0755));
	for (size_t i = 0; i < FILES; i++) {
		scratch_text(names[i], "alike");
		must(!utimensat(top, names[i], times, 0));
	}
	text_printf(&lines[0], "{\"schema\": 1, \"kind\": \"plan\", \"roots\": [{\"path\": \"%s\"}], \"options\": {\"respect\": [\"owner\", "
			       "\"mode\"], \"max_links\": 0}}\n", top_path);
	for (size_t i = 1; i < FILES; i++)
		add_step(&lines[i], names[0], path_of(names[0]), names[i], path_of(names[i]));
	text_puts(&lines[LINES - 1], "{\"counts\": {\"steps\": 4}}\n");
}

static void tear_down(void)
{
	for (size_t i = 0; i < LINES; i++)
		text_free(&lines[i]);
	scratch_end();
}

/* ---- reading ---- */

static void observe(void *ctx, const struct dlk_event *event)
{
	struct reading *reading = ctx;
	if (event->kind == DLK_EVENT_ERROR)
		reading->refused[event->reason]++;
	if (event->kind == DLK_EVENT_SKIP)
		reading->skipped[event->reason]++;
	must(event->kind == DLK_EVENT_PHASE || event->kind == DLK_EVENT_NOTE || event->stage == DLK_STAGE_PLAN ||
	     event->stage == DLK_STAGE_ROOT);
}

static int see_set(void *ctx, const struct dlk_set *set)
{
	struct reading *reading = ctx;
	must(set->names >= 2);
	reading->sets++;
	return 0;
}

static int see_member(void *ctx, const struct dlk_set *set UNUSED, const struct dlk_member *member)
{
	struct reading *reading = ctx;
	bool ours = false;
	for (size_t i = 0; i < FILES; i++) {
		struct stat file;
		ours |= !fstatat(top, names[i], &file, 0) && file.st_ino == member->inode && *member->path == '/';
	}
	reading->planned += member->fate == DLK_FATE_PLANNED;
	reading->outside += !ours;
	if (member->fate == DLK_FATE_KEEPER)
		snprintf(reading->keeper, sizeof(reading->keeper), "%s", member->path);
	return 0;
}

static struct reading read_fd(int fd)
{
	static const struct dlk_plan_visitor visitor = { .set = see_set, .member = see_member };
	struct reading reading = { 0 };
	struct dlk_options options;
	struct dlk_plan *plan = NULL;
	dlk_options_init(&options);
	options.observe = observe;
	options.observe_ctx = &reading;
	reading.result = dlk_plan_read(&options, fd, &plan);
	must(!reading.result == !!plan);
	if (plan) {
		reading.tally = *dlk_plan_tally(plan);
		must(!dlk_plan_each(plan, &visitor, &reading));
	}
	dlk_plan_free(plan);
	return reading;
}

static struct reading read_bytes(const char *bytes, size_t length)
{
	int fd = memfd_create("plan", MFD_CLOEXEC);
	must(fd >= 0 && write(fd, bytes, length) == (ssize_t)length && !lseek(fd, 0, SEEK_SET));
	struct reading reading = read_fd(fd);
	close(fd);
	return reading;
}

static void join(const struct text *which, size_t count, struct text *ret)
{
	ret->count = 0;
	for (size_t i = 0; i < count; i++)
		text_add(ret, which[i].at, which[i].count);
}

static struct reading read_lines(const struct text *which, size_t count)
{
	struct text whole = { 0 };
	join(which, count, &whole);
	struct reading reading = read_bytes(whole.at, whole.count);
	text_free(&whole);
	return reading;
}

/* One step of the tester's own between header and counts. */
static struct reading read_step_line(const struct text *step)
{
	return read_lines((struct text[]){ lines[0], *step, lines[LINES - 1] }, 3);
}

/* All is as it was made. */
static void check_untouched(void)
{
	for (size_t i = 0; i < FILES; i++) {
		struct stat now;
		must(!fstatat(top, names[i], &now, 0) && now.st_nlink == 1 && now.st_size == 5);
	}
}

/* ---- what a plan says ---- */

START_TEST(a_plan_is_what_it_says)
{
	struct reading reading = read_lines(lines, LINES);
	ck_assert_int_eq(reading.result, 0);
	ck_assert_uint_eq(reading.sets, 1);
	ck_assert_uint_eq(reading.planned, STEPS);
	ck_assert_str_eq(reading.keeper, path_of("a"));
	ck_assert_uint_eq(reading.tally.links_made, STEPS);
	ck_assert_uint_eq(reading.tally.inodes_freed, STEPS);
	ck_assert_uint_eq(reading.tally.files_seen, FILES);
	ck_assert_uint_eq(reading.tally.errors + reading.tally.skipped_changed + reading.tally.skipped_refused, 0);
}
END_TEST

START_TEST(lines_may_stand_in_any_order_or_be_missing)
{
	for (unsigned drawn = 0; drawn < 100; drawn++) {
		uint32_t order[STEPS] = { 1, 2, 3, 4 };
		size_t count = draw(STEPS + 1);
		struct text some[LINES] = { lines[0] };
		draw_state = drawn;
		draw_shuffle(order, STEPS);
		for (size_t i = 0; i < count; i++)
			some[1 + i] = lines[order[i]];
		some[1 + count] = lines[LINES - 1];
		struct reading reading = read_lines(some, count + 2);
		must(!reading.result && reading.planned == count && reading.sets == !!count && !reading.tally.errors);
	}
}
END_TEST

/* The keeper may be another, or lines go against each other: as if they were carried out one after another. */
START_TEST(contradictions_find_their_files_changed)
{
	static const struct {
		const char *pairs; /* keeper, duplicate, ... by letter */
		unsigned planned, changed;
	} plans[] = {
		{ "ba", 1, 0 },     { "babc", 2, 0 }, { "abab", 1, 1 }, { "abba", 1, 1 }, { "aa", 0, 1 },
		{ "abbcca", 1, 2 }, { "abcb", 1, 1 }, { "abbc", 1, 1 }, { "bcab", 1, 1 }, { "abcdae", 3, 0 },
	};
	for (size_t i = 0; i < countof(plans); i++) {
		struct text steps[LINES] = { lines[0] };
		size_t count = 1;
		for (const char *at = plans[i].pairs; *at; at += 2) {
			const char *keeper = names[at[0] - 'a'], *target = names[at[1] - 'a'];
			add_step(&steps[count++], keeper, path_of(keeper), target, path_of(target));
		}
		steps[count] = lines[LINES - 1];
		struct reading reading = read_lines(steps, count + 1);
		ck_assert_int_eq(reading.result, 0);
		ck_assert_msg(reading.planned == plans[i].planned && reading.tally.skipped_changed == plans[i].changed &&
			      !reading.tally.errors, "%s: %u planned, %u changed", plans[i].pairs, (unsigned)reading.planned,
			      (unsigned)reading.tally.skipped_changed);
		while (count > 1)
			text_free(&steps[--count]);
	}
}
END_TEST

/* ---- torn ---- */

START_TEST(whatever_is_cut_off_is_refused)
{
	struct text whole = { 0 };
	join(lines, LINES, &whole);
	for (size_t length = 0; length < whole.count - 1; length++) {
		struct reading reading = read_bytes(whole.at, length);
		must(reading.result == -EBADMSG);
		must(reading.refused[DLK_REASON_TORN] + reading.refused[DLK_REASON_NO_PLAN] == 1);
		must(length <= lines[0].count || reading.refused[DLK_REASON_TORN]);
	}
	ck_assert_int_eq(read_bytes(whole.at, whole.count - 1).result, 0); /* the last newline is no content */
	/* Something after the end: two plans in one file, perhaps. */
	for (size_t i = 0; i < LINES; i++) {
		struct text more = { 0 };
		text_add(&more, whole.at, whole.count);
		text_add(&more, lines[i].at, lines[i].count);
		ck_assert_int_eq(read_bytes(more.at, more.count).result, -EBADMSG);
		text_free(&more);
	}
	text_free(&whole);
	check_untouched();
}
END_TEST

static size_t read_most;
static int read_error;

static ssize_t read_little(int fd, void *buffer, size_t size)
{
	return read_error && draw(4) == 0 ? read_error : sys_kernel.read(fd, buffer, size_min(size, 1 + draw(read_most)));
}

START_TEST(pieces_of_any_size_make_the_same_plan)
{
	unsigned before = scratch_descriptors();
	table.read = read_little;
	sys_replace(&table);
	for (unsigned drawn = 0; drawn < 50; drawn++) {
		draw_state = drawn;
		read_most = 1 + draw(300);
		read_error = 0;
		struct reading reading = read_lines(lines, LINES);
		must(!reading.result && reading.planned == STEPS);
	}
	read_error = -EIO;
	ck_assert_int_eq(read_lines(lines, LINES).result, -EIO);
	ck_assert_uint_eq(scratch_descriptors(), before);
}
END_TEST

/* ---- old ---- */

START_TEST(a_file_that_is_not_as_planned_is_left)
{
	static const struct timespec later[2] = { { 2, 0 }, { 2, 0 } };
	must(!utimensat(top, "b", later, 0) && !fchmodat(top, "c", 0600, 0));
	must(!unlinkat(top, "sub/d", 0) && !mkdirat(top, "sub/d", 0755));
	must(!unlinkat(top, "sub/e", 0) && !symlinkat("../a", top, "sub/e"));
	struct reading reading = read_lines(lines, LINES);
	ck_assert_int_eq(reading.result, 0);
	ck_assert_uint_eq(reading.planned, 0);
	ck_assert_uint_eq(reading.skipped[DLK_REASON_CHANGED], STEPS);
	must(!unlinkat(top, "sub/d", AT_REMOVEDIR) && !unlinkat(top, "sub/e", 0) && !unlinkat(top, "sub", AT_REMOVEDIR));
	must(!symlinkat("/", top, "sub") && !unlinkat(top, "a", 0));
	reading = read_lines(lines, LINES);
	ck_assert_uint_eq(reading.planned, 0);
	ck_assert_uint_eq(reading.skipped[DLK_REASON_CHANGED], STEPS);
}
END_TEST

/* Each fact of a stamp counts, on both sides. */
START_TEST(every_fact_of_a_stamp_counts)
{
	static const char *const keys[] = { "\"inode\": ", "\"size\": ", "\"mtime\": \"", "\"uid\": ", "\"gid\": " };
	static const char *const more[] = { "1", "1", "-", "1", "1" };
	for (size_t i = 0; i < countof(keys); i++) {
		struct text step = { 0 };
		for (const char *from = lines[1].at, *at; (at = strstr(from, keys[i])); from += strlen(keys[i]) + 1) {
			from = at;
			step.count = 0;
			text_add(&step, lines[1].at, (size_t)(at - lines[1].at));
			text_puts(&step, keys[i]);
			text_puts(&step, more[i]);
			text_puts(&step, at + strlen(keys[i]));
			struct reading reading = read_step_line(&step);
			ck_assert_msg(!reading.result && !reading.planned && reading.skipped[DLK_REASON_CHANGED] == 1, "%s", step.at);
		}
		text_free(&step);
	}
}
END_TEST

static uint64_t sealed;

static int sealing_statx(int dirfd, const char *path, int flags, unsigned mask, struct statx *ret)
{
	int r = sys_kernel.statx(dirfd, path, flags, mask, ret);
	if (!r && ret->stx_ino == sealed)
		ret->stx_attributes |= STATX_ATTR_ENCRYPTED;
	return r;
}

/* What a plan has no words for: it is asked of the files as they are. */
START_TEST(an_encrypted_file_stays_apart_whatever_the_plan_says)
{
	struct stat file;
	table.statx = sealing_statx;
	sys_replace(&table);
	for (size_t i = 0; i < FILES; i++) {
		must(!fstatat(top, names[i], &file, 0));
		sealed = file.st_ino;
		struct reading reading = read_lines(lines, LINES);
		ck_assert_int_eq(reading.result, 0);
		ck_assert_uint_eq(reading.skipped[DLK_REASON_APART], i ? 1 : STEPS);
		ck_assert_uint_eq(reading.planned, i ? STEPS - 1 : 0);
	}
}
END_TEST

START_TEST(other_versions_and_kinds_are_refused)
{
	static const struct {
		const char *header;
		enum dlk_reason reason;
	} headers[] = {
		{ "{\"schema\": 2, \"kind\": \"plan\", \"roots\": []}\n", DLK_REASON_NEWER },
		{ "{\"schema\": 4294967295, \"kind\": \"plan\"}\n", DLK_REASON_NEWER },
		{ "{\"schema\": -1, \"kind\": \"plan\", \"roots\": []}\n", DLK_REASON_NO_PLAN },
		{ "{\"schema\": 1, \"kind\": \"journal\", \"roots\": []}\n", DLK_REASON_NO_PLAN },
		{ "{\"schema\": 1, \"kind\": \"plan\"}\n", DLK_REASON_NO_PLAN },
		{ "{\"schema\": 1, \"kind\": \"plan\", \"roots\": [{\"path\": \"tmp\"}]}\n", DLK_REASON_NO_PLAN },
		{ "{\"schema\": 1, \"kind\": \"plan\", \"roots\": [{\"path\": \"\"}]}\n", DLK_REASON_NO_PLAN },
		{ "{\"schema\": 1, \"kind\": \"plan\", \"roots\": [], \"options\": {\"respect\": [], \"max_links\": 0, \"method\": \"copy\"}}\n",
		  DLK_REASON_NO_PLAN },
		{ "{\"schema\": 1, \"kind\": \"plan\", \"kind\": \"plan\", \"roots\": []}\n", DLK_REASON_NO_PLAN },
	};
	for (size_t i = 0; i < countof(headers); i++) {
		struct text header = { 0 };
		text_puts(&header, headers[i].header);
		struct reading reading = read_lines((struct text[]){ header, lines[LINES - 1] }, 2);
		ck_assert_msg(reading.result == -EBADMSG && reading.refused[headers[i].reason] == 1, "%s", header.at);
		text_free(&header);
	}
}
END_TEST

/* ---- hostile ---- */

START_TEST(names_outside_lead_nowhere)
{
	static const char *const outside[] = { "/etc/passwd", "/", "a", "", ".", "%s", "%s/", "%s/..", "%s/../a", "%s/sub/../../a", "%s2/a",
					       "%s/./a", "%s/way/a", "%s/name", "//", "%s/sub/way/a", "%s/a/b" };
	must(!symlinkat(top_path, top, "way") && !symlinkat("a", top, "name") && !symlinkat("..", top, "sub/way"));
	for (size_t i = 0; i < 2 * countof(outside); i++) {
		struct text step = { 0 }, name = { 0 };
		const char *format = outside[i / 2], *spot = strstr(format, "%s");
		text_puts(&name, spot ? top_path : "");
		text_puts(&name, spot ? spot + 2 : format);
		add_step(&step, "b", i % 2 ? path_of("b") : name.at, "a", i % 2 ? name.at : path_of("a"));
		struct reading reading = read_step_line(&step);
		ck_assert_msg(reading.result == (*name.at ? 0 : -EBADMSG) && !reading.planned && !reading.outside,
			      "%s: %d, %u planned, %u", name.at, reading.result, (unsigned)reading.planned, (unsigned)i);
		ck_assert_uint_eq(reading.tally.errors + reading.tally.skipped_changed, *name.at != 0);
		text_free(&step);
		text_free(&name);
	}
}
END_TEST

/* Any byte may be another, be missing, or come twice: there is a reason, or steps between files of the tree. */
START_TEST(no_byte_makes_it_name_anything_else)
{
	static const char bytes[] = { 0, '\n', '"', '\\', '/', '.', '0', '9', '-', 'e', '{', ']', ' ', (char)0xff };
	struct text whole = { 0 };
	unsigned plans = 0, refused = 0;
	join((struct text[]){ lines[0], lines[1], lines[LINES - 1] }, 3, &whole);
	char *other = malloc(whole.count + 1);
	for (size_t at = 0; at < whole.count; at++) {
		for (size_t i = 0; i < countof(bytes) + 2; i++) {
			size_t skip = i < countof(bytes) + 1, twice = i == countof(bytes) + 1;
			memcpy(other, whole.at, at + twice);
			size_t length = at + twice;
			if (i < countof(bytes))
				other[length++] = bytes[i];
			memcpy(other + length, whole.at + at + skip, whole.count - at - skip);
			struct reading reading = read_bytes(other, length + whole.count - at - skip);
			ck_assert_msg(reading.result <= 0 && !reading.outside && reading.planned <= 1, "%.*s", (int)length, other);
			plans += !reading.result;
			refused += reading.result != 0;
		}
	}
	ck_assert_uint_gt(plans, 100);
	ck_assert_uint_gt(refused, 1000);
	free(other);
	text_free(&whole);
	check_untouched();
}
END_TEST

START_TEST(a_line_that_never_ends_is_refused)
{
	char *deep = malloc(1 << 20);
	memset(deep, '[', 1 << 20);
	memcpy(deep, "{\"schema\":", 10);
	struct text line = { .at = deep, .count = 1 << 20 };
	ck_assert_int_eq(read_bytes(line.at, line.count).result, -EBADMSG);
	ck_assert_int_eq(read_lines((struct text[]){ lines[0], line, lines[LINES - 1] }, 3).result, -EBADMSG);
	memset(deep, ' ', 1 << 20); /* blanks are nothing, on a line of their own or not */
	ck_assert_int_eq(read_lines((struct text[]){ lines[0], line, lines[LINES - 1] }, 3).result, 0);
	deep[(1 << 20) - 1] = '\n';
	ck_assert_int_eq(read_lines((struct text[]){ lines[0], line, lines[LINES - 1] }, 3).result, 0);
	free(deep);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		a_plan_is_what_it_says,
		lines_may_stand_in_any_order_or_be_missing,
		contradictions_find_their_files_changed,
		whatever_is_cut_off_is_refused,
		pieces_of_any_size_make_the_same_plan,
		a_file_that_is_not_as_planned_is_left,
		every_fact_of_a_stamp_counts,
		an_encrypted_file_stays_apart_whatever_the_plan_says,
		other_versions_and_kinds_are_refused,
		names_outside_lead_nowhere,
		no_byte_makes_it_name_anything_else,
		a_line_that_never_ends_is_refused,
	};
	return unit_run_in("planin", tests, countof(tests), set_up, tear_down);
}
