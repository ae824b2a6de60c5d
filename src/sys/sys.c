/* SPDX-License-Identifier: MIT */
/*
 * sys.c - the kernel's table: libc and raw system calls, with negative errno and without EINTR
 *
 * Nothing is decided here. close is the one call that is not begun again after EINTR: Linux has freed the descriptor by
 * then, and another thread may have been given its number (close(2), "Dealing with error returns from close()").
 */
#include "sys.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

/* Returns the call's value or negative errno from the function it stands in. */
#define RETURN_CALL(type, call)                         \
	do {                                            \
		type r_;                                \
		do                                      \
			r_ = (type)(call);              \
		while (r_ < 0 && errno == EINTR);       \
		return r_ < 0 ? (type)-errno : r_;      \
	} while (0)

static int kernel_openat(int dirfd, const char *path, int flags, mode_t mode)
{
	RETURN_CALL(int, openat(dirfd, path, flags, mode));
}

/* No wrapper in glibc up to 2.41. */
static int kernel_openat2(int dirfd, const char *path, const struct open_how *how)
{
	RETURN_CALL(int, syscall(SYS_openat2, dirfd, path, how, sizeof(*how)));
}

static int kernel_close(int fd)
{
	return close(fd) && errno != EINTR ? -errno : 0;
}

/* glibc has a wrapper since 2.30, musl under another name. */
static ssize_t kernel_getdents(int fd, void *buffer, size_t size)
{
	RETURN_CALL(ssize_t, syscall(SYS_getdents64, fd, buffer, size));
}

static int kernel_statx(int dirfd, const char *path, int flags, unsigned mask, struct statx *ret)
{
	RETURN_CALL(int, statx(dirfd, path, flags, mask, ret));
}

static int kernel_fstatfs(int fd, struct statfs *ret)
{
	RETURN_CALL(int, fstatfs(fd, ret));
}

static ssize_t kernel_read(int fd, void *buffer, size_t size)
{
	RETURN_CALL(ssize_t, read(fd, buffer, size));
}

static ssize_t kernel_write(int fd, const void *buffer, size_t size)
{
	RETURN_CALL(ssize_t, write(fd, buffer, size));
}

static ssize_t kernel_pread(int fd, void *buffer, size_t size, off_t offset)
{
	RETURN_CALL(ssize_t, pread(fd, buffer, size, offset));
}

static ssize_t kernel_pwrite(int fd, const void *buffer, size_t size, off_t offset)
{
	RETURN_CALL(ssize_t, pwrite(fd, buffer, size, offset));
}

static off_t kernel_lseek(int fd, off_t offset, int whence)
{
	RETURN_CALL(off_t, lseek(fd, offset, whence));
}

/* Returns its error instead of setting errno. */
static int kernel_fadvise(int fd, off_t offset, off_t length, int advice)
{
	return -posix_fadvise(fd, offset, length, advice);
}

/* No wrapper in glibc up to 2.41; Linux 6.5. */
#ifndef SYS_cachestat
#define SYS_cachestat 451
#endif

static int cachestat_whole(int fd, uint64_t *ret_pages)
{
	uint64_t range[2] = { 0, 0 }, counts[5] = { 0 }; /* offset, length to the end; cached, dirty ... */
	if (syscall(SYS_cachestat, fd, range, counts, 0))
		return -1;
	*ret_pages = counts[0];
	return 0;
}

static int kernel_cachestat(int fd, uint64_t *ret_pages)
{
	RETURN_CALL(int, cachestat_whole(fd, ret_pages));
}

/* The mapping is private and cannot be touched, so it breaks no lease and brings in nothing. */
static int kernel_mincore(int fd, off_t offset, size_t length, unsigned char *ret_pages)
{
	void *at = mmap(NULL, length, PROT_NONE, MAP_PRIVATE, fd, offset);
	if (at == MAP_FAILED)
		return -errno;
	int r = mincore(at, length, ret_pages) ? -errno : 0;
	munmap(at, length);
	return r;
}

static int kernel_fcntl(int fd, int command, long argument)
{
	RETURN_CALL(int, fcntl(fd, command, argument));
}

static int kernel_ioctl(int fd, unsigned long request, void *argument)
{
	RETURN_CALL(int, ioctl(fd, request, argument));
}

static ssize_t kernel_flistxattr(int fd, char *list, size_t size)
{
	RETURN_CALL(ssize_t, flistxattr(fd, list, size));
}

