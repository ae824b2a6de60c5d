/* SPDX-License-Identifier: MIT */
/*
 * storm.c - many programs at work in a tree while dedupe-link runs over it again and again
 *
 *	storm [-s SECONDS] [-k] [-r SEED] [-u MICROSECONDS] PROGRAM
 *
 * Works in the current directory. PROGRAM is dedupe-link-slow (slow.c), whose calls are delayed so that others come between them.
 * -k also kills it now and then, so that recovery runs in the storm. Goes on a little longer when no undo happened so far.
 *
 * What is true stays decidable, because each file has one owner, a process that knows what it did last, and because a file that
 * was changed in place is unlike all others until its owner replaces it by a copy of the class's content again:
 *
 *	class     done to it                                          afterwards, at its name
 *	append    records are appended, in place                      all of them, since the last save
 *	rewrite   cut to nothing and rewritten, in place              the last record, or that of another name of the same inode
 *	name      saved, deleted, created, moved; a symlink,          exactly that
 *	          FIFO or directory put at its name
 *	mode      chmod                                               that mode
 *	parent    the directory swapped for a symlink or a FIFO       all files, once it is back
 *
 * A name that must be there may not be missing for an instant. Content is given a moment: a save that came between our look
 * and our exchange shows again when the exchange is undone.
 */
#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../src/core/replace.h"
#include "../../src/core/temp.h"
#include "../../src/sys/sys.h"
#include "slow.h"

enum {
	DIRS = 8,
	FILES_EACH = 40,     /* of an owner */
	RECORD = 32,         /* bytes */
	RECORDS_MOST = 12,   /* of a file, until it is saved again */
	BASE = 3000,         /* bytes of a file without records; one more for each class */
	PATIENCE = 4,        /* s until what must show does show; more with kills, which only the next run repairs */
	PATIENCE_KILLED = 30,
	SANITIZED_SLOWER = 10,
	LONGER = 5,          /* times as long as asked for at most, until sabotage and linking have met */
};

enum class { APPEND, REWRITE, NAME, MODE, PARENT, CLASSES };

/* Shared by all processes. */
struct shared {
	struct slow_counts slow;          /* mapped by the program as well, from the same file */
	_Atomic int failed;
	_Atomic int stage;                /* 0 work, 1 stop and check, 2 check again and end */
	_Atomic int checked;              /* owners that have checked after stage 1 */
	_Atomic uint64_t serial;          /* of records */
	_Atomic uint64_t done[CLASSES];   /* what owners did */
	_Atomic uint64_t waited, rescued; /* content that showed late; records found in files kept aside */
	_Atomic uint64_t stopped;         /* updates that were too late: see open_late */
};

static struct shared *shared;
static int64_t patience;
static bool kills;

static void fail(const char *format, ...) FORMAT_PRINTF(1, 2) __attribute__((noreturn));

static void fail(const char *format, ...)
{
	char line[512];
	va_list arguments;
	va_start(arguments, format);
	int n = vsnprintf(line, sizeof(line) - 1, format, arguments);
	va_end(arguments);
	n = n < (int)sizeof(line) - 2 ? n : (int)sizeof(line) - 2;
	line[n++] = '\n';
	shared->failed = 1;
	(void)!write(STDOUT_FILENO, line, (size_t)n);
	_exit(1);
}

static int must(int r, const char *what)
{
	if (r < 0)
		fail("set-up: %s: %s", what, strerror(errno));
	return r;
}

static uint64_t chance_state;

static unsigned chance(unsigned below)
{
	chance_state = mix64(chance_state + UINT64_C(0x9e3779b97f4a7c15));
	return (unsigned)(chance_state >> 33) % below;
}

/* ---- files and their owners ---- */

struct file {
	unsigned number;
	char path[64];
	unsigned records;
	char record[RECORDS_MOST][RECORD + 1]; /* acknowledged, since the last save */
	bool late[RECORDS_MOST];
	char hand[TEMP_ROOM]; /* the temporary name that was there at the last save, or "" */
};

