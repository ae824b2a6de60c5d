/* SPDX-License-Identifier: MIT */
/*
 * Sharing blocks: what is told is what goes, the same in a dry run; equal files end on one place, others stay as they are.
 *
 * The file system is pretended: a table says on which block of a disk each block of a file lies, FIEMAP tells of it, and FIDEDUPERANGE
 * compares the true bytes and changes it. tests/image/cases/reflink.py has btrfs and xfs.
 */
#include "scratch.h"

#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#include "../../include/dedupe-link.h"
#include "../../src/sys/clone.h"

enum { FILES_MOST = 40, BLOCKS_MOST = 9000, BLOCK = 4096, SMALL_MOST = 30 };

static struct file {
	uint64_t ino, size, blocks;
	uint32_t at[BLOCKS_MOST]; /* on the disk; 0: a hole */
} files[FILES_MOST];
static unsigned file_count;
static uint32_t disk_next;

/* How the pretended kernel behaves, and what it was asked. */
static struct world {
	int none;           /* what it says to any call, if it knows no such thing */
	uint64_t most;      /* bytes of one call; 0: all */
	uint64_t sulking;   /* inode of a target that gets `mood` for its status */
	int mood;
	bool lazy;          /* says that it did nothing */
	unsigned calls, asked; /* calls that would share; questions whether it could */
	uint64_t longest, bytes;
	volatile int stop;  /* set after so many calls */
	unsigned stop_after;
} world;

/* ---- the pretended disk ---- */

static struct file *file_of(int fd)
{
	struct stat now;
	must(!fstat(fd, &now));
	for (unsigned i = 0; i < file_count; i++)
		if (files[i].ino == now.st_ino)
			return &files[i];
	ck_abort_msg("a file that is none of ours");
}

/* How many files have a block. */
static unsigned sharers(uint32_t block)
{
	unsigned count = 0;
	for (unsigned i = 0; i < file_count; i++)
		for (uint64_t b = 0; b < files[i].blocks; b++)
			count += files[i].at[b] == block;
	return count;
}

/* Bytes on the disk that any file has. */
static uint64_t occupied(void)
{
	static unsigned char used[FILES_MOST * BLOCKS_MOST];
	uint64_t bytes = 0;
	memset(used, 0, disk_next);
	for (unsigned i = 0; i < file_count; i++) {
		for (uint64_t b = 0; b < files[i].blocks; b++) {
			bytes += files[i].at[b] && !used[files[i].at[b]] ? BLOCK : 0;
			used[files[i].at[b]] = 1;
		}
	}
	return bytes;
}

static int tell_extents(int fd, struct fiemap *map)
{
	const struct file *file = file_of(fd);
	uint32_t count = 0;
	if (map->fm_flags & FIEMAP_FLAG_XATTR)
		return -EOPNOTSUPP;
	for (uint64_t b = map->fm_start / BLOCK; b < file->blocks && count < map->fm_extent_count; b++) {
		if (!file->at[b])
			continue;
		map->fm_extents[count++] = (struct fiemap_extent){
			.fe_logical = b * BLOCK,
			.fe_physical = (uint64_t)file->at[b] * BLOCK,
			.fe_length = BLOCK,
			.fe_flags = (sharers(file->at[b]) > 1 ? FIEMAP_EXTENT_SHARED : 0) | (b + 1 == file->blocks ? FIEMAP_EXTENT_LAST : 0),
		};
	}
	map->fm_mapped_extents = count;
	return 0;
}

static bool range_equal(int a, int b, uint64_t offset, uint64_t length)
{
	static char x[CLONE_MOST], y[CLONE_MOST];
	must(length <= sizeof(x));
	ssize_t n = pread(a, x, length, (off_t)offset), m = pread(b, y, length, (off_t)offset);
	return n == (ssize_t)length && m == n && !memcmp(x, y, length);
}

static bool is_short(int fd, uint64_t size)
{
	struct stat now;
	must(!fstat(fd, &now));
	return (uint64_t)now.st_size < size;
}

