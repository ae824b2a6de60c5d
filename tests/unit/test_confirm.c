/* SPDX-License-Identifier: MIT */
/* Only files whose bytes are the same are ever equal, and a proof of it is refused once anybody touched one of them. */
#include "scratch.h"

#include <sys/xattr.h>

#include "../../src/core/confirm.h"

enum { CHUNK = CONFIRM_CHUNK };

static struct confirm confirm;
static struct candidate *candidates[CONFIRM_MOST];
static size_t candidate_count;
static unsigned descriptors_before;

static void set_up(void)
{
	static const struct dlk_options options = { .respect = DLK_RESPECT_DEFAULT };
	scratch_begin();
	ck_assert_int_eq(confirm_init(&confirm, &options), 0);
	candidate_count = 0;
	lease_signal_begin();
	descriptors_before = scratch_descriptors();
}

static void close_all(void)
{
	for (size_t i = 0; i < candidate_count; i++)
		candidate_unref(candidates[i]);
	candidate_count = 0;
}

static void tear_down(void)
{
	sys_replace(NULL);
	close_all();
	ck_assert_uint_eq(scratch_descriptors(), descriptors_before);
	lease_signal_end();
	confirm_free(&confirm);
	scratch_end();
}

static struct candidate *open_candidate(const char *name)
{
	must(candidate_count < CONFIRM_MOST);
	must(!candidate_open(&confirm, scratch_open(name), &candidates[candidate_count]));
	return candidates[candidate_count++];
}

static int compare(void)
{
	return confirm_compare(&confirm, candidates, candidate_count);
}

/* ---- groups ---- */

enum { LARGEST = 5 * CHUNK + 777 };

static char contents[CONFIRM_MOST][LARGEST];

/* Members that are copies of one another, with a byte changed here and there, or none. */
static void draw_contents(size_t count, size_t size)
{
	for (size_t i = 0; i < count; i++) {
		if (i && draw(8)) {
			memcpy(contents[i], contents[draw(i)], size);
		} else {
			draw_bytes(contents[i], size);
			for (unsigned n = 0; n < 6 && size > 9000; n++) /* zeros that may become holes */
				memset(contents[i] + draw(size - 8192), 0, 8192);
		}
		for (uint64_t changes = draw(3); size && changes > 1; changes--)
			contents[i][draw(size)] ^= (char)(1 << draw(8));
	}
}

static void write_contents(size_t count, size_t size)
{
	for (size_t i = 0; i < count; i++) {
		char name[16];
		snprintf(name, sizeof(name), "f%zu", i);
		scratch_write(name, contents[i], size, draw(2));
		open_candidate(name);
	}
}

/* Each pair, against memcmp. Returns how many pairs are equal. */
static uint64_t check_pairs(size_t size)
{
	uint64_t equal = 0;
	for (size_t i = 0; i < candidate_count; i++) {
		must(!candidates[i]->error && !candidates[i]->spoiled);
		for (size_t j = 0; j < candidate_count; j++) {
			bool expected = !memcmp(contents[i], contents[j], size);
			must(confirm_equal(candidates[i], candidates[j]) == expected);
			equal += expected && i != j;
		}
	}
	return equal;
}

START_TEST(groups_are_those_of_memcmp)
{
	static const size_t sizes[] = { 0, 1, 4095, 4096, 4097, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK + 5, LARGEST };
	uint64_t equal = 0, pairs = 0;
	for (unsigned round = 0; round < 60; round++) {
		size_t size = sizes[round % countof(sizes)], count = 1 + draw(CONFIRM_MOST);
		draw_state = round;
		draw_contents(count, size);
		write_contents(count, size);
		must(!compare());
		equal += check_pairs(size);
		pairs += count * (count - 1);
		close_all();
	}
	ck_assert_uint_gt(equal, 1000);
	ck_assert_uint_gt(pairs - equal, 1000);
}
END_TEST