static enum class class;
static struct file files[FILES_EACH];
static char base[BASE + CLASSES];

static size_t base_size(void)
{
	return BASE + (size_t)class;
}

static void fill_base(void)
{
	for (size_t i = 0; i < sizeof(base); i++)
		base[i] = (char)('a' + (i * 7 + (size_t)class) % 26);
}

static void write_file(const char *path, const char *record, mode_t mode)
{
	int fd = must(open(path, O_WRONLY | O_CREAT | O_EXCL, 0600), path);
	must(fchmod(fd, mode), path);
	if (record)
		must((int)write(fd, record, RECORD), path);
	must((int)write(fd, base, base_size()), path);
	close(fd);
}

/* Where in the path of a file its name begins. */
static char *name_in(char *path)
{
	return strrchr(path, '/') + 1;
}

/* The temporary name that says that the file is being replaced right now; "" when there is none. */
static void note_hand(struct file *file)
{
	char path[64];
	struct dirent *entry;
	struct temp temp;
	file->hand[0] = '\0';
	snprintf(path, sizeof(path), "%s", file->path);
	name_in(path)[-1] = '\0';
	DIR *dir = opendir(path);
	while (dir && (entry = readdir(dir)))
		if (temp_parse(entry->d_name, strlen(entry->d_name), &temp) && temp_is_name(&temp, name_in(file->path)))
			memcpy(file->hand, entry->d_name, TEMP_ROOM);
	if (dir)
		closedir(dir);
}

/*
 * Waits while a save of ours may be about to be put back: an update in place would go through the name to the keeper, and stay there
 * when the exchange is undone ("two at once" in src/README.md). Microseconds for the program, milliseconds for the slow one.
 */
static void settle(struct file *file)
{
	char path[64 + TEMP_ROOM];
	snprintf(path, sizeof(path), "%s", file->path);
	if (file->hand[0])
		memcpy(name_in(path), file->hand, TEMP_ROOM);
	for (int tries = 0; tries < 500 && file->hand[0] && !access(path, F_OK); tries++)
		usleep(500);
	file->hand[0] = '\0';
}

/* Atomically: a new file renamed over the name. */
static void save(struct file *file, const char *record, mode_t mode)
{
	char fresh[80];
	snprintf(fresh, sizeof(fresh), "%s.new", file->path);
	write_file(fresh, record, mode);
	must(rename(fresh, file->path), file->path);
	note_hand(file);
	file->records = 0;
	shared->done[class]++;
}

static void make_record(const struct file *file, ino_t ino, char ret[RECORD + 1])
{
	snprintf(ret, RECORD + 1, "<%05u %010u %012llu", file->number, (unsigned)shared->serial++, (unsigned long long)ino);
	for (size_t n = strlen(ret); n < RECORD - 1; n++)
		ret[n] = '.';
	ret[RECORD - 1] = '>';
	ret[RECORD] = '\0';
}

/* ---- looking ---- */

struct seen {
	struct stat stat;
	char bytes[64 * 1024];
	size_t size;
};

static struct seen seen;

/* 0, or the errno. The stat is of the open file, so that both belong together. */
static int look(const char *path)
{
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return errno;
	must(fstat(fd, &seen.stat), path);
	ssize_t n = read(fd, seen.bytes, sizeof(seen.bytes));
	close(fd);
	seen.size = n < 0 ? 0 : (size_t)n;
	return n < 0 ? errno : 0;
}

static bool has_base_at(size_t at)
{
	return seen.size >= at + base_size() && !memcmp(seen.bytes + at, base, base_size());
}

static bool has_record(const char *record)
{
	return memmem(seen.bytes, seen.size, record, RECORD) != NULL;
}

static bool good_append(const struct file *file)
{
	for (unsigned i = 0; i < file->records; i++)
		if (!has_record(file->record[i]))
			return false;
	return has_base_at(0);
}

