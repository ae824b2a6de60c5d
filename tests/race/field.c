/* SPDX-License-Identifier: MIT */
/* field.c - files, runs and other programs for the cases of saboteur.c */
#include "field.h"

#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../../src/core/temp.h"

enum { WAIT_MOST = 5 /* s */ };

/* ---- verdicts ---- */

static void end(int status, const char *format, va_list arguments) FORMAT_PRINTF(2, 0);

static void end(int status, const char *format, va_list arguments)
{
	vprintf(format, arguments);
	printf("\n");
	fflush(stdout);
	_exit(status);
}

void fail(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	end(1, format, arguments);
	va_end(arguments);
	_exit(1);
}

void skip(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	end(EXIT_SKIP, format, arguments);
	va_end(arguments);
	_exit(EXIT_SKIP);
}

void again(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	end(EXIT_AGAIN, format, arguments);
	va_end(arguments);
	_exit(EXIT_AGAIN);
}

/*
 * On a machine that stalls for some milliseconds a grace is over before anybody waits for it. What the other program was to do was
 * not done then, so nothing that would be judged means anything.
 */
static void end_if_missed(int result)
{
	const char *moment = hooks_missed();
	if (moment)
		again("set-up: the moment never came: %s%s%s", moment, result ? "; the run ended with: " : "",
		      result ? strerror(-result) : "");
}

void check(bool true_, const char *what)
{
	if (!true_)
		fail("%s", what);
}

int must(int r, const char *what)
{
	if (r < 0)
		fail("set-up: %s: %s", what, strerror(errno));
	return r;
}

/* ---- files ---- */

static size_t same_size;
static struct stat outside[2];

static char pattern(size_t at)
{
	return (char)('a' + at % 23);
}

void make_file(const char *path, const char *text, size_t size)
{
	int fd = must(open(path, O_WRONLY | O_CREAT | O_EXCL, 0644), path);
	char block[16 * 1024];
	for (size_t at = 0; at < size; at += sizeof(block)) {
		for (size_t i = 0; i < sizeof(block); i++)
			block[i] = pattern(at + i);
		if (!at)
			memcpy(block, text, size_min(strlen(text), size));
		must((int)write(fd, block, size_min(sizeof(block), size - at)), path);
	}
	must(fsync(fd), path);
	close(fd);
}

static void make_old(const char *path, time_t seconds)
{
	struct timespec times[2] = { { .tv_sec = seconds }, { .tv_sec = seconds } };
	must(utimensat(AT_FDCWD, path, times, 0), path);
}

void field_make(size_t size)
{
	same_size = size;
	must(mkdir("root", 0755), "root");
	must(mkdir("root/sub", 0755), "root/sub");
	must(mkdir("outside", 0755), "outside");
	make_file(KEEPER, "same", size);
	make_file(TARGET, "same", size);
	make_file("outside/a-file", "same", size);
	make_file(VICTIM, "same", size);
	make_old(KEEPER, 1000000000);
	make_old(TARGET, 1100000000);
	must(stat("outside/a-file", &outside[0]), "outside");
	must(stat(VICTIM, &outside[1]), "outside");
}

bool begins_with(const char *path, const char *text)
{
	char have[256];
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return false;
	ssize_t n = pread(fd, have, strlen(text), 0);
	close(fd);
	return n == (ssize_t)strlen(text) && !memcmp(have, text, strlen(text));
}

bool is_same(const char *path)
{
	char block[16 * 1024];
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
	size_t at = 0;
	ssize_t n;
	bool good = fd >= 0;
	while (good && (n = read(fd, block, sizeof(block))) > 0)
		for (ssize_t i = 0; i < n && good; i++, at++)
			good = block[i] == (at < 4 ? "same"[at] : pattern(at));
	if (fd >= 0)
		close(fd);
	return good && at == same_size;
}