/* All bits of which chunk they differ in: the groups part again and again. */
START_TEST(groups_part_chunk_by_chunk)
{
	enum { SIZE = 5 * CHUNK };
	memset(contents, 'x', sizeof(contents));
	for (size_t i = 0; i < CONFIRM_MOST; i++)
		for (size_t bit = 0; bit < 5; bit++)
			contents[i][bit * CHUNK + 4711 * bit] = i >> bit & 1 ? 'y' : 'x';
	write_contents(CONFIRM_MOST, SIZE);
	ck_assert_int_eq(compare(), 0);
	ck_assert_uint_eq(check_pairs(SIZE), 0);
	/* Two groups of 16 after the first chunk, four of 8 ...: each chunk is read once, and by those that part once more. */
	ck_assert_uint_eq(confirm.bytes_read, UINT64_C(5) * (CONFIRM_MOST + CONFIRM_MOST / 2) * CHUNK);
}
END_TEST

START_TEST(equal_files_are_read_once)
{
	enum { SIZE = 3 * CHUNK + 100, COUNT = 20 };
	memset(contents, 'x', sizeof(contents));
	for (size_t i = 0; i < COUNT; i++) {
		char name[16];
		snprintf(name, sizeof(name), "f%zu", i);
		scratch_write(name, contents[i], SIZE, false);
		open_candidate(name);
	}
	ck_assert_int_eq(compare(), 0);
	ck_assert_uint_eq(check_pairs(SIZE), COUNT * (COUNT - 1));
	ck_assert_uint_eq(confirm.bytes_read, (uint64_t)COUNT * SIZE);
}
END_TEST