/* Its last record; or it is a link, and what another owner did to the inode came later. */
static bool good_rewrite(const struct file *file)
{
	unsigned number, serial;
	unsigned long long ino;
	if (!file->records && seen.size == base_size() && has_base_at(0))
		return true;
	if (seen.size != RECORD + base_size() || !has_base_at(RECORD))
		return false;
	if (file->records && has_record(file->record[0]))
		return true;
	return sscanf(seen.bytes, "<%u %u %llu", &number, &serial, &ino) == 3 && ino == seen.stat.st_ino;
}

static bool good_name(const struct file *file)
{
	if (file->records)
		return seen.size == RECORD + base_size() && has_record(file->record[0]) && has_base_at(RECORD);
	return seen.size == base_size() && has_base_at(0);
}

static bool good(const struct file *file)
{
	switch (class) {
	case APPEND:
		return good_append(file);
	case REWRITE:
		return good_rewrite(file);
	default:
		return good_name(file);
	}
}

/*
 * Whether `question` holds for a file that was kept or rescued beside the name, as the run told. Or for a temporary name of a killed
 * run: what the next one cannot prove, because the keeper's last other name went meanwhile, it leaves and tells.
 */
static bool beside(const char *name, bool (*question)(const char *path, const void *ctx), const void *ctx)
{
	char dir[64], path[400];
	struct temp temp;
	bool found = false;
	snprintf(dir, sizeof(dir), "%s", name);
	char *slash = strrchr(dir, '/');
	*slash = '\0';
	DIR *listing = opendir(dir);
	struct dirent *entry;
	while (listing && !found && (entry = readdir(listing))) {
		bool kept = strstr(entry->d_name, ".dedupe-link-kept-") || strstr(entry->d_name, ".dedupe-link-rescued-") ||
			    (kills && temp_parse(entry->d_name, strlen(entry->d_name), &temp) &&
			     temp_is_name(&temp, slash + 1));
		snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
		found = kept && question(path, ctx);
	}
	if (listing)
		closedir(listing);
	return found;
}

static bool holds_record(const char *path, const void *ctx)
{
	return !look(path) && has_record(ctx);
}

/* All that is missing from the file is in files that were kept, or came too late. */
static bool kept_aside(const struct file *file)
{
	for (unsigned i = 0; i < file->records; i++) {
		if (holds_record(file->path, file->record[i]) || beside(file->path, holds_record, file->record[i]))
			continue;
		if (!file->late[i])
			return false;
		shared->stopped++;
	}
	return file->records > 0;
}

static void tell_lost(const struct file *file)
{
	char start[80] = "";
	unsigned have = 0;
	look(file->path);
	for (unsigned i = 0; i < file->records; i++)
		have += has_record(file->record[i]);
	snprintf(start, sizeof(start), "%.40s", seen.bytes);
	fail("LOST: %s (class %d): %u of %u records there, size %zu, %llu links, inode %llu, begins '%s'; last "
	     "record '%s'",
	     file->path, class, have, file->records, seen.size, (unsigned long long)seen.stat.st_nlink,
	     (unsigned long long)seen.stat.st_ino, start,
	     file->records ? file->record[file->records - 1] : "");
}

/* Until it is true, or patience ends. */
static bool comes_true(bool (*question)(const void *ctx), const void *ctx)
{
	int64_t until = 0;
	while (!question(ctx)) {
		if (!until) {
			until = sys_kernel.now() + patience;
			shared->waited++;
		}
		if (sys_kernel.now() > until)
			return false;
		usleep(2000);
	}
	return true;
}

struct wanted {
	const char *path;
	mode_t mask, mode;
};

static bool has_mode(const char *path, const void *ctx)
{
	const struct wanted *wanted = ctx;
	struct stat now;
	if (lstat(path, &now))
		fail("LOST: %s: %s", path, strerror(errno));
	return (now.st_mode & wanted->mask) == wanted->mode;
}

static bool is_so(const void *ctx)
{
	const struct wanted *wanted = ctx;
	return has_mode(wanted->path, wanted);
}

