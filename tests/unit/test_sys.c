/* SPDX-License-Identifier: MIT */
/*
 * The fence promises: what the kernel says is passed on as it is, what it lacks is stood in for, and nothing leads out
 * of a tree. Each test has a directory of its own below $TMPDIR (or /tmp), open as `top`, and removed at the end.
 */
#include "unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "../../src/sys/beneath.h"
#include "../../src/sys/dir.h"
#include "../../src/sys/extent.h"
#include "../../src/sys/lease.h"
#include "../../src/sys/mount.h"
#include "../../src/sys/remake.h"
#include "../../src/sys/stamp.h"
#include "../../src/sys/swap.h"
#include "../../src/sys/volume.h"
#include "../../src/sys/xattr.h"

/* ---- the directory, files in it, and other processes ---- */

static int top = -1;
static char top_path[PATH_MAX];
static struct sys_calls table; /* a copy of the kernel's, to put calls of a test's own into */

static void set_up(void)
{
	const char *below = getenv("TMPDIR");
	snprintf(top_path, sizeof(top_path), "%s/dedupe-link-unit-XXXXXX", below && *below ? below : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(top_path));
	top = open(top_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ge(top, 0);
	table = sys_kernel;
}

static int remove_entry(const char *path, const struct stat *st UNUSED, int type UNUSED, struct FTW *ftw UNUSED)
{
	return remove(path);
}

static void tear_down(void)
{
	sys_replace(NULL);
	close(top);
	nftw(top_path, remove_entry, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

static int make_file(const char *name, const void *bytes, size_t length)
{
	int fd = openat(top, name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pwrite(fd, bytes, length, 0), (ssize_t)length);
	close(fd);
	fd = openat(top, name, O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	return fd;
}

static void make_text(const char *name, const char *text)
{
	close(make_file(name, text, strlen(text)));
}

static void assert_text(const char *name, const char *text)
{
	char got[64];
	int fd = openat(top, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	ck_assert_msg(fd >= 0, "%s: %s", name, strerror(errno));
	ssize_t length = read(fd, got, sizeof(got) - 1);
	ck_assert_int_ge(length, 0);
	got[length] = '\0';
	ck_assert_str_eq(got, text);
	close(fd);
}

static void assert_missing(const char *name)
{
	ck_assert_int_eq(faccessat(top, name, F_OK, AT_SYMLINK_NOFOLLOW), -1);
	ck_assert_int_eq(errno, ENOENT);
}

/* What `work` returns in a child process: 0 to 255, or 1000 and the signal that ended it. */
static int in_child(int (*work)(void))
{
	int status;
	fflush(stdout);
	pid_t child = fork();
	if (child == 0)
		_exit(work());
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* The errno of opening "file" for writing without waiting, 0 when it was opened. */
static int open_for_writing(void)
{
	int fd = openat(top, "file", O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	return fd < 0 ? errno : 0;
}

static void use_table(void)
{
	sys_replace(&table);
}

/* ---- sys ---- */

static int fake_close(int fd)
{
	return fd == 4711 ? -EIO : close(fd);
}

START_TEST(sys_table_can_be_replaced_and_put_back)
{
	table.close = fake_close;
	ck_assert_ptr_eq(sys_replace(&table), &sys_kernel);
	ck_assert_ptr_eq(sys, &table);
	ck_assert_int_eq(sys->close(4711), -EIO);
	ck_assert_ptr_eq(sys_replace(NULL), &table);
	ck_assert_ptr_eq(sys, &sys_kernel);
	ck_assert_int_eq(sys->close(4711), -EBADF);
}
END_TEST

START_TEST(sys_calls_return_negative_errno)
{
	char byte = 0;
	struct statx stx;
	struct statfs fs;
	int pipes[2];
	ck_assert_int_eq(pipe(pipes), 0);
	errno = 0;
	ck_assert_int_eq(sys->openat(top, "missing", O_RDONLY, 0), -ENOENT);
	ck_assert_int_eq(sys->getdents(-1, &byte, 1), -EBADF);
	ck_assert_int_eq(sys->statx(top, "missing", 0, STATX_BASIC_STATS, &stx), -ENOENT);
	ck_assert_int_eq(sys->fstatfs(-1, &fs), -EBADF);
	ck_assert_int_eq(sys->pread(top, &byte, 1, 0), -EISDIR);
	ck_assert_int_eq(sys->pwrite(top, &byte, 1, 0), -EBADF);
	ck_assert_int_eq(sys->lseek(pipes[0], 0, SEEK_SET), -ESPIPE);
	ck_assert_int_eq(sys->fadvise(pipes[0], 0, 0, POSIX_FADV_RANDOM), -ESPIPE);
	ck_assert_int_eq(sys->fcntl(-1, F_GETFL, 0), -EBADF);
	ck_assert_int_eq(sys->ioctl(-1, FS_IOC_FIEMAP, NULL), -EBADF);
	ck_assert_int_eq(sys->flistxattr(-1, NULL, 0), -EBADF);
	ck_assert_int_eq(sys->fgetxattr(-1, "user.a", NULL, 0), -EBADF);
	ck_assert_int_eq(sys->readlinkat(top, "missing", &byte, 1), -ENOENT);
	ck_assert_int_eq(sys->faccessat(top, "missing", R_OK, 0), -ENOENT);
	ck_assert_int_eq(sys->flock(-1, LOCK_EX), -EBADF);
	ck_assert_int_eq(sys->fdatasync(pipes[0]), -EINVAL);
	ck_assert_int_eq(sys->syncfs(-1), -EBADF);
	ck_assert_int_eq(sys->linkat(top, "missing", top, "other", 0), -ENOENT);
	ck_assert_int_eq(sys->renameat2(top, "missing", top, "other", 0), -ENOENT);
	ck_assert_int_eq(sys->unlinkat(top, "missing", 0), -ENOENT);
	ck_assert_int_eq(sys->close(-1), -EBADF);
}
END_TEST

static _Atomic int alarms;

static void count_alarm(int number UNUSED)
{
	alarms++;
}

/* A signal every 10 ms, without SA_RESTART. */
static void begin_alarms(void)
{
	const struct sigaction action = { .sa_handler = count_alarm };
	const struct itimerval each = { { 0, 10000 }, { 0, 10000 } };
	alarms = 0;
	ck_assert_int_eq(sigaction(SIGALRM, &action, NULL), 0);
	ck_assert_int_eq(setitimer(ITIMER_REAL, &each, NULL), 0);
}

static void end_alarms(void)
{
	const struct itimerval none = { 0 };
	setitimer(ITIMER_REAL, &none, NULL);
	signal(SIGALRM, SIG_DFL);
}

/* Whether a process waits for flock: /proc/locks says "-> FLOCK  ADVISORY  WRITE PID ...". */
static bool waits_for_lock(pid_t pid)
{
	char line[256];
	bool waits = false;
	int who;
	FILE *locks = fopen("/proc/locks", "re");
	while (locks && fgets(line, sizeof(line), locks))
		waits |= sscanf(line, "%*s -> FLOCK %*s %*s %d", &who) == 1 && who == pid;
	if (locks)
		fclose(locks);
	return waits;
}

START_TEST(sys_calls_begin_again_after_a_signal)
{
	int fd = make_file("file", "", 0), mine = openat(top, "file", O_RDONLY | O_CLOEXEC);
	pid_t parent = getpid(), child = fork();
	ck_assert_int_eq(flock(fd, LOCK_EX), 0);
	if (child == 0) {
		while (getppid() == parent && !waits_for_lock(parent))
			usleep(1000);
		usleep(100000); /* which is ten alarms */
		_exit(flock(fd, LOCK_UN)); /* shares the lock: unlocks it for both */
	}
	begin_alarms();
	ck_assert_int_eq(sys->flock(mine, LOCK_EX), 0);
	end_alarms();
	ck_assert_int_gt(alarms, 0); /* ThreadSanitizer makes one of many */
	ck_assert_int_eq(waitpid(child, NULL, 0), child);
	close(mine);
	close(fd);
}
END_TEST

START_TEST(sys_sleep_is_not_cut_short)
{
	int64_t before = sys->now();
	begin_alarms();
	sys->sleep(100 * NS_PER_MS);
	end_alarms();
	int64_t took = sys->now() - before;
	ck_assert_int_ge(took, 100 * NS_PER_MS);
	ck_assert_int_lt(took, 10 * NS_PER_S);
	ck_assert_int_gt(alarms, 0); /* ThreadSanitizer makes one of many */
	before = sys->now();
	sys->sleep(0);
	sys->sleep(-1);
	ck_assert_int_lt(sys->now() - before, NS_PER_S);
}
END_TEST

START_TEST(sys_wall_is_the_time_files_get)
{
	struct stamp stamp;
	int64_t before = sys->wall();
	int fd = make_file("file", "x", 1);
	ck_assert_int_eq(stamp_fd(fd, &stamp), 0);
	ck_assert_int_ge(stamp.mtime, before);
	ck_assert_int_le(stamp.mtime, sys->wall() + 20 * NS_PER_MS);
	ck_assert_int_lt(llabs(sys->wall() / NS_PER_S - time(NULL)), 3);
	close(fd);
}
END_TEST

START_TEST(sys_descriptors_counts_what_is_left)
{
	struct rlimit limit;
	int fds[5];
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_max = limit.rlim_max < 1000 ? limit.rlim_max : 1000;
	limit.rlim_cur = limit.rlim_max - 10;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	unsigned before = sys_descriptors();
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	ck_assert_uint_eq(limit.rlim_cur, limit.rlim_max);
	ck_assert_uint_lt(before, limit.rlim_max);
	for (size_t i = 0; i < countof(fds); i++)
		fds[i] = dup(top);
	ck_assert_uint_eq(sys_descriptors(), before - countof(fds));
	for (size_t i = 0; i < countof(fds); i++)
		close(fds[i]);
	ck_assert_uint_eq(sys_descriptors(), before);
	/* as many as it says can be opened, and no more */
	unsigned opened = 0;
	while (dup(top) >= 0)
		opened++;
	ck_assert_int_eq(errno, EMFILE);
	ck_assert_uint_eq(opened, before);
	ck_assert_uint_le(sys_descriptors(), limit.rlim_max - 16); /* cannot look: guesses */
	for (unsigned fd = 3; fd < limit.rlim_max; fd++)
		if ((int)fd != top && fd > (unsigned)fds[0])
			close((int)fd);
}
END_TEST

/* ---- stamp ---- */

START_TEST(stamp_is_what_stat_says)
{
	struct stat st;
	struct stamp by_name, by_fd, dir, link;
	const struct timespec times[2] = { { 1, 2 }, { 1234567890, 123456789 } };
	int fd = make_file("file", "12345", 5);
	ck_assert_int_eq(linkat(top, "file", top, "second", 0), 0);
	ck_assert_int_eq(symlinkat("file", top, "symlink"), 0);
	ck_assert_int_eq(futimens(fd, times), 0);
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert_int_eq(stamp_at(top, "second", &by_name), 0);
	ck_assert_int_eq(stamp_fd(fd, &by_fd), 0);
	ck_assert(stamp_untouched(&by_name, &by_fd));
	ck_assert_uint_eq(by_fd.ino, st.st_ino);
	ck_assert_uint_eq(by_fd.size, 5);
	ck_assert_uint_eq(by_fd.blocks, (uint64_t)st.st_blocks);
	ck_assert_int_eq(by_fd.mtime, INT64_C(1234567890123456789));
	ck_assert_int_eq(by_fd.ctime, st.st_ctim.tv_sec * NS_PER_S + st.st_ctim.tv_nsec);
	ck_assert_uint_eq(by_fd.links, 2);
	ck_assert_uint_eq(by_fd.uid, geteuid());
	ck_assert_uint_eq(by_fd.mode, st.st_mode);
	ck_assert(stamp_regular(&by_fd));
	ck_assert(!by_fd.immutable);
	ck_assert(!by_fd.mount_root);
	ck_assert_int_eq(stamp_fd(top, &dir), 0);
	ck_assert_uint_eq(dir.dev, by_fd.dev);
	ck_assert_uint_eq(dir.mount, by_fd.mount);
	ck_assert(!stamp_regular(&dir));
	ck_assert_int_eq(stamp_at(top, "symlink", &link), 0);
	ck_assert(S_ISLNK(link.mode));
	ck_assert_int_eq(stamp_at(top, "missing", &link), -ENOENT);
	ck_assert_int_eq(stamp_fd(-1, &link), -EBADF);
	ck_assert(S_ISLNK(link.mode)); /* a failure leaves the output alone */
	close(fd);
}
END_TEST

START_TEST(stamp_compares_what_it_says)
{
	const struct stamp base = { .dev = 1, .ino = 2, .mount = 3, .size = 4, .blocks = 5, .mtime = 6, .ctime = 7,
				    .links = 8, .uid = 9, .gid = 10, .mode = S_IFREG | 0644 };
	const struct {
		struct stamp stamp;
		bool file, version, untouched;
	} rows[] = {
		{ .stamp = base, true, true, true },
		{ .stamp = { 0, 2, 3, 4, 5, 6, 7, 8, 9, 10, S_IFREG | 0644, 0, 0, 0, 0 }, false, false, false },
		{ .stamp = { 1, 0, 3, 4, 5, 6, 7, 8, 9, 10, S_IFREG | 0644, 0, 0, 0, 0 }, false, false, false },
		{ .stamp = { 1, 2, 0, 4, 5, 6, 7, 8, 9, 10, S_IFREG | 0644, 0, 0, 0, 0 }, true, true, true }, /* mount */
		{ .stamp = { 1, 2, 3, 0, 5, 6, 7, 8, 9, 10, S_IFREG | 0644, 0, 0, 0, 0 }, true, false, false },
		{ .stamp = { 1, 2, 3, 4, 0, 6, 7, 8, 9, 10, S_IFREG | 0644, 0, 0, 0, 0 }, true, true, true }, /* blocks */
		{ .stamp = { 1, 2, 3, 4, 5, 0, 7, 8, 9, 10, S_IFREG | 0644, 0, 0, 0, 0 }, true, false, false },
		{ .stamp = { 1, 2, 3, 4, 5, 6, 0, 8, 9, 10, S_IFREG | 0644, 0, 0, 0, 0 }, true, true, false },
		{ .stamp = { 1, 2, 3, 4, 5, 6, 7, 0, 9, 10, S_IFREG | 0644, 0, 0, 0, 0 }, true, true, false },
		{ .stamp = { 1, 2, 3, 4, 5, 6, 7, 8, 0, 10, S_IFREG | 0644, 0, 0, 0, 0 }, true, false, false },
		{ .stamp = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, S_IFREG | 0644, 0, 0, 0, 0 }, true, false, false },
		{ .stamp = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, S_IFREG | 0600, 0, 0, 0, 0 }, true, false, false },
		{ .stamp = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, S_IFIFO | 0644, 0, 0, 0, 0 }, true, false, false },
		{ .stamp = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, S_IFREG | 0644, 0, 0, SEAL_VERITY, 0 }, true, false, false },
	};
	for (size_t i = 0; i < countof(rows); i++) {
		ck_assert_int_eq(stamp_same_file(&base, &rows[i].stamp), rows[i].file);
		ck_assert_int_eq(stamp_same_version(&base, &rows[i].stamp), rows[i].version);
		ck_assert_int_eq(stamp_untouched(&base, &rows[i].stamp), rows[i].untouched);
		/* the fingerprint tells versions apart, whatever number the device has today, but for the seal */
		ck_assert_int_eq(stamp_fingerprint(&base) == stamp_fingerprint(&rows[i].stamp),
				 rows[i].version || rows[i].stamp.dev == 0 || rows[i].stamp.seal);
	}
}
END_TEST

START_TEST(stamp_of_others_is_what_others_may_write)
{
	uid_t us = geteuid();
	gid_t group = getegid();
	const struct stamp mine = { .uid = us, .gid = group, .mode = S_IFREG | 0644 };
	struct stamp stamp = mine;
	ck_assert(!stamp_of_others(&stamp));
	stamp.uid = 0;
	ck_assert(!stamp_of_others(&stamp));
	stamp.uid = us + 1;
	ck_assert(stamp_of_others(&stamp));
	stamp = mine;
	stamp.mode = S_IFREG | 0602;
	ck_assert(stamp_of_others(&stamp));
	stamp.mode = S_IFREG | 0620;
	ck_assert(stamp_of_others(&stamp) == !us);
	stamp.gid = group + 1;
	ck_assert(stamp_of_others(&stamp));
}
END_TEST

/* Names on disk carry it: a new program must recognise what an old one left. */
START_TEST(stamp_fingerprint_never_changes)
{
	const struct stamp stamp = { .dev = 1, .ino = 2, .size = 4, .mtime = 6, .uid = 9, .gid = 10,
				     .mode = S_IFREG | 0644 };
	ck_assert_uint_eq(stamp_fingerprint(&stamp), UINT64_C(762674958311174515));
}
END_TEST

static struct statx told;

static int tell_statx(int dirfd UNUSED, const char *path UNUSED, int flags UNUSED, unsigned mask UNUSED,
		      struct statx *ret)
{
	*ret = told;
	return 0;
}

START_TEST(stamp_takes_the_ends_of_time_and_attributes)
{
	struct stamp stamp;
	table.statx = tell_statx;
	use_table();
	told = (struct statx){ .stx_mask = STATX_MNT_ID | STATX_BTIME, .stx_mnt_id = 77, .stx_btime = { .tv_nsec = 9 }, .stx_dev_major = 8, .stx_dev_minor = 1,
			       .stx_mtime = { .tv_sec = INT64_MAX }, .stx_ctime = { .tv_sec = INT64_MIN, .tv_nsec = 5 },
			       .stx_attributes = STATX_ATTR_IMMUTABLE };
	ck_assert_int_eq(stamp_fd(0, &stamp), 0);
	ck_assert_int_eq(stamp.mtime, INT64_MAX);
	ck_assert_int_eq(stamp.ctime, INT64_MIN);
	ck_assert_uint_eq(stamp.mount, 77);
	ck_assert_int_eq(stamp.btime, 9);
	ck_assert_uint_eq(stamp.dev, UINT64_C(8) << 32 | 1);
	ck_assert(stamp.immutable);
	ck_assert_uint_eq(stamp.seal, 0);
	told = (struct statx){ .stx_mnt_id = 77, .stx_mtime = { .tv_sec = -1, .tv_nsec = 999999999 },
			       .stx_btime = { .tv_nsec = 9 },
			       .stx_attributes = STATX_ATTR_APPEND | STATX_ATTR_MOUNT_ROOT };
	ck_assert_int_eq(stamp_fd(0, &stamp), 0);
	ck_assert_int_eq(stamp.mtime, -1);
	ck_assert_uint_eq(stamp.mount, 0); /* not said by the mask: not there */
	ck_assert_int_eq(stamp.btime, 0);
	ck_assert(stamp.immutable);
	ck_assert(stamp.mount_root);
	told.stx_attributes = STATX_ATTR_ENCRYPTED;
	ck_assert_int_eq(stamp_fd(0, &stamp), 0);
	ck_assert_uint_eq(stamp.seal, SEAL_ENCRYPTED);
	told.stx_attributes = STATX_ATTR_VERITY | STATX_ATTR_ENCRYPTED;
	ck_assert_int_eq(stamp_fd(0, &stamp), 0);
	ck_assert_uint_eq(stamp.seal, SEAL_VERITY | SEAL_ENCRYPTED);
}
END_TEST

/* ---- dir ---- */

static void count_ahead(void *ctx, uint64_t ino)
{
	unsigned *ahead = ctx;
	ck_assert_uint_ne(ino, 0);
	++*ahead;
}

START_TEST(dir_lists_every_entry_once)
{
	enum { FILES = 3000 };
	static char seen[FILES];
	static _Alignas(uint64_t) char buffer[DIR_BUFFER];
	char name[40], longest[256];
	struct mount_facts facts;
	ck_assert_int_eq(mount_look(top, &facts), 0);
	for (int i = 0; i < FILES; i++) {
		snprintf(name, sizeof(name), "a-name-of-some-length-%04d", i);
		make_text(name, "");
	}
	memset(longest, 'l', 255);
	longest[255] = '\0';
	make_text(longest, "");
	ck_assert_int_eq(mkdirat(top, "dir", 0755), 0);
	ck_assert_int_eq(symlinkat("x", top, "symlink"), 0);
	ck_assert_int_eq(mkfifoat(top, "fifo", 0600), 0);

	int r, others = 0, files = 0;
	struct dir_entry entry;
	/* opened now: btrfs does not list what is newer than the descriptor */
	int fd = openat(top, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dir dir = dir_begin(fd, buffer);
	unsigned ahead = 0, given = 0;
	dir.end_told = facts.dirent_end_told;
	dir.ahead = count_ahead;
	dir.ctx = &ahead;
	while ((r = dir_next(&dir, &entry)) == 1) {
		struct stat st;
		must(++given <= ahead);
		ck_assert_uint_eq(entry.length, strlen(entry.name));
		ck_assert_int_eq(fstatat(top, entry.name, &st, AT_SYMLINK_NOFOLLOW), 0);
		if (facts.dirent_ino_true)
			ck_assert_uint_eq(entry.ino, st.st_ino);
		if (sscanf(entry.name, "a-name-of-some-length-%d", &r) == 1) {
			ck_assert_int_eq(entry.type, DIR_FILE);
			ck_assert_int_eq(seen[r]++, 0);
			files++;
			continue;
		}
		others++;
		if (!strcmp(entry.name, longest))
			ck_assert_int_eq(entry.type, DIR_FILE);
		else
			ck_assert_int_eq(entry.type, strcmp(entry.name, "dir") ? DIR_OTHER : DIR_DIR);
	}
	ck_assert_int_eq(r, 0);
	ck_assert_int_eq(files, FILES);
	ck_assert_int_eq(others, 4);
	ck_assert_uint_eq(ahead, FILES + 4 + 2);
	close(fd);
}
END_TEST

START_TEST(dir_passes_errors_on)
{
	static _Alignas(uint64_t) char buffer[DIR_BUFFER];
	struct dir_entry entry;
	int fd = make_file("file", "", 0);
	struct dir dir = dir_begin(fd, buffer);
	ck_assert_int_eq(dir_next(&dir, &entry), -ENOTDIR);
	close(fd);
}
END_TEST

static char told_name[DIR_NAME_MAX + 2];

static ssize_t tell_getdents(int fd UNUSED, void *buffer, size_t size UNUSED)
{
	struct dirent64 *entry = buffer;
	*entry = (struct dirent64){ .d_ino = 1, .d_type = DT_REG };
	entry->d_reclen = (unsigned short)(offsetof(struct dirent64, d_name) + sizeof(told_name) + 7) & ~7;
	memcpy((char *)buffer + offsetof(struct dirent64, d_name), told_name, sizeof(told_name));
	return entry->d_reclen;
}

/* A FUSE server is another program, and kernels before 5.5 pass on what it says. */
START_TEST(dir_refuses_names_that_cannot_be)
{
	static _Alignas(uint64_t) char buffer[DIR_BUFFER];
	static const char *const bad[] = { "", "/", "../../etc/passwd", "a/" };
	struct dir_entry entry = { 0 };
	table.getdents = tell_getdents;
	use_table();
	for (size_t i = 0; i < countof(bad); i++) {
		struct dir dir = dir_begin(top, buffer);
		strcpy(told_name, bad[i]);
		ck_assert_int_eq(dir_next(&dir, &entry), -EIO);
		ck_assert_ptr_null(entry.name);
	}
	for (size_t length = DIR_NAME_MAX; length <= DIR_NAME_MAX + 1; length++) {
		struct dir dir = dir_begin(top, buffer);
		memset(told_name, 'x', length);
		ck_assert_int_eq(dir_next(&dir, &entry), length == DIR_NAME_MAX ? 1 : -EIO);
		ck_assert_uint_eq(entry.length, DIR_NAME_MAX);
	}
}
END_TEST

static int64_t told_offset;
static int getdents_calls;

/* One entry, and nothing at the next call. */
static ssize_t tell_getdents_once(int fd, void *buffer, size_t size)
{
	if (getdents_calls++)
		return 0;
	ssize_t length = tell_getdents(fd, buffer, size);
	((struct dirent64 *)buffer)->d_off = told_offset;
	return length;
}

START_TEST(dir_asks_no_more_where_the_end_was_told)
{
	static const struct {
		bool end_told;
		int64_t offset;
		int calls;
	} rows[] = {
		{ true, INT64_MAX, 1 }, { true, INT64_MAX - 1, 2 }, { true, INT32_MAX, 2 }, { false, INT64_MAX, 2 },
	};
	static _Alignas(uint64_t) char buffer[DIR_BUFFER];
	struct dir_entry entry;
	table.getdents = tell_getdents_once;
	use_table();
	strcpy(told_name, "name");
	for (size_t i = 0; i < countof(rows); i++) {
		struct dir dir = dir_begin(top, buffer);
		dir.end_told = rows[i].end_told;
		told_offset = rows[i].offset;
		getdents_calls = 0;
		ck_assert_int_eq(dir_next(&dir, &entry), 1);
		ck_assert_str_eq(entry.name, "name");
		ck_assert_int_eq(dir_next(&dir, &entry), 0);
		ck_assert_int_eq(getdents_calls, rows[i].calls);
	}
}
END_TEST

/* ---- mount ---- */

static struct statfs told_fs;

static int tell_fstatfs(int fd UNUSED, struct statfs *ret)
{
	*ret = told_fs;
	return 0;
}

START_TEST(mount_knows_file_systems_by_type)
{
	static const struct {
		uint32_t magic;
		struct mount_facts facts;
	} rows[] = {
		{ EXT4_SUPER_MAGIC, { 0, 0, 65000, false, true, true, false, true, true, true, 1024, 100, false, { 0, 0 } } },
		{ XFS_SUPER_MAGIC, { 0, 0, 2147483647, false, true, false, true, true, true, true, 0, 100, false, { 0, 0 } } },
		{ BTRFS_SUPER_MAGIC, { 0, 0, 65535, false, true, false, true, true, true, true, 0, 100, false, { 0, 0 } } },
		{ TMPFS_MAGIC, { 0, 0, UINT32_MAX, false, true, false, false, true, true, true, 0, 100, false, { 0, 0 } } },
		{ OVERLAYFS_SUPER_MAGIC, { 0, 0, UINT32_MAX, false, false, false, true, false, false, true, 0, 100, false, { 0, 0 } } },
		{ NFS_SUPER_MAGIC, { 0, 0, UINT32_MAX, false, false, false, true, false, false, false, 0, 100, false, { 0, 0 } } },
		{ FUSE_SUPER_MAGIC, { 0, 0, UINT32_MAX, false, false, false, true, false, false, true, 0, 100, false, { 0, 0 } } },
		{ SMB2_SUPER_MAGIC, { 0, 0, UINT32_MAX, false, false, false, true, false, false, false, 0, 100, false, { 0, 0 } } },
		{ MSDOS_SUPER_MAGIC, { 0, 0, UINT32_MAX, false, false, false, true, false, false, false, 0, 100, true, { 0, 0 } } },
		{ EXFAT_SUPER_MAGIC, { 0, 0, UINT32_MAX, false, false, false, true, false, false, false, 0, 100, true, { 0, 0 } } },
		{ 0x12345678, { 0, 0, UINT32_MAX, false, false, false, true, false, false, false, 0, 100, false, { 0, 0 } } },
	};
	struct stamp stamp;
	ck_assert_int_eq(stamp_fd(top, &stamp), 0);
	table.fstatfs = tell_fstatfs;
	use_table();
	for (size_t i = 0; i < countof(rows); i++) {
		for (int read_only = 0; read_only < 2; read_only++) {
			struct mount_facts got;
			told_fs.f_type = (__typeof__(told_fs.f_type))(int32_t)rows[i].magic;
			told_fs.f_namelen = 100;
			told_fs.f_bsize = 1024;
			told_fs.f_flags = read_only ? ST_RDONLY | ST_NOATIME : ST_NOATIME;
			ck_assert_int_eq(mount_look(top, &got), 0);
			ck_assert_uint_eq(got.dev, stamp.dev);
			ck_assert_uint_eq(got.mount, stamp.mount);
			ck_assert_uint_eq(got.link_limit, rows[i].facts.link_limit);
			ck_assert_int_eq(got.read_only, read_only);
			ck_assert_int_eq(got.dirent_ino_true, rows[i].facts.dirent_ino_true);
			ck_assert_int_eq(got.dirent_end_told, rows[i].facts.dirent_end_told);
			ck_assert_int_eq(got.shares_extents, rows[i].facts.shares_extents);
			ck_assert_int_eq(got.holes_true, rows[i].facts.holes_true);
			ck_assert_int_eq(got.leases, rows[i].facts.leases);
			ck_assert_int_eq(got.leases_here, rows[i].facts.leases_here);
			ck_assert_uint_eq(got.block, rows[i].facts.block);
			ck_assert_uint_eq(got.name_max, rows[i].facts.name_max);
			ck_assert_int_eq(got.no_links, rows[i].facts.no_links);
		}
	}
}
END_TEST

START_TEST(mount_looks_through_path_descriptors)
{
	struct mount_facts facts, by_path;
	int fd = open(top_path, O_PATH | O_CLOEXEC);
	ck_assert_int_eq(mount_look(top, &facts), 0);
	ck_assert_int_eq(mount_look(fd, &by_path), 0);
	ck_assert_uint_eq(facts.dev, by_path.dev);
	ck_assert_uint_eq(facts.mount, by_path.mount);
	ck_assert(!facts.read_only);
	ck_assert_int_eq(mount_look(-1, &facts), -EBADF);
	close(fd);
}
END_TEST

/* ---- lease ---- */

/* Whether mount.h says that leases hold here. */
static bool has_leases(int fd)
{
	struct mount_facts facts;
	return mount_look(fd, &facts) == 0 && facts.leases;
}

START_TEST(lease_shows_a_writer_who_waits)
{
	struct lease lease;
	lease_signal_begin();
	int fd = make_file("file", "x", 1);
	if (!has_leases(fd)) {
		unit_skip("no leases in %s", top_path);
		return;
	}
	int64_t before = sys->now();
	ck_assert_int_eq(lease_take(fd, &lease), 0);
	ck_assert_int_eq(lease.state, LEASE_HELD);
	ck_assert_int_ge(lease.seen, before);
	ck_assert_int_eq(lease_look(&lease), LEASE_HELD);
	ck_assert_int_eq(lease_probe(&lease), LEASE_HELD);
	ck_assert_int_ge(lease.seen, before);
	ck_assert_int_le(lease.seen, sys->now());

	ck_assert_int_eq(in_child(open_for_writing), EAGAIN);
	ck_assert_int_eq(lease_look(&lease), LEASE_BROKEN);
	ck_assert_int_eq(lease_probe(&lease), LEASE_BROKEN);
	ck_assert_int_eq(lease_look(&lease), LEASE_BROKEN);
	lease_drop(&lease);
	ck_assert_int_eq(lease.state, LEASE_NONE);
	ck_assert_int_eq(in_child(open_for_writing), 0);
	lease_signal_end();
	close(fd);
}
END_TEST

static int truncate_file(void)
{
	int fd = openat(top, "file", O_WRONLY | O_TRUNC | O_NONBLOCK | O_CLOEXEC);
	return fd < 0 ? errno : 0;
}

static int read_and_chmod(void)
{
	int fd = openat(top, "file", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	return fd < 0 || fchmodat(top, "file", 0600, 0) || linkat(top, "file", top, "link", 0) ? errno : 0;
}

START_TEST(lease_lets_readers_and_chmod_pass)
{
	struct lease lease;
	lease_signal_begin();
	int fd = make_file("file", "x", 1);
	if (!has_leases(fd)) {
		unit_skip("no leases in %s", top_path);
		return;
	}
	ck_assert_int_eq(lease_take(fd, &lease), 0);
	ck_assert_int_eq(in_child(read_and_chmod), 0);
	ck_assert_int_eq(lease_probe(&lease), LEASE_HELD);
	ck_assert_int_eq(in_child(truncate_file), EAGAIN);
	ck_assert_int_eq(lease_probe(&lease), LEASE_BROKEN);
	lease_drop(&lease);
	assert_text("file", "x");
	lease_signal_end();
	close(fd);
}
END_TEST

START_TEST(lease_is_refused_while_somebody_may_write)
{
	struct lease lease = { .fd = -7 };
	int fd = make_file("file", "x", 1), writer = -1;
	void *map = MAP_FAILED;
	if (!has_leases(fd)) {
		unit_skip("no leases in %s", top_path);
		return;
	}
	writer = openat(top, "file", O_RDWR | O_CLOEXEC);
	ck_assert_int_eq(lease_take(fd, &lease), -EAGAIN);
	ck_assert_int_eq(lease.fd, -7);
	/* closed, but mapped shared and writable */
	map = mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED, writer, 0);
	ck_assert_ptr_ne(map, MAP_FAILED);
	close(writer);
	ck_assert_int_eq(lease_take(fd, &lease), -EAGAIN);
	ck_assert_int_eq(munmap(map, 1), 0);
	ck_assert_int_eq(lease_take(fd, &lease), 0);
	ck_assert_int_eq(lease.state, LEASE_HELD);
	lease_drop(&lease);
	close(fd);
}
END_TEST

/* As another user: no lease on root's file, and no error. */
static int take_as_nobody(void)
{
	struct lease lease;
	int fd = openat(top, "file", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setgid(65534) || setuid(65534))
		return 77;
	if (lease_take(fd, &lease) || lease.state != LEASE_NONE)
		return 1;
	if (lease_look(&lease) != LEASE_NONE || lease_probe(&lease) != LEASE_NONE)
		return 2;
	lease_drop(&lease);
	return lease.state == LEASE_NONE ? 0 : 3;
}

START_TEST(lease_of_anothers_file_is_none)
{
	if (geteuid() != 0) {
		unit_skip("needs root, to become another user");
		return;
	}
	make_text("file", "x");
	ck_assert_int_eq(in_child(take_as_nobody), 0);
}
END_TEST

START_TEST(lease_where_there_is_none_to_be_had)
{
	struct lease lease;
	int pipes[2];
	ck_assert_int_eq(pipe(pipes), 0);
	ck_assert_int_eq(lease_take(pipes[0], &lease), 0);
	ck_assert_int_eq(lease.state, LEASE_NONE);
	ck_assert_int_eq(lease_take(-1, &lease), 0);
	ck_assert_int_eq(lease.state, LEASE_NONE);
}
END_TEST

static int told_set, told_get, unlocked;
static int64_t clock_at, clock_step;

/* F_SETLEASE takes clock_step. */
static int tell_fcntl(int fd UNUSED, int command, long argument)
{
	if (command == F_GETLEASE)
		return told_get;
	if (argument == F_UNLCK)
		return unlocked++;
	clock_at += clock_step;
	return told_set;
}

static int64_t tell_now(void)
{
	return clock_at;
}

START_TEST(lease_probe_finds_what_a_look_does_not)
{
	static const struct {
		int get, set;
		int64_t step; /* on top of half the break time */
		enum lease_state look, probe;
	} rows[] = {
		{ F_RDLCK, 0, -1, LEASE_HELD, LEASE_HELD },
		{ F_RDLCK, 0, 0, LEASE_HELD, LEASE_HELD },
		{ F_RDLCK, 0, 1, LEASE_HELD, LEASE_BROKEN },		/* too slow: anything may have been */
		{ F_RDLCK, -EAGAIN, -1, LEASE_HELD, LEASE_BROKEN },	/* has write access, not yet at the lease check */
		{ F_RDLCK, -ENOLCK, -1, LEASE_HELD, LEASE_BROKEN },
		{ F_UNLCK, 0, -1, LEASE_BROKEN, LEASE_BROKEN },
		{ -EBADF, 0, -1, LEASE_BROKEN, LEASE_BROKEN },
	};
	table.fcntl = tell_fcntl;
	table.now = tell_now;
	use_table();
	for (size_t i = 0; i < countof(rows); i++) {
		struct lease lease;
		told_set = 0;
		clock_at = 1000;
		clock_step = 0;
		unlocked = 0;
		ck_assert_int_eq(lease_take(0, &lease), 0);
		ck_assert_int_eq(lease.seen, 1000);
		clock_at = 5000;
		told_get = rows[i].get;
		ck_assert_int_eq(lease_look(&lease), rows[i].look);
		ck_assert_int_eq(lease.seen, rows[i].look == LEASE_HELD ? 5000 : 1000);
		clock_at = 6000;
		clock_step = lease_patience() + rows[i].step;
		told_set = rows[i].set;
		ck_assert_int_eq(lease_probe(&lease), rows[i].probe);
		told_get = F_RDLCK;
		told_set = 0;
		clock_step = 0;
		ck_assert_int_eq(lease_probe(&lease), rows[i].probe); /* broken stays broken */
		lease_drop(&lease);
		ck_assert_int_eq(unlocked, 1);
		lease_drop(&lease);
		ck_assert_int_eq(unlocked, 1);
	}
}
END_TEST

START_TEST(lease_take_tells_no_memory_from_no_lease)
{
	struct lease lease = { .fd = 3 };
	table.fcntl = tell_fcntl;
	use_table();
	told_set = -ENOMEM;
	ck_assert_int_eq(lease_take(0, &lease), -ENOMEM);
	ck_assert_int_eq(lease.fd, 3);
	told_set = -EACCES;
	ck_assert_int_eq(lease_take(0, &lease), 0);
	ck_assert_int_eq(lease.state, LEASE_NONE);
}
END_TEST

static const char *told_bytes;

static ssize_t tell_pread(int fd UNUSED, void *buffer, size_t size, off_t offset UNUSED)
{
	size_t length = told_bytes ? size_min(strlen(told_bytes), size) : 0;
	if (!told_bytes)
		return -EIO;
	memcpy(buffer, told_bytes, length);
	return (ssize_t)length;
}

START_TEST(lease_patience_is_half_the_break_time)
{
	static const struct {
		const char *bytes;
		int64_t patience;
	} rows[] = {
		{ "45\n", 45 * NS_PER_S / 2 },
		{ "1\n", NS_PER_S / 2 },
		{ "0\n", INT64_MAX },
		{ "-1\n", INT64_MAX },
		{ "2147483647\n", INT64_C(2147483647) * NS_PER_S / 2 },
		{ NULL, NS_PER_S / 2 },
	};
	table.pread = tell_pread;
	use_table();
	for (size_t i = 0; i < countof(rows); i++) {
		told_bytes = rows[i].bytes;
		lease_signal_begin();
		ck_assert_int_eq(lease_patience(), rows[i].patience);
		lease_signal_end();
	}
}
END_TEST

static void (*disposition(int number))(int)
{
	struct sigaction action;
	sigaction(number, NULL, &action);
	return action.sa_handler;
}

START_TEST(lease_signal_is_ignored_between_begin_and_end)
{
	lease_signal_begin();
	lease_signal_begin();
	ck_assert(disposition(SIGIO) == SIG_IGN);
	lease_signal_end();
	ck_assert(disposition(SIGIO) == SIG_IGN);
	lease_signal_end();
	ck_assert(disposition(SIGIO) == SIG_DFL);

	signal(SIGIO, count_alarm); /* a caller's own handler is left alone */
	lease_signal_begin();
	ck_assert(disposition(SIGIO) == count_alarm);
	lease_signal_end();
	ck_assert(disposition(SIGIO) == count_alarm);
	signal(SIGIO, SIG_DFL);

	lease_signal_begin();
	signal(SIGIO, count_alarm); /* so is one set meanwhile */
	lease_signal_end();
	ck_assert(disposition(SIGIO) == count_alarm);
	signal(SIGIO, SIG_DFL);
}
END_TEST

/* A broken lease's SIGIO that comes while it is blocked must not kill later. */
static int pending_signal(void)
{
	sigset_t io;
	sigemptyset(&io);
	sigaddset(&io, SIGIO);
	sigprocmask(SIG_BLOCK, &io, NULL);
	lease_signal_begin();
	raise(SIGIO);
	lease_signal_end();
	sigprocmask(SIG_UNBLOCK, &io, NULL);
	return 0;
}

static int broken_lease(bool guarded)
{
	struct lease lease;
	int fd = openat(top, "file", O_RDONLY | O_CLOEXEC);
	if (guarded)
		lease_signal_begin();
	if (lease_take(fd, &lease) || lease.state != LEASE_HELD)
		return 77;
	pid_t child = fork();
	if (child == 0)
		_exit(open_for_writing());
	int status;
	while (waitpid(child, &status, 0) < 0)
		;
	return lease_look(&lease) == LEASE_BROKEN ? 0 : 1;
}

static int broken_lease_guarded(void)
{
	return broken_lease(true);
}

static int broken_lease_bare(void)
{
	return broken_lease(false);
}

START_TEST(lease_signal_would_kill_without_begin)
{
	make_text("file", "x");
	ck_assert_int_eq(in_child(pending_signal), 0);
	if (!has_leases(top)) {
		unit_skip("no leases in %s", top_path);
		return;
	}
	ck_assert_int_eq(in_child(broken_lease_guarded), 0);
	ck_assert_int_eq(in_child(broken_lease_bare), 1000 + SIGIO);
}
END_TEST

/* ---- xattr ---- */

static bool has_xattrs(void)
{
	make_text("probe", "");
	int fd = openat(top, "probe", O_RDONLY | O_CLOEXEC);
	int r = fsetxattr(fd, "user.probe", "", 0, 0);
	close(fd);
	return r == 0;
}

START_TEST(xattrs_are_equal_whatever_the_order)
{
	struct xattrs none, a, b, c;
	if (!has_xattrs()) {
		unit_skip("no user attributes in %s", top_path);
		return;
	}
	int fa = make_file("a", "", 0), fb = make_file("b", "", 0), fc = make_file("c", "", 0);
	ck_assert_int_eq(xattrs_read(fa, &none), 0);
	ck_assert_int_eq(fsetxattr(fa, "user.x", "1", 1, 0), 0);
	ck_assert_int_eq(fsetxattr(fa, "user.a", "22", 2, 0), 0);
	ck_assert_int_eq(fsetxattr(fa, "user.empty", "", 0, 0), 0);
	ck_assert_int_eq(fsetxattr(fb, "user.empty", "", 0, 0), 0);
	ck_assert_int_eq(fsetxattr(fb, "user.a", "22", 2, 0), 0);
	ck_assert_int_eq(fsetxattr(fb, "user.x", "1", 1, 0), 0);
	ck_assert_int_eq(fsetxattr(fc, "user.x", "1", 1, 0), 0);
	ck_assert_int_eq(fsetxattr(fc, "user.a", "23", 2, 0), 0);
	ck_assert_int_eq(fsetxattr(fc, "user.empty", "", 0, 0), 0);
	ck_assert_int_eq(xattrs_read(fa, &a), 0);
	ck_assert_int_eq(xattrs_read(fb, &b), 0);
	ck_assert_int_eq(xattrs_read(fc, &c), 0);
	ck_assert(xattrs_equal(&a, &b));
	ck_assert(!xattrs_equal(&a, &c));
	ck_assert(!xattrs_equal(&a, &none));
	ck_assert_uint_ge(a.length, strlen("user.a") + strlen("user.x") + strlen("user.empty") + 3 + 3 * 8 + 3);
	xattrs_free(&a);
	ck_assert_uint_eq(a.length, 0);
	xattrs_free(&b);
	xattrs_free(&c);
	xattrs_free(&none);
}
END_TEST

/* A made-up file: two attributes and what reading them says. */
static const char *told_list;
static size_t told_list_length;
static ssize_t told_value; /* bytes, or an errno */
static size_t list_room_seen, value_room_seen;

static ssize_t tell_flistxattr(int fd UNUSED, char *list, size_t size)
{
	list_room_seen = size;
	if (!told_list)
		return -EOPNOTSUPP;
	if (size < told_list_length)
		return -ERANGE;
	memcpy(list, told_list, told_list_length);
	return (ssize_t)told_list_length;
}

static ssize_t tell_fgetxattr(int fd UNUSED, const char *name, void *value, size_t size)
{
	value_room_seen = size;
	if (told_value < 0)
		return told_value;
	if (size < (size_t)told_value)
		return -ERANGE;
	memset(value, name[0], (size_t)told_value);
	return told_value;
}

static void use_xattrs(const char *list, size_t length, ssize_t value)
{
	table.flistxattr = tell_flistxattr;
	table.fgetxattr = tell_fgetxattr;
	use_table();
	told_list = list;
	told_list_length = length;
	told_value = value;
}

START_TEST(xattrs_encode_names_and_lengths)
{
	struct xattrs got;
	use_xattrs("b\0a\0", 4, 2);
	ck_assert_int_eq(xattrs_read(0, &got), 0);
	uint64_t two = 2;
	char expected[24];
	memcpy(expected, "a\0", 2);
	memcpy(expected + 2, &two, 8);
	memcpy(expected + 10, "aa", 2);
	memcpy(expected + 12, "b\0", 2);
	memcpy(expected + 14, &two, 8);
	memcpy(expected + 22, "bb", 2);
	ck_assert_uint_eq(got.length, 24);
	ck_assert_mem_eq(got.bytes, expected, 24);
	xattrs_free(&got);
}
END_TEST

START_TEST(xattrs_grow_to_the_kernels_limits)
{
	struct xattrs got;
	char *list = malloc(60000);
	for (size_t i = 0; i < 6000; i++) {
		char name[32];
		snprintf(name, sizeof(name), "user.%04zu", i);
		memcpy(list + 10 * i, name, 10);
	}
	use_xattrs(list, 60000, 0);
	ck_assert_int_eq(xattrs_read(0, &got), 0);
	ck_assert_uint_eq(list_room_seen, 65536);
	ck_assert_uint_eq(got.length, 6000 * (10 + 8));
	xattrs_free(&got);
	use_xattrs("user.big", 9, 65536);
	ck_assert_int_eq(xattrs_read(0, &got), 0);
	ck_assert_uint_eq(value_room_seen, 65536);
	ck_assert_uint_eq(got.length, 9 + 8 + 65536);
	ck_assert_int_eq(got.bytes[got.length - 1], 'u');
	xattrs_free(&got);
	free(list);
}
END_TEST

START_TEST(xattrs_unreadable_is_an_error)
{
	static const struct {
		const char *list;
		ssize_t value;
		int r;
	} rows[] = {
		{ NULL, 0, 0 },
		{ "a", -EACCES, -EACCES },
		{ "a", -EPERM, -EPERM },
		{ "a", -ENODATA, -EAGAIN },
		{ "a", -EIO, -EIO },
		{ "a", -EOPNOTSUPP, -EOPNOTSUPP },
	};
	for (size_t i = 0; i < countof(rows); i++) {
		struct xattrs got = { .length = 4711 };
		use_xattrs(rows[i].list, 2, rows[i].value);
		ck_assert_int_eq(xattrs_read(0, &got), rows[i].r);
		ck_assert_uint_eq(got.length, rows[i].r ? 4711 : 0);
		ck_assert_ptr_null(got.bytes);
	}
	struct xattrs got;
	sys_replace(NULL);
	ck_assert_int_eq(xattrs_read(-1, &got), -EBADF);
}
END_TEST

/* ---- remake ---- */

static struct stamp dress_of(int fd)
{
	struct stamp stamp;
	ck_assert_int_eq(stamp_fd(fd, &stamp), 0);
	stamp.mode = S_IFREG | 0440;
	stamp.mtime = 1234567890;
	return stamp;
}

START_TEST(remade_has_what_is_wanted_and_nothing_else)
{
	struct xattrs wanted, now;
	if (!has_xattrs()) {
		unit_skip("no user attributes in %s", top_path);
		return;
	}
	int model = make_file("model", "", 0), copy = make_file("copy", "", 0);
	ck_assert_int_eq(fsetxattr(model, "user.kept", "1", 1, 0), 0);
	ck_assert_int_eq(fsetxattr(model, "user.other", "22", 2, 0), 0);
	ck_assert_int_eq(fsetxattr(copy, "user.kept", "1", 1, 0), 0);
	ck_assert_int_eq(fsetxattr(copy, "user.other", "33", 2, 0), 0);
	ck_assert_int_eq(fsetxattr(copy, "user.unwanted", "", 0, 0), 0);
	ck_assert_int_eq(xattrs_read(model, &wanted), 0);
	struct stamp stamp = dress_of(copy);
	ck_assert_int_eq(remake_dress(copy, &stamp, &wanted), 0);
	ck_assert_int_eq(xattrs_read(copy, &now), 0);
	ck_assert(xattrs_equal(&now, &wanted));
	struct stamp dressed;
	ck_assert_int_eq(stamp_fd(copy, &dressed), 0);
	ck_assert(stamp_same_version(&dressed, &stamp));
	xattrs_free(&now);
	xattrs_free(&wanted);
}
END_TEST

static unsigned removed, was_set;

static int pretend_fremovexattr(int fd UNUSED, const char *name UNUSED)
{
	removed++;
	return 0;
}

static int pretend_fsetxattr(int fd UNUSED, const char *name UNUSED, const void *value UNUSED, size_t size UNUSED)
{
	was_set++;
	return 0;
}

static int pretend_fchmod(int fd UNUSED, mode_t mode UNUSED)
{
	return 0;
}

START_TEST(remade_is_looked_at)
{
	const struct xattrs none = { 0 };
	struct xattrs label;
	int fd = make_file("copy", "", 0);
	struct stamp stamp = dress_of(fd);
	table.fremovexattr = pretend_fremovexattr;
	table.fsetxattr = pretend_fsetxattr;
	removed = was_set = 0;
	use_xattrs("system.posix_acl_access", 24, 4);
	ck_assert_int_eq(remake_dress(fd, &stamp, &none), -EPERM);
	use_xattrs("security.capability", 20, 4);
	ck_assert_int_eq(remake_dress(fd, &stamp, &none), -EPERM);
	ck_assert_uint_eq(removed, 2);
	/* A label may be there; it is not taken away, nor set to what it is. */
	use_xattrs("security.selinux", 17, 4);
	ck_assert_int_eq(remake_dress(fd, &stamp, &none), 0);
	ck_assert_int_eq(xattrs_read(fd, &label), 0);
	ck_assert_int_eq(remake_dress(fd, &stamp, &label), 0);
	ck_assert_uint_eq(removed, 2);
	ck_assert_uint_eq(was_set, 0);
	/* But one that is wanted must be there. */
	use_xattrs("security.selinux", 17, 5);
	ck_assert_int_eq(remake_dress(fd, &stamp, &label), -EPERM);
	ck_assert_uint_eq(was_set, 1);
	xattrs_free(&label);
	use_xattrs(NULL, 0, 0);
	table.fchmod = pretend_fchmod;
	use_table();
	stamp.mode = S_IFREG | 0400;
	ck_assert_int_eq(remake_dress(fd, &stamp, &none), -EPERM);
}
END_TEST

/* ---- extent ---- */

START_TEST(extent_data_skips_holes)
{
	enum { M = 1 << 20 };
	uint64_t begin, end;
	int fd = openat(top, "sparse", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	char *bytes = malloc(M);
	memset(bytes, 'x', M);
	ck_assert_int_eq(pwrite(fd, bytes, M, 4 * M), M);
	ck_assert_int_eq(ftruncate(fd, 10 * M), 0);
	free(bytes);
	ck_assert_int_eq(extent_data(fd, 0, 10 * M, &begin, &end), 0);
	if (begin == 0) {
		unit_skip("no holes in %s", top_path);
		return;
	}
	const struct {
		uint64_t from, size, begin, end;
	} rows[] = {
		{ 0, 10 * M, 4 * M, 5 * M },
		{ 4 * M + 10, 10 * M, 4 * M + 10, 5 * M },
		{ 0, 4 * M + 7, 4 * M, 4 * M + 7 },
		{ 0, 4 * M, 4 * M, 4 * M },
		{ 5 * M, 10 * M, 10 * M, 10 * M },
		{ 10 * M, 10 * M, 10 * M, 10 * M },
		{ 0, 0, 0, 0 },
		{ 11 * M, 20 * M, 20 * M, 20 * M }, /* behind the end: shrunk since it was looked at */
	};
	for (size_t i = 0; i < countof(rows); i++) {
		ck_assert_int_eq(extent_data(fd, rows[i].from, rows[i].size, &begin, &end), 0);
		ck_assert_uint_eq(begin, rows[i].begin);
		ck_assert_uint_eq(end, rows[i].end);
	}
	ck_assert_int_eq(extent_data(-1, 0, 1, &begin, &end), -EBADF);
	close(fd);
}
END_TEST

static off_t told_data, told_hole;

static off_t tell_lseek(int fd UNUSED, off_t offset UNUSED, int whence)
{
	return whence == SEEK_DATA ? told_data : told_hole;
}

START_TEST(extent_data_where_the_kernel_knows_less)
{
	static const struct {
		off_t data, hole;
		int r;
		uint64_t begin, end;
	} rows[] = {
		{ -EINVAL, 0, 0, 100, 1000 },	   /* SEEK_DATA unknown: all is data */
		{ -EOPNOTSUPP, 0, 0, 100, 1000 },
		{ -ENXIO, 0, 0, 1000, 1000 },
		{ 2000, 3000, 0, 1000, 1000 },	   /* data only behind what was asked for */
		{ 200, -ENXIO, 0, 200, 1000 },	   /* truncated in between */
		{ 200, 5000, 0, 200, 1000 },
		{ 200, 200, 0, 100, 1000 },	   /* no range, or none from there on: who goes on where it ends would never end */
		{ 200, 150, 0, 100, 1000 },
		{ 200, 0, 0, 100, 1000 },
		{ 50, 300, 0, 100, 1000 },
		{ 0, 0, 0, 100, 1000 },
		{ 50, -ENXIO, 0, 100, 1000 },
		{ -EIO, 0, -EIO, 7, 7 },
		{ 200, -EIO, -EIO, 7, 7 },
	};
	table.lseek = tell_lseek;
	use_table();
	for (size_t i = 0; i < countof(rows); i++) {
		uint64_t begin = 7, end = 7;
		told_data = rows[i].data;
		told_hole = rows[i].hole;
		ck_assert_int_eq(extent_data(0, 100, 1000, &begin, &end), rows[i].r);
		ck_assert_uint_eq(begin, rows[i].begin);
		ck_assert_uint_eq(end, rows[i].end);
	}
}
END_TEST

/* A made-up file of 150 extents of 4096 bytes, with a hole between each two; every third is shared. */
enum { MADE_UP = 150 };
static int told_ioctl;
static bool without_last;

static int tell_ioctl(int fd UNUSED, unsigned long request, void *argument)
{
	struct fiemap *map = argument;
	ck_assert_uint_eq(request, FS_IOC_FIEMAP);
	ck_assert_uint_eq(map->fm_flags, 0);
	map->fm_mapped_extents = 0;
	for (uint64_t i = (map->fm_start + 4096) / 8192; i < MADE_UP; i++) {
		if (map->fm_mapped_extents == map->fm_extent_count)
			break;
		map->fm_extents[map->fm_mapped_extents++] = (struct fiemap_extent){
			.fe_logical = i * 8192,
			.fe_physical = 1000000 + i * 4096,
			.fe_length = 4096,
			.fe_flags = (i % 3 ? 0 : FIEMAP_EXTENT_SHARED) |
				    (i == MADE_UP - 1 && !without_last ? FIEMAP_EXTENT_LAST : 0),
		};
	}
	return told_ioctl;
}

START_TEST(extent_shared_adds_up_all_extents)
{
	uint64_t bytes = 7, address = 7;
	table.ioctl = tell_ioctl;
	use_table();
	for (int i = 0; i < 2; i++) {
		without_last = i;
		ck_assert_int_eq(extent_shared(0, &bytes), 0);
		ck_assert_uint_eq(bytes, 50 * 4096);
	}
	ck_assert_int_eq(extent_physical(0, &address), 0);
	ck_assert_uint_eq(address, 1000000);
	told_ioctl = -EOPNOTSUPP;
	ck_assert_int_eq(extent_shared(0, &bytes), 0);
	ck_assert_uint_eq(bytes, 0);
	ck_assert_int_eq(extent_physical(0, &address), -EOPNOTSUPP);
	told_ioctl = -ENOTTY;
	ck_assert_int_eq(extent_physical(0, &address), -EOPNOTSUPP);
	told_ioctl = -EIO;
	bytes = 7;
	ck_assert_int_eq(extent_shared(0, &bytes), -EIO);
	ck_assert_uint_eq(bytes, 7);
	ck_assert_int_eq(extent_physical(0, &address), -EIO);
	ck_assert_uint_eq(address, 1000000);
	told_ioctl = 0;
}
END_TEST

START_TEST(extent_shared_sees_a_reflink)
{
	enum { M = 1 << 20 };
	uint64_t bytes;
	char *content = malloc(M);
	memset(content, 'x', M);
	int fd = make_file("a", content, M);
	int clone = openat(top, "b", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	free(content);
	ck_assert_int_eq(fdatasync(fd), 0);
	ck_assert_int_eq(extent_shared(fd, &bytes), 0);
	ck_assert_uint_eq(bytes, 0);
	if (ioctl(clone, FICLONE, fd)) {
		unit_skip("no reflinks in %s", top_path);
		return;
	}
	ck_assert_int_eq(extent_shared(fd, &bytes), 0);
	ck_assert_uint_eq(bytes, M);
	ck_assert_int_eq(extent_shared(clone, &bytes), 0);
	ck_assert_uint_eq(bytes, M);
	ck_assert_int_eq(extent_physical(fd, &bytes), 0);
	uint64_t other;
	ck_assert_int_eq(extent_physical(clone, &other), 0);
	ck_assert_uint_eq(bytes, other);
	close(clone);
	close(fd);
}
END_TEST

/* ---- beneath ---- */

static int no_openat2;

static int tell_openat2(int dirfd, const char *path, const struct open_how *how)
{
	return no_openat2 ? no_openat2 : sys_kernel.openat2(dirfd, path, how);
}

/* openat2 of the kernel, and what stands in for it. */
static const int openat2_kinds[] = { 0, -ENOSYS, -EPERM };

static void use_openat2(int kind)
{
	table.openat2 = tell_openat2;
	no_openat2 = kind;
	use_table();
}

START_TEST(beneath_dir_never_leads_out)
{
	static const struct {
		const char *path;
		int r;
	} rows[] = {
		{ "a", 0 },
		{ "a/b/c", 0 },
		{ "a//b/./c/", 0 },
		{ ".", 0 },
		{ "..", -EXDEV },
		{ "a/..", -EXDEV },
		{ "a/../..", -EXDEV },
		{ "a/../a/b", -EXDEV },
		{ "/", -EXDEV },
		{ "/tmp", -EXDEV },
		{ "..a", -ENOENT },
		{ "a/...", -ENOENT },
		{ "", -ENOENT },
		{ "missing", -ENOENT },
		{ "a/missing/c", -ENOENT },
		{ "file", -ENOTDIR },
		{ "file/x", -ENOTDIR },
		{ "fifo", -ENOTDIR },
		{ "in", -ELOOP },
		{ "out", -ELOOP },
		{ "out/tmp", -ELOOP },
		{ "in/c", -ELOOP },
		{ "a/up", -ELOOP },
		{ "a/up/a", -ELOOP },
		{ "loop", -ELOOP },
	};
	ck_assert_int_eq(mkdirat(top, "a", 0755), 0);
	ck_assert_int_eq(mkdirat(top, "a/b", 0755), 0);
	ck_assert_int_eq(mkdirat(top, "a/b/c", 0755), 0);
	ck_assert_int_eq(mkfifoat(top, "fifo", 0600), 0);
	make_text("file", "");
	ck_assert_int_eq(symlinkat("a/b", top, "in"), 0);
	ck_assert_int_eq(symlinkat("/", top, "out"), 0);
	ck_assert_int_eq(symlinkat("..", top, "a/up"), 0);
	ck_assert_int_eq(symlinkat("loop", top, "loop"), 0);
	for (size_t kind = 0; kind < countof(openat2_kinds); kind++) {
		use_openat2(openat2_kinds[kind]);
		for (size_t i = 0; i < countof(rows) * 2; i++) {
			bool readable = i % 2;
			int fd = -4711, r = beneath_dir(top, rows[i / 2].path, readable, &fd);
			ck_assert_msg(r == rows[i / 2].r, "\"%s\" gives %d, kind %zu", rows[i / 2].path, r, kind);
			if (r) {
				ck_assert_int_eq(fd, -4711);
				continue;
			}
			int flags = fcntl(fd, F_GETFL);
			ck_assert_int_eq((flags & O_PATH) == 0, readable);
			ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
			close(fd);
		}
	}
	unsigned before = sys_descriptors();
	int fd;
	ck_assert_int_eq(beneath_dir(top, "a/b/missing", true, &fd), -ENOENT);
	ck_assert_uint_eq(sys_descriptors(), before); /* and none is left open on the way */
}
END_TEST

START_TEST(beneath_dir_takes_long_paths_and_refuses_long_names)
{
	static char path[PATH_MAX + 10];
	int at = dup(top), fd;
	size_t length = 0;
	for (int i = 0; i < 15; i++) {
		char name[256];
		memset(name, 'd', 250);
		name[250] = '\0';
		ck_assert_int_eq(mkdirat(at, name, 0755), 0);
		int next = openat(at, name, O_RDONLY | O_CLOEXEC);
		close(at);
		at = next;
		length += (size_t)snprintf(path + length, sizeof(path) - length, "%s%s", i ? "/" : "", name);
	}
	close(at);
	for (size_t kind = 0; kind < countof(openat2_kinds); kind++) {
		use_openat2(openat2_kinds[kind]);
		ck_assert_int_eq(beneath_dir(top, path, true, &fd), 0);
		close(fd);
		char name[260];
		memset(name, 'n', 256);
		name[256] = '\0';
		ck_assert_int_eq(beneath_dir(top, name, true, &fd), -ENAMETOOLONG);
	}
}
END_TEST

/* In a mount namespace of its own: a/mount is another file system. */
static int with_mount(void)
{
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return 77;
	top = open(top_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* the one before is of the mounts outside */
	if (fchdir(top) || mount("none", "a/mount", "tmpfs", 0, NULL) || mount("a/b", "a/bind", NULL, MS_BIND, NULL) ||
	    mkdir("a/mount/d", 0755))
		return 77;
	int fd, dir, failed = 0;
	for (size_t kind = 0; kind < countof(openat2_kinds); kind++) {
		use_openat2(openat2_kinds[kind]);
		failed += beneath_dir(top, "a/mount", true, &fd) != -EXDEV;
		failed += beneath_dir(top, "a/mount/d", false, &fd) != -EXDEV;
		failed += beneath_dir(top, "a/bind", false, &fd) != -EXDEV;
		failed += beneath_dir(top, "a/b", false, &fd) != 0;
		failed += beneath_dir(top, "a", false, &dir) != 0;
		failed += beneath_mount(dir, "mount", true, &fd) != 0;
		failed += beneath_mount(dir, "bind", false, &fd) != 0;
		struct stamp stamp;
		failed += stamp_at(dir, "bind", &stamp) || !stamp.mount_root;
		failed += stamp_fd(fd, &stamp) || !stamp.mount_root;
	}
	return failed;
}

START_TEST(beneath_dir_stops_at_mounts)
{
	ck_assert_int_eq(mkdirat(top, "a", 0755), 0);
	ck_assert_int_eq(mkdirat(top, "a/b", 0755), 0);
	ck_assert_int_eq(mkdirat(top, "a/mount", 0755), 0);
	ck_assert_int_eq(mkdirat(top, "a/bind", 0755), 0);
	int r = in_child(with_mount);
	if (r == 77) {
		unit_skip("may not mount");
		return;
	}
	ck_assert_int_eq(r, 0);
}
END_TEST

START_TEST(beneath_mount_is_one_component)
{
	static const struct {
		const char *name;
		int r;
	} rows[] = {
		{ "a", 0 }, { "link", -ELOOP }, { "file", -ENOTDIR }, { "a/b", -EXDEV }, { "..", -EXDEV }, { "/", -EXDEV },
		{ "missing", -ENOENT },
	};
	ck_assert_int_eq(mkdirat(top, "a", 0755), 0);
	ck_assert_int_eq(mkdirat(top, "a/b", 0755), 0);
	ck_assert_int_eq(symlinkat("a", top, "link"), 0);
	make_text("file", "");
	for (size_t i = 0; i < countof(rows); i++) {
		int fd = -4711;
		ck_assert_int_eq(beneath_mount(top, rows[i].name, true, &fd), rows[i].r);
		ck_assert_int_eq(fd == -4711, rows[i].r != 0);
		close(fd);
	}
}
END_TEST

static int refuse_noatime(int dirfd, const char *path, int flags, mode_t mode)
{
	return flags & O_NOATIME ? -EPERM : sys_kernel.openat(dirfd, path, flags, mode);
}

START_TEST(beneath_file_opens_without_waiting_or_following)
{
	int fd = -1;
	make_text("file", "x");
	ck_assert_int_eq(mkfifoat(top, "fifo", 0600), 0);
	ck_assert_int_eq(symlinkat("file", top, "link"), 0);
	ck_assert_int_eq(mkdirat(top, "a", 0755), 0);
	make_text("a/file", "x");
	for (int mine = 0; mine < 2; mine++) {
		ck_assert_int_eq(beneath_file(top, "file", mine, &fd), 0);
		int flags = fcntl(fd, F_GETFL);
		ck_assert_int_eq(flags & (O_ACCMODE | O_NONBLOCK | O_PATH), O_RDONLY | O_NONBLOCK);
		ck_assert_int_eq((flags & O_NOATIME) != 0, mine);
		ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
		close(fd);
		ck_assert_int_eq(beneath_file(top, "fifo", mine, &fd), 0);
		close(fd);
		fd = -4711;
		ck_assert_int_eq(beneath_file(top, "link", mine, &fd), -ELOOP);
		ck_assert_int_eq(beneath_file(top, "a/file", mine, &fd), -EXDEV);
		ck_assert_int_eq(beneath_file(top, "..", mine, &fd), -EXDEV);
		ck_assert_int_eq(beneath_file(top, "missing", mine, &fd), -ENOENT);
		ck_assert_int_eq(fd, -4711);
	}
	table.openat = refuse_noatime;
	use_table();
	ck_assert_int_eq(beneath_file(top, "file", true, &fd), 0);
	ck_assert_int_eq(fcntl(fd, F_GETFL) & O_NOATIME, 0);
	close(fd);
}
END_TEST

/* Whatever stands at the name by now. */
START_TEST(beneath_again_opens_what_is_open)
{
	struct stamp first, again;
	int fd = -1;
	make_text("file", "x");
	int path = openat(top, "file", O_PATH | O_NOFOLLOW | O_CLOEXEC);
	ck_assert_int_eq(stamp_fd(path, &first), 0);
	ck_assert_int_eq(renameat(top, "file", top, "moved"), 0);
	ck_assert_int_eq(mkfifoat(top, "file", 0600), 0);
	ck_assert_int_eq(beneath_again(path, &fd), 0);
	ck_assert_int_eq(fcntl(fd, F_GETFL) & (O_ACCMODE | O_NONBLOCK | O_PATH), O_RDONLY | O_NONBLOCK);
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	ck_assert_int_eq(stamp_fd(fd, &again), 0);
	ck_assert(stamp_same_file(&first, &again));
	close(fd);
	close(path);
	fd = -4711;
	ck_assert_int_eq(beneath_again(path, &fd), -ENOENT);
	ck_assert_int_eq(fd, -4711);
}
END_TEST

/* ---- swap ---- */

static int linkat_refusal;

/* As before 6.10 without the capability. */
static int refuse_empty_path(int old_dirfd, const char *old_path, int new_dirfd, const char *new_path, int flags)
{
	if (flags & AT_EMPTY_PATH)
		return linkat_refusal;
	return sys_kernel.linkat(old_dirfd, old_path, new_dirfd, new_path, flags);
}

START_TEST(swap_stages_the_inode_that_is_open)
{
	static const int refusals[] = { 0, -ENOENT };
	struct stamp open_file, staged;
	for (size_t i = 0; i < countof(refusals); i++) {
		int fd = make_file("file", "mine", 4);
		int moved = openat(top, "file", O_RDONLY | O_CLOEXEC);
		make_text("other", "theirs");
		ck_assert_int_eq(linkat(top, "file", top, "kept", 0), 0);
		ck_assert_int_eq(renameat(top, "other", top, "file"), 0); /* the path leads elsewhere by now */
		if (refusals[i]) {
			table.linkat = refuse_empty_path;
			linkat_refusal = refusals[i];
			use_table();
		}
		ck_assert_int_eq(swap_stage(moved, top, "temp"), 0);
		ck_assert_int_eq(stamp_fd(fd, &open_file), 0);
		ck_assert_int_eq(stamp_at(top, "temp", &staged), 0);
		ck_assert(stamp_same_file(&open_file, &staged));
		ck_assert_uint_eq(staged.links, 2);
		assert_text("temp", "mine");
		ck_assert_int_eq(swap_stage(fd, top, "temp"), -EEXIST);
		ck_assert_int_eq(swap_drop(top, "temp"), 0);
		assert_missing("temp");
		ck_assert_int_eq(swap_drop(top, "temp"), -ENOENT);
		ck_assert_int_eq(swap_drop(top, "kept"), 0);
		ck_assert_int_eq(swap_stage(fd, top, "temp"), -ENOENT); /* no link left: not to be revived */
		close(fd);
		close(moved);
	}
	table.linkat = refuse_empty_path;
	linkat_refusal = -EMLINK;
	use_table();
	ck_assert_int_eq(swap_stage(0, top, "temp"), -EMLINK);
}
END_TEST

START_TEST(swap_exchanges_and_renames)
{
	make_text("a", "A");
	make_text("b", "B");
	ck_assert_int_eq(swap_exchange(top, "a", "b"), 0);
	assert_text("a", "B");
	assert_text("b", "A");
	ck_assert_int_eq(swap_exchange(top, "a", "missing"), -ENOENT);
	ck_assert_int_eq(swap_over(top, "a", "b"), 0);
	assert_text("b", "B");
	assert_missing("a");
	ck_assert_int_eq(swap_over(top, "a", "b"), -ENOENT);
	assert_text("b", "B");
}
END_TEST

static int refuse_noreplace(int old_dirfd, const char *old_path, int new_dirfd, const char *new_path, unsigned flags)
{
	return flags ? -EINVAL : sys_kernel.renameat2(old_dirfd, old_path, new_dirfd, new_path, flags);
}

START_TEST(swap_aside_never_overwrites)
{
	for (int i = 0; i < 2; i++) {
		make_text("temp", "T");
		make_text("taken", "taken");
		ck_assert_int_eq(swap_aside(top, "temp", "taken"), -EEXIST);
		assert_text("taken", "taken");
		assert_text("temp", "T");
		ck_assert_int_eq(swap_aside(top, "temp", "kept"), 0);
		assert_text("kept", "T");
		assert_missing("temp");
		ck_assert_int_eq(swap_aside(top, "temp", "kept2"), -ENOENT);
		ck_assert_int_eq(unlinkat(top, "kept", 0), 0);
		table.renameat2 = refuse_noreplace;
		use_table();
	}
}
END_TEST

/* The file system denies that there is any data, as one whose word on holes is not good. */
static off_t deny_data(int fd, off_t offset, int whence)
{
	return whence == SEEK_DATA ? -ENXIO : sys_kernel.lseek(fd, offset, whence);
}

static mode_t synced_modes[4];
static size_t synced_count;

static int note_sync(int fd)
{
	struct stat now;
	if (!fstat(fd, &now) && synced_count < countof(synced_modes))
		synced_modes[synced_count++] = now.st_mode;
	return sys_kernel.fdatasync(fd);
}

START_TEST(swap_rescue_syncs_the_copy_and_its_name)
{
	int fd = make_file("from", "0123456789", 10);
	table.fdatasync = note_sync;
	use_table();
	synced_count = 0;
	ck_assert_int_eq(swap_rescue(fd, false, top, "copy"), 0);
	close(fd);
	ck_assert_uint_eq(synced_count, 2);
	ck_assert(S_ISREG(synced_modes[0]) && S_ISDIR(synced_modes[1]));
}
END_TEST

START_TEST(swap_rescue_copies_bytes_and_holes)
{
	enum { M = 1 << 20 };
	struct stamp to;
	int fd = openat(top, "from", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	static char bytes[100000], got[100000];
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)(i * 7 + i / 255);
	for (int holes_true = 1; holes_true >= 0; holes_true--) {
		ck_assert_int_eq(pwrite(fd, bytes, sizeof(bytes), 5 * M), sizeof(bytes));
		ck_assert_int_eq(ftruncate(fd, 100 * M + 3), 0);
		ck_assert_int_eq(swap_rescue(fd, holes_true, top, "to"), 0);
		int copy = openat(top, "to", O_RDONLY | O_CLOEXEC);
		ck_assert_int_eq(pread(copy, got, sizeof(got), 5 * M), sizeof(got));
		ck_assert_mem_eq(got, bytes, sizeof(bytes));
		ck_assert_int_eq(stamp_fd(copy, &to), 0);
		ck_assert_uint_eq(to.size, 100 * M + 3);
		ck_assert_uint_lt(to.blocks, 2 * M / 512); /* xfs allocates ahead */
		ck_assert_uint_eq(to.mode, S_IFREG | 0600);
		close(copy);
		ck_assert_int_eq(swap_rescue(fd, holes_true, top, "to"), -EEXIST);
		ck_assert_int_eq(ftruncate(fd, 0), 0);
		ck_assert_int_eq(swap_rescue(fd, holes_true, top, "empty"), 0);
		assert_text("empty", "");
		ck_assert_int_eq(swap_rescue(-1, holes_true, top, "none"), -EBADF);
		assert_missing("none");
		ck_assert_int_eq(unlinkat(top, "to", 0), 0);
		ck_assert_int_eq(unlinkat(top, "empty", 0), 0);
		table.lseek = deny_data;
		use_table();
	}
	close(fd);
}
END_TEST

static int cut_to;

/* Another program cuts the file while it is copied. */
static ssize_t cut_pread(int fd, void *buffer, size_t size, off_t offset)
{
	if (cut_to >= 0)
		ck_assert_int_eq(truncate("from", cut_to), 0);
	cut_to = -1;
	return sys_kernel.pread(fd, buffer, size, offset);
}

START_TEST(swap_rescue_of_a_file_that_is_cut)
{
	int fd = make_file("from", "0123456789", 10);
	table.pread = cut_pread;
	use_table();
	cut_to = 4;
	ck_assert_int_eq(fchdir(top), 0);
	ck_assert_int_eq(swap_rescue(fd, false, top, "copy"), 0);
	assert_text("copy", "0123");
	cut_to = 0;
	ck_assert_int_eq(swap_rescue(fd, false, top, "none"), 0);
	assert_text("none", "");
	close(fd);
}
END_TEST

static bool steal_name;

/* Fails; before that, perhaps, another program takes the name. */
static int fail_sync(int fd UNUSED)
{
	if (steal_name)
		ck_assert_int_eq(renameat(top, "theirs", top, "copy"), 0);
	return -EIO;
}

static ssize_t short_pwrite(int fd, const void *buffer, size_t size, off_t offset)
{
	return sys_kernel.pwrite(fd, buffer, size > 3 ? 3 : size, offset);
}

START_TEST(swap_rescue_takes_back_only_its_own)
{
	int fd = make_file("from", "0123456789", 10);
	make_text("theirs", "theirs");
	table.pwrite = short_pwrite;
	use_table();
	ck_assert_int_eq(swap_rescue(fd, false, top, "copy"), 0);
	assert_text("copy", "0123456789");
	ck_assert_int_eq(unlinkat(top, "copy", 0), 0);
	table.fdatasync = fail_sync;
	ck_assert_int_eq(swap_rescue(fd, false, top, "copy"), -EIO);
	assert_missing("copy");
	steal_name = true;
	ck_assert_int_eq(swap_rescue(fd, false, top, "copy"), -EIO);
	assert_text("copy", "theirs");
	close(fd);
}
END_TEST

/* ---- volume ---- */

static uint32_t told_magic;
static bool old_kernel, old_xfs;

static int tell_fsid(int fd, struct statfs *ret)
{
	int r = sys_kernel.fstatfs(fd, ret);
	ret->f_type = (__typeof__(ret->f_type))told_magic;
	memset(&ret->f_fsid, 7, sizeof(ret->f_fsid));
	return r;
}

/* The kernel's answers: a UUID of 5s by the general question, of 6s by that of xfs. */
static int tell_uuid(int fd UNUSED, unsigned long request, void *argument)
{
	unsigned char *bytes = argument;
	bool xfs = _IOC_TYPE(request) == 'X';
	if (xfs ? !old_xfs : old_kernel)
		return -ENOTTY;
	bytes[0] = 16;
	memset(bytes + (xfs ? 64 : 1), xfs ? 6 : 5, 16);
	return 0;
}

START_TEST(volume_is_the_same_for_all_of_a_file_system)
{
	struct volume a, b;
	make_text("file", "x");
	int fd = openat(top, "file", O_RDONLY);
	int r = volume_look(top, &a);
	if (r == -ENODATA)
		unit_skip("this file system has no lasting name");
	else
		ck_assert(!r && !volume_look(fd, &b) && volume_equal(&a, &b));
	close(fd);
	fd = open("/proc", O_RDONLY);
	ck_assert_int_eq(volume_look(fd, &b), -ENODATA);
	close(fd);
}
END_TEST

/* Words: what stands in them by type, by an old kernel and a new one. */
START_TEST(volume_asks_whom_it_may_believe)
{
	static const struct {
		uint32_t magic;
		bool old, xfs;
		int r;
		unsigned char first, third; /* a byte of words 0 and 2 */
	} cases[] = {
		{ EXT4_SUPER_MAGIC, false, false, 0, 5, 7 },       { EXT4_SUPER_MAGIC, true, false, 0, 0, 7 },
		{ XFS_SUPER_MAGIC, false, false, 0, 5, 0 },        { XFS_SUPER_MAGIC, true, true, 0, 6, 0 },
		{ XFS_SUPER_MAGIC, true, false, -ENODATA, 0, 0 },  { F2FS_SUPER_MAGIC, false, false, 0, 5, 0 },
		{ F2FS_SUPER_MAGIC, true, false, -ENODATA, 0, 0 }, { NFS_SUPER_MAGIC, true, false, -ENODATA, 0, 0 },
	};
	table.fstatfs = tell_fsid;
	table.ioctl = tell_uuid;
	sys_replace(&table);
	for (size_t i = 0; i < countof(cases); i++) {
		struct volume volume = { { 1, 1, 1 } };
		told_magic = cases[i].magic;
		old_kernel = cases[i].old;
		old_xfs = cases[i].xfs;
		ck_assert_int_eq(volume_look(top, &volume), cases[i].r);
		if (cases[i].r)
			ck_assert(volume.words[0] == 1 && volume.words[2] == 1);
		else
			ck_assert((volume.words[0] & 255) == cases[i].first && (volume.words[2] & 255) == cases[i].third);
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		sys_table_can_be_replaced_and_put_back,
		sys_calls_return_negative_errno,
		sys_calls_begin_again_after_a_signal,
		sys_sleep_is_not_cut_short,
		sys_wall_is_the_time_files_get,
		sys_descriptors_counts_what_is_left,
		stamp_is_what_stat_says,
		stamp_compares_what_it_says,
		stamp_of_others_is_what_others_may_write,
		stamp_fingerprint_never_changes,
		stamp_takes_the_ends_of_time_and_attributes,
		dir_lists_every_entry_once,
		dir_passes_errors_on,
		dir_refuses_names_that_cannot_be,
		dir_asks_no_more_where_the_end_was_told,
		mount_knows_file_systems_by_type,
		mount_looks_through_path_descriptors,
		lease_shows_a_writer_who_waits,
		lease_lets_readers_and_chmod_pass,
		lease_is_refused_while_somebody_may_write,
		lease_of_anothers_file_is_none,
		lease_where_there_is_none_to_be_had,
		lease_probe_finds_what_a_look_does_not,
		lease_take_tells_no_memory_from_no_lease,
		lease_patience_is_half_the_break_time,
		lease_signal_is_ignored_between_begin_and_end,
		lease_signal_would_kill_without_begin,
		xattrs_are_equal_whatever_the_order,
		xattrs_encode_names_and_lengths,
		xattrs_grow_to_the_kernels_limits,
		xattrs_unreadable_is_an_error,
		remade_has_what_is_wanted_and_nothing_else,
		remade_is_looked_at,
		extent_data_skips_holes,
		extent_data_where_the_kernel_knows_less,
		extent_shared_adds_up_all_extents,
		extent_shared_sees_a_reflink,
		beneath_dir_never_leads_out,
		beneath_dir_takes_long_paths_and_refuses_long_names,
		beneath_dir_stops_at_mounts,
		beneath_mount_is_one_component,
		beneath_file_opens_without_waiting_or_following,
		beneath_again_opens_what_is_open,
		swap_stages_the_inode_that_is_open,
		swap_exchanges_and_renames,
		swap_aside_never_overwrites,
		swap_rescue_syncs_the_copy_and_its_name,
		swap_rescue_copies_bytes_and_holes,
		swap_rescue_of_a_file_that_is_cut,
		swap_rescue_takes_back_only_its_own,
		volume_is_the_same_for_all_of_a_file_system,
		volume_asks_whom_it_may_believe,
	};
	return unit_run_in("sys", tests, countof(tests), set_up, tear_down);
}
