/* SPDX-License-Identifier: MIT */
/*
 * judge.c - whether a run did no harm and told the truth
 *
 * Each judge_... asks one question of the trial: the tree before and after, and what was told.
 */
#include "fault.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "../../src/base/fail.h"

const char *const fault_ways[] = {
	[FAULT_NONE] = "without",   [FAULT_ONCE] = "once",          [FAULT_ON] = "on",
	[FAULT_LIE] = "lie",        [FAULT_STALL] = "stall",        [FAULT_DIE_BEFORE] = "die",
	[FAULT_DIE_AFTER] = "died", [FAULT_MEMORY_ONCE] = "memory", [FAULT_MEMORY_ON] = "memory-on",
};

unsigned fault_most_complaints = 12;

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

void wrong(const struct trial *t, const char *format, ...)
{
	va_list arguments;
	if ((*t->complaints)++ >= fault_most_complaints)
		return;
	const struct report *report = &t->first->report;
	printf("FAIL %s:%s --at %u --errno %d (%s %s): ", t->scene->name, fault_ways[t->fault.mode], t->fault.nth,
	       t->fault.error, t->fault.mode >= FAULT_MEMORY_ONCE ? "memory" : faulty_entries[report->entry].name,
	       fault_name(&t->fault));
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	printf("\n");
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

/* Whether an error or a skip was told of this path or of a directory above it. For want of memory there may be no path.
 */
static bool told_of(const struct outcome *outcome, const char *path)
{
	for (size_t i = 0; i < outcome->told_count; i++) {
		const struct told *told = &outcome->told[i];
		size_t length = strlen(told->path);
		if ((told->kind == DLK_EVENT_ERROR || told->kind == DLK_EVENT_SKIP) &&
		    !strncmp(told->path, path, length) && (!length || !path[length] || path[length] == '/'))
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
			wrong(t, "%s: linked %d, but its fate is %d", t->tree->leaves[i].path, linked,
			      first->fates[i] - 1);
		if (!first_of_inode(&t->before, i) || named(t, &t->after, ino))
			continue;
		freed++;
		bytes += t->tree->leaves[i].blocks * 512;
	}
	if (t->scene->verb == VERB_APPLY && first->has_tally &&
	    (first->tally.links_made != links || first->tally.inodes_freed != freed ||
	     first->tally.bytes_saved != bytes))
		wrong(t, "links %lu of %lu, inodes %lu of %lu, bytes %lu of %lu",
		      (unsigned long)first->tally.links_made, (unsigned long)links,
		      (unsigned long)first->tally.inodes_freed, (unsigned long)freed,
		      (unsigned long)first->tally.bytes_saved, (unsigned long)bytes);
	if (t->scene->verb == VERB_PAIR && !first->scan &&
	    (first->replaced.freed != freed || first->replaced.bytes_saved != bytes))
		wrong(t, "freed %d, %lu bytes of %lu", first->replaced.freed,
		      (unsigned long)first->replaced.bytes_saved, (unsigned long)bytes);
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

/* ---- undo ---- */

/* A name shows a file with the time it was planted with. */
static bool is_own(const struct trial *t, size_t i)
{
	struct stat st;
	const struct leaf *leaf = &t->tree->leaves[i];
	int64_t planted = 1600000000 - (leaf->plant - t->scene->plants);
	return !S_ISREG(leaf->mode) ||
	       (!fstatat(t->tree->fd, leaf->path, &st, AT_SYMLINK_NOFOLLOW) && st.st_mtim.tv_sec == planted);
}

/* What was said to be restored was, whatever was not was told of, and no name has anything between the two. */
static void judge_restored(const struct trial *t)
{
	const struct outcome *first = t->first;
	uint64_t restored = 0;
	for (size_t i = 0; i < t->tree->count; i++) {
		const char *path = t->tree->leaves[i].path;
		bool moved = t->before.ino[i] != t->after.ino[i];
		restored += moved;
		if (moved && !is_own(t, i))
			wrong(t, "%s has a file that is not as it was", path);
		else if (!is_own(t, i) && !first->scan && !told_of(first, path))
			wrong(t, "%s is a link still, and nothing was said", path);
	}
	if (first->has_tally && first->tally.restored != restored && !first->tally.errors)
		wrong(t, "%lu restored of %lu", (unsigned long)first->tally.restored, (unsigned long)restored);
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
			wrong(t, "%lu errors counted, %lu told", (unsigned long)first->tally.errors,
			      (unsigned long)errors);
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
		else if (spare->temp && !told && !spare_noted(first, &t->after, spare->ino) &&
			 !told_of(first, spare->path) && !seems_gone(t) && !name_seems_gone(t))
			wrong(t, "%s is left, and nothing was said", spare->path);
		else if (!spare->temp && !noted(first, spare->path))
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
		wrong(t, "%lu leftovers recovered, %lu gone", (unsigned long)t->first->tally.recovered,
		      (unsigned long)gone);
}

/* ---- actors ---- */

/* What the name must be from now on. */
void judge_expect(struct trial *t)
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
		if (leaf->dir ? S_ISDIR(st.st_mode)
			      : st.st_mode == leaf->mode && tree_holds(t->tree, look->spares[i].path, &leaf->content))
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

/* Who asks for the file waits in our lease, holding the old inode: it must be at its name when we let go. */
static void judge_asked(const struct trial *t)
{
	const struct leaf *leaf = t->first->report.acted ? tree_find(t->tree, t->first->report.acted_on) : NULL;
	size_t i = leaf ? (size_t)(leaf - t->tree->leaves) : 0;
	if (t->scene->actor.act == ACT_ASK && t->fault.mode == FAULT_NONE &&
	    (!leaf || t->after.ino[i] != t->before.ino[i]))
		wrong(t, "%s was asked for, and does not lead to its file any more", leaf ? leaf->path : "nothing");
}

/* ---- the two runs ---- */

void judge_first(struct trial *t, int status)
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
	judge_asked(t);
	if (waits && !t->first->tally.errors && !noted_kept(t->first))
		wrong(t, "what was made of %s meanwhile waits elsewhere, and nothing was said",
		      t->first->report.acted_on);
	if (t->fault.mode == FAULT_LIE || t->first->report.acted)
		return;
	judge_figures(t);
	if (t->scene->verb == VERB_UNDO)
		judge_restored(t);
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
		else if (!spare->temp && !noted(t->first, spare->path) && !told && !dies(t))
			wrong(t, "after the second run %s is kept, and nothing was said", spare->path);
	}
}