static ssize_t kernel_fgetxattr(int fd, const char *name, void *value, size_t size)
{
	RETURN_CALL(ssize_t, fgetxattr(fd, name, value, size));
}

static ssize_t kernel_copy_file_range(int from, off_t from_at, int to, off_t to_at, size_t size)
{
	RETURN_CALL(ssize_t, copy_file_range(from, &from_at, to, &to_at, size, 0));
}

static int kernel_ftruncate(int fd, off_t size)
{
	RETURN_CALL(int, ftruncate(fd, size));
}

static int kernel_fchown(int fd, uid_t uid, gid_t gid)
{
	RETURN_CALL(int, fchown(fd, uid, gid));
}

static int kernel_fchmod(int fd, mode_t mode)
{
	RETURN_CALL(int, fchmod(fd, mode));
}

static int kernel_fsetxattr(int fd, const char *name, const void *value, size_t size)
{
	RETURN_CALL(int, fsetxattr(fd, name, value, size, 0));
}

static int kernel_fremovexattr(int fd, const char *name)
{
	RETURN_CALL(int, fremovexattr(fd, name));
}

static int kernel_inotify_init(int flags)
{
	RETURN_CALL(int, inotify_init1(flags));
}

static int kernel_inotify_add_watch(int fd, const char *path, uint32_t mask)
{
	RETURN_CALL(int, inotify_add_watch(fd, path, mask));
}

static int kernel_inotify_rm_watch(int fd, int id)
{
	RETURN_CALL(int, inotify_rm_watch(fd, id));
}

static int kernel_futimens(int fd, int64_t mtime)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT } };
	times[1].tv_sec = mtime / NS_PER_S;
	times[1].tv_nsec = mtime % NS_PER_S;
	if (times[1].tv_nsec < 0) {
		times[1].tv_sec--;
		times[1].tv_nsec += NS_PER_S;
	}
	RETURN_CALL(int, futimens(fd, times));
}

static ssize_t kernel_readlinkat(int dirfd, const char *path, char *buffer, size_t size)
{
	RETURN_CALL(ssize_t, readlinkat(dirfd, path, buffer, size));
}

static int kernel_faccessat(int dirfd, const char *path, int mode, int flags)
{
	RETURN_CALL(int, faccessat(dirfd, path, mode, flags));
}

static int kernel_flock(int fd, int operation)
{
	RETURN_CALL(int, flock(fd, operation));
}

static int kernel_fdatasync(int fd)
{
	RETURN_CALL(int, fdatasync(fd));
}

static int kernel_syncfs(int fd)
{
	RETURN_CALL(int, syncfs(fd));
}

static int kernel_linkat(int old_dirfd, const char *old_path, int new_dirfd, const char *new_path, int flags)
{
	RETURN_CALL(int, linkat(old_dirfd, old_path, new_dirfd, new_path, flags));
}

static int kernel_renameat2(int old_dirfd, const char *old_path, int new_dirfd, const char *new_path, unsigned flags)
{
	RETURN_CALL(int, renameat2(old_dirfd, old_path, new_dirfd, new_path, flags));
}

static int kernel_unlinkat(int dirfd, const char *path, int flags)
{
	RETURN_CALL(int, unlinkat(dirfd, path, flags));
}

static ssize_t kernel_getrandom(void *buffer, size_t size, unsigned flags)
{
	RETURN_CALL(ssize_t, getrandom(buffer, size, flags));
}

static int64_t clock_ns(clockid_t clock)
{
	struct timespec time;
	clock_gettime(clock, &time);
	return time.tv_sec * NS_PER_S + time.tv_nsec;
}

/* Not CLOCK_BOOTTIME: what it is compared with, the kernel's lease timer, stands still during suspend as well. */
static int64_t kernel_now(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

static int64_t kernel_wall(void)
{
	return clock_ns(CLOCK_REALTIME_COARSE);
}

/* Until a point in time, so that signals do not make it longer. */
static void kernel_sleep(int64_t ns)
{
	if (ns <= 0)
		return;
	int64_t until = kernel_now() + ns;
	struct timespec time = { .tv_sec = until / NS_PER_S, .tv_nsec = until % NS_PER_S };
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL) == EINTR)
		;
}

