/* SPDX-License-Identifier: MIT */
/*
 * sys.h - the fence: every kernel call of the library goes through this table
 *
 * Each entry behaves as the system call of its name, but returns a negative errno instead of setting errno, and is
 * begun again after EINTR. Tests wire other functions in (sys_replace) to make call n fail, to die at it, or to let
 * another program act just before it.
 */
#ifndef SYS_SYS_H
#define SYS_SYS_H

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/vfs.h>

#include "../base/base.h"
#include "../base/own.h"

struct statx;
struct open_how;

struct sys_calls {
	int (*openat)(int dirfd, const char *path, int flags, mode_t mode);
	int (*openat2)(int dirfd, const char *path, const struct open_how *how);
	int (*close)(int fd);
	ssize_t (*getdents)(int fd, void *buffer, size_t size);
	int (*statx)(int dirfd, const char *path, int flags, unsigned mask, struct statx *ret);
	int (*fstatfs)(int fd, struct statfs *ret);
	ssize_t (*read)(int fd, void *buffer, size_t size);
	ssize_t (*write)(int fd, const void *buffer, size_t size);
	ssize_t (*pread)(int fd, void *buffer, size_t size, off_t offset);
	ssize_t (*pwrite)(int fd, const void *buffer, size_t size, off_t offset);
	off_t (*lseek)(int fd, off_t offset, int whence);
	int (*fadvise)(int fd, off_t offset, off_t length, int advice);
	/* pages of a file in the page cache: how many, and which (a byte each, as mincore fills them, from a mapping of our own) */
	int (*cachestat)(int fd, uint64_t *ret_pages);
	int (*mincore)(int fd, off_t offset, size_t length, unsigned char *ret_pages);
	int (*fcntl)(int fd, int command, long argument);
	int (*ioctl)(int fd, unsigned long request, void *argument);
	ssize_t (*flistxattr)(int fd, char *list, size_t size);
	ssize_t (*fgetxattr)(int fd, const char *name, void *value, size_t size);
	/* a file made anew, its offsets given by value */
	ssize_t (*copy_file_range)(int from, off_t from_at, int to, off_t to_at, size_t size);
	int (*ftruncate)(int fd, off_t size);
	int (*fchown)(int fd, uid_t uid, gid_t gid);
	int (*fchmod)(int fd, mode_t mode);
	int (*fsetxattr)(int fd, const char *name, const void *value, size_t size);
	int (*fremovexattr)(int fd, const char *name);
	/* see watch.h */
	int (*inotify_init)(int flags);
	int (*inotify_add_watch)(int fd, const char *path, uint32_t mask);
	int (*inotify_rm_watch)(int fd, int id);
	int (*futimens)(int fd, int64_t mtime); /* atime stays */
	ssize_t (*readlinkat)(int dirfd, const char *path, char *buffer, size_t size);
	int (*faccessat)(int dirfd, const char *path, int mode, int flags);
	int (*flock)(int fd, int operation);
	int (*fdatasync)(int fd);
	int (*syncfs)(int fd);
	/* the calls that change names: see swap.h */
	int (*linkat)(int old_dirfd, const char *old_path, int new_dirfd, const char *new_path, int flags);
	int (*renameat2)(int old_dirfd, const char *old_path, int new_dirfd, const char *new_path, unsigned flags);
	int (*unlinkat)(int dirfd, const char *path, int flags);
	ssize_t (*getrandom)(void *buffer, size_t size, unsigned flags);
	/* time, in ns: monotonic for intervals, real as the file system stamps it (coarse); sleep */
	int64_t (*now)(void);
	int64_t (*wall)(void);
	void (*sleep)(int64_t ns);
};

/* The table in force. */
extern const struct sys_calls *sys;

/* For tests: puts another table in force (NULL: the kernel's) and returns the one before. Not while threads work. */
const struct sys_calls *sys_replace(const struct sys_calls *calls);

/* The kernel's own table, for tests that wrap a call. */
extern const struct sys_calls sys_kernel;

/* Closes when the scope ends, if it is not negative. */
static inline void own_fd_cleanup(const int *fd)
{
	if (*fd >= 0)
		sys->close(*fd);
}
#define own_fd OWN(own_fd_cleanup)

static inline int steal_fd(int *fd)
{
	int stolen = *fd;
	*fd = -1;
	return stolen;
}

static inline void close_fd(int *fd)
{
	own_fd_cleanup(fd);
	*fd = -1;
}

/* How many more descriptors this process may open, raising the soft limit to the hard one first. At least 0. */
unsigned sys_descriptors(void);

/* The number at the beginning of a file in /proc/sys, not negative (a sign reads as 0), or a negative errno. */
MUST_CHECK int64_t sys_setting(const char *path);

/* Fills `buffer` with random bytes. */
MUST_CHECK int sys_random(void *buffer, size_t size);

/* How often threads of this process have waited so far (voluntary context switches). */
uint64_t sys_switches(void);

#endif
