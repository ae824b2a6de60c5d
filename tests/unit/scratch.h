/* SPDX-License-Identifier: MIT */
/* scratch.h - a directory of a test's own below $TMPDIR (or /tmp), open as `top`, and files in it */
#ifndef UNIT_SCRATCH_H
#define UNIT_SCRATCH_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../src/sys/sys.h"
#include "draw.h"
#include "unit.h"

static int top = -1;
static char top_path[256];
static struct sys_calls table; /* a copy of the kernel's, to put calls of a test's own into */

static inline void scratch_begin(void)
{
	const char *below = getenv("TMPDIR");
	snprintf(top_path, sizeof(top_path), "%s/dedupe-link-unit-XXXXXX", below && *below ? below : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(top_path));
	top = open(top_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ge(top, 0);
	table = sys_kernel;
}

/* rm copes with paths longer than PATH_MAX. */
static inline void scratch_end(void)
{
	char rm[] = "rm", force[] = "-rf", dashes[] = "--", *words[] = { rm, force, dashes, top_path, NULL };
	pid_t child;
	int status;
	sys_replace(NULL);
	close(top);
	ck_assert_int_eq(posix_spawnp(&child, rm, NULL, NULL, words, environ), 0);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
}

/* Writes a file; blocks of 4096 zeros become holes when `sparse`. */
static inline void scratch_write(const char *name, const void *bytes, size_t length, bool sparse)
{
	static const char zeros[4096];
	int fd = openat(top, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0644);
	must(fd >= 0 && !ftruncate(fd, (off_t)length));
	for (size_t at = 0; at < length; at += sizeof(zeros)) {
		size_t n = size_min(sizeof(zeros), length - at);
		const char *from = (const char *)bytes + at;
		if (!sparse || memcmp(from, zeros, n))
			must(pwrite(fd, from, n, (off_t)at) == (ssize_t)n);
	}
	close(fd);
}

static inline void scratch_text(const char *name, const char *text)
{
	scratch_write(name, text, strlen(text), false);
}

static inline int scratch_open(const char *name)
{
	int fd = openat(top, name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
	must(fd >= 0);
	return fd;
}

/* How many descriptors are open, to see that none is left. */
static inline unsigned scratch_descriptors(void)
{
	unsigned count = 0;
	DIR *dir = opendir("/proc/self/fd");
	must(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

#endif