/* False: not so, but what was made is in a file that was kept, or came too late. */
static bool check_mode(const char *path, mode_t mask, mode_t mode, bool late)
{
	struct wanted wanted = { path, mask, mode };
	if (comes_true(is_so, &wanted))
		return true;
	if (beside(path, has_mode, &wanted))
		shared->rescued++;
	else if (late)
		shared->stopped++;
	else
		fail("LOST: %s was made %o, and is not", path, mode);
	return false;
}

static bool is_good(const void *ctx)
{
	const struct file *file = ctx;
	int error = look(file->path);
	if (error)
		fail("LOST: %s: %s", file->path, strerror(error));
	return good(file);
}

/* What the owner did last is there, or shows soon. A missing name is a loss at once. */
static void check(struct file *file)
{
	if (comes_true(is_good, file))
		return;
	if (!kept_aside(file))
		tell_lost(file);
	shared->rescued++;
	save(file, NULL, 0644);
}

static void check_absent(const char *path)
{
	struct stat now;
	if (!lstat(path, &now))
		fail("LOST: %s is there, but was deleted or moved away (size %lld, %llu links)", path,
		     (long long)now.st_size, (unsigned long long)now.st_nlink);
}

/* ---- what owners do ---- */

/*
 * Opens it for writing. *ret_late: what user space cannot close. The open took longer than the grace and brought a file that is not
 * at the name: we were stopped (the machine is busy) between looking the name up and getting write access.
 */
static int open_late(const struct file *file, int flags, bool *ret_late)
{
	struct stat opened, there;
	int64_t begun = sys_kernel.now();
	int fd = open(file->path, O_WRONLY | flags);
	if (fd < 0)
		fail("LOST: %s: %s", file->path, strerror(errno));
	bool long_stop = sys_kernel.now() - begun >= REPLACE_GRACE;
	must(fstat(fd, &opened), file->path);
	*ret_late = long_stop && (lstat(file->path, &there) || there.st_ino != opened.st_ino);
	return fd;
}

static void append(struct file *file)
{
	char record[RECORD + 1];
	settle(file);
	int fd = open_late(file, O_APPEND, &file->late[file->records]);
	make_record(file, 0, record);
	if (chance(3) == 0)
		usleep(chance(3000)); /* held open for a while */
	if (write(fd, record, RECORD) != RECORD)
		fail("set-up: %s: %s", file->path, strerror(errno));
	if (chance(8) == 0)
		must(fdatasync(fd), file->path);
	close(fd);
	memcpy(file->record[file->records++], record, sizeof(record));
	shared->done[class]++;
}

static void work_append(struct file *file)
{
	if (file->records < RECORDS_MOST && chance(5) < 2)
		append(file);
	else
		save(file, NULL, 0644);
}

static void rewrite(struct file *file)
{
	char bytes[RECORD + 1 + sizeof(base)];
	struct stat now;
	settle(file);
	int fd = open_late(file, O_TRUNC, &file->late[0]);
	must(fstat(fd, &now), file->path);
	make_record(file, now.st_ino, bytes);
	memcpy(file->record[0], bytes, RECORD + 1);
	memcpy(bytes + RECORD, base, base_size());
	if (pwrite(fd, bytes, RECORD + base_size(), 0) != (ssize_t)(RECORD + base_size()))
		fail("set-up: %s: %s", file->path, strerror(errno));
	if (chance(8) == 0)
		must(fdatasync(fd), file->path);
	close(fd);
	file->records = 1;
	shared->done[class]++;
}

static void work_rewrite(struct file *file)
{
	if (chance(5) < 2)
		rewrite(file);
	else
		save(file, NULL, 0644);
}

static void hold(void)
{
	usleep(chance(chance(4) ? 2000 : 30000));
}

/* A directory that came between our look and our exchange is a file until the exchange is undone, to rmdir as well. */
static void take_away(const char *path, mode_t type)
{
	while (check_mode(path, S_IFMT, type, false) && type == S_IFDIR) {
		if (!rmdir(path))
			return;
		if (errno != ENOTDIR)
			must(-1, path);
	}
	must(unlink(path), path);
}

