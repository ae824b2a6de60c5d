/* SPDX-License-Identifier: MIT */
/* What keeps a lock from being sought where it should be is an error: without it two runs would meet. See race/ for the locks. */
#include "../../src/core/lock.h"

#include "../../src/sys/stamp.h"
#include "scratch.h"

/* How opening fails: the table of mounts; what lies behind another mount of the same file system. */
static int table_error, behind_error;

static int open_faked(int dirfd, const char *path, int flags, mode_t mode)
{
	if (!strcmp(path, "/proc/self/mountinfo"))
		return table_error ? table_error : openat(top, "mountinfo", O_RDONLY | O_CLOEXEC);
	if (!strncmp(path, "/behind/", 8))
		return behind_error;
	return sys_kernel.openat(dirfd, path, flags, mode);
}

/* A table that calls the mount of the scratch directory a bind mount of /deep/part, and has another of all of it at /behind. */
static void fake_mounts(void)
{
	struct stamp stamp;
	char text[256];
	ck_assert_int_eq(stamp_fd(top, &stamp), 0);
	unsigned major = (unsigned)(stamp.dev >> 32), minor = (unsigned)stamp.dev;
	snprintf(text, sizeof(text),
		 "%llu 1 %u:%u /deep/part / rw - ext4 /dev/disk rw\n"
		 "%llu 1 %u:%u / /behind rw - ext4 /dev/disk rw\n",
		 (unsigned long long)stamp.mount, major, minor, (unsigned long long)stamp.mount + 1000000, major, minor);
	scratch_text("mountinfo", text);
	table.openat = open_faked;
	sys_replace(&table);
}

static int take(void)
{
	struct lock *lock;
	int r = lock_take_dir(top, &lock);
	if (!r)
		lock_free(lock);
	return r;
}

START_TEST(what_is_no_longer_there_needs_no_lock)
{
	fake_mounts();
	behind_error = -ENOENT;
	ck_assert_int_eq(take(), 0);
	behind_error = -EACCES;
	ck_assert_int_eq(take(), 0);
	table_error = -ENOENT; /* no /proc */
	ck_assert_int_eq(take(), 0);
}
END_TEST

static unsigned locked;

static int open_unreadable(int dirfd, const char *path, int flags, mode_t mode)
{
	if (dirfd == top && !strcmp(path, ".") && !(flags & O_PATH))
		return -EACCES;
	return sys_kernel.openat(dirfd, path, flags, mode);
}

static int count_lock(int fd, int operation)
{
	locked++;
	return sys_kernel.flock(fd, operation);
}

START_TEST(above_an_unreadable_directory_all_are_locked)
{
	table.flock = count_lock;
	sys_replace(&table);
	ck_assert_int_eq(take(), 0);
	unsigned readable = locked;
	locked = 0;
	table.openat = open_unreadable;
	ck_assert_int_eq(take(), 0);
	ck_assert_uint_ge(readable, 2);
	ck_assert_uint_eq(locked, readable - 1);
}
END_TEST

START_TEST(no_descriptor_left_for_another_mount)
{
	fake_mounts();
	behind_error = -EMFILE;
	ck_assert_int_eq(take(), -EMFILE);
	behind_error = -ENFILE;
	ck_assert_int_eq(take(), -ENFILE);
}
END_TEST

START_TEST(no_descriptor_left_for_the_table)
{
	fake_mounts();
	table_error = -EMFILE;
	ck_assert_int_eq(take(), -EMFILE);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		what_is_no_longer_there_needs_no_lock,
		above_an_unreadable_directory_all_are_locked,
		no_descriptor_left_for_another_mount,
		no_descriptor_left_for_the_table,
	};
	return unit_run_in("lock", tests, countof(tests), scratch_begin, scratch_end);
}
