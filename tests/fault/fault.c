/* SPDX-License-Identifier: MIT */
/*
 * fault.c - call n fails, or the process dies at it, for every n: then all must still be well
 *
 *	for each n, and each way in which that call can go wrong:
 *		build the tree -> first run, with the fault -> look -> second run, without -> look
 *
 * After the first: every name is there with its bytes and metadata (or what an actor made of it), what the run said of
 * itself is true, and it said something about whatever it left undone. After the second: everything is linked that should be, and
 * no temporary name is left. Each fault must have fired: n goes up until a run makes fewer calls than that.
 *
 *	fault --list                              the jobs, SCENE:WAY
 *	fault [--full] [--all] [JOB...]           runs them; --all: shows all complaints
 *	fault --at N [--errno E] JOB              one fault, and all that was told
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../include/dedupe-link.h"
#include "../../src/base/fail.h"
#include "faulty.h"
#include "scenes.h"
#include "tree.h"

enum { EVENTS = 160, SECONDS = 30 };

static unsigned most_complaints = 12; /* shown of a job */

struct told {
	enum dlk_event_kind kind;
	enum dlk_stage stage;
	enum dlk_reason reason;
	int error;
	char path[TREE_PATH]; /* from TOP */
};

/* What a run did and said: in shared memory. */
struct outcome {
	struct report report;
	bool returned;      /* the verbs came back */
	int scan, apply;    /* what they returned */
	bool has_tally;
	struct dlk_tally tally;
	struct dlk_replaced replaced;
	int fates_known;    /* what dlk_plan_each returned */
	unsigned char fates[TREE_PLANTS];
	int descriptors;    /* open afterwards, less those before */
	struct told told[EVENTS];
	size_t told_count;
};

/* One fault of one scene, and what came of it. */
struct trial {
	const struct scene *scene;
	struct fault fault;
	struct tree *tree;
	struct outcome *first, *second;
	struct look before, after;
	unsigned *complaints; /* of the job */
};

static const char *const ways[] = {
	[FAULT_ONCE] = "once",     [FAULT_ON] = "on",   [FAULT_LIE] = "lie", [FAULT_STALL] = "stall",
	[FAULT_DIE_BEFORE] = "die", [FAULT_DIE_AFTER] = "died", [FAULT_MEMORY_ONCE] = "memory",
	[FAULT_MEMORY_ON] = "memory-on",
};

static const char *fault_name(const struct fault *fault)
{
	if (fault->error == NOTHING)
		return "nothing";
	if (fault->error == HALF)
		return "half";
	if (fault->error == BREAK)
		return "break";
	return fault->error ? strerrorname_np(fault->error) : "-";
}

__attribute__((format(printf, 2, 3))) static void wrong(const struct trial *t, const char *format, ...)
{
	va_list arguments;
	if ((*t->complaints)++ >= most_complaints)
		return;
	const struct report *report = &t->first->report;
	printf("FAIL %s:%s --at %u --errno %d (%s %s): ", t->scene->name, ways[t->fault.mode], t->fault.nth, t->fault.error,
	       t->fault.mode >= FAULT_MEMORY_ONCE ? "memory" : faulty_entries[report->entry].name, fault_name(&t->fault));
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	printf("\n");
}

/* ---- a run, in a process of its own ---- */

struct run {
	const struct scene *scene;
	struct tree *tree;
	struct outcome *outcome;
};

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

static void run_recover(struct run *run, const struct dlk_options *options, const char *root)
{
	struct outcome *outcome = run->outcome;
	outcome->scan = dlk_recover(options, &root, 1, &outcome->tally);
	outcome->has_tally = !outcome->scan;
}