static void put_instead(struct file *file, mode_t type)
{
	char fresh[80];
	snprintf(fresh, sizeof(fresh), "%s.new", file->path);
	if (type == S_IFLNK)
		must(symlink("../../outside/file", fresh), fresh);
	else if (type == S_IFIFO)
		must(mkfifo(fresh, 0644), fresh);
	if (type == S_IFDIR) {
		must(unlink(file->path), file->path);
		must(mkdir(file->path, 0755), file->path);
	} else {
		must(rename(fresh, file->path), file->path);
	}
	hold();
	take_away(file->path, type);
	write_file(file->path, NULL, 0644);
}

static void move(struct file *file)
{
	struct file moved = *file;
	strcat(moved.path, ".away");
	must(rename(file->path, moved.path), file->path);
	hold();
	check_absent(file->path);
	check(&moved);
	must(rename(moved.path, file->path), moved.path);
	file->records = moved.records; /* none if it had to be saved again */
}

static void delete(struct file *file)
{
	must(unlink(file->path), file->path);
	hold();
	check_absent(file->path);
	write_file(file->path, NULL, 0644);
}

static void work_name(struct file *file)
{
	static const mode_t types[] = { S_IFLNK, S_IFIFO, S_IFDIR };
	unsigned what = chance(10);
	if (what < 4) {
		save(file, NULL, 0644);
	} else if (what < 6) {
		char record[RECORD + 1];
		make_record(file, 0, record);
		save(file, record, 0644);
		file->late[0] = false;
		memcpy(file->record[file->records++], record, sizeof(record));
	} else if (what < 7) {
		move(file);
	} else {
		file->records = 0;
		if (what < 9)
			delete(file);
		else
			put_instead(file, types[chance(countof(types))]);
	}
	shared->done[class]++;
}

/* One owner has all files of this class, so that nobody else's chmod comes through a shared inode. */
static void work_mode(struct file *file)
{
	struct stat now;
	mode_t mode = 0400 + (mode_t)(file - files);
	settle(file);
	int64_t begun = sys_kernel.now();
	must(chmod(file->path, mode), file->path);
	bool late = sys_kernel.now() - begun >= REPLACE_GRACE;
	shared->done[class]++;
	usleep(chance(8000));
	check_mode(file->path, 07777, mode, late);
	for (size_t i = 0; i < FILES_EACH; i++)
		if (!stat(files[i].path, &now) && (now.st_mode & 07777) != 0644)
			save(&files[i], NULL, 0644);
}

/* The directory of the file, for some milliseconds, is something else. */
static void work_parent(struct file *file)
{
	char dir[64], away[80];
	snprintf(dir, sizeof(dir), "%s", file->path);
	*strrchr(dir, '/') = '\0';
	snprintf(away, sizeof(away), "%s.away", dir);
	must(rename(dir, away), dir);
	must(chance(3) ? symlink("../outside", dir) : mkfifo(dir, 0644), dir);
	hold();
	must(unlink(dir), dir);
	must(rename(away, dir), away);
	shared->done[class]++;
	hold();
	hold();
}

static void (*const work[CLASSES])(struct file *file) = { work_append, work_rewrite, work_name, work_mode, work_parent };

static void check_all(void)
{
	for (size_t i = 0; i < FILES_EACH; i++)
		check(&files[i]);
}

static void wait_for_stage(int stage)
{
	while (shared->stage < stage && !shared->failed)
		usleep(5000);
	if (shared->failed)
		_exit(1);
}

/* One of ours that is being replaced right now: its temporary name says so to everybody who cares to read it. NULL: none. */
static struct file *under_the_knife(void)
{
	char path[64];
	struct file *found = NULL;
	snprintf(path, sizeof(path), "tree/%s%u", class == PARENT ? "p" : "d", chance(class == PARENT ? 3 : DIRS));
	DIR *dir = opendir(path);
	struct dirent *entry;
	struct temp temp;
	while (dir && !found && (entry = readdir(dir))) {
		if (!temp_parse(entry->d_name, strlen(entry->d_name), &temp))
			continue;
		for (size_t i = 0; i < FILES_EACH && !found; i++)
			if (temp_is_name(&temp, strrchr(files[i].path, '/') + 1))
				found = &files[i];
	}
	if (dir)
		closedir(dir);
	return found;
}

