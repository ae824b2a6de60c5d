/* SPDX-License-Identifier: MIT */
/*
 * Journals: whatever stands in one, following it ends with a count or a reason, and each name below its roots holds what it held. What
 * a dry run says beforehand is what comes, and it changes nothing.
 *
 * The input is a journal, in which @ stands for a small tree (a and b are one file, sub/c is another, all alike), and # with a letter
 * for an inode number of one. It is followed by a user who owns nothing but the tree.
 */
#include "fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../include/dedupe-link.h"

enum { NOBODY = 65534 };

static const char *const names[] = { "a", "b", "sub/c" };
static const char content[] = "alike";
static struct stat made[countof(names)];
static char top[64];
static unsigned names_seen;

static const char *path_of(const char *name)
{
	static char path[128];
	snprintf(path, sizeof(path), "%s/%s", top, name);
	return path;
}

/* Root becomes a user for whom the rest of the machine is closed, and root again. */
static void be_nobody(bool yes)
{
	if (getuid())
		return;
	fuzz_check(yes || !seteuid(0));
	fuzz_check(!setegid(yes ? NOBODY : 0));
	fuzz_check(!yes || !seteuid(NOBODY));
}

static void make_file(const char *name)
{
	static const struct timespec times[2] = { { 1, 5 }, { 1, 5 } };
	int fd = open(path_of(name), O_WRONLY | O_CREAT | O_EXCL, 0644);
	fuzz_check(fd >= 0 && write(fd, content, sizeof(content) - 1) == sizeof(content) - 1 && !fchmod(fd, 0644));
	fuzz_check(!futimens(fd, times) && !close(fd));
}

static void remove_files(void)
{
	for (size_t i = 0; i < countof(names); i++)
		unlink(path_of(names[i]));
}

static void make_files(void)
{
	char a[128];
	snprintf(a, sizeof(a), "%s", path_of("a"));
	make_file("a");
	make_file("sub/c");
	fuzz_check(!link(a, path_of("b")));
	for (size_t i = 0; i < countof(names); i++)
		fuzz_check(!stat(path_of(names[i]), &made[i]));
}

static void remove_tree(void)
{
	be_nobody(true);
	remove_files();
	rmdir(path_of("sub"));
	be_nobody(false);
	rmdir(top);
}

static void make_tree(void)
{
	snprintf(top, sizeof(top), "/tmp/dedupe-link-fuzz.XXXXXX");
	fuzz_check(mkdtemp(top) && (getuid() || !chown(top, NOBODY, NOBODY)));
	be_nobody(true);
	fuzz_check(!mkdir(path_of("sub"), 0755));
	make_files();
	be_nobody(false);
	atexit(remove_tree);
}

/* The input with what its letters stand for; the caller closes it. */
static int write_journal(const uint8_t *data, size_t size)
{
	int fd = memfd_create("journal", MFD_CLOEXEC);
	FILE *out = fd < 0 || fchmod(fd, 0600) ? NULL : fdopen(dup(fd), "w");
	fuzz_check(out);
	for (size_t i = 0; i < size; i++) {
		if (data[i] == '@')
			fputs(top, out);
		else if (data[i] == '#' && i + 1 < size)
			fprintf(out, "%llu", (unsigned long long)made[data[++i] % countof(names)].st_ino);
		else
			putc(data[i], out);
	}
	fuzz_check(!fclose(out) && !lseek(fd, 0, SEEK_SET));
	return fd;
}

static int count_name(const char *path, const struct stat *now, int type, struct FTW *where)
{
	(void)path, (void)now, (void)where;
	names_seen += type == FTW_F;
	return 0;
}

/* All names are there and nothing else, each with its content. Returns how many of them are another file now. */
static unsigned check_names(void)
{
	unsigned moved = 0;
	for (size_t i = 0; i < countof(names); i++) {
		char bytes[sizeof(content)] = "";
		struct stat now;
		fuzz_check(!lstat(path_of(names[i]), &now) && S_ISREG(now.st_mode));
		moved += now.st_ino != made[i].st_ino;
		chmod(path_of(names[i]), 0600); /* a line may say that nobody could read it */
		int fd = open(path_of(names[i]), O_RDONLY);
		fuzz_check(fd >= 0 && read(fd, bytes, sizeof(bytes)) == sizeof(content) - 1 && !strcmp(bytes, content));
		close(fd);
	}
	names_seen = 0;
	fuzz_check(!nftw(top, count_name, 8, FTW_PHYS) && names_seen == countof(names));
	return moved;
}

static void look(struct stat ret[countof(names)])
{
	memset(ret, 0, countof(names) * sizeof(*ret));
	for (size_t i = 0; i < countof(names); i++)
		fuzz_check(!lstat(path_of(names[i]), &ret[i]));
}

static int foresee(const struct dlk_options *options, int fd, struct dlk_tally *ret)
{
	struct stat before[countof(names)], after[countof(names)];
	look(before);
	int r = dlk_undo_foresee(options, fd, ret);
	look(after);
	fuzz_check(!lseek(fd, 0, SEEK_SET) && !memcmp(before, after, sizeof(before)));
	return r;
}

static void follow(int fd)
{
	struct dlk_options options;
	struct dlk_tally foreseen = { 0 }, tally = { 0 };
	dlk_options_init(&options);
	int would = foresee(&options, fd, &foreseen), r = dlk_undo(&options, fd, &tally);
	fuzz_check(r <= 0 && would == r);
	fuzz_check(foreseen.restored >= tally.restored && foreseen.errors <= tally.errors); /* what only the attempt shows */
	unsigned moved = check_names();
	fuzz_check(r || moved <= tally.restored); /* a name may have been restored twice */
	if (tally.restored || moved) {
		remove_files();
		make_files();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!*top)
		make_tree();
	be_nobody(true);
	int fd = write_journal(data, size);
	follow(fd);
	close(fd);
	be_nobody(false);
	return 0;
}
