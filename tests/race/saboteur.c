/* SPDX-License-Identifier: MIT */
/*
 * saboteur.c - what another program does between two given calls of ours, and what must be true afterwards
 *
 *	saboteur [-l] [-j JOBS] [-d DIRECTORY] [NAME...]    cases whose names contain one of NAME; all when none
 *
 * Most cases are made of a deed and a moment ("save at verify"): each deed is done at each moment of the replacement at which it
 * makes sense. The others are stories of their own; rows of the table of counterexamples in src/README.md are named by
 * number. Each case runs in a process and a directory of its own. What user space cannot close is not here: an
 * update whose call falls between our last look and our unlink, by a handle that needs no open.
 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "story.h"

/* ---- the list ---- */

/* One case to run: a story, or a deed or writing with its moment. */
struct item {
	char name[96];
	const struct story *story;
	const struct deed *deed;
	const struct writing *writing;
	const struct moment *at;
	enum { BY_NAME, BY_PAIR, STALE, LATE, CRASH } how;
};

enum { ITEMS_MOST = 600, SECONDS_MOST = 60 };

static struct item items[ITEMS_MOST];
static size_t item_count;

/* What is done through the name after our unlink is done to the keeper's inode, in the open, and needs no case. */
static const struct moment *const deed_moments[] = {
	&at_hash, &at_hash_read, &at_begin, &at_lease, &at_compare, &at_compared, &at_stage,  &at_look,
	&at_exchange,    &at_verify,    &at_grace,       &at_probe,         &at_reprobe, &at_stamps,   &at_drop,
};

static const struct moment *const stale_moments[] = { &at_verify, &at_grace, &at_probe, &at_reprobe };
static const struct moment *const late_moments[] = { &at_stamps, &at_drop, &at_late };
static const struct moment *const crash_moments[] = { &at_look,    &at_exchange, &at_verify, &at_grace, &at_probe,
						      &at_reprobe, &at_stamps,   &at_drop,   &at_late };

static void add_item(struct item item, const char *format, ...) FORMAT_PRINTF(2, 3);

static void add_item(struct item item, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(item.name, sizeof(item.name), format, arguments);
	va_end(arguments);
	if (item_count < ITEMS_MOST)
		items[item_count++] = item;
}

static const struct stories *const stories[] = { &update_stories, &undo_stories,   &hold_stories,
						 &weaker_stories, &attack_stories, &recover_stories };

/* The pair verb does nothing but link. */
static bool fits_pair(const struct moment *at)
{
	return at->phase == DLK_PHASE_LINK && at->call != CALL_PHASE;
}

static void list_deed(const struct deed *deed)
{
	for (size_t m = 0; m < countof(deed_moments); m++) {
		struct item item = { .deed = deed, .at = deed_moments[m] };
		add_item(item, "%s at %s", deed->name, item.at->name);
		item.how = BY_PAIR;
		if (fits_pair(item.at) && !deed->meta)
			add_item(item, "pair: %s at %s", deed->name, item.at->name);
	}
}

static void list_writing(const struct writing *writing)
{
	for (size_t m = 0; m < countof(deed_moments); m++) {
		struct item item = { .writing = writing, .at = deed_moments[m] };
		add_item(item, "%s at %s", writing->name, item.at->name);
		item.how = BY_PAIR;
		if (fits_pair(item.at))
			add_item(item, "pair: %s at %s", writing->name, item.at->name);
	}
	for (size_t m = 0; m < countof(stale_moments); m++) {
		struct item item = { .writing = writing, .at = stale_moments[m], .how = STALE };
		add_item(item, "stale %s at %s", writing->name, item.at->name);
	}
}