static struct file *choose(void)
{
	struct file *file = NULL;
	for (int tries = 0; tries < 4 && !file; tries++) {
		file = under_the_knife();
		if (!file)
			usleep(chance(2000));
	}
	return file ? file : &files[chance(FILES_EACH)];
}

static void own(void)
{
	while (!shared->stage && !shared->failed) {
		struct file *file = choose();
		check(file);
		work[class](file);
		usleep(chance(12000));
	}
	check_all();
	shared->checked++;
	wait_for_stage(2);
	check_all();
}

/* ---- setting the scene ---- */

static const enum class owners[] = { APPEND, APPEND, REWRITE, REWRITE, NAME, NAME, NAME, MODE, PARENT };

static void make_files(size_t owner)
{
	class = owners[owner];
	fill_base();
	for (size_t i = 0; i < FILES_EACH; i++) {
		struct file *file = &files[i];
		const char *kind = class == PARENT ? "p" : "d";
		*file = (struct file){ .number = (unsigned)(owner * FILES_EACH + i) };
		snprintf(file->path, sizeof(file->path), "tree/%s%zu/%c%zu.%zu", kind, i % (class == PARENT ? 3 : DIRS),
			 "arnmp"[class], owner, i);
		write_file(file->path, NULL, 0644);
	}
}

static void make_scene(void)
{
	char path[64];
	must(mkdir("tree", 0755), "tree");
	must(mkdir("outside", 0755), "outside");
	for (unsigned i = 0; i < DIRS; i++) {
		snprintf(path, sizeof(path), "tree/d%u", i);
		must(mkdir(path, 0755), path);
		snprintf(path, sizeof(path), "tree/p%u", i);
		must(mkdir(path, 0755), path);
	}
	/* What a symlink put in the way would lead to: names and contents that would be linked. */
	class = NAME;
	fill_base();
	write_file("outside/file", NULL, 0644);
	class = PARENT;
	fill_base();
	for (unsigned i = 0; i < FILES_EACH; i++) {
		snprintf(path, sizeof(path), "outside/p%zu.%u", countof(owners) - 1, i);
		write_file(path, NULL, 0644);
	}
}

/* ---- dedupe-link, again and again ---- */

struct sums {
	unsigned runs, killed, stopped;
	unsigned long long links, in_use, changed, recovered, errors;
};

static unsigned long long figure(const char *report, const char *name)
{
	char key[64];
	snprintf(key, sizeof(key), "\"%s\": ", name);
	const char *at = strstr(report, key);
	return at ? strtoull(at + strlen(key), NULL, 10) : 0;
}

static char *read_report(void)
{
	struct stat now;
	int fd = must(open("report", O_RDONLY), "report");
	must(fstat(fd, &now), "report");
	char *text = calloc(1, (size_t)now.st_size + 1);
	if (!text || read(fd, text, (size_t)now.st_size) != now.st_size)
		fail("set-up: report");
	close(fd);
	return text;
}

/* Reports of all runs in one file, to find there what was told of files kept aside. */
static void add_report(struct sums *sums, int status)
{
	char *report = read_report();
	int fd = must(open("reports", O_WRONLY | O_CREAT | O_APPEND, 0644), "reports");
	must((int)write(fd, report, strlen(report)), "reports");
	close(fd);
	sums->links += figure(report, "links_made");
	sums->in_use += figure(report, "skipped_in_use");
	sums->changed += figure(report, "skipped_changed");
	sums->recovered += figure(report, "recovered");
	sums->errors += figure(report, "errors");
	const char *issue = strstr(report, "\"kind\": \"error\"");
	if (!WIFEXITED(status) && WTERMSIG(status) != SIGTERM && !(WTERMSIG(status) == SIGKILL && kills))
		fail("dedupe-link ended by signal %d", WTERMSIG(status)); /* SIGTERM does before it has a handler */
	if (WIFEXITED(status) && WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != 128 + SIGTERM)
		fail("dedupe-link ended with status %d: %.300s", WEXITSTATUS(status), issue ? issue : report);
	free(report);
}