void judge_second(struct trial *t, int status)
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

/* Names that were not one file are not one; those that were may be several, where trouble came between them. */
static bool all_apart(const struct trial *t, const struct look *look, const char **ret_path)
{
	for (size_t i = 0; i < t->tree->count; i++)
		for (size_t j = 0; j < i; j++)
			if (look->ino[i] == look->ino[j] && t->tree->leaves[i].plant != t->tree->leaves[j].plant) {
				*ret_path = t->tree->leaves[i].path;
				return false;
			}
	return true;
}

void judge_undone(struct trial *t, int status)
{
	char complaint[512];
	const char *path;
	struct look look;
	tree_look(t->tree, !denies_attributes(t), &look, complaint, sizeof(complaint));
	if (*complaint)
		wrong(t, "after the undo %s", complaint);
	if (!t->second->returned || status)
		wrong(t, "the undo ended with status %#x", (unsigned)status);
	else if (t->second->scan || t->second->tally.errors)
		wrong(t, "the undo returned %d, with %lu errors", t->second->scan, (unsigned long)t->second->tally.errors);
	for (size_t i = 0; i < t->tree->count; i++)
		if (!is_own(t, i))
			wrong(t, "after the undo %s is not as it was", t->tree->leaves[i].path);
	if (!all_apart(t, &look, &path))
		wrong(t, "after the undo %s is a link still", path);
	judge_leftovers(t, &look);
	if (t->second->report.broken[0])
		wrong(t, "undo: %s", t->second->report.broken);
}
