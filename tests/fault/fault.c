/* SPDX-License-Identifier: MIT */
/*
 * fault.c - call n fails, or the process dies at it, for every n: then all must still be well
 *
 *	for each n, and each way in which that call can go wrong:
 *		build the tree -> first run, with the fault -> look -> second run, without -> look
 *
 * A scene with a journal is undone in the end, and so is one of dlk_undo(), which was linked before: then every name
 * must have a file of its own, as it was planted.
 *
 * After the first: every name is there with its bytes and metadata (or what an actor made of it), what the run said of
 * itself is true, and it said something about whatever it left undone. After the second: everything is linked that
 *should be, and no temporary name is left. Each fault must have fired: n goes up until a run makes fewer calls than
 *that.
 *
 *	fault --list                              the jobs, SCENE:WAY
 *	fault [--full] [--all] [JOB...]           runs them; --all: shows all complaints
 *	fault --at N [--errno E] JOB              one fault, and all that was told
 */
#include "fault.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void show(const struct outcome *outcome)
{
	printf("  scan %d, apply %d, %u calls, %u allocations, phase %d; links %lu, freed %lu, errors %lu, recovered "
	       "%lu\n",
	       outcome->scan, outcome->apply, outcome->report.calls, outcome->report.allocations, outcome->report.phase,
	       (unsigned long)outcome->tally.links_made, (unsigned long)outcome->tally.inodes_freed,
	       (unsigned long)outcome->tally.errors, (unsigned long)outcome->tally.recovered);
	for (size_t i = 0; i < outcome->told_count; i++)
		printf("  kind %d stage %d reason %d %s %s\n", outcome->told[i].kind, outcome->told[i].stage,
		       outcome->told[i].reason, outcome->told[i].error ? strerrorname_np(outcome->told[i].error) : "-",
		       outcome->told[i].path);
}

static bool verbose;

static void build(struct trial *t, struct run *run)
{
	static const struct fault none = { .mode = FAULT_NONE };
	char complaint[512];
	int r = tree_build(t->tree, t->scene->plants, t->scene->count);
	if (r) {
		printf("cannot build %s: %s\n", t->tree->top, strerror(-r));
		exit(2);
	}
	if (t->scene->verb == VERB_UNDO)
		play_run(run, VERB_APPLY, &none, false, 0);
	if (t->scene->leftovers)
		play_run(run, VERB_APPLY, &none, false, t->scene->leftovers);
	tree_look(t->tree, true, &t->before, complaint, sizeof(complaint));
	if (*complaint || tree_note(t->tree) || !t->scene->leftovers != !t->before.temps) {
		printf("a tree that is wrong from the beginning: %s, %zu leftovers\n", complaint, t->before.temps);
		exit(2);
	}
}

/* Recovery, which need not know of the journal, and undo: all is as it was planted. */
static void play_undo(struct trial *t, struct run *second)
{
	static const struct fault none = { .mode = FAULT_NONE };
	int status = play_run(second, VERB_RECOVER, &none, false, 0);
	if (status || second->outcome->scan || second->outcome->tally.errors)
		wrong(t, "recovery ended with status %#x and %d, %lu errors", (unsigned)status, second->outcome->scan,
		      (unsigned long)second->outcome->tally.errors);
	status = play_run(second, VERB_UNDO, &none, false, 0);
	if (verbose)
		show(t->second);
	judge_undone(t, status);
}

/* Plays one fault through. False: it did not fire, since there are not so many calls. */
static bool play(struct trial *t)
{
	static const struct fault none = { .mode = FAULT_NONE };
	struct run first = { t->scene, t->tree, t->first }, second = { t->scene, t->tree, t->second };
	build(t, &first);
	int status = play_run(&first, t->scene->verb, &t->fault, true, 0);
	if (verbose)
		show(t->first);
	bool fired = t->first->report.fired || t->fault.mode == FAULT_NONE;
	if (fired || t->first->report.broken[0]) {
		judge_expect(t);
		judge_first(t, status);
		if (t->scene->verb != VERB_UNDO) {
			status = play_run(&second, VERB_APPLY, &none, false, 0);
			if (verbose)
				show(t->second);
			judge_second(t, status);
		}
		if (t->scene->verb == VERB_UNDO || t->scene->journal)
			play_undo(t, &second);
	}
	return fired;
}

/* ---- all faults of a job ---- */