const struct sys_calls sys_kernel = {
	.openat = kernel_openat,
	.openat2 = kernel_openat2,
	.close = kernel_close,
	.getdents = kernel_getdents,
	.statx = kernel_statx,
	.fstatfs = kernel_fstatfs,
	.read = kernel_read,
	.write = kernel_write,
	.pread = kernel_pread,
	.pwrite = kernel_pwrite,
	.lseek = kernel_lseek,
	.fadvise = kernel_fadvise,
	.cachestat = kernel_cachestat,
	.mincore = kernel_mincore,
	.fcntl = kernel_fcntl,
	.ioctl = kernel_ioctl,
	.flistxattr = kernel_flistxattr,
	.fgetxattr = kernel_fgetxattr,
	.copy_file_range = kernel_copy_file_range,
	.ftruncate = kernel_ftruncate,
	.fchown = kernel_fchown,
	.fchmod = kernel_fchmod,
	.fsetxattr = kernel_fsetxattr,
	.fremovexattr = kernel_fremovexattr,
	.inotify_init = kernel_inotify_init,
	.inotify_add_watch = kernel_inotify_add_watch,
	.inotify_rm_watch = kernel_inotify_rm_watch,
	.futimens = kernel_futimens,
	.readlinkat = kernel_readlinkat,
	.faccessat = kernel_faccessat,
	.flock = kernel_flock,
	.fdatasync = kernel_fdatasync,
	.syncfs = kernel_syncfs,
	.linkat = kernel_linkat,
	.renameat2 = kernel_renameat2,
	.unlinkat = kernel_unlinkat,
	.getrandom = kernel_getrandom,
	.now = kernel_now,
	.wall = kernel_wall,
	.sleep = kernel_sleep,
};

const struct sys_calls *sys = &sys_kernel;

const struct sys_calls *sys_replace(const struct sys_calls *calls)
{
	const struct sys_calls *before = sys;
	sys = calls ? calls : &sys_kernel;
	return before;
}

/* ---- descriptors ---- */

static unsigned count_entries(const char *buffer, size_t filled)
{
	unsigned count = 0;
	for (size_t at = 0; at < filled; count++)
		at += ((const struct dirent64 *)(const void *)(buffer + at))->d_reclen;
	return count;
}

/* Descriptors open now, by the entries of /proc/self/fd; -1 where that cannot be read. */
static long count_open(void)
{
	_Alignas(uint64_t) char buffer[4096];
	own_fd int fd = sys->openat(AT_FDCWD, "/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	long count = -3; /* ".", ".." and the one that reads */
	for (;;) {
		ssize_t filled = sys->getdents(fd, buffer, sizeof(buffer));
		if (filled < 0)
			return -1;
		if (filled == 0)
			return count;
		count += count_entries(buffer, (size_t)filled);
	}
}

/* The soft limit, after an attempt to raise it. */
static rlim_t raise_limit(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit))
		return 0;
	rlim_t before = limit.rlim_cur;
	limit.rlim_cur = limit.rlim_max;
	return setrlimit(RLIMIT_NOFILE, &limit) ? before : limit.rlim_cur;
}

unsigned sys_descriptors(void)
{
	enum { GUESS = 16 }; /* without /proc: the three standard ones and what a shell may have left open */
	rlim_t limit = raise_limit();
	long open = count_open();
	rlim_t taken = open < 0 ? GUESS : (rlim_t)open;
	if (limit <= taken)
		return 0;
	return limit - taken > INT_MAX ? INT_MAX : (unsigned)(limit - taken);
}

/* ---- the rest ---- */

int64_t sys_setting(const char *path)
{
	char digits[16];
	own_fd int fd = sys->openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return fd;
	ssize_t length = sys->pread(fd, digits, sizeof(digits), 0);
	if (length < 0)
		return length;
	int64_t number = 0;
	for (ssize_t i = 0; i < length && digits[i] >= '0' && digits[i] <= '9'; i++)
		number = number * 10 + (digits[i] - '0');
	return number;
}

int sys_random(void *buffer, size_t size)
{
	char *at = buffer;
	while (size) {
		ssize_t n = sys->getrandom(at, size, 0);
		if (n <= 0)
			return n ? (int)n : -EIO;
		at += n;
		size -= (size_t)n;
	}
	return 0;
}

uint64_t sys_switches(void)
{
	struct rusage usage;
	return getrusage(RUSAGE_SELF, &usage) ? 0 : (uint64_t)usage.ru_nvcsw;
}