static void run_pair(struct run *run)
{
	char src[2 * TREE_PATH], dst[2 * TREE_PATH];
	snprintf(src, sizeof(src), "%s/%s", run->tree->top, run->tree->leaves[0].path);
	snprintf(dst, sizeof(dst), "%s/%s", run->tree->top, run->tree->leaves[1].path);
	run->outcome->scan = dlk_replace_at(AT_FDCWD, src, AT_FDCWD, dst, 0, &run->outcome->replaced);
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
	int held = holds ? faulty_hold(run->tree->fd, run->tree->leaves[1].path) : -1;
	int before = count_descriptors();
	snprintf(root, sizeof(root), "%s/tree", run->tree->top);
	snprintf(dst_dir, sizeof(dst_dir), "%s/tree/d2", run->tree->top);
	dlk_options_init(&options);
	options.will_apply = true;
	options.threads = 1;
	options.observe = observe;
	options.observe_ctx = run;
	/* A directory that refuses itself to the lock is gone without by dlk_replace_at, as its header says. */
	enum fail_kind kind = fail_kind(fault->error);
	bool refuses = kind == FAIL_DENIED || kind == FAIL_GONE || kind == FAIL_SWAPPED;
	const char *locked = verb != VERB_PAIR ? root : refuses ? NULL : dst_dir;
	faulty_begin(fault, run->scene->world, acts ? &run->scene->actor : NULL, die_modified, locked,
		     &run->outcome->report);
	if (verb == VERB_APPLY)
		run_apply(run, &options, root);
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
static int in_child(struct run *run, enum verb verb, const struct fault *fault, bool acts, unsigned die_modified)
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

/* ---- questions about what was told ---- */

static bool is_way(const struct trial *t, enum fault_mode a, enum fault_mode b)
{
	return t->fault.mode == a || t->fault.mode == b;
}

static bool dies(const struct trial *t)
{
	return is_way(t, FAULT_DIE_BEFORE, FAULT_DIE_AFTER);
}

/* Whether an error or a skip was told of this path or of a directory above it. For want of memory there may be no path. */
static bool told_of(const struct outcome *outcome, const char *path)
{
	for (size_t i = 0; i < outcome->told_count; i++) {
		const struct told *told = &outcome->told[i];
		size_t length = strlen(told->path);
		if ((told->kind == DLK_EVENT_ERROR || told->kind == DLK_EVENT_SKIP) && !strncmp(told->path, path, length) &&
		    (!length || !path[length] || path[length] == '/'))
			return true;
	}
	return false;
}

static bool noted(const struct outcome *outcome, const char *path)
{
	for (size_t i = 0; i < outcome->told_count; i++)
		if (outcome->told[i].kind == DLK_EVENT_NOTE && !strcmp(outcome->told[i].path, path))
			return true;
	return false;
}

/* A note of one of a file's spare names stands for the others. */
static bool spare_noted(const struct outcome *outcome, const struct look *look, uint64_t ino)
{
	for (size_t i = 0; i < look->spare_count; i++)
		if (look->spares[i].ino == ino && noted(outcome, look->spares[i].path))
			return true;
	return false;
}

static bool noted_kept(const struct outcome *outcome)
{
	for (size_t i = 0; i < outcome->told_count; i++)
		if (outcome->told[i].kind == DLK_EVENT_NOTE && outcome->told[i].reason == DLK_REASON_KEPT_ASIDE)
			return true;
	return false;
}

/* A name that the walk is told does not exist is no trouble, and nothing is said. */
static bool seems_gone(const struct trial *t)
{
	const struct report *report = &t->first->report;
	bool looks = report->entry == ENTRY_OPENAT || report->entry == ENTRY_OPENAT2 || report->entry == ENTRY_STATX;
	enum fail_kind kind = fail_kind(t->fault.error);
	return is_way(t, FAULT_ONCE, FAULT_ON) && report->phase == DLK_PHASE_WALK && looks &&
	       (kind == FAIL_GONE || kind == FAIL_SWAPPED);
}

/* A name that seems to be gone: a temporary one is not unlinked, and one that was replaced counts as deleted. */
static bool name_seems_gone(const struct trial *t)
{
	return t->first->report.entry == ENTRY_STATX && t->fault.error == ENOENT;
}

/* A file system that says of one file that it has no attributes lies, and is believed. */
static bool denies_attributes(const struct trial *t)
{
	return t->first->report.entry == ENTRY_FLISTXATTR && t->fault.error == EOPNOTSUPP;
}

/* ---- the state a run left ---- */

static const struct spare *spare_of(const struct look *look, uint64_t ino)
{
	for (size_t i = 0; i < look->spare_count; i++)
		if (look->spares[i].ino == ino)
			return &look->spares[i];
	return NULL;
}

static bool named(const struct trial *t, const struct look *look, uint64_t ino)
{
	for (size_t i = 0; i < t->tree->count; i++)
		if (look->ino[i] == ino)
			return true;
	return spare_of(look, ino) != NULL;
}

/* Whether leaf i is the first of those that had its inode. */
static bool first_of_inode(const struct look *look, size_t i)
{
	for (size_t j = 0; j < i; j++)
		if (look->ino[j] == look->ino[i])
			return false;
	return true;
}

/* The name shows the keeper, but the old file is still there under another name, and that was told: half done. */
static bool half_done(const struct trial *t, size_t i)
{
	const struct spare *spare = spare_of(&t->after, t->before.ino[i]);
	return spare && (t->first->tally.errors || noted(t->first, spare->path)) && t->before.ino[i] != t->after.ino[i];
}

/* What the run says it did is what happened. A name that is half done may count as linked or as left. */
static void judge_figures(const struct trial *t)
{
	const struct outcome *first = t->first;
	uint64_t links = 0, freed = 0, bytes = 0;
	for (size_t i = 0; i < t->tree->count; i++) {
		uint64_t ino = t->before.ino[i];
		bool linked = ino != t->after.ino[i], said = first->fates[i] == DLK_FATE_LINKED + 1;
		links += half_done(t, i) ? said : linked;
		if (t->scene->verb == VERB_APPLY && first->has_tally && !first->fates_known && linked != said &&
		    !half_done(t, i))
			wrong(t, "%s: linked %d, but its fate is %d", t->tree->leaves[i].path, linked, first->fates[i] - 1);
		if (!first_of_inode(&t->before, i) || named(t, &t->after, ino))
			continue;
		freed++;
		bytes += t->tree->leaves[i].blocks * 512;
	}
	if (t->scene->verb == VERB_APPLY && first->has_tally &&
	    (first->tally.links_made != links || first->tally.inodes_freed != freed || first->tally.bytes_saved != bytes))
		wrong(t, "links %lu of %lu, inodes %lu of %lu, bytes %lu of %lu", (unsigned long)first->tally.links_made,
		      (unsigned long)links, (unsigned long)first->tally.inodes_freed, (unsigned long)freed,
		      (unsigned long)first->tally.bytes_saved, (unsigned long)bytes);
	if (t->scene->verb == VERB_PAIR && !first->scan && (first->replaced.freed != freed || first->replaced.bytes_saved != bytes))
		wrong(t, "freed %d, %lu bytes of %lu", first->replaced.freed, (unsigned long)first->replaced.bytes_saved,
		      (unsigned long)bytes);
}

/* Of a group that is not one inode, all inodes but one must have been told of. */
static void judge_silence(const struct trial *t)
{
	const struct tree *tree = t->tree;
	if (t->first->scan || t->first->apply || seems_gone(t) || denies_attributes(t))
		return;
	for (size_t i = 0; i < tree->count; i++) {
		char group = tree->leaves[i].group;
		unsigned untold = 0;
		for (size_t j = 0; j < tree->count && group; j++) {
			if (tree->leaves[j].group != group || !first_of_inode(&t->after, j))
				continue;
			bool told = false;
			for (size_t k = 0; k < tree->count; k++)
				told |= t->after.ino[k] == t->after.ino[j] && told_of(t->first, tree->leaves[k].path);
			untold += !told;
		}
		if (untold > 1) {
			wrong(t, "group %c is not linked, and nothing was said of %u inodes", group, untold);
			return;
		}
	}
}

/* The errors a scan may return, and what goes with them. */
static void judge_result(const struct trial *t)
{
	const struct outcome *first = t->first;
	int r = first->scan ? first->scan : first->apply;
	bool told = false;
	for (size_t i = 0; i < first->told_count; i++)
		told |= first->told[i].kind == DLK_EVENT_ERROR;
	bool stalled = t->fault.mode == FAULT_STALL;
	if (r == t->scene->expected || (stalled && t->scene->verb == VERB_PAIR && r == -EBUSY))
		return;
	if (r && (!first->report.fired || stalled))
		wrong(t, "returned %s without a reason", strerrorname_np(-r));
	else if (r && r != -ENOMEM && !told && t->scene->verb != VERB_PAIR && first->report.entry != ENTRY_GETRANDOM)
		wrong(t, "returned %s, and no event says where", strerrorname_np(-r));
	else if (r == -ENOMEM && t->fault.error != ENOMEM && t->fault.mode < FAULT_MEMORY_ONCE)
		wrong(t, "returned ENOMEM, but memory there was");
	if (first->has_tally) {
		uint64_t errors = 0;
		for (size_t i = 0; i < first->told_count; i++)
			errors += first->told[i].kind == DLK_EVENT_ERROR;
		if (errors != first->tally.errors)
			wrong(t, "%lu errors counted, %lu told", (unsigned long)first->tally.errors, (unsigned long)errors);
	}
}

static void judge_pair(const struct trial *t)
{
	const struct outcome *first = t->first;
	bool linked = t->after.ino[0] == t->after.ino[1];
	bool same = t->after.ino[1] == t->before.ino[1];
	if (!first->scan && !linked)
		wrong(t, "returned 0, but the two are not one");
	/* Once exchanged, a name that cannot be unlinked may not be exchanged back either: the header says so. */
	if (first->scan && !same && !spare_of(&t->after, t->before.ino[1]))
		wrong(t, "returned %s, but dst is not as it was", strerrorname_np(-first->scan));
}

/* Temporary names that are left, and files kept aside, were told of. */
static void judge_spares(const struct trial *t)
{
	const struct outcome *first = t->first;
	bool told = first->scan || first->apply || first->tally.errors;
	for (size_t i = 0; i < t->after.spare_count; i++) {
		const struct spare *spare = &t->after.spares[i];
		bool old = spare_of(&t->before, spare->ino) != NULL;
		if (spare->temp && !old && t->fault.mode >= FAULT_MEMORY_ONCE)
			wrong(t, "%s is left for want of memory", spare->path);
		else if (spare->temp && !told && !spare_noted(first, &t->after, spare->ino) && !told_of(first, spare->path) && !seems_gone(t) &&
			 !name_seems_gone(t))
			wrong(t, "%s is left, and nothing was said", spare->path);
		else if (!spare->temp && !noted(first, spare->path) && t->scene->verb != VERB_PAIR)
			wrong(t, "%s was kept, and nothing was said", spare->path);
	}
}

static void judge_recovered(const struct trial *t)
{
	uint64_t gone = 0;
	for (size_t i = 0; i < t->before.spare_count; i++) {
		bool still = false;
		for (size_t j = 0; j < t->after.spare_count; j++)
			still |= !strcmp(t->before.spares[i].path, t->after.spares[j].path);
		gone += !still;
	}
	if (t->first->has_tally && t->first->tally.recovered != gone)
		wrong(t, "%lu leftovers recovered, %lu gone", (unsigned long)t->first->tally.recovered, (unsigned long)gone);
}

/* ---- actors ---- */

/* What the name must be from now on. */
static void expect_acted(struct trial *t)
{
	const struct report *report = &t->first->report;
	struct leaf *leaf = report->acted ? tree_find(t->tree, report->acted_on) : NULL;
	if (!leaf || t->scene->actor.act == ACT_ASK)
		return;
	leaf->acted = true;
	leaf->group = 0;
	switch (t->scene->actor.act) {
	case ACT_SAVE:
		leaf->content = actor_saved;
		break;
	case ACT_DELETE:
		leaf->gone = true;
		break;
	case ACT_CHMOD:
		leaf->mode = S_IFREG | ACTOR_MODE;
		break;
	case ACT_DIR:
		leaf->dir = true;
		break;
	case ACT_WRITE:
	case ACT_FORGE:
	case ACT_HOLD:
		leaf->content.first = '!';
		break;
	default:
		break;
	}
}

/* Whether what the actor made waits under another name, and was told of: the name itself shows the bytes it had. */
static bool acted_waits(const struct trial *t, const struct look *look)
{
	const struct leaf *leaf = tree_find(t->tree, t->first->report.acted_on);
	if (!leaf || !leaf->acted || leaf->gone)
		return false;
	for (size_t i = 0; i < look->spare_count; i++) {
		struct stat st;
		if (fstatat(t->tree->fd, look->spares[i].path, &st, AT_SYMLINK_NOFOLLOW))
			continue;
		if (leaf->dir ? S_ISDIR(st.st_mode) : st.st_mode == leaf->mode && tree_holds(t->tree, look->spares[i].path, &leaf->content))
			return true;
	}
	return false;
}

/* Looks, as if the actor had done nothing when what it made waits elsewhere. */
static bool look_again(struct trial *t, struct look *look, char *complaint, size_t room)
{
	bool attributes_hold = !denies_attributes(t) || t->fault.mode == FAULT_ONCE;
	tree_look(t->tree, attributes_hold, look, complaint, room);
	if (!*complaint || !acted_waits(t, look))
		return false;
	struct leaf *leaf = tree_find(t->tree, t->first->report.acted_on);
	leaf->waits = true;
	tree_look(t->tree, attributes_hold, look, complaint, room);
	leaf->waits = false;
	return true;
}

/* ---- the two runs ---- */

static void judge_first(struct trial *t, int status)
{
	char complaint[512];
	bool waits = look_again(t, &t->after, complaint, sizeof(complaint));
	if (*complaint)
		wrong(t, "after the first run %s", complaint);
	if (t->first->report.broken[0])
		wrong(t, "%s", t->first->report.broken);
	if (dies(t))
		return;
	if (!t->first->returned || status) {
		wrong(t, "the first run ended with status %#x", (unsigned)status);
		return;
	}
	if (t->first->descriptors)
		wrong(t, "%d descriptors are left open", t->first->descriptors);
	judge_result(t);
	judge_spares(t);
	if (waits && !t->first->tally.errors && !noted_kept(t->first))
		wrong(t, "what was made of %s meanwhile waits elsewhere, and nothing was said", t->first->report.acted_on);
	if (t->fault.mode == FAULT_LIE || t->first->report.acted)
		return;
	judge_figures(t);
	if (t->scene->verb == VERB_PAIR)
		judge_pair(t);
	else
		judge_recovered(t);
	if (t->scene->verb == VERB_APPLY)
		judge_silence(t);
}

static bool all_linked(const struct trial *t, const struct look *look, char *ret_group)
{
	for (size_t i = 0; i < t->tree->count; i++)
		for (size_t j = 0; j < i && t->tree->leaves[i].group; j++)
			if (t->tree->leaves[i].group == t->tree->leaves[j].group && look->ino[i] != look->ino[j]) {
				*ret_group = t->tree->leaves[i].group;
				return false;
			}
	return true;
}

/* A file kept aside must have been told of, and a temporary name may stay only if it cannot be told what it is. */
static void judge_leftovers(const struct trial *t, const struct look *look)
{
	for (size_t i = 0; i < look->spare_count; i++) {
		const struct spare *spare = &look->spares[i];
		bool told = noted(t->second, spare->path);
		if (spare->temp && !(t->first->report.acted && told))
			wrong(t, "after the second run %s is left", spare->path);
		else if (!spare->temp && !noted(t->first, spare->path) && !told && !dies(t) && t->scene->verb != VERB_PAIR)
			wrong(t, "after the second run %s is kept, and nothing was said", spare->path);
	}
}

static void judge_second(struct trial *t, int status)
{
	char complaint[512], group;
	struct look look;
	bool waits = look_again(t, &look, complaint, sizeof(complaint));
	if (*complaint)
		wrong(t, "after the second run %s", complaint);
	if (!t->second->returned || status)
		wrong(t, "the second run ended with status %#x", (unsigned)status);
	else if (t->second->scan || t->second->apply || t->second->tally.errors)
		wrong(t, "the second run returned %d and %d, with %lu errors", t->second->scan, t->second->apply,
		      (unsigned long)t->second->tally.errors);
	if (!all_linked(t, &look, &group) && !denies_attributes(t))
		wrong(t, "after the second run group %c is not linked", group);
	if (waits && !(name_seems_gone(t) && noted_kept(t->first)))
		wrong(t, "after the second run what was made of %s meanwhile still waits elsewhere",
		      t->first->report.acted_on);
	judge_leftovers(t, &look);
	if (t->second->report.broken[0])
		wrong(t, "second run: %s", t->second->report.broken);
}

static void show(const struct outcome *outcome)
{
	printf("  scan %d, apply %d, %u calls, %u allocations, phase %d; links %lu, freed %lu, errors %lu, recovered %lu\n",
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
	if (t->scene->leftovers)
		in_child(run, VERB_APPLY, &none, false, t->scene->leftovers);
	tree_look(t->tree, true, &t->before, complaint, sizeof(complaint));
	if (*complaint || tree_note(t->tree) || !t->scene->leftovers != !t->before.temps) {
		printf("a tree that is wrong from the beginning: %s, %zu leftovers\n", complaint, t->before.temps);
		exit(2);
	}
}

/* Plays one fault through. False: it did not fire, since there are not so many calls. */
static bool play(struct trial *t)
{
	static const struct fault none = { .mode = FAULT_NONE };
	struct run first = { t->scene, t->tree, t->first }, second = { t->scene, t->tree, t->second };
	build(t, &first);
	int status = in_child(&first, t->scene->verb, &t->fault, true, 0);
	if (verbose)
		show(t->first);
	bool fired = t->first->report.fired || t->fault.mode == FAULT_NONE;
	if (fired || t->first->report.broken[0]) {
		expect_acted(t);
		judge_first(t, status);
		status = in_child(&second, VERB_APPLY, &none, false, 0);
		if (verbose)
			show(t->second);
		judge_second(t, status);
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
	unsigned stride = full ? 1 : job->scene->stride;
	if (job->scene->sync_only)
		return entry == ENTRY_SYNCFS || entry == ENTRY_FDATASYNC;
	if (modifies)
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
		printf("skipped %s:%s: no user attributes in %s\n", job->scene->name, ways[job->mode], t->tree->top);
		return 2;
	}
	bool memory = job->mode == FAULT_MEMORY_ONCE || job->mode == FAULT_MEMORY_ON;
	unsigned fired = memory ? play_memory(t, job) : play_calls(t, job);
	if (!fired && !complaints)
		wrong(t, "no fault fired");
	if (complaints > most_complaints)
		printf("FAIL %s:%s: and %u more\n", job->scene->name, ways[job->mode], complaints - most_complaints);
	printf("%s %s:%s: %u faults fired\n", complaints ? "FAIL" : "ok", job->scene->name, ways[job->mode], fired);
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
			snprintf(this, sizeof(this), "%s:%s", scenes[i].name, ways[mode]);
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
				printf("%s:%s\n", scenes[i].name, ways[mode]);
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
	struct trial trial = { .tree = &tree, .first = shared(sizeof(*trial.first)), .second = shared(sizeof(*trial.second)) };
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
			most_complaints = UINT_MAX;
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
