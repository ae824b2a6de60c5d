/* SPDX-License-Identifier: MIT */
/*
 * slow.c - makes the program slow where others could come between: linked with its main, never installed
 *
 *	DEDUPE_RACE_SLEEP=N    up to N microseconds before and after each call that changes a name or asks for a lease,
 *	                       twice that for the exchange
 *	DEDUPE_RACE_COUNTS=F   counts in the file F (struct slow_counts)
 *	DEDUPE_RACE_STOP=N     SIGSTOP after the N-th exchange
 *	DEDUPE_RACE_KILL=N     SIGKILL before the N-th call that changes a name, writes or syncs
 *
 * Delays that LD_PRELOAD would give others go into our own table of calls, since it makes raw system calls.
 */
#include "slow.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../src/sys/sys.h"

static struct sys_calls table;
static unsigned sleep_most, stop_at, kill_at;
static _Atomic unsigned exchanges, deeds;
static struct slow_counts *counts;

/* Temporary names that are exchanged at the moment, by hash: a second exchange of one is an undo. */
static _Atomic unsigned char out[1 << 16];

static unsigned hash(const char *name)
{
	uint32_t h = 2166136261u;
	for (; *name; name++)
		h = (h ^ (unsigned char)*name) * 16777619u;
	return (h ^ h >> 16) & 0xffff;
}

/* Most are short, some are long: 1 in 8 goes up to the limit. */
static void dawdle(void)
{
	static _Thread_local uint64_t state;
	if (!sleep_most)
		return;
	if (!state)
		state = (uint64_t)sys_kernel.now() ^ (uintptr_t)&state;
	state = mix64(state + 1);
	unsigned most = state >> 60 < 2 ? sleep_most : sleep_most / 16 + 1;
	usleep((unsigned)(state % most));
}

static void count_deed(void)
{
	if (++deeds == kill_at)
		raise(SIGKILL);
}

static ssize_t slow_write(int fd, const void *buffer, size_t size)
{
	count_deed();
	return sys_kernel.write(fd, buffer, size);
}

static int slow_fdatasync(int fd)
{
	count_deed();
	return sys_kernel.fdatasync(fd);
}

static int slow_fcntl(int fd, int command, long argument)
{
	dawdle();
	return sys_kernel.fcntl(fd, command, argument);
}

static int slow_linkat(int old_dirfd, const char *old_path, int new_dirfd, const char *new_path, int flags)
{
	count_deed();
	dawdle();
	int r = sys_kernel.linkat(old_dirfd, old_path, new_dirfd, new_path, flags);
	if (!r && counts)
		counts->staged++;
	dawdle();
	return r;
}

static int slow_renameat2(int old_dirfd, const char *old_path, int new_dirfd, const char *new_path, unsigned flags)
{
	count_deed();
	dawdle();
	dawdle();
	int r = sys_kernel.renameat2(old_dirfd, old_path, new_dirfd, new_path, flags);
	if (!r && flags & RENAME_EXCHANGE) {
		bool undone = out[hash(old_path)];
		out[hash(old_path)] = 1;
		if (counts && undone)
			counts->undone++;
		else if (counts)
			counts->exchanged++;
		if (++exchanges == stop_at)
			raise(SIGSTOP);
	}
	dawdle();
	dawdle();
	return r;
}

static int slow_unlinkat(int dirfd, const char *path, int flags)
{
	count_deed();
	dawdle();
	int r = sys_kernel.unlinkat(dirfd, path, flags);
	out[hash(path)] = 0;
	if (!r && counts)
		counts->dropped++;
	dawdle();
	return r;
}

static struct slow_counts *map_counts(const char *path)
{
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *map = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof(*counts), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (fd >= 0)
		close(fd);
	return map == MAP_FAILED ? NULL : map;
}

static unsigned number(const char *variable)
{
	const char *value = getenv(variable);
	return value ? (unsigned)strtoul(value, NULL, 10) : 0;
}

__attribute__((constructor)) static void slow_down(void)
{
	sleep_most = number("DEDUPE_RACE_SLEEP");
	stop_at = number("DEDUPE_RACE_STOP");
	kill_at = number("DEDUPE_RACE_KILL");
	counts = map_counts(getenv("DEDUPE_RACE_COUNTS"));
	table = sys_kernel;
	table.write = slow_write;
	table.fdatasync = slow_fdatasync;
	table.fcntl = slow_fcntl;
	table.linkat = slow_linkat;
	table.renameat2 = slow_renameat2;
	table.unlinkat = slow_unlinkat;
	sys_replace(&table);
}