bool one_file(const char *a, const char *b)
{
	struct stat x, y;
	return !lstat(a, &x) && !lstat(b, &y) && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

bool exists(const char *path)
{
	struct stat now;
	return !lstat(path, &now);
}

static struct {
	const char *text;
	bool found;
	unsigned temps, kept;
} search;

static int visit(const char *path, const struct stat *now, int type, struct FTW *where)
{
	struct temp temp;
	const char *name = path + where->base;
	(void)type;
	if (search.text && S_ISREG(now->st_mode) && begins_with(path, search.text))
		search.found = true;
	if (temp_parse(name, strlen(name), &temp))
		search.temps++;
	if (strstr(name, ".dedupe-link-kept-") || strstr(name, ".dedupe-link-rescued-"))
		search.kept++;
	return 0;
}

static void search_root(const char *text)
{
	memset(&search, 0, sizeof(search));
	search.text = text;
	must(nftw("root", visit, 16, FTW_PHYS), "root");
}

bool readable_somewhere(const char *text)
{
	search_root(text);
	return search.found;
}

unsigned temps_left(void)
{
	search_root(NULL);
	return search.temps;
}

unsigned kept_left(void)
{
	search_root(NULL);
	return search.kept;
}

/* ---- the run ---- */

static void note_kept(struct report *report, const char *path)
{
	if (path && report->kept_count < countof(report->kept))
		snprintf(report->kept[report->kept_count++], sizeof(report->kept[0]), "%s", path);
}

static void observe(void *ctx, const struct dlk_event *event)
{
	struct report *report = ctx;
	if (event->kind == DLK_EVENT_PHASE)
		hooks_phase(event->phase);
	if (event->kind == DLK_EVENT_SKIP || event->kind == DLK_EVENT_NOTE)
		report->reasons[event->reason]++;
	if (event->kind == DLK_EVENT_NOTE &&
	    (event->reason == DLK_REASON_KEPT_ASIDE || event->reason == DLK_REASON_LATE_OPENER ||
	     event->reason == DLK_REASON_LEFTOVER))
		note_kept(report, event->path);
	if (event->kind == DLK_EVENT_ERROR) {
		report->error = event->error;
		snprintf(report->last_error, sizeof(report->last_error), "%s", event->path ? event->path : "");
	}
}

static unsigned max_links;
static int journal;

void field_max_links(unsigned links)
{
	max_links = links;
}

void field_journal(int fd)
{
	journal = fd;
}

struct report run_all(void)
{
	static const char *const roots[] = { "root" };
	struct report report = { 0 };
	struct dlk_options options;
	struct dlk_plan *plan;
	dlk_options_init(&options);
	options.will_apply = true;
	options.threads = 1;
	options.max_links = max_links;
	options.journal = journal;
	options.observe = observe;
	options.observe_ctx = &report;
	report.result = dlk_scan(&options, roots, 1, &plan);
	if (!report.result) {
		report.result = dlk_apply(plan);
		report.tally = *dlk_plan_tally(plan);
		dlk_plan_free(plan);
	}
	end_if_missed(report.result);
	return report;
}

struct report run_undo(int from)
{
	struct report report = { 0 };
	struct dlk_options options;
	dlk_options_init(&options);
	options.observe = observe;
	options.observe_ctx = &report;
	must((int)lseek(from, 0, SEEK_SET), "journal");
	report.result = dlk_undo(&options, from, &report.tally);
	if (report.result == -ENOSYS)
		skip("built without jansson");
	end_if_missed(report.result);
	return report;
}

struct report run_pair(void)
{
	struct report report = { 0 };
	struct dlk_replaced replaced = { 0 };
	hooks_phase(DLK_PHASE_LINK);
	report.result = dlk_replace_at(AT_FDCWD, KEEPER, AT_FDCWD, TARGET, 0, &replaced);
	note_kept(&report, *replaced.kept ? replaced.kept : NULL);
	report.tally.links_made = !report.result;
	end_if_missed(report.result);
	return report;
}

static void die(void *ctx UNUSED)
{
	end_if_missed(0);
	_exit(0);
}

void run_and_die(struct moment at)
{
	fflush(stdout);
	pid_t pid = must(fork(), "fork");
	if (!pid) {
		hooks_add(at, die, NULL);
		run_all();
		_exit(1);
	}
	int status;
	must(waitpid(pid, &status, 0), "waitpid");
	if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_AGAIN)
		_exit(EXIT_AGAIN); /* it has said why */
	if (status)
		fail("set-up: the run did not die at %s", at.name);
}