static pid_t start(const char *program, const char *sleeps)
{
	pid_t pid = must(fork(), "fork");
	if (pid)
		return pid;
	int out = open("report", O_WRONLY | O_CREAT | O_TRUNC, 0644);
	setenv("DEDUPE_RACE_SLEEP", sleeps, 1);
	setenv("DEDUPE_RACE_COUNTS", "counts", 1);
	dup2(out, STDOUT_FILENO);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	execl(program, program, "--json", "tree", (char *)NULL);
	_exit(127);
}

/* Stops it for some milliseconds now and then, ends it rarely, kills it with -k. */
static void disturb(pid_t pid, struct sums *sums)
{
	unsigned what = chance(40);
	if (what < 4) {
		kill(pid, SIGSTOP);
		usleep(chance(20000));
		kill(pid, SIGCONT);
	} else if (what == 4 && chance(8) == 0) {
		kill(pid, SIGTERM);
		sums->stopped++;
	} else if (what > 37 && kills) {
		kill(pid, SIGKILL);
		sums->killed++;
	}
}

static void run_once(const char *program, const char *sleeps, bool calm, struct sums *sums)
{
	int status;
	pid_t pid = start(program, sleeps);
	while (!must(waitpid(pid, &status, WNOHANG), "waitpid")) {
		usleep(chance(20000));
		if (!calm)
			disturb(pid, sums);
	}
	sums->runs++;
	add_report(sums, status);
}

/* ---- the end ---- */

static char *all_reports;

static int look_at_leftover(const char *path, const struct stat *now, int type, struct FTW *where)
{
	struct temp temp;
	const char *name = path + where->base;
	(void)now, (void)type;
	bool kept = strstr(name, ".dedupe-link-kept-") || strstr(name, ".dedupe-link-rescued-");
	bool left = temp_parse(name, strlen(name), &temp);
	if ((left || (kept && !kills)) && !strstr(all_reports, name)) /* a killed run tells nothing */
		fail("left and never told: %s", path);
	if (left && !kills)
		fail("left although no run was killed: %s", path);
	if (strstr(name, ".new"))
		fail("a file that was renamed away is there: %s", path);
	return 0;
}

static int look_outside(const char *path, const struct stat *now, int type, struct FTW *where)
{
	(void)where;
	class = strcmp(path, "outside/file") ? PARENT : NAME;
	fill_base();
	if (type == FTW_F && (now->st_nlink != 1 || (now->st_mode & 07777) != 0644 || look(path) || !good_name(&files[0])))
		fail("touched outside the tree: %s", path);
	return 0;
}

static unsigned names_outside;

static int count_name(const char *path, const struct stat *now, int type, struct FTW *where)
{
	(void)path, (void)now, (void)type, (void)where;
	names_outside++;
	return 0;
}

static void check_end(void)
{
	int fd = must(open("reports", O_RDONLY), "reports");
	struct stat now;
	must(fstat(fd, &now), "reports");
	all_reports = mmap(NULL, (size_t)now.st_size + 1, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	if (all_reports == MAP_FAILED)
		fail("set-up: reports");
	nftw("tree", look_at_leftover, 16, FTW_PHYS);
	memset(files, 0, sizeof(files));
	nftw("outside", look_outside, 16, FTW_PHYS);
	nftw("outside", count_name, 16, FTW_PHYS);
	if (names_outside != FILES_EACH + 2)
		fail("names outside the tree came or went: %u", names_outside);
}

/* Files were linked, and others came in between. Killed runs tell no figures, but their exchanges are counted. */
static bool met(const struct sums *sums)
{
	return shared->slow.dropped && shared->slow.undone && (kills || (sums->links && sums->in_use + sums->changed));
}

static void check_overlap(const struct sums *sums)
{
	if (!met(sums))
		fail("set-up: sabotage and linking never met, so nothing was proven: %llu undone, %llu in use, %llu changed",
		     (unsigned long long)shared->slow.undone, sums->in_use, sums->changed);
}

/* Excused is only what happens rarely: more would be a window that is open. */
static void check_stopped(void)
{
	uint64_t deeds = 0;
	for (size_t i = 0; i < CLASSES; i++)
		deeds += shared->done[i];
	if (shared->stopped > 1 + deeds / 2000)
		fail("LOST: %llu updates came too late, of %llu", (unsigned long long)shared->stopped, (unsigned long long)deeds);
}

static void map_shared(void)
{
	int fd = must(open("counts", O_RDWR | O_CREAT | O_TRUNC, 0644), "counts");
	must(ftruncate(fd, sizeof(*shared)), "counts");
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (shared == MAP_FAILED) {
		perror("counts");
		_exit(1);
	}
}

static void wait_for_owners(const pid_t *pids, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int status;
		must(waitpid(pids[i], &status, 0), "waitpid");
		if (status)
			shared->failed = 1;
	}
}