START_TEST(holes_are_zeros_and_not_read)
{
	enum { SIZE = 64 << 20 };
	static const char *const names[] = { "hole", "zeros", "other" };
	static const char zeros[1 << 16];
	struct mount_facts facts;
	must(!mount_look(top, &facts));
	if (!facts.holes_true) {
		unit_skip("what this file system says of holes is not believed");
		return;
	}
	for (size_t i = 0; i < countof(names); i++) {
		int fd = openat(top, names[i], O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
		ck_assert_int_eq(ftruncate(fd, SIZE), 0);
		if (i == 1)
			ck_assert_int_eq(pwrite(fd, zeros, sizeof(zeros), 32 << 20), sizeof(zeros));
		if (i == 2)
			ck_assert_int_eq(pwrite(fd, "x", 1, SIZE - 1), 1);
		close(fd);
		open_candidate(names[i]);
	}
	ck_assert_int_eq(compare(), 0);
	ck_assert(confirm_equal(candidates[0], candidates[1]));
	ck_assert(!confirm_equal(candidates[0], candidates[2]));
	ck_assert(!confirm_equal(candidates[1], candidates[2]));
	ck_assert_uint_lt(confirm.bytes_read, 2 << 20);
}
END_TEST

static uint32_t told_magic;

static off_t all_is_a_hole(int fd UNUSED, off_t offset UNUSED, int whence UNUSED)
{
	return -ENXIO;
}

static int tell_magic(int fd, struct statfs *ret)
{
	int r = sys_kernel.fstatfs(fd, ret);
	ret->f_type = (__typeof__(ret->f_type))told_magic;
	return r;
}

/* ZFS told holes where data was not written out yet (openzfs/zfs issue 15526), and may lie behind NFS, FUSE and overlays. */
START_TEST(holes_are_believed_of_few_file_systems)
{
	static const uint32_t liars[] = { 0x2fc12fc1 /* ZFS */, 0x6969 /* NFS */, 0x65735546 /* FUSE */, 0x794c7630 /* overlay */, 1 };
	static const char bytes[] = "not a hole at all";
	scratch_write("hole", contents[0], 0, false);
	scratch_write("data", contents[0], 0, false);
	for (int i = 0; i < 2; i++) {
		int fd = openat(top, i ? "data" : "hole", O_WRONLY | O_CLOEXEC);
		must(fd >= 0 && !ftruncate(fd, 4 * CHUNK));
		must(!i || pwrite(fd, bytes, sizeof(bytes), 2 * CHUNK) == sizeof(bytes));
		must(!close(fd));
	}
	table.lseek = all_is_a_hole;
	table.fstatfs = tell_magic;
	sys_replace(&table);
	for (size_t i = 0; i < countof(liars); i++) {
		told_magic = liars[i];
		confirm.mount = (struct mount_facts){ 0 };
		struct candidate *hole = open_candidate("hole"), *data = open_candidate("data");
		ck_assert_int_eq(compare(), 0);
		ck_assert_msg(!confirm_equal(hole, data), "%#x", told_magic);
		close_all();
	}
}
END_TEST

START_TEST(one_alone_is_not_read)
{
	memset(contents, 'x', sizeof(contents));
	write_contents(1, LARGEST);
	ck_assert_int_eq(confirm_compare(&confirm, candidates, 0), 0);
	ck_assert_int_eq(compare(), 0);
	ck_assert_uint_eq(confirm.bytes_read, 0);
	ck_assert_int_eq(candidates[0]->error, 0);
}
END_TEST

START_TEST(other_sizes_are_left_out)
{
	scratch_text("a", "same");
	scratch_text("b", "same");
	scratch_text("c", "same and more");
	open_candidate("a");
	open_candidate("b");
	open_candidate("c");
	ck_assert_int_eq(compare(), 0);
	ck_assert(confirm_equal(candidates[0], candidates[1]));
	ck_assert(!confirm_equal(candidates[0], candidates[2]));
	ck_assert_int_eq(candidates[2]->error, -ENODATA);
}
END_TEST

/* ---- errors ---- */

static struct {
	int fd, error; /* error 0: the end of the file */
	off_t from;
	unsigned fired;
	bool shorten;
} fault;

static ssize_t faulty_pread(int fd, void *buffer, size_t size, off_t offset)
{
	if (fd == fault.fd && offset + (off_t)size > fault.from) {
		fault.fired++;
		return fault.error;
	}
	if (fault.shorten && size > 1)
		size = 1 + draw(size);
	return sys_kernel.pread(fd, buffer, size, offset);
}

/* Each of equal files fails in turn, at each chunk: it is in no group, the others are as before. */
START_TEST(read_error_is_never_equality)
{
	enum { COUNT = 5, SIZE = 2 * CHUNK + 10 };
	static const int errors[] = { -EIO, -ESTALE, 0 };
	static const off_t places[] = { 0, 1, CHUNK, 2 * CHUNK, SIZE - 1 };
	draw_state = 1;
	draw_bytes(contents[0], SIZE);
	for (size_t i = 1; i < COUNT; i++)
		memcpy(contents[i], contents[0], SIZE);
	write_contents(COUNT, SIZE);
	table.pread = faulty_pread;
	sys_replace(&table);
	for (size_t e = 0; e < countof(errors); e++)
		for (size_t p = 0; p < countof(places); p++)
			for (size_t bad = 0; bad < COUNT; bad++) {
				fault.fd = candidates[bad]->fd;
				fault.error = errors[e];
				fault.from = places[p];
				fault.fired = 0;
				must(!compare());
				must(fault.fired == 1);
				for (size_t i = 0; i < COUNT; i++) {
					must(candidates[i]->error == (i == bad ? errors[e] ? errors[e] : -ENODATA : 0));
					for (size_t j = 0; j < COUNT; j++)
						must(confirm_equal(candidates[i], candidates[j]) ==
						     (i != bad && j != bad));
				}
			}
	/* All of them, so that no leader is left. */
	fault.fd = -1;
	ck_assert_int_eq(compare(), 0);
	ck_assert(confirm_equal(candidates[0], candidates[COUNT - 1]));
}
END_TEST

static ssize_t broken_pread(int fd UNUSED, void *buffer UNUSED, size_t size UNUSED, off_t offset UNUSED)
{
	return -EIO;
}

START_TEST(nothing_readable_is_nothing_equal)
{
	memset(contents, 'x', sizeof(contents));
	write_contents(4, 100);
	table.pread = broken_pread;
	sys_replace(&table);
	ck_assert_int_eq(compare(), 0);
	for (size_t i = 0; i < 4; i++) {
		ck_assert_int_eq(candidates[i]->error, -EIO);
		for (size_t j = 0; j < 4; j++)
			ck_assert(!confirm_equal(candidates[i], candidates[j]));
	}
}
END_TEST

START_TEST(short_reads_change_nothing)
{
	table.pread = faulty_pread;
	fault.fd = -1;
	fault.shorten = true;
	for (unsigned round = 0; round < 10; round++) {
		draw_state = 700 + round;
		draw_contents(10, 2 * CHUNK + 5);
		write_contents(10, 2 * CHUNK + 5);
		sys_replace(&table);
		must(!compare());
		sys_replace(NULL);
		check_pairs(2 * CHUNK + 5);
		close_all();
	}
}
END_TEST

START_TEST(stop_ends_a_comparison)
{
	volatile int stop = 1;
	confirm.stop = &stop;
	memset(contents, 'x', sizeof(contents));
	write_contents(2, LARGEST);
	ck_assert_int_eq(compare(), -ECANCELED);
	confirm.stop = NULL;
	ck_assert_int_eq(compare(), 0);
	ck_assert(confirm_equal(candidates[0], candidates[1]));
}
END_TEST

/* ---- opening ---- */

START_TEST(only_quiet_regular_files_are_candidates)
{
	struct candidate *candidate = NULL;
	scratch_text("file", "x");
	ck_assert_int_eq(mkdirat(top, "dir", 0755), 0);
	ck_assert_int_eq(mkfifoat(top, "fifo", 0644), 0);
	ck_assert_int_eq(candidate_open(&confirm, scratch_open("dir"), &candidate), -ENOTSUP);
	ck_assert_int_eq(candidate_open(&confirm, scratch_open("fifo"), &candidate), -ENOTSUP);
	ck_assert_ptr_null(candidate);
	ck_assert_int_eq(open_candidate("file")->refs, 1);
	bool leases = candidates[0]->lease.state == LEASE_HELD;
	ck_assert_int_eq(candidates[0]->weaker, !leases);
	close_all();
	if (!leases) {
		unit_skip("no leases in %s", top_path);
		return;
	}
	int writer = openat(top, "file", O_WRONLY | O_CLOEXEC);
	ck_assert_int_eq(candidate_open(&confirm, scratch_open("file"), &candidate), -EAGAIN);
	close(writer);
}
END_TEST

static pid_t writer;

/* Another program wants to write to f2 while the second chunk is read. It waits in open(2) until we give way. */
static ssize_t disturbed_pread(int fd, void *buffer, size_t size, off_t offset)
{
	if (offset >= CHUNK && !writer) {
		writer = fork();
		if (!writer) {
			int writing = openat(top, "f2", O_WRONLY | O_CLOEXEC);
			_exit(writing < 0 ? 1 : 0);
		}
		while (lease_look(&candidates[2]->lease) != LEASE_BROKEN)
			usleep(1000);
	}
	return sys_kernel.pread(fd, buffer, size, offset);
}

static unsigned calls_between;

static void count_between(void *ctx)
{
	(void)ctx;
	calls_between++;
}

/* Time goes by faster, so that each chunk is long enough for a look. */
static int64_t hasty_now(void)
{
	static int64_t now;
	return now += 3 * NS_PER_MS;
}

START_TEST(whoever_wants_to_write_is_given_way)
{
	int status;
	memset(contents, 'x', sizeof(contents));
	write_contents(4, LARGEST);
	if (candidates[2]->lease.state != LEASE_HELD) {
		unit_skip("no leases in %s", top_path);
		return;
	}
	confirm.between = count_between;
	table.pread = disturbed_pread;
	table.now = hasty_now;
	sys_replace(&table);
	ck_assert_int_eq(compare(), 0);
	ck_assert_int_eq(waitpid(writer, &status, 0), writer);
	ck_assert_int_eq(status, 0);
	ck_assert_uint_ge(calls_between, LARGEST / CHUNK);
	for (size_t i = 0; i < 4; i++) {
		ck_assert_int_eq(candidates[i]->spoiled, i == 2);
		ck_assert_int_eq(confirm_equal(candidates[i], candidates[3]), i != 2);
	}
	struct proof *proof = NULL;
	ck_assert_int_eq(confirm_prove(&confirm, candidates[0], candidates[2], &proof), -EBUSY);
	ck_assert_ptr_null(proof);
	/* Spoiled for good. */
	ck_assert_int_eq(compare(), 0);
	ck_assert(!confirm_equal(candidates[2], candidates[3]));
}
END_TEST

/* ---- proofs ---- */

START_TEST(proof_needs_a_comparison)
{
	struct proof *proof = NULL;
	scratch_text("a", "same");
	scratch_text("b", "same");
	scratch_text("c", "diff");
	ck_assert_int_eq(linkat(top, "a", top, "d", 0), 0);
	struct candidate *a = open_candidate("a"), *b = open_candidate("b"), *c = open_candidate("c");
	ck_assert_int_eq(confirm_prove(&confirm, a, b, &proof), -EILSEQ);
	ck_assert_int_eq(compare(), 0);
	ck_assert_int_eq(confirm_prove(&confirm, a, c, &proof), -EILSEQ);
	ck_assert_int_eq(confirm_prove(&confirm, a, a, &proof), -EILSEQ);
	ck_assert_ptr_null(proof);
	/* Two descriptors of one file are no two files. */
	struct candidate *d = open_candidate("d");
	ck_assert_int_eq(compare(), 0);
	ck_assert(confirm_equal(a, d));
	ck_assert_int_eq(confirm_prove(&confirm, a, d, &proof), -EILSEQ);
	/* Compared, but not with each other. */
	ck_assert_int_eq(confirm_compare(&confirm, &a, 1), 0);
	ck_assert_int_eq(confirm_compare(&confirm, &b, 1), 0);
	ck_assert_int_eq(confirm_prove(&confirm, a, b, &proof), -EILSEQ);
	ck_assert_ptr_null(proof);
}
END_TEST

START_TEST(proof_keeps_its_files_open)
{
	struct proof *proof, *copy;
	scratch_text("a", "same");
	scratch_text("b", "same");
	struct candidate *a = open_candidate("a"), *b = open_candidate("b");
	ck_assert_int_eq(compare(), 0);
	ck_assert_int_eq(confirm_prove(&confirm, a, b, &proof), 0);
	ck_assert_int_eq(proof_share(proof, &copy), 0);
	close_all();
	proof_free(proof);
	ck_assert_ptr_eq(proof_keeper(copy), a);
	ck_assert_ptr_eq(proof_target(copy), b);
	ck_assert_int_eq(confirm_again(&confirm, copy), 0);
	ck_assert_int_ge(fcntl(a->fd, F_GETFD), 0);
	proof_free(copy);
	proof_free(NULL);
}
END_TEST

enum deed { DEED_TOUCH, DEED_CHMOD, DEED_CHOWN, DEED_SETXATTR, DEED_LINK, DEED_RENAME, DEEDS };

/* What somebody else does to the file; false when it cannot be done here. Returns after the clock of files moved on. */
static bool commit_deed(enum deed deed, const char *name)
{
	const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_sec = 4711 } };
	int fd = scratch_open(name), r = 0;
	for (int64_t now = sys_kernel.wall(); sys_kernel.wall() == now;) /* times of files are as coarse as the timer */
		usleep(1000);
	switch (deed) {
	case DEED_TOUCH:
		r = utimensat(top, name, times, 0);
		break;
	case DEED_CHMOD:
		r = fchmod(fd, 0600);
		break;
	case DEED_CHOWN:
		r = geteuid() ? -1 : fchown(fd, 4711, 4711);
		break;
	case DEED_SETXATTR:
		r = fsetxattr(fd, "user.deed", "x", 1, 0);
		break;
	case DEED_LINK:
		r = linkat(top, name, top, "another", 0);
		break;
	case DEED_RENAME:
		r = renameat(top, name, top, "another");
		break;
	case DEEDS:
		break;
	}
	close(fd);
	return !r;
}