struct report run_again(void)
{
	hooks_install();
	return run_all();
}

static bool told(const struct report *report, const char *name)
{
	for (unsigned i = 0; i < report->kept_count; i++)
		if (strstr(report->kept[i], name))
			return true;
	return false;
}

static const struct report *reports[2];

static int look_for_untold(const char *path, const struct stat *now, int type, struct FTW *where)
{
	const char *name = path + where->base;
	struct temp temp;
	(void)type;
	if (!S_ISREG(now->st_mode))
		return 0; /* not of our making */
	bool kept = strstr(name, ".dedupe-link-kept-") || strstr(name, ".dedupe-link-rescued-");
	if ((kept || temp_parse(name, strlen(name), &temp)) && !told(reports[0], name) && !told(reports[1], name))
		fail("left and never told: %s", path);
	return 0;
}

static void check_outside(void)
{
	static const char *const paths[] = { "outside/a-file", VICTIM };
	for (size_t i = 0; i < countof(paths); i++) {
		struct stat now;
		must(lstat(paths[i], &now), paths[i]);
		if (now.st_ino != outside[i].st_ino || now.st_nlink != outside[i].st_nlink ||
		    now.st_ctim.tv_sec != outside[i].st_ctim.tv_sec ||
		    now.st_ctim.tv_nsec != outside[i].st_ctim.tv_nsec || !is_same(paths[i]))
			fail("touched outside the roots: %s", paths[i]);
	}
	search_root(NULL);
}

/* What the pair verb may say when another program was there first. */
static bool is_refusal(int r)
{
	return r == -EBUSY || r == -ENOENT || r == -ENOTSUP || r == -ELOOP;
}

void check_always(const struct report *first)
{
	bool pair = first->result && !first->tally.files_seen;
	if (first->result && !(pair && is_refusal(first->result)))
		fail("the run ended with an error: %s", strerror(-first->result));
	check(exists(KEEPER), "the keeper's name is gone");
	check(is_same(KEEPER) || one_file(KEEPER, TARGET), "the keeper's content changed");
	check_outside();
	struct report second = run_again();
	check(!second.result, "the next run ended with an error");
	reports[0] = first;
	reports[1] = &second;
	must(nftw("root", look_for_untold, 16, FTW_PHYS), "root");
	check_outside();
}

/* ---- others ---- */

/* Shared with the process. */
struct actor {
	int (*act)(const char *path);
	char path[TEXT], looked[TEXT];
	bool stale;
	pid_t pid;
	int pipe[2], told;
	_Atomic int steps; /* 1 ready, 2 looked (of stale ones), 3 done */
	int result;
	int64_t went, ended;
};

enum { READY = 1, LOOKED, DONE };

static void actor_main(struct actor *actor)
{
	char word;
	actor->steps = READY;
	if (actor->stale) {
		if (read(actor->pipe[0], &word, 1) != 1)
			_exit(0);
		int fd = open(actor->path, O_PATH | O_NOFOLLOW);
		snprintf(actor->looked, sizeof(actor->looked), "/proc/self/fd/%d", fd);
		actor->result = fd < 0 ? -errno : 0;
		actor->steps = LOOKED;
	}
	if (read(actor->pipe[0], &word, 1) != 1)
		_exit(0);
	actor->went = sys_kernel.now();
	if (!actor->result)
		actor->result = actor->act(actor->stale ? actor->looked : actor->path);
	actor->ended = sys_kernel.now();
	actor->steps = DONE;
	_exit(0);
}

