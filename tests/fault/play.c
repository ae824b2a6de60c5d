/* SPDX-License-Identifier: MIT */
/*
 * play.c - runs the library once, with a faulty table, where it can die without harm
 *
 * What it did and said is noted in memory that the parent sees too, as it happens, so that a death loses nothing.
 */
#include "fault.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../src/base/fail.h"

enum { SECONDS = 30 };

static void observe(void *ctx, const struct dlk_event *event)
{
	const struct run *run = ctx;
	struct outcome *outcome = run->outcome;
	if (event->kind == DLK_EVENT_PHASE)
		faulty_phase((int)event->phase);
	if (event->kind == DLK_EVENT_PHASE || event->kind == DLK_EVENT_PROGRESS || outcome->told_count == EVENTS)
		return;
	struct told *told = &outcome->told[outcome->told_count++];
	told->kind = event->kind;
	told->stage = event->stage;
	told->reason = event->reason;
	told->error = event->error;
	size_t top = strlen(run->tree->top);
	const char *path = event->path ? event->path : "";
	bool below = !strncmp(path, run->tree->top, top) && path[top] == '/';
	snprintf(told->path, sizeof(told->path), "%s", below ? path + top + 1 : path);
}

static int note_fate(void *ctx, const struct dlk_set *set, const struct dlk_member *member)
{
	const struct run *run = ctx;
	(void)set;
	for (size_t i = 0; i < run->tree->count; i++)
		if (!strcmp(member->path + strlen(run->tree->top) + 1, run->tree->leaves[i].path))
			run->outcome->fates[i] = (unsigned char)(member->fate + 1);
	return 0;
}

static void run_apply(struct run *run, const struct dlk_options *options, const char *root)
{
	static const struct dlk_plan_visitor visitor = { .member = note_fate };
	struct outcome *outcome = run->outcome;
	struct dlk_plan *plan = NULL;
	outcome->scan = dlk_scan(options, &root, 1, &plan);
	if (!outcome->scan) {
		outcome->apply = dlk_apply(plan);
		faulty_end();
		outcome->tally = *dlk_plan_tally(plan);
		outcome->has_tally = true;
		outcome->fates_known = dlk_plan_each(plan, &visitor, run);
	}
	dlk_plan_free(plan);
}

static void run_undo(struct run *run, const struct dlk_options *options, int journal)
{
	struct outcome *outcome = run->outcome;
	outcome->scan = dlk_undo(options, journal, &outcome->tally);
	outcome->has_tally = !outcome->scan;
}

static void run_recover(struct run *run, const struct dlk_options *options, const char *root)
{
	struct outcome *outcome = run->outcome;
	outcome->scan = dlk_recover(options, &root, 1, &outcome->tally);
	outcome->has_tally = !outcome->scan;
}

/* A file kept beside dst is told in the answer, and noted here as a run tells it. */
static void note_kept(struct outcome *outcome, const char *dst)
{
	if (!*outcome->replaced.kept || outcome->told_count == EVENTS)
		return;
	struct told *told = &outcome->told[outcome->told_count++];
	*told = (struct told){ .kind = DLK_EVENT_NOTE, .reason = DLK_REASON_KEPT_ASIDE };
	int dir = (int)(strrchr(dst, '/') - dst);
	if (snprintf(told->path, sizeof(told->path), "%.*s/%s", dir, dst, outcome->replaced.kept) >= TREE_PATH)
		abort();
}

static void run_pair(struct run *run)
{
	char src[2 * TREE_PATH], dst[2 * TREE_PATH];
	snprintf(src, sizeof(src), "%s/%s", run->tree->top, run->tree->leaves[0].path);
	snprintf(dst, sizeof(dst), "%s/%s", run->tree->top, run->tree->leaves[1].path);
	run->outcome->scan = dlk_replace_at(AT_FDCWD, src, AT_FDCWD, dst, 0, &run->outcome->replaced);
	note_kept(run->outcome, run->tree->leaves[1].path);
}

static int count_descriptors(void)
{
	int open = 0;
	for (int fd = 0; fd < 256; fd++)
		open += fcntl(fd, F_GETFD) >= 0;
	return open;
}

static void run_verb(struct run *run, enum verb verb, const struct fault *fault, bool acts, unsigned die_modified)
{
	char root[2 * TREE_PATH], dst_dir[2 * TREE_PATH];
	struct dlk_options options;
	bool holds = acts && run->scene->actor.act == ACT_HOLD;
	bool journals = verb == VERB_UNDO || (verb == VERB_APPLY && (run->scene->journal || run->scene->verb == VERB_UNDO));
	int journal = journals ? openat(run->tree->fd, TREE_JOURNAL, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : 0;
	int held = holds ? faulty_hold(run->tree->fd, run->tree->leaves[1].path) : -1;
	int before = count_descriptors();
	snprintf(root, sizeof(root), "%s/tree", run->tree->top);
	snprintf(dst_dir, sizeof(dst_dir), "%s/tree/d2", run->tree->top);
	dlk_options_init(&options);
	options.will_apply = true;
	options.threads = 1;
	options.observe = observe;
	options.observe_ctx = run;
	options.journal = verb == VERB_UNDO ? 0 : journal;
	/* A directory that refuses itself to the lock is gone without by dlk_replace_at, as its header says. */
	enum fail_kind kind = fail_kind(fault->error);
	bool refuses = kind == FAIL_DENIED || kind == FAIL_GONE || kind == FAIL_SWAPPED;
	const char *locked = verb != VERB_PAIR ? root : refuses ? NULL : dst_dir;
	faulty_begin(fault, run->scene->world, acts ? &run->scene->actor : NULL, die_modified, locked,
		     &run->outcome->report);
	if (verb == VERB_APPLY)
		run_apply(run, &options, root);
	else if (verb == VERB_UNDO)
		run_undo(run, &options, journal);
	else if (verb == VERB_RECOVER)
		run_recover(run, &options, root);
	else
		run_pair(run);
	faulty_end();
	run->outcome->descriptors = count_descriptors() - before;
	if (holds)
		faulty_let_go(held, strrchr(run->tree->leaves[1].path, '/') + 1, &run->outcome->report);
	run->outcome->returned = true;
}

/* Returns what waitpid says. exit and not _exit: the leak checker has its say. */
int play_run(struct run *run, enum verb verb, const struct fault *fault, bool acts, unsigned die_modified)
{
	int status = 0;
	memset(run->outcome, 0, sizeof(*run->outcome));
	fflush(stdout);
	pid_t child = fork();
	if (!child) {
		alarm(SECONDS);
		run_verb(run, verb, fault, acts, die_modified);
		exit(0);
	}
	if (child < 0 || waitpid(child, &status, 0) != child) {
		perror("fork");
		exit(2);
	}
	return status;
}
