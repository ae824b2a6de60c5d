/* SPDX-License-Identifier: MIT */
/* story_hold.c - writers held between write access and lease check; our process held longer than the kernel waits for us */
#include "story.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- a writer between write access and lease check ---- */

/*
 * A fanotify permission listener holds the open there (do_dentry_open: write access, then the listeners, then break_lease). It is
 * a process that lets everybody else through.
 */
struct listener {
	pid_t writer;
	_Atomic int ready, marked, caught, let_go;
	int error;
};

static void listen_to_it(struct listener *listener, int mark)
{
	struct fanotify_event_metadata event;
	int fd = fanotify_init(FAN_CLASS_CONTENT | FAN_CLOEXEC | FAN_NONBLOCK, O_RDONLY), held = -1;
	listener->error = fd < 0 ? errno : 0;
	listener->ready = 1;
	char word;
	if (fd < 0 || read(mark, &word, 1) != 1)
		_exit(0);
	if (fanotify_mark(fd, FAN_MARK_ADD, FAN_OPEN_PERM, AT_FDCWD, TARGET))
		listener->error = errno;
	listener->marked = 1;
	for (;;) {
		struct fanotify_response answer = { .response = FAN_ALLOW };
		if (listener->let_go && held >= 0) {
			answer.fd = held;
			if (write(fd, &answer, sizeof(answer)) < 0)
				_exit(1);
			close(held);
			held = -1;
		}
		if (read(fd, &event, sizeof(event)) != sizeof(event)) {
			usleep(500);
			continue;
		}
		if (event.pid == listener->writer && held < 0 && !listener->let_go) {
			held = event.fd;
			listener->caught = 1;
			continue;
		}
		answer.fd = event.fd;
		if (write(fd, &answer, sizeof(answer)) < 0)
			_exit(1);
		close(event.fd);
	}
}

static struct listener *listener;
static int listener_pipe[2];
static struct actor *held_writer;

static void hold_writer(void *ctx UNUSED)
{
	must((int)write(listener_pipe[1], "x", 1), "pipe");
	while (!listener->marked)
		usleep(200);
	if (listener->error)
		skip("no fanotify permission listener: %s", strerror(listener->error));
	actor_send(held_writer);
	while (!listener->caught)
		usleep(200);
}

static void let_writer_go(void *ctx UNUSED)
{
	listener->let_go = 1;
}

static void do_held_writer(struct moment at)
{
	if (!is_root())
		skip("needs CAP_SYS_ADMIN");
	field_make(SAME);
	hooks_install();
	held_writer = actor_make(write_in_place, TARGET);
	listener = mmap(NULL, sizeof(*listener), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	check(listener != MAP_FAILED, "set-up: mmap");
	listener->writer = actor_pid(held_writer);
	must(pipe2(listener_pipe, O_CLOEXEC), "pipe");
	pid_t pid = must(fork(), "fork");
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		listen_to_it(listener, listener_pipe[0]);
	}
	while (!listener->ready)
		usleep(200);
	if (listener->error)
		skip("no fanotify permission listener: %s", strerror(listener->error));
	hooks_add(at, hold_writer, NULL);
	hooks_add_maybe(at_late, let_writer_go, NULL); /* only should the file be dropped, when it is too late */
	struct report report = run_all();
	bool dropped = hooks_count(CALL_UNLINK) && report.tally.links_made;
	listener->let_go = 1;
	must(actor_join(held_writer), "writer");
	kill(pid, SIGKILL);
	must(waitpid(pid, NULL, 0), "waitpid");
	check(!dropped, "linked although a writer had access");
	check_written();
	check(report.tally.skipped_in_use == 1, "not told to be in use");
	check_always(&report);
}

static void story_fanotify_lease(void)
{
	do_held_writer(at_begin);
}

static void story_fanotify_exchange(void)
{
	do_held_writer(at_exchange);
}

/* ---- stalls: our process is stopped longer than the kernel waits for us (lease-break-time is 1 s here) ---- */

/* Stopped as by SIGSTOP from a shell; a helper process lets us go on. */
static void stop_here(void *writer)
{
	pid_t self = getpid(), helper;
	if (writer)
		actor_go(writer);
	fflush(stdout);
	helper = must(fork(), "fork");
	if (!helper) {
		usleep(1700 * 1000);
		kill(self, SIGCONT);
		_exit(0);
	}
	kill(self, SIGSTOP);
	must(waitpid(helper, NULL, 0), "waitpid");
}

static void do_stall(struct moment at)
{
	field_make(SAME);
	hooks_install();
	struct actor *writer = actor_make_stale(write_in_place, TARGET);
	hooks_add(at_look, actor_look, writer);
	hooks_add(at, stop_here, writer);
	struct report report = run_all();
	must(actor_join(writer), "writer");
	check_written();
	check(!report.tally.links_made, "linked");
	check_always(&report);
	check_written();
}

static void story_stall_exchange(void)
{
	do_stall(at_exchange);
}

static void story_stall_verify(void)
{
	do_stall(at_verify);
}

static void story_stall_grace(void)
{
	do_stall(at_grace);
}

static void story_stall_probe(void)
{
	do_stall(at_probe);
}