static struct actor *make(int (*act)(const char *path), const char *path, bool stale)
{
	struct actor *actor =
		mmap(NULL, sizeof(*actor), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (actor == MAP_FAILED)
		fail("set-up: mmap: %s", strerror(errno));
	actor->act = act;
	actor->stale = stale;
	snprintf(actor->path, sizeof(actor->path), "%s", path);
	must(pipe2(actor->pipe, O_CLOEXEC), "pipe");
	fflush(stdout);
	pid_t pid = must(fork(), "fork");
	if (!pid) {
		close(actor->pipe[1]);
		actor_main(actor);
	}
	actor->pid = pid;
	close(actor->pipe[0]);
	while (actor->steps < READY)
		usleep(200);
	return actor;
}

struct actor *actor_make(int (*act)(const char *path), const char *path)
{
	return make(act, path, false);
}

struct actor *actor_make_stale(int (*act)(const char *path), const char *path)
{
	return make(act, path, true);
}

/* Whether somebody waits for a lease of this process: /proc/locks says "LEASE  BREAKING  READ  PID ...". */
static bool lease_breaking(void)
{
	char line[256], kind[32], state[32];
	bool breaking = false;
	int pid;
	FILE *locks = fopen("/proc/locks", "re");
	if (!locks)
		fail("set-up: /proc/locks: %s", strerror(errno));
	while (fgets(line, sizeof(line), locks))
		if (sscanf(line, "%*s %31s %31s %*s %d", kind, state, &pid) == 3 && !strcmp(kind, "LEASE") &&
		    !strcmp(state, "BREAKING") && pid == getpid())
			breaking = true;
	fclose(locks);
	return breaking;
}

void actor_send(struct actor *actor)
{
	actor->told++;
	must((int)write(actor->pipe[1], "x", 1), "pipe");
}

static void wait_for(struct actor *actor, int steps, bool or_lease)
{
	int64_t until = sys_kernel.now() + WAIT_MOST * NS_PER_S;
	while (actor->steps < steps && !(or_lease && lease_breaking())) {
		if (sys_kernel.now() > until)
			again("set-up: another program got stuck");
		usleep(200);
	}
}

void actor_look(void *actor)
{
	actor_send(actor);
	wait_for(actor, LOOKED, false);
}

void actor_go(void *actor)
{
	actor_send(actor);
	wait_for(actor, DONE, true);
}

int actor_join(struct actor *actor)
{
	int status;
	while (actor->told < (actor->stale ? 2 : 1))
		actor_send(actor);
	must(waitpid(actor->pid, &status, 0), "waitpid");
	if (actor->steps != DONE)
		fail("set-up: another program never acted");
	return actor->result;
}

pid_t actor_pid(const struct actor *actor)
{
	return actor->pid;
}

int64_t actor_took(const struct actor *actor)
{
	return actor->ended - actor->went;
}

static int write_at(const char *path, const char *text, off_t at, int flags)
{
	int fd = open(path, O_WRONLY | flags);
	if (fd < 0)
		return -errno;
	ssize_t n = flags & O_APPEND ? write(fd, text, strlen(text)) : pwrite(fd, text, strlen(text), at);
	int r = n == (ssize_t)strlen(text) && !fdatasync(fd) ? 0 : -EIO;
	close(fd);
	return r;
}

int write_in_place(const char *path)
{
	return write_at(path, WRITTEN, 0, 0);
}

int write_other(const char *path)
{
	return write_at(path, OTHER, 0, 0);
}

int append_to(const char *path)
{
	return write_at(path, WRITTEN, 0, O_APPEND);
}

int write_and_put_time_back(const char *path)
{
	struct stat before;
	int fd = open(path, O_WRONLY);
	if (fd < 0 || fstat(fd, &before))
		return -errno;
	struct timespec times[2] = { before.st_atim, before.st_mtim };
	int r = pwrite(fd, WRITTEN, strlen(WRITTEN), 0) < 0 || futimens(fd, times) ? -errno : 0;
	close(fd);
	return r;
}

int truncate_it(const char *path)
{
	int fd = open(path, O_WRONLY | O_TRUNC);
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}
