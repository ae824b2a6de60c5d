/* SPDX-License-Identifier: MIT */
/*
 * cut.c - makes the program stop before each call that modifies something, until it is told to go on
 *
 * Linked with the program's own main. Before the call a line with its name is written to the descriptor DEDUPE_CUT_TELL;
 * one byte from DEDUPE_CUT_GO lets it go on. Meanwhile the test may cut the power (copy the image), or act as another
 * program would. Calls named in DEDUPE_CUT_WITHOUT (with commas between) are not made and claim success: to show that
 * a test notices when a protection is missing.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../src/sys/sys.h"

static struct {
	pthread_mutex_t mutex;
	int tell, go;
	const char *without;
} cut = { .mutex = PTHREAD_MUTEX_INITIALIZER, .tell = -1, .go = -1 };

/* A test that is gone lets nothing more happen. */
static void stop_at(const char *call)
{
	char line[32], byte;
	int length = snprintf(line, sizeof(line), "%s\n", call);
	pthread_mutex_lock(&cut.mutex);
	if (write(cut.tell, line, (size_t)length) != length || read(cut.go, &byte, 1) != 1)
		_exit(99);
	pthread_mutex_unlock(&cut.mutex);
}

static bool left_out(const char *call)
{
	const char *at = cut.without ? strstr(cut.without, call) : NULL;
	return at && strchr(",", at[strlen(call)]);
}

static int stop_fdatasync(int fd)
{
	stop_at("fdatasync");
	return left_out("fdatasync") ? 0 : sys_kernel.fdatasync(fd);
}

static int stop_syncfs(int fd)
{
	stop_at("syncfs");
	return left_out("syncfs") ? 0 : sys_kernel.syncfs(fd);
}

static int stop_linkat(int old_dirfd, const char *old_path, int new_dirfd, const char *new_path, int flags)
{
	stop_at("linkat");
	return sys_kernel.linkat(old_dirfd, old_path, new_dirfd, new_path, flags);
}

static int stop_renameat2(int old_dirfd, const char *old_path, int new_dirfd, const char *new_path, unsigned flags)
{
	stop_at("renameat2");
	return sys_kernel.renameat2(old_dirfd, old_path, new_dirfd, new_path, flags);
}

static int stop_unlinkat(int dirfd, const char *path, int flags)
{
	stop_at("unlinkat");
	return sys_kernel.unlinkat(dirfd, path, flags);
}

static ssize_t stop_pwrite(int fd, const void *buffer, size_t size, off_t offset)
{
	stop_at("pwrite");
	return sys_kernel.pwrite(fd, buffer, size, offset);
}

static int descriptor(const char *variable)
{
	const char *value = getenv(variable);
	return value ? atoi(value) : -1;
}

__attribute__((constructor)) static void begin(void)
{
	static struct sys_calls calls;
	cut.tell = descriptor("DEDUPE_CUT_TELL");
	cut.go = descriptor("DEDUPE_CUT_GO");
	cut.without = getenv("DEDUPE_CUT_WITHOUT");
	if (cut.tell < 0 || cut.go < 0) {
		fprintf(stderr, "dedupe-link-cut: for tests/image only; DEDUPE_CUT_TELL and DEDUPE_CUT_GO must be set\n");
		_exit(99);
	}
	calls = sys_kernel;
	calls.fdatasync = stop_fdatasync;
	calls.syncfs = stop_syncfs;
	calls.linkat = stop_linkat;
	calls.renameat2 = stop_renameat2;
	calls.unlinkat = stop_unlinkat;
	calls.pwrite = stop_pwrite;
	sys_replace(&calls);
}