static int dedupe(int source, struct file_dedupe_range *range)
{
	struct file_dedupe_range_info *info = range->info;
	const struct file *from = file_of(source);
	struct file *to = file_of((int)info->dest_fd);
	uint64_t offset = range->src_offset, length = world.most ? u64_min(range->src_length, world.most) : range->src_length;
	if (world.none)
		return world.none;
	must(range->dest_count == 1 && info->dest_offset == offset);
	if (from == to) { /* a question */
		world.asked++;
		return range->src_length == 1 ? 0 : -EINVAL;
	}
	world.calls++;
	world.longest = u64_max(world.longest, range->src_length);
	world.bytes += length;
	must(offset % BLOCK == 0 && (length % BLOCK == 0 || offset + length == to->size));
	world.stop = world.stop_after && world.calls >= world.stop_after;
	if (is_short(source, offset + length) || is_short((int)info->dest_fd, offset + length))
		return -EINVAL; /* fs/remap_range.c */
	info->status = world.sulking == to->ino ? world.mood : 0;
	if (!info->status && !range_equal(source, (int)info->dest_fd, offset, length))
		info->status = FILE_DEDUPE_RANGE_DIFFERS;
	if (info->status)
		return 0;
	info->bytes_deduped = world.lazy ? 0 : length;
	for (uint64_t b = offset / BLOCK; b * BLOCK < offset + info->bytes_deduped; b++)
		to->at[b] = from->at[b];
	return 0;
}

static int pretend(int fd, unsigned long request, void *argument)
{
	if (request == FS_IOC_FIEMAP)
		return tell_extents(fd, argument);
	return request == FIDEDUPERANGE ? dedupe(fd, argument) : sys_kernel.ioctl(fd, request, argument);
}

/* ---- files ---- */

static void name_of(unsigned number, char *ret)
{
	snprintf(ret, 16, "f%02u", number);
}

/* On blocks of its own; those of zeros are holes when it is sparse. */
static struct file *add_file(const char *bytes, uint64_t size, bool sparse)
{
	static const char zeros[BLOCK];
	struct file *file = &files[file_count];
	struct stat now;
	char name[16];
	name_of(file_count++, name);
	scratch_write(name, bytes, size, sparse);
	must(!fstatat(top, name, &now, 0));
	*file = (struct file){ .ino = now.st_ino, .size = size, .blocks = (size + BLOCK - 1) / BLOCK };
	for (uint64_t b = 0; b < file->blocks; b++)
		if (!sparse || memcmp(bytes + b * BLOCK, zeros, size_min(BLOCK, size - b * BLOCK)))
			file->at[b] = disk_next++;
	return file;
}

static char *random_bytes(uint64_t size, uint64_t seed)
{
	char *bytes = malloc(size);
	draw_state = seed;
	draw_bytes(bytes, size);
	return bytes;
}

static void add_equals(unsigned count, uint64_t size, uint64_t seed)
{
	char *bytes = random_bytes(size, seed);
	while (count--)
		add_file(bytes, size, false);
	free(bytes);
}

static void set_up(void)
{
	scratch_begin();
	table.ioctl = pretend;
	sys_replace(&table);
	world = (struct world){ 0 };
	file_count = 0;
	disk_next = 1;
}

/* ---- runs ---- */

struct seen {
	unsigned errors[DLK_REASON_SHORT_NAMES + 1], skips[DLK_REASON_SHORT_NAMES + 1];
	int error;
	unsigned fates[DLK_FATE_LEFT + 1];
	struct dlk_tally tally;
	int result;
};

static void observe(void *ctx, const struct dlk_event *event)
{
	struct seen *seen = ctx;
	if (event->kind == DLK_EVENT_ERROR) {
		seen->errors[event->reason]++;
		seen->error = event->error;
	}
	if (event->kind == DLK_EVENT_SKIP)
		seen->skips[event->reason]++;
}

static int see_member(void *ctx, const struct dlk_set *set UNUSED, const struct dlk_member *member)
{
	((struct seen *)ctx)->fates[member->fate]++;
	return 0;
}

static struct seen run(bool apply)
{
	static const struct dlk_plan_visitor visitor = { .member = see_member };
	const char *const paths[] = { top_path };
	struct seen seen = { 0 };
	struct dlk_options options;
	struct dlk_plan *plan = NULL;
	dlk_options_init(&options);
	options.method = DLK_REFLINK;
	options.threads = 1;
	options.will_apply = apply;
	options.stop = &world.stop;
	options.observe = observe;
	options.observe_ctx = &seen;
	ck_assert_int_eq(dlk_scan(&options, paths, 1, &plan), 0);
	seen.result = apply ? dlk_apply(plan) : 0;
	seen.tally = *dlk_plan_tally(plan);
	ck_assert_int_eq(dlk_plan_each(plan, &visitor, &seen), 0);
	dlk_plan_free(plan);
	return seen;
}

/* ---- clone_range and clone_possible ---- */