static void list_items(void)
{
	for (size_t i = 0; i < countof(stories); i++)
		for (size_t j = 0; j < stories[i]->count; j++)
			add_item((struct item){ .story = &stories[i]->at[j] }, "%s", stories[i]->at[j].name);
	for (size_t i = 0; i < deeds.count; i++)
		list_deed(&deeds.at[i]);
	for (size_t i = 0; i < writings.count; i++)
		list_writing(&writings.at[i]);
	for (size_t m = 0; m < countof(late_moments); m++) {
		struct item item = { .writing = &writings.at[0], .at = late_moments[m], .how = LATE };
		add_item(item, "stale write too late, at %s", item.at->name);
	}
	for (size_t m = 0; m < countof(crash_moments); m++) {
		struct item item = { .at = crash_moments[m], .how = CRASH };
		add_item(item, "crash at %s", item.at->name);
	}
}

static void run_item(const struct item *item)
{
	struct report (*run)(void) = item->how == BY_PAIR ? run_pair : run_all;
	if (item->story)
		item->story->tell();
	else if (item->how == CRASH)
		do_crash(*item->at);
	else if (item->deed)
		do_deed(item->deed, *item->at, run);
	else if (item->how == STALE || item->how == LATE)
		do_stale(item->writing, *item->at, item->how == STALE);
	else
		do_writing(item->writing, *item->at, run);
}

/* ---- lease-break-time, for all the machine: so it is put back whatever happens ---- */

static const char break_time_path[] = "/proc/sys/fs/lease-break-time";
static char break_time[16];

static bool set_break_time(const char *seconds)
{
	int fd = open(break_time_path, O_WRONLY | O_CLOEXEC);
	bool good = fd >= 0 && write(fd, seconds, strlen(seconds)) > 0;
	if (fd >= 0)
		close(fd);
	return good;
}

static void put_break_time_back(void)
{
	if (break_time[0])
		set_break_time(break_time);
	break_time[0] = '\0';
}

static void put_break_time_back_and_die(int number)
{
	put_break_time_back();
	signal(number, SIG_DFL);
	raise(number);
}

static bool shorten_break_time(void)
{
	int fd = open(break_time_path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, break_time, sizeof(break_time) - 1);
	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return false;
	atexit(put_break_time_back);
	signal(SIGINT, put_break_time_back_and_die);
	signal(SIGTERM, put_break_time_back_and_die);
	signal(SIGHUP, put_break_time_back_and_die);
	return set_break_time("1");
}

/* ---- running ---- */

struct running {
	pid_t pid;
	const struct item *item;
	int output;
	unsigned tries; /* before this one */
};

/*
 * A grace of 4 ms is missed in one of twenty tries where six busy programs share two processors with us; a moment that no longer
 * exists is missed each time, and a limit of time that is not kept is broken each time.
 */
enum { TRIES = 8 };

static unsigned passed, failed, skipped, repeated;

static void begin(struct running *running, const struct item *item)
{
	char dir[64];
	int ends[2];
	snprintf(dir, sizeof(dir), "%zu.%u", (size_t)(item - items), running->tries);
	must(mkdir(dir, 0755), dir);
	must(pipe2(ends, O_CLOEXEC), "pipe");
	fflush(stdout);
	running->item = item;
	running->output = ends[0];
	running->pid = must(fork(), "fork");
	if (running->pid)
		close(ends[1]);
	if (running->pid)
		return;
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	signal(SIGHUP, SIG_DFL);
	break_time[0] = '\0';
	setpgid(0, 0);
	must(dup2(ends[1], STDOUT_FILENO), "dup2");
	must(dup2(ends[1], STDERR_FILENO), "dup2");
	must(chdir(dir), dir);
	alarm(SECONDS_MOST);
	run_item(item);
	exit(0); /* through exit, so that a sanitizer has its say */
}

/* Waits for its end. Returns its status, and what it said. */
static int end_of(struct running *running, char *said, size_t room)
{
	size_t length = 0;
	ssize_t n;
	int status;
	must(waitpid(running->pid, &status, 0), "waitpid");
	kill(-running->pid, SIGKILL); /* actors that were never told */
	while (length < room - 1 && (n = read(running->output, said + length, room - 1 - length)) > 0)
		length += (size_t)n;
	said[length] = '\0';
	close(running->output);
	running->pid = 0;
	return status;
}