static void storm(const char *program, const char *sleeps, int64_t seconds, uint64_t seed)
{
	pid_t pids[countof(owners)];
	struct sums sums = { 0 };
	int64_t until = sys_kernel.now() + seconds * NS_PER_S;
	for (size_t i = 0; i < countof(owners); i++) {
		make_files(i);
		pids[i] = must(fork(), "fork");
		chance_state = mix64(seed + i);
		if (!pids[i]) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			own();
			_exit(0);
		}
	}
	int64_t latest = until + LONGER * seconds * NS_PER_S;
	while (!shared->failed && (sys_kernel.now() < until || (!met(&sums) && sys_kernel.now() < latest)))
		run_once(program, sleeps, false, &sums);
	shared->stage = 1;
	while (shared->checked < (int)countof(owners) && !shared->failed) {
		if (kills)
			run_once(program, "0", true, &sums); /* repairs what the last kill left */
		usleep(10000);
	}
	for (int i = 0; i < 3 && !shared->failed; i++)
		run_once(program, "0", true, &sums);
	shared->stage = 2;
	wait_for_owners(pids, countof(pids));
	printf("%u runs, %u killed, %u terminated; %llu links, %llu exchanges of which %llu undone; in use %llu, changed %llu, "
	       "recovered %llu; shown late %llu, rescued %llu, stopped too long %llu; deeds",
	       sums.runs, sums.killed, sums.stopped, sums.links, (unsigned long long)shared->slow.exchanged,
	       (unsigned long long)shared->slow.undone, sums.in_use, sums.changed, sums.recovered,
	       (unsigned long long)shared->waited, (unsigned long long)shared->rescued,
	       (unsigned long long)shared->stopped);
	for (size_t i = 0; i < CLASSES; i++)
		printf(" %llu", (unsigned long long)shared->done[i]);
	printf("\n");
	fflush(stdout);
	if (shared->failed)
		_exit(1);
	check_end();
	check_overlap(&sums);
	check_stopped();
}

int main(int argc, char **argv)
{
	int64_t seconds = 20;
	uint64_t seed = (uint64_t)sys_kernel.now();
	const char *sleeps = "3000";
	int option;
	while ((option = getopt(argc, argv, "s:r:u:k")) != -1) {
		if (option == 's')
			seconds = atoll(optarg);
		else if (option == 'r')
			seed = strtoull(optarg, NULL, 0);
		else if (option == 'u')
			sleeps = optarg;
		else if (option == 'k')
			kills = true;
		else
			return 2;
	}
	if (optind + 1 != argc)
		return 2;
	patience = (kills ? PATIENCE_KILLED : PATIENCE) * NS_PER_S;
	if (getenv("DEDUPE_SLOW"))
		patience *= SANITIZED_SLOWER;
	umask(022);
	map_shared();
	printf("storm: seed %llu%s\n", (unsigned long long)seed, kills ? ", with kills" : "");
	fflush(stdout);
	make_scene();
	storm(argv[optind], sleeps, seconds, seed);
	return 0;
}