START_TEST(what_the_kernel_says_gets_one_meaning)
{
	static const struct {
		int none, mood;
		bool lazy;
		int want;
	} cases[] = {
		{ 0, 0, false, 0 },
		{ 0, FILE_DEDUPE_RANGE_DIFFERS, false, -EILSEQ },
		{ 0, -EPERM, false, -EPERM },
		{ 0, -ETXTBSY, false, -ETXTBSY },
		{ 0, -EXDEV, false, -EOPNOTSUPP },
		{ 0, -EOPNOTSUPP, false, -EOPNOTSUPP },
		{ 0, -EINVAL, false, -EINVAL }, /* a real one: it can share */
		{ 0, 0, true, -EIO },           /* else we would ask for ever */
		{ -ENOTTY, 0, false, -EOPNOTSUPP },
		{ -EOPNOTSUPP, 0, false, -EOPNOTSUPP },
		{ -ENOSYS, 0, false, -EOPNOTSUPP },
		{ -EIO, 0, false, -EIO },
	};
	add_equals(2, 3 * BLOCK, 1);
	int source = scratch_open("f00"), target = scratch_open("f01");
	for (size_t i = 0; i < countof(cases); i++) {
		uint64_t done = 77;
		world = (struct world){ .none = cases[i].none, .sulking = files[1].ino, .mood = cases[i].mood, .lazy = cases[i].lazy };
		ck_assert_msg(clone_range(source, target, 0, 3 * BLOCK, &done) == cases[i].want, "case %u", (unsigned)i);
		ck_assert_uint_eq(done, cases[i].want ? 77 : 3 * BLOCK);
		ck_assert_int_eq(clone_possible(target), !cases[i].none || cases[i].none == -EIO);
	}
	world = (struct world){ .most = BLOCK };
	uint64_t done;
	ck_assert_int_eq(clone_range(source, target, BLOCK, 2 * BLOCK, &done), 0);
	ck_assert_uint_eq(done, BLOCK);
	close(source);
	close(target);
}
END_TEST

/* ---- whole runs ---- */

/* Copies of few contents; some share all or some of their blocks with an equal file already. */
static void draw_files(void)
{
	for (unsigned i = 0; i < 12; i++) {
		uint64_t kind = draw(4), before = draw_state;
		uint64_t size = (1 + kind * 7) * BLOCK - (kind % 2 ? 100 : 0);
		add_equals(1, size, kind);
		draw_state = before;
		for (unsigned j = 0; j < i && draw(2); j++) {
			uint64_t from = draw(2) ? 0 : draw(files[i].blocks);
			if (files[j].size == size)
				memcpy(&files[i].at[from], &files[j].at[from], (files[i].blocks - from) * sizeof(uint32_t));
		}
	}
}

static bool same_place(const struct file *a, const struct file *b)
{
	return !memcmp(a->at, b->at, a->blocks * sizeof(*a->at));
}

START_TEST(equal_files_end_on_one_place)
{
	for (unsigned drawn = 0; drawn < 60; drawn++) {
		draw_state = drawn;
		draw_files();
		uint64_t before = occupied();
		struct seen dry = run(false);
		must(occupied() == before && !world.calls);
		struct seen done = run(true);
		must(!done.result && !done.tally.errors);
		must(done.tally.links_made == dry.tally.links_made && done.tally.bytes_saved == dry.tally.bytes_saved &&
		     done.tally.sets == dry.tally.sets && done.fates[DLK_FATE_LINKED] == dry.fates[DLK_FATE_PLANNED]);
		must(before - occupied() >= done.tally.bytes_saved && done.tally.inodes_freed == 0);
		for (unsigned i = 0; i < file_count; i++)
			for (unsigned j = 0; j < i; j++)
				must(same_place(&files[i], &files[j]) == (files[i].size == files[j].size) ||
				     files[i].size != files[j].size);
		struct seen again = run(true);
		must(!again.tally.links_made && !again.tally.bytes_saved && !again.tally.sets);
		world.calls = 0;
		while (file_count) {
			char name[16];
			name_of(--file_count, name);
			must(!unlinkat(top, name, 0));
		}
		disk_next = 1;
	}
}
END_TEST

/* What two targets share with nobody else counts for neither, though it goes; all else to the byte. */
START_TEST(figures_are_exact)
{
	add_equals(4, 10 * BLOCK, 3);
	memcpy(files[3].at, files[0].at, 4 * sizeof(uint32_t)); /* four blocks are the keeper's already */
	uint64_t before = occupied();
	struct seen done = run(true);
	ck_assert_uint_eq(done.tally.links_made, 3);
	ck_assert_uint_eq(done.tally.bytes_saved, (10 + 10 + 6) * BLOCK);
	ck_assert_uint_eq(before - occupied(), done.tally.bytes_saved);
}
END_TEST

