/* SPDX-License-Identifier: MIT */
/*
 * Plans: whatever stands in one, reading it ends with a plan or a reason, touches nothing, and names nothing outside its roots.
 *
 * The input is a plan, in which @ stands for a small tree (a, b and sub/c are alike), and # with a letter for an inode number of one.
 */
#include "fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../include/dedupe-link.h"

static const char *const names[] = { "a", "b", "sub/c" };
static struct stat made[3];
static char top[64];

static const char *path_of(const char *name)
{
	static char path[128];
	snprintf(path, sizeof(path), "%s/%s", top, name);
	return path;
}

static void remove_tree(void)
{
	for (size_t i = 0; i < countof(names); i++)
		unlink(path_of(names[i]));
	rmdir(path_of("sub"));
	rmdir(top);
}

static void make_tree(void)
{
	static const struct timespec times[2] = { { 1, 5 }, { 1, 5 } };
	if (*top)
		return;
	snprintf(top, sizeof(top), "/tmp/dedupe-link-fuzz.XXXXXX");
	fuzz_check(mkdtemp(top) && !mkdir(path_of("sub"), 0755));
	for (size_t i = 0; i < countof(names); i++) {
		int fd = open(path_of(names[i]), O_WRONLY | O_CREAT | O_EXCL, 0644);
		fuzz_check(fd >= 0 && write(fd, "alike", 5) == 5 && !fchmod(fd, 0644) && !futimens(fd, times));
		fuzz_check(!fstat(fd, &made[i]) && !close(fd));
	}
	atexit(remove_tree);
}

/* The input with what its letters stand for; the caller closes it. */
static int write_plan(const uint8_t *data, size_t size)
{
	int fd = memfd_create("plan", MFD_CLOEXEC);
	FILE *out = fd < 0 ? NULL : fdopen(dup(fd), "w");
	fuzz_check(out);
	for (size_t i = 0; i < size; i++) {
		if (data[i] == '@')
			fputs(top, out);
		else if (data[i] == '#' && i + 1 < size)
			fprintf(out, "%llu", (unsigned long long)made[data[++i] % 3].st_ino);
		else
			putc(data[i], out);
	}
	fuzz_check(!fclose(out) && !lseek(fd, 0, SEEK_SET));
	return fd;
}

static int see_member(void *ctx, const struct dlk_set *set, const struct dlk_member *member)
{
	(void)set;
	fuzz_check(*member->path == '/');
	++*(uint64_t *)ctx;
	return 0;
}

static int see_set(void *ctx, const struct dlk_set *set)
{
	*(uint64_t *)ctx -= set->names; /* as many members must follow */
	return 0;
}

static void check_untouched(void)
{
	for (size_t i = 0; i < countof(names); i++) {
		struct stat now;
		fuzz_check(!stat(path_of(names[i]), &now) && now.st_ino == made[i].st_ino && now.st_nlink == 1 &&
			   now.st_ctim.tv_nsec == made[i].st_ctim.tv_nsec);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct dlk_plan_visitor visitor = { .set = see_set, .member = see_member };
	struct dlk_options options;
	struct dlk_plan *plan = NULL;
	uint64_t members = 0;
	make_tree();
	int fd = write_plan(data, size);
	dlk_options_init(&options);
	int r = dlk_plan_read(&options, fd, &plan);
	fuzz_check(r <= 0 && !r == !!plan);
	if (plan) {
		fuzz_check(!dlk_plan_each(plan, &visitor, &members) && !members);
		fuzz_check(dlk_apply(plan) == -EINVAL); /* read only to be looked at */
	}
	dlk_plan_free(plan);
	close(fd);
	check_untouched();
	return 0;
}