static void story_stall_reprobe(void)
{
	do_stall(at_reprobe);
}

/* Between the last look and the unlink nothing helps but to notice it afterwards. */
static void story_stall_drop(void)
{
	field_make(SAME);
	hooks_install();
	struct actor *writer = actor_make_stale(write_in_place, TARGET);
	hooks_add(at_look, actor_look, writer);
	hooks_add(at_drop, stop_here, writer);
	struct report report = run_all();
	must(actor_join(writer), "writer");
	check(readable_somewhere(WRITTEN) && report.reasons[DLK_REASON_LATE_OPENER] == 1, "a late write was not rescued");
	check_always(&report);
}

/*
 * 11: stopped between F_GETLEASE and F_SETLEASE; the writer comes, writes, puts the time back and goes, so that a new lease can be
 * had and the stamps look as before but for the ctime.
 */
static void story_stall_time_put_back(void)
{
	field_make(SAME);
	hooks_install();
	struct actor *writer = actor_make_stale(write_and_put_time_back, TARGET);
	hooks_add(at_look, actor_look, writer);
	hooks_add(at_reprobe, stop_here, writer);
	struct report report = run_all();
	must(actor_join(writer), "writer");
	check_written();
	check_always(&report);
}

/* The same to the keeper: the target must not become a link to other bytes. */
static void do_stall_keeper(int (*act)(const char *path), struct moment at)
{
	field_make(SAME);
	hooks_install();
	struct actor *writer = actor_make(act, KEEPER);
	hooks_add(at, stop_here, writer);
	struct report report = run_all();
	must(actor_join(writer), "writer");
	check(begins_with(KEEPER, WRITTEN), "a write to the keeper was lost");
	check(is_same(TARGET), "the target's bytes are gone");
	check(!report.tally.links_made, "linked");
}

/* Between the look and the exchange. */
static void story_stall_keeper(void)
{
	do_stall_keeper(write_in_place, at_exchange);
}

/* And before the look, with the time put back: only the keeper's lease tells. */
static void story_stall_keeper_time_put_back(void)
{
	do_stall_keeper(write_and_put_time_back, at_look);
}

/* As at the exchange, and our link is moved away: the old file has the only copy of what belongs to it. */
static void story_stall_keeper_move(void)
{
	field_make(SAME);
	hooks_install();
	struct actor *writer = actor_make(write_in_place, KEEPER);
	hooks_add(at_exchange, stop_here, writer);
	hooks_add(at_verify, act_move, NULL);
	struct report report = run_all();
	must(actor_join(writer), "writer");
	check(begins_with(KEEPER, WRITTEN), "a write to the keeper was lost");
	check(!exists(TARGET), "a name that was moved away came back");
	check(is_same("root/sub/moved") || (report.kept_count && is_same(report.kept[0])), "the target's bytes are gone");
	check(!report.tally.links_made, "linked");
}

/* 7: nothing happened to the old file, but D was moved away; somebody looked it up before and opens it when it is about to go. */
static void story_stall_move_open(void)
{
	field_make(SAME);
	hooks_install();
	struct actor *writer = actor_make_stale(write_in_place, TARGET);
	hooks_add(at_look, actor_look, writer);
	hooks_add(at_exchange, stop_here, NULL);
	hooks_add(at_verify, act_move, NULL);
	hooks_add(at_quiet, actor_go, writer);
	struct report report = run_all();
	must(actor_join(writer), "writer");
	check(readable_somewhere(WRITTEN), "a write to the file that was moved away was lost");
	check(report.reasons[DLK_REASON_KEPT_ASIDE] == 1, "not told");
	check_always(&report);
	check(readable_somewhere(WRITTEN), "a write was lost by the next run");
}

static void story_stall_compare(void)
{
	field_make(SAME);
	hooks_install();
	struct actor *writer = actor_make(write_in_place, TARGET);
	hooks_add(at_compared, stop_here, writer);
	struct report report = run_all();
	must(actor_join(writer), "writer");
	check_written();
	check(!report.tally.links_made, "linked");
	check_always(&report);
}

static const struct story stories[] = {
	{ "fanotify: writer held since before the lease", story_fanotify_lease, false },
	{ "fanotify: writer held since before the exchange", story_fanotify_exchange, false },
	{ "row 11: stall at compare", story_stall_compare, true },
	{ "row 11: stall at exchange", story_stall_exchange, true },
	{ "row 11: stall at verify", story_stall_verify, true },
	{ "row 11: stall at grace", story_stall_grace, true },
	{ "row 11: stall at probe", story_stall_probe, true },
	{ "row 11: stall at reprobe", story_stall_reprobe, true },
	{ "row 11: stall at reprobe, time put back", story_stall_time_put_back, true },
	{ "stall at drop", story_stall_drop, true },
	{ "row 7: stall at exchange, moved, the old file opened", story_stall_move_open, true },
	{ "stall at look, keeper written, time put back", story_stall_keeper_time_put_back, true },
	{ "stall at exchange, keeper written", story_stall_keeper, true },
	{ "stall at exchange, keeper written, target moved", story_stall_keeper_move, true },
};

const struct stories hold_stories = { stories, countof(stories) };