static bool exited(int status, int with)
{
	return WIFEXITED(status) && WEXITSTATUS(status) == with;
}

static void tell_failure(const struct running *running, int status, const char *said)
{
	size_t length = strlen(said);
	printf("FAILED  %s: %s%s", running->item->name, said, length && said[length - 1] == '\n' ? "" : "\n");
	if (exited(status, EXIT_AGAIN))
		printf("so in each of %u tries\n", running->tries);
	if (WIFSIGNALED(status))
		printf("ended by signal %d%s\n", WTERMSIG(status), WTERMSIG(status) == SIGALRM ? ": it hung" : "");
}

static void finish(struct running *running)
{
	char said[4096];
	int status = end_of(running, said, sizeof(said));
	while (exited(status, EXIT_AGAIN) && ++running->tries < TRIES) {
		repeated++;
		begin(running, running->item);
		status = end_of(running, said, sizeof(said));
	}
	if (exited(status, 0)) {
		passed++;
	} else if (exited(status, EXIT_SKIP)) {
		skipped++;
		printf("skipped %s: %s", running->item->name, said);
	} else {
		failed++;
		tell_failure(running, status, said);
	}
	running->tries = 0;
	fflush(stdout);
}

static bool chosen(const struct item *item, char *const *names, int count)
{
	for (int i = 0; i < count; i++)
		if (strstr(item->name, names[i]))
			return true;
	return count == 0;
}

static bool stalls(const struct item *item)
{
	return item->story && item->story->stalls;
}

enum { JOBS_MOST = 32 };

static void run_items(bool stalling, size_t jobs, char *const *names, int count)
{
	struct running running[JOBS_MOST] = { 0 };
	size_t slot = 0;
	for (size_t i = 0; i < item_count; i++) {
		if (stalls(&items[i]) != stalling || !chosen(&items[i], names, count))
			continue;
		if (running[slot].pid)
			finish(&running[slot]);
		begin(&running[slot], &items[i]);
		slot = (slot + 1) % jobs;
	}
	for (size_t i = 0; i < jobs; i++, slot = (slot + 1) % jobs)
		if (running[slot].pid)
			finish(&running[slot]);
}

static void skip_stalls(const char *why, char *const *names, int count)
{
	for (size_t i = 0; i < item_count; i++) {
		if (!stalls(&items[i]) || !chosen(&items[i], names, count))
			continue;
		printf("skipped %s: %s\n", items[i].name, why);
		skipped++;
	}
}

static bool any_stall(char *const *names, int count)
{
	for (size_t i = 0; i < item_count; i++)
		if (stalls(&items[i]) && chosen(&items[i], names, count))
			return true;
	return false;
}

int main(int argc, char **argv)
{
	size_t jobs = 8;
	int option;
	bool list = false;
	while ((option = getopt(argc, argv, "d:j:l")) != -1) {
		if (option == 'd')
			must(chdir(optarg), optarg);
		else if (option == 'j')
			jobs = size_min(JOBS_MOST, strtoul(optarg, NULL, 10) + !strtoul(optarg, NULL, 10));
		else if (option == 'l')
			list = true;
		else
			return 2;
	}
	list_items();
	for (size_t i = 0; list && i < item_count; i++)
		puts(items[i].name);
	if (list)
		return 0;
	run_items(false, jobs, argv + optind, argc - optind);
	if (!any_stall(argv + optind, argc - optind))
		;
	else if (shorten_break_time())
		run_items(true, jobs, argv + optind, argc - optind);
	else
		skip_stalls("lease-break-time may not be changed: needs root", argv + optind, argc - optind);
	put_break_time_back();
	if (repeated)
		printf("%u tries made again: a moment did not come, or not in time\n", repeated);
	printf("saboteur: %u passed, %u failed, %u skipped\n", passed, failed, skipped);
	return failed ? 1 : 0;
}