/* The blocks where most lie already stay: one call, not four. */
START_TEST(the_many_stay_where_they_are)
{
	add_equals(6, 5 * BLOCK, 3);
	for (unsigned i = 2; i < 6; i++)
		memcpy(files[i].at, files[1].at, 5 * sizeof(uint32_t));
	struct seen done = run(true);
	ck_assert_uint_eq(done.tally.links_made, 1);
	ck_assert_uint_eq(done.tally.bytes_saved, 5 * BLOCK);
	ck_assert_uint_eq(world.calls, 1);
	ck_assert(same_place(&files[0], &files[5]));
}
END_TEST

START_TEST(large_files_go_piece_by_piece)
{
	const uint64_t size = 2 * CLONE_MOST + 5 * BLOCK + 77;
	add_equals(2, size, 9);
	struct seen done = run(true);
	ck_assert_uint_eq(done.tally.links_made, 1);
	ck_assert_uint_eq(world.calls, 3);
	ck_assert_uint_eq(world.longest, CLONE_MOST);
	ck_assert_uint_eq(world.bytes, size);
	ck_assert(same_place(&files[0], &files[1]));
	/* A kernel that does less than it was asked is asked again. */
	world = (struct world){ .most = 3 * BLOCK };
	add_equals(2, 16 * BLOCK + 1, 10);
	ck_assert_uint_eq(run(true).tally.links_made, 1);
	ck_assert_uint_eq(world.calls, 6);
	ck_assert(same_place(&files[2], &files[3]));
}
END_TEST

START_TEST(holes_are_left_alone)
{
	char *bytes = calloc(1, 64 * BLOCK);
	draw_bytes(bytes + 8 * BLOCK, BLOCK);
	draw_bytes(bytes + 40 * BLOCK, 2 * BLOCK);
	add_file(bytes, 64 * BLOCK, true);
	add_file(bytes, 64 * BLOCK, true);
	int fd = scratch_open("f00");
	bool holes = lseek(fd, 0, SEEK_DATA) == 8 * BLOCK;
	close(fd);
	free(bytes);
	if (!holes) {
		unit_skip("this file system has no holes of a block");
		return;
	}
	struct seen done = run(true);
	ck_assert_uint_eq(done.tally.bytes_saved, 3 * BLOCK);
	ck_assert_uint_eq(world.bytes, 3 * BLOCK);
	ck_assert(same_place(&files[0], &files[1]));
}
END_TEST

/* ---- what goes wrong ---- */

START_TEST(one_that_will_not_share_is_told_and_the_others_go_on)
{
	static const struct {
		int mood;
		enum dlk_reason skip; /* NONE: an error */
		int error;
	} moods[] = {
		{ FILE_DEDUPE_RANGE_DIFFERS, DLK_REASON_UNEQUAL, 0 },
		{ -EPERM, DLK_REASON_NONE, EPERM },
		{ -ETXTBSY, DLK_REASON_NONE, ETXTBSY },
		{ -EIO, DLK_REASON_NONE, EIO },
	};
	for (size_t i = 0; i < countof(moods); i++) {
		add_equals(4, (20 + i) * BLOCK, 20 + i);
		struct file *four = &files[file_count - 4];
		world = (struct world){ .sulking = four[2].ino, .mood = moods[i].mood };
		struct seen done = run(true);
		ck_assert_int_eq(done.result, 0);
		ck_assert_uint_eq(done.tally.links_made, 2);
		ck_assert_uint_eq(done.tally.bytes_saved, 2 * (20 + i) * BLOCK);
		ck_assert_uint_eq(done.fates[DLK_FATE_LEFT], 1);
		ck_assert_uint_eq(done.tally.errors, !moods[i].skip);
		ck_assert_uint_eq(done.tally.skipped_changed, moods[i].skip != 0);
		ck_assert_uint_eq(done.skips[moods[i].skip], moods[i].skip != 0);
		ck_assert_int_eq(done.error, moods[i].error);
		ck_assert(same_place(&four[0], &four[1]) && same_place(&four[0], &four[3]) && !same_place(&four[0], &four[2]));
		world = (struct world){ 0 };
		ck_assert_uint_eq(run(true).tally.links_made, 1); /* in a better mood */
	}
}
END_TEST

/* A byte written after the scan, its time put back: the kernel sees it. */
static struct stat changed_before;