struct job {
	const struct scene *scene;
	enum fault_mode mode;
};

static bool full;

/* Which calls a way is for. */
static bool concerns(const struct job *job, unsigned n, enum entry entry)
{
	bool modifies = faulty_entries[entry].modifies;
	/* What is read decides what is equal, and so what is changed. */
	bool decides = entry == ENTRY_PREAD && job->mode == FAULT_ONCE;
	unsigned stride = full ? 1 : job->scene->stride;
	if (job->scene->sync_only)
		return entry == ENTRY_SYNCFS || entry == ENTRY_FDATASYNC;
	if (job->scene->thin && entry != ENTRY_SYNCFS && entry != ENTRY_FDATASYNC)
		modifies = decides = modifies && n % stride == 0;
	if (modifies || decides)
		return true;
	if (job->mode == FAULT_LIE)
		return false;
	if (!full && (job->mode == FAULT_DIE_BEFORE || job->mode == FAULT_DIE_AFTER))
		stride *= 9;
	if (!full && (job->mode == FAULT_STALL || job->mode == FAULT_ON))
		stride *= 3;
	return n % stride == 0;
}

/* Without a lease a program that has the file open all the while is not seen: the weaker guarantee. */
static bool makes_blind(const struct job *job, enum entry entry, int error)
{
	return job->scene->actor.act == ACT_HOLD && entry == ENTRY_LEASE_TAKE && error != EAGAIN && error != ENOMEM;
}

/* The errors of call n, one after another. Returns how many faults fired. */
static unsigned play_call(struct trial *t, const struct job *job, unsigned n, enum entry entry)
{
	unsigned fired = 0;
	for (size_t v = 0; v < VARIANTS && faulty_entries[entry].errors[v]; v++) {
		t->fault = (struct fault){ .mode = job->mode, .nth = n, .error = faulty_entries[entry].errors[v] };
		if (job->mode == FAULT_LIE)
			t->fault.error = EIO;
		else if (job->mode != FAULT_ONCE && job->mode != FAULT_ON)
			t->fault.error = 0;
		if (makes_blind(job, entry, t->fault.error))
			continue;
		if (play(t))
			fired++;
		else
			wrong(t, "did not fire");
		if (t->first->report.entry != entry)
			wrong(t, "call %u is not %s this time", n, faulty_entries[entry].name);
		if (job->mode != FAULT_ONCE && job->mode != FAULT_ON)
			break;
	}
	return fired;
}

/* Allocations are counted by themselves. */
static unsigned play_memory(struct trial *t, const struct job *job)
{
	unsigned n;
	for (n = 1;; n++) {
		t->fault = (struct fault){ .mode = job->mode, .nth = n, .error = ENOMEM };
		if (!play(t))
			break;
	}
	return n - 1;
}

static unsigned play_calls(struct trial *t, const struct job *job)
{
	static unsigned char order[CALLS_MOST];
	unsigned fired = 0;
	t->fault = (struct fault){ .mode = FAULT_NONE };
	play(t); /* nothing goes wrong: which call is which */
	memcpy(order, t->first->report.order, sizeof(order));
	unsigned calls = t->first->report.calls;
	if (t->first->scan != job->scene->expected || t->first->apply || t->first->tally.errors || calls > CALLS_MOST)
		wrong(t, "without a fault: returned %d and %d, %u calls", t->first->scan, t->first->apply, calls);
	for (unsigned n = 1; n <= calls && n <= CALLS_MOST; n++)
		if (concerns(job, n, order[n - 1]))
			fired += play_call(t, job, n, order[n - 1]);
	t->fault = (struct fault){ .mode = job->mode, .nth = calls + 1, .error = EIO };
	if (play(t))
		wrong(t, "one call more than there were");
	return fired;
}

static bool needs_attributes(const struct scene *scene)
{
	for (size_t i = 0; i < scene->count; i++)
		if (scene->plants[i].xattr)
			return true;
	return false;
}

