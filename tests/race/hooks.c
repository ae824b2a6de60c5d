/* SPDX-License-Identifier: MIT */
/* hooks.c - a table of calls around the kernel's own */
#include "hooks.h"

#include <linux/magic.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>

enum { HOOKS_MOST = 16 };

struct hook {
	struct moment at;
	void (*act)(void *ctx);
	void *ctx;
	bool maybe, done;
};

static struct {
	pthread_mutex_t mutex;
	enum dlk_phase phase;
	unsigned counts[CALLS][2];
	struct hook hooks[HOOKS_MOST];
	size_t count;
	int refused[CALLS];
	int64_t slow;
	char link[256];
	int link_dirfd;
} state = { .mutex = PTHREAD_MUTEX_INITIALIZER };

static bool is_now(const struct hook *hook, enum call call, enum side side, unsigned nth)
{
	return !hook->done && hook->at.phase == state.phase && hook->at.call == call && hook->at.side == side &&
	       hook->at.nth == nth;
}

static void happen(enum call call, enum side side)
{
	pthread_mutex_lock(&state.mutex);
	unsigned nth = ++state.counts[call][side];
	for (size_t i = 0; i < state.count; i++) {
		if (!is_now(&state.hooks[i], call, side, nth))
			continue;
		state.hooks[i].done = true;
		state.hooks[i].act(state.hooks[i].ctx);
	}
	pthread_mutex_unlock(&state.mutex);
}

/* Evaluates to what the call returned, or to the error it was told to give. */
#define THROUGH(kind, expression)                                        \
	__extension__({                                                  \
		happen(kind, BEFORE);                                    \
		__typeof__(expression) r_ = state.refused[kind];         \
		if (!r_)                                                 \
			r_ = (expression);                               \
		if (r_ >= 0)                                             \
			happen(kind, AFTER);                             \
		r_;                                                      \
	})

static int hook_openat(int dirfd, const char *path, int flags, mode_t mode)
{
	return THROUGH(CALL_OPEN, sys_kernel.openat(dirfd, path, flags, mode));
}

static int hook_openat2(int dirfd, const char *path, const struct open_how *how)
{
	return THROUGH(CALL_OPEN, sys_kernel.openat2(dirfd, path, how));
}

static ssize_t hook_getdents(int fd, void *buffer, size_t size)
{
	return THROUGH(CALL_LIST, sys_kernel.getdents(fd, buffer, size));
}

/* Settings and mounts are read from /proc: those readings are no moments of a file. */
static bool is_proc(int fd)
{
	struct statfs fs;
	return !fstatfs(fd, &fs) && fs.f_type == PROC_SUPER_MAGIC;
}

static ssize_t hook_pread(int fd, void *buffer, size_t size, off_t offset)
{
	if (is_proc(fd))
		return sys_kernel.pread(fd, buffer, size, offset);
	sys_kernel.sleep(state.slow);
	return THROUGH(CALL_READ, sys_kernel.pread(fd, buffer, size, offset));
}

static int hook_fcntl(int fd, int command, long argument)
{
	if (command == F_SETLEASE && argument == F_RDLCK)
		return THROUGH(CALL_LEASE, sys_kernel.fcntl(fd, command, argument));
	if (command == F_GETLEASE)
		return THROUGH(CALL_ASK, sys_kernel.fcntl(fd, command, argument));
	return sys_kernel.fcntl(fd, command, argument);
}

static int hook_fdatasync(int fd)
{
	return THROUGH(CALL_SYNC, sys_kernel.fdatasync(fd));
}

static int hook_syncfs(int fd)
{
	return THROUGH(CALL_SYNC, sys_kernel.syncfs(fd));
}

static int hook_linkat(int old_dirfd, const char *old_path, int new_dirfd, const char *new_path, int flags)
{
	snprintf(state.link, sizeof(state.link), "%s", new_path);
	state.link_dirfd = new_dirfd;
	return THROUGH(CALL_LINK, sys_kernel.linkat(old_dirfd, old_path, new_dirfd, new_path, flags));
}

static int hook_renameat2(int old_dirfd, const char *old_path, int new_dirfd, const char *new_path, unsigned flags)
{
	if (flags & RENAME_EXCHANGE)
		return THROUGH(CALL_EXCHANGE, sys_kernel.renameat2(old_dirfd, old_path, new_dirfd, new_path, flags));
	return THROUGH(CALL_RENAME, sys_kernel.renameat2(old_dirfd, old_path, new_dirfd, new_path, flags));
}

static int hook_unlinkat(int dirfd, const char *path, int flags)
{
	return THROUGH(CALL_UNLINK, sys_kernel.unlinkat(dirfd, path, flags));
}

static void hook_sleep(int64_t ns)
{
	if (ns <= 0)
		return; /* no time for anybody to come */
	happen(CALL_SLEEP, BEFORE);
	sys_kernel.sleep(ns);
	happen(CALL_SLEEP, AFTER);
}

void hooks_install(void)
{
	static struct sys_calls table;
	table = sys_kernel;
	table.openat = hook_openat;
	table.openat2 = hook_openat2;
	table.getdents = hook_getdents;
	table.pread = hook_pread;
	table.fcntl = hook_fcntl;
	table.fdatasync = hook_fdatasync;
	table.syncfs = hook_syncfs;
	table.linkat = hook_linkat;
	table.renameat2 = hook_renameat2;
	table.unlinkat = hook_unlinkat;
	table.sleep = hook_sleep;
	state.count = 0;
	state.slow = 0;
	memset(state.refused, 0, sizeof(state.refused));
	state.link[0] = '\0';
	hooks_phase(DLK_PHASE_WALK);
	sys_replace(&table);
}

static void add(const struct hook *hook)
{
	if (state.count < HOOKS_MOST)
		state.hooks[state.count++] = *hook;
}

void hooks_add(struct moment at, void (*act)(void *ctx), void *ctx)
{
	add(&(struct hook){ .at = at, .act = act, .ctx = ctx });
}

void hooks_add_maybe(struct moment at, void (*act)(void *ctx), void *ctx)
{
	add(&(struct hook){ .at = at, .act = act, .ctx = ctx, .maybe = true });
}

void hooks_refuse(enum call call, int error)
{
	state.refused[call] = error;
}

void hooks_slow_reads(int64_t ns)
{
	state.slow = ns;
}

void hooks_phase(enum dlk_phase phase)
{
	pthread_mutex_lock(&state.mutex);
	state.phase = phase;
	if (phase != DLK_PHASE_DONE)
		memset(state.counts, 0, sizeof(state.counts));
	pthread_mutex_unlock(&state.mutex);
	happen(CALL_PHASE, AFTER);
}

unsigned hooks_count(enum call call)
{
	pthread_mutex_lock(&state.mutex);
	unsigned count = state.counts[call][AFTER];
	pthread_mutex_unlock(&state.mutex);
	return count;
}

const char *hooks_last_link(int *ret_dirfd)
{
	*ret_dirfd = state.link_dirfd;
	return state.link;
}

const char *hooks_missed(void)
{
	for (size_t i = 0; i < state.count; i++)
		if (!state.hooks[i].done && !state.hooks[i].maybe)
			return state.hooks[i].at.name;
	return NULL;
}