/* To keeper or target, between comparison and proof. */
START_TEST(proof_is_refused_after_any_deed)
{
	unsigned done = 0;
	for (int deed = 0; deed < DEEDS; deed++) {
		for (unsigned to_target = 0; to_target < 2; to_target++) {
			struct proof *proof = NULL;
			scratch_text("a", "same");
			scratch_text("b", "same");
			struct candidate *a = open_candidate("a"), *b = open_candidate("b");
			ck_assert_int_eq(compare(), 0);
			if (commit_deed((enum deed)deed, to_target ? "b" : "a")) {
				int r = confirm_prove(&confirm, a, b, &proof);
				ck_assert_msg(r == -EBUSY, "deed %d to %s: %d", deed, to_target ? "b" : "a", r);
				ck_assert_ptr_null(proof);
				ck_assert(to_target ? b->spoiled : a->spoiled);
				done++;
			}
			close_all();
			unlinkat(top, "a", 0);
			unlinkat(top, "b", 0);
			unlinkat(top, "another", 0);
		}
	}
	ck_assert_uint_ge(done, 8);
}
END_TEST

/* A writer that comes between comparison and proof breaks the lease: refused, though nothing was written yet. */
START_TEST(proof_is_refused_to_a_writer)
{
	struct proof *proof = NULL;
	int status;
	scratch_text("a", "same");
	scratch_text("b", "same");
	struct candidate *a = open_candidate("a"), *b = open_candidate("b");
	if (b->lease.state != LEASE_HELD) {
		unit_skip("no leases in %s", top_path);
		return;
	}
	ck_assert_int_eq(compare(), 0);
	pid_t child = fork();
	if (!child)
		_exit(openat(top, "b", O_WRONLY | O_CLOEXEC) < 0);
	while (lease_look(&b->lease) != LEASE_BROKEN)
		usleep(1000);
	ck_assert_int_eq(confirm_prove(&confirm, a, b, &proof), -EBUSY);
	candidate_release(b);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(attributes_must_agree_when_asked_for)
{
	struct proof *proof = NULL;
	scratch_text("a", "same");
	scratch_text("b", "same");
	int fd = scratch_open("b");
	if (fsetxattr(fd, "user.mine", "1", 1, 0)) {
		close(fd);
		unit_skip("no user attributes in %s", top_path);
		return;
	}
	close(fd);
	ck_assert(confirm.xattrs);
	struct candidate *a = open_candidate("a"), *b = open_candidate("b");
	ck_assert_int_eq(compare(), 0);
	ck_assert_int_eq(confirm_prove(&confirm, a, b, &proof), -ENODATA);
	ck_assert_int_eq(confirm_attributes(&confirm, b), 0);
	close_all();
	confirm.xattrs = false;
	a = open_candidate("a");
	b = open_candidate("b");
	ck_assert_int_eq(compare(), 0);
	ck_assert_int_eq(confirm_prove(&confirm, a, b, &proof), 0);
	proof_free(proof);
}
END_TEST

START_TEST(attributes_are_compared_once_more)
{
	scratch_text("a", "same");
	struct candidate *a = open_candidate("a");
	ck_assert_int_eq(confirm_attributes(&confirm, a), 0);
	if (!commit_deed(DEED_SETXATTR, "a")) {
		unit_skip("no user attributes in %s", top_path);
		return;
	}
	ck_assert_int_eq(confirm_attributes(&confirm, a), -ESTALE);
	confirm.xattrs = false;
	ck_assert_int_eq(confirm_attributes(&confirm, a), 0);
}
END_TEST

/* The same files again, read anew; what the rest of the wave was proven to be stays proven. */
START_TEST(comparing_again_sees_a_change_and_forgets_nothing)
{
	struct proof *ab, *ac;
	scratch_text("a", "same");
	scratch_text("b", "same");
	scratch_text("c", "same");
	struct candidate *a = open_candidate("a"), *b = open_candidate("b"), *c = open_candidate("c");
	ck_assert_int_eq(compare(), 0);
	ck_assert_int_eq(confirm_prove(&confirm, a, b, &ab), 0);
	ck_assert_int_eq(confirm_again(&confirm, ab), 0);
	ck_assert(confirm_equal(a, c));
	ck_assert_int_eq(confirm_prove(&confirm, a, c, &ac), 0);
	candidate_release(b);
	scratch_text("b", "diff");
	ck_assert_int_eq(confirm_again(&confirm, ab), -EILSEQ);
	ck_assert_int_eq(confirm_again(&confirm, ac), 0);
	table.pread = faulty_pread;
	fault.fd = c->fd;
	fault.from = 0;
	fault.error = -EIO;
	sys_replace(&table);
	ck_assert_int_eq(confirm_again(&confirm, ac), -EIO);
	ck_assert(c->spoiled && !a->spoiled && !c->error);
	proof_free(ab);
	proof_free(ac);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		groups_are_those_of_memcmp,
		groups_part_chunk_by_chunk,
		equal_files_are_read_once,
		holes_are_zeros_and_not_read,
		holes_are_believed_of_few_file_systems,
		one_alone_is_not_read,
		other_sizes_are_left_out,
		read_error_is_never_equality,
		nothing_readable_is_nothing_equal,
		short_reads_change_nothing,
		stop_ends_a_comparison,
		only_quiet_regular_files_are_candidates,
		whoever_wants_to_write_is_given_way,
		proof_needs_a_comparison,
		proof_keeps_its_files_open,
		proof_is_refused_after_any_deed,
		proof_is_refused_to_a_writer,
		attributes_must_agree_when_asked_for,
		attributes_are_compared_once_more,
		comparing_again_sees_a_change_and_forgets_nothing,
	};
	return unit_run_in("confirm", tests, countof(tests), set_up, tear_down);
}