/* 0 passed, 1 failed, 2 skipped. */
static int play_job(const struct job *job, struct trial *t)
{
	unsigned complaints = 0;
	t->scene = job->scene;
	t->complaints = &complaints;
	if (needs_attributes(job->scene) && !t->tree->xattrs) {
		printf("skipped %s:%s: no user attributes in %s\n", job->scene->name, fault_ways[job->mode],
		       t->tree->top);
		return 2;
	}
	bool memory = job->mode == FAULT_MEMORY_ONCE || job->mode == FAULT_MEMORY_ON;
	unsigned fired = memory ? play_memory(t, job) : play_calls(t, job);
	if (!fired && !complaints)
		wrong(t, "no fault fired");
	if (complaints > fault_most_complaints)
		printf("FAIL %s:%s: and %u more\n", job->scene->name, fault_ways[job->mode],
		       complaints - fault_most_complaints);
	printf("%s %s:%s: %u faults fired\n", complaints ? "FAIL" : "ok", job->scene->name, fault_ways[job->mode],
	       fired);
	fflush(stdout);
	return complaints != 0;
}

/* ---- the command line ---- */

/* Not every way is worth it in every scene. */
static bool is_job(const struct scene *scene, enum fault_mode mode)
{
	if (scene->sync_only)
		return mode == FAULT_ONCE || mode == FAULT_ON;
	if (mode == FAULT_LIE && scene->expected) /* comes to no call that modifies */
		return false;
	if (mode == FAULT_MEMORY_ONCE || mode == FAULT_MEMORY_ON)
		return scene->actor.act == ACT_NONE && scene->world == 0;
	return true;
}

static bool find_job(const char *name, struct job *ret)
{
	for (size_t i = 0; i < scene_count; i++)
		for (enum fault_mode mode = FAULT_ONCE; mode <= FAULT_MEMORY_ON; mode++) {
			char this[64];
			snprintf(this, sizeof(this), "%s:%s", scenes[i].name, fault_ways[mode]);
			*ret = (struct job){ &scenes[i], mode };
			if (is_job(&scenes[i], mode) && !strcmp(this, name))
				return true;
		}
	return false;
}

static void list_jobs(void)
{
	for (size_t i = 0; i < scene_count; i++)
		for (enum fault_mode mode = FAULT_ONCE; mode <= FAULT_MEMORY_ON; mode++)
			if (is_job(&scenes[i], mode))
				printf("%s:%s\n", scenes[i].name, fault_ways[mode]);
}

static void *shared(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED) {
		perror("mmap");
		exit(2);
	}
	return memory;
}

static int play_jobs(char **names, int count, unsigned at, int error)
{
	static struct tree tree;
	struct trial trial = { .tree = &tree,
			       .first = shared(sizeof(*trial.first)),
			       .second = shared(sizeof(*trial.second)) };
	const char *where = getenv("TMPDIR");
	int failed = 0, r = tree_open(&tree, where ? where : access("/dev/shm", W_OK) ? "/var/tmp" : "/dev/shm");
	unsigned complaints = 0;
	if (r) {
		printf("no place for a tree: %s\n", strerror(-r));
		return 2;
	}
	for (int i = 0; i < count; i++) {
		struct job job;
		if (!find_job(names[i], &job)) {
			printf("FAIL %s: no such job\n", names[i]);
			failed = 1;
		} else if (at) {
			trial.scene = job.scene;
			trial.complaints = &complaints;
			trial.fault = (struct fault){ .mode = job.mode, .nth = at, .error = error };
			verbose = true;
			printf("%s\n", play(&trial) ? "fired" : "did not fire");
			failed |= complaints != 0;
		} else {
			failed |= play_job(&job, &trial) == 1;
		}
	}
	if (!getenv("DEDUPE_KEEP"))
		tree_remove(&tree);
	return failed;
}

int main(int argc, char **argv)
{
	unsigned at = 0;
	int error = 0, i;
	for (i = 1; i < argc && argv[i][0] == '-'; i++) {
		if (!strcmp(argv[i], "--list")) {
			list_jobs();
			return 0;
		}
		if (!strcmp(argv[i], "--full")) {
			full = true;
		} else if (!strcmp(argv[i], "--all")) {
			fault_most_complaints = UINT_MAX;
		} else if (!strcmp(argv[i], "--at") && i + 1 < argc) {
			at = (unsigned)strtoul(argv[++i], NULL, 10);
		} else if (!strcmp(argv[i], "--errno") && i + 1 < argc) {
			error = (int)strtol(argv[++i], NULL, 10);
		} else {
			printf("usage: fault [--full] [--all] [--at N [--errno E]] JOB... | --list\n");
			return 2;
		}
	}
	return play_jobs(argv + i, argc - i, at, error);
}