static int change_then_pretend(int fd, unsigned long request, void *argument)
{
	const struct file_dedupe_range *range = argument;
	if (request == FIDEDUPERANGE && range->src_length > 1 && !world.calls) {
		const struct timespec times[2] = { changed_before.st_atim, changed_before.st_mtim };
		int other = openat(top, "f01", O_WRONLY | O_CLOEXEC);
		must(other >= 0 && pwrite(other, "?", 1, 5) == 1 && !futimens(other, times));
		close(other);
	}
	return pretend(fd, request, argument);
}

START_TEST(a_write_in_the_last_moment_is_seen)
{
	add_equals(2, 6 * BLOCK, 4);
	must(!fstatat(top, "f01", &changed_before, 0));
	table.ioctl = change_then_pretend;
	struct seen done = run(true);
	ck_assert_uint_eq(done.tally.links_made, 0);
	ck_assert_uint_eq(done.tally.bytes_saved, 0);
	ck_assert_uint_eq(done.tally.skipped_changed, 1);
	ck_assert(!same_place(&files[0], &files[1]));
}
END_TEST

static const char *to_be_cut;

static int cut_then_pretend(int fd, unsigned long request, void *argument)
{
	const struct file_dedupe_range *range = argument;
	if (request == FIDEDUPERANGE && range->src_length > 1 && !world.calls) {
		int other = openat(top, to_be_cut, O_WRONLY | O_CLOEXEC);
		must(other >= 0 && !ftruncate(other, BLOCK));
		close(other);
	}
	return pretend(fd, request, argument);
}

static void cut_one_of_two(const char *name)
{
	to_be_cut = name;
	add_equals(2, 6 * BLOCK, 4);
	table.ioctl = cut_then_pretend;
	struct seen done = run(true);
	ck_assert_uint_eq(done.tally.links_made, 0);
	ck_assert_uint_eq(done.tally.errors, 0);
	ck_assert_uint_eq(done.tally.skipped_changed, 1);
	ck_assert_uint_eq(done.skips[DLK_REASON_CHANGED], 1);
}

START_TEST(a_target_cut_in_the_last_moment_is_no_trouble)
{
	cut_one_of_two("f01");
}
END_TEST

START_TEST(nor_is_a_keeper)
{
	cut_one_of_two("f00");
}
END_TEST

START_TEST(a_file_system_that_cannot_is_told_once)
{
	static const int ways[] = { -EOPNOTSUPP, -ENOTTY, -ENOSYS };
	add_equals(3, 4 * BLOCK, 1);
	add_equals(3, 9 * BLOCK, 2);
	for (size_t i = 0; i < 2 * countof(ways); i++) {
		world = (struct world){ .none = ways[i / 2] };
		struct seen done = run(i % 2);
		ck_assert_int_eq(done.result, 0);
		ck_assert_uint_eq(done.errors[DLK_REASON_NO_REFLINKS], 1);
		ck_assert_uint_eq(done.tally.errors, 1);
		ck_assert_uint_eq(done.tally.links_made + done.tally.bytes_saved + done.tally.sets, 0);
		ck_assert_uint_eq(world.calls, 0);
	}
}
END_TEST

START_TEST(stopped_in_the_midst_what_was_done_counts)
{
	for (unsigned i = 0; i < 5; i++)
		add_equals(2, (3 + i) * BLOCK, i);
	world.stop_after = 3;
	struct seen done = run(true);
	ck_assert_int_eq(done.result, -ECANCELED);
	uint64_t shared = 0, bytes = 0;
	for (unsigned i = 0; i < 10; i += 2) {
		shared += same_place(&files[i], &files[i + 1]);
		bytes += same_place(&files[i], &files[i + 1]) ? files[i].blocks * BLOCK : 0;
	}
	ck_assert_uint_eq(done.tally.links_made, shared);
	ck_assert_uint_eq(done.tally.bytes_saved, bytes);
	ck_assert_uint_eq(shared, 3);
	world = (struct world){ 0 };
	ck_assert_uint_eq(run(true).tally.links_made, 2);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		what_the_kernel_says_gets_one_meaning,
		equal_files_end_on_one_place,
		figures_are_exact,
		the_many_stay_where_they_are,
		large_files_go_piece_by_piece,
		holes_are_left_alone,
		one_that_will_not_share_is_told_and_the_others_go_on,
		a_write_in_the_last_moment_is_seen,
		a_target_cut_in_the_last_moment_is_no_trouble,
		nor_is_a_keeper,
		a_file_system_that_cannot_is_told_once,
		stopped_in_the_midst_what_was_done_counts,
	};
	return unit_run_in("share", tests, countof(tests), set_up, scratch_end);
}
