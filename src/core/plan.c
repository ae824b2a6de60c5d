/* SPDX-License-Identifier: MIT */
/*
 * plan.c - from a class of equal files to sets
 *
 *	class -> without what cannot be changed -> groups of equal policy -> keepers and targets -> sets
 *
 * Members are brought into path order first, so that whatever threads found them, the plan is the same.
 */
#include "plan.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "../base/fail.h"
#include "../base/pool.h"
#include "../base/sort.h"
#include "../sys/extent.h"
#include "account.h"
#include "journal.h"
#include "keeper.h"
#include "lock.h"
#include "reach.h"
#include "temp.h"

/* A member of a class with all that the policy may ask of it. */
struct candidate_file {
	struct inode_id inode;
	uint32_t xattrs;
	uint32_t rank;    /* in path order, so that paths are compared once */
	const struct catalog_meta *meta;
	int64_t mtime;
	const char *name; /* of its first path */
	bool hidden;      /* its owner is: it may be anybody's */
	char *dir;        /* path from the root to its directory; only when respected; owned */
};

/* An inode on its way into the set of its keeper. Both are indices in path order. */
struct placed {
	uint32_t keeper, member;
};

/* A class at work. It stays with the plan, so that the next one, of perhaps a million, need not ask for memory again. */
struct plan_class {
	struct dlk_plan *plan;
	VEC(struct candidate_file) files;
	/* groups of equal policy: where each begins in files, and who stays of it */
	VEC(size_t) begins;
	VEC(struct inode_id) keepers;
	/* one group: its inodes, as keeper_assign() wants them and as it answers */
	VEC(struct inode_id) inodes;
	VEC(uint32_t) order;
	VEC(uint32_t) keeper_of;
	VEC(struct placed) placed;
};

void plan_class_free(struct plan_class *class)
{
	if (!class)
		return;
	vec_free(&class->files);
	vec_free(&class->begins);
	vec_free(&class->keepers);
	vec_free(&class->inodes);
	vec_free(&class->order);
	vec_free(&class->keeper_of);
	vec_free(&class->placed);
	free(class);
}

/* ---- making and freeing ---- */

int plan_new(const struct dlk_options *options, struct dlk_plan **ret)
{
	struct dlk_plan *plan = calloc(1, sizeof(*plan));
	if (!plan)
		return -ENOMEM;
	plan->options = *options;
	catalog_init(&plan->catalog);
	pthread_mutex_init(&plan->mutex, NULL);
	tell_init(&plan->tell, options, &plan->tally);
	manners_begin(&plan->manners, options);
	idmap_read(&plan->idmap);
	plan->started = sys->wall();
	plan->begun = sys->now();
	int r = sys_random(&plan->seed, sizeof(plan->seed));
	catalog_set_seed(&plan->catalog, plan->seed);
	if (!r)
		r = digest_key_make(&plan->key);
	if (!r)
		r = rule_compile(options, &plan->rule);
	if (r)
		dlk_plan_free(plan);
	else
		*ret = plan;
	return r;
}

int plan_begin_journal(struct dlk_plan *plan)
{
	if (!plan->options.journal || plan->journal)
		return 0;
	int r = journal_begin(plan->options.journal, &plan->catalog, &plan->roots, &plan->journal);
	if (r)
		tell_error(&plan->tell, DLK_STAGE_JOURNAL, NULL, r);
	return r;
}

void plan_tell_time(struct dlk_plan *plan)
{
	if (!manners_was_cut(&plan->manners))
		return;
	plan->out_of_time = true;
	tell_note(&plan->tell, DLK_REASON_OUT_OF_TIME, NULL, NULL);
}

void dlk_plan_free(struct dlk_plan *plan)
{
	if (!plan)
		return;
	cache_close(plan->cache);
	for (size_t i = 0; i < plan->asked.count; i++)
		free(plan->asked.at[i]);
	vec_free(&plan->asked);
	journal_free(plan->journal);
	lock_free(plan->lock);
	sift_free(&plan->sift);
	roots_free(&plan->roots);
	vec_free(&plan->members);
	vec_free(&plan->sets);
	vec_free(&plan->apart);
	vec_free(&plan->apart_sets);
	plan_class_free(plan->class);
	vec_free(&plan->shared);
	vec_free(&plan->shared_later);
	free(plan->fates);
	catalog_free(&plan->catalog);
	rule_free(plan->rule);
	tell_free(&plan->tell);
	pthread_mutex_destroy(&plan->mutex);
	free(plan);
}

void plan_fail(struct dlk_plan *plan)
{
	account_clear(&plan->tally); /* it may have been foreseen in part */
	if (plan->options.figures)
		*plan->options.figures = plan->tally;
	dlk_plan_free(plan);
}

/* ---- from run to run ---- */

static uint64_t fold(uint64_t sum, const char *text)
{
	struct digest digest;
	static const struct digest_key key; /* the sum must be the same in every run; nothing depends on its being hard to guess */
	digest_bytes(&key, text, strlen(text), &digest);
	return mix64(sum ^ digest.low);
}

/* The paths as they were given, made absolute: what symlinks they lead through is the user's affair. */
static int take_asked(struct dlk_plan *plan, const char *const *paths, size_t count)
{
	own_free char *here = get_current_dir_name();
	for (size_t i = 0; i < count; i++) {
		struct text text = { 0 };
		if (*paths[i] != '/' && here)
			text_printf(&text, "%s/", strcmp(here, "/") ? here : "");
		text_puts(&text, paths[i]);
		if (text.failed || vec_push(&plan->asked, text.at)) {
			text_free(&text);
			return -ENOMEM;
		}
	}
	return 0;
}

/* One number for the roots and for all that selects files below them. */
static uint64_t sum_asked(const struct dlk_plan *plan)
{
	const struct dlk_options *options = &plan->options;
	uint64_t sum = mix64(options->min_size) ^ options->max_size;
	sum = mix64(sum ^ (uint64_t)options->max_depth << 1 ^ options->one_file_system);
	for (size_t i = 0; i < plan->asked.count; i++)
		sum = fold(sum, plan->asked.at[i]);
	for (size_t i = 0; i < options->filter_count; i++)
		sum = fold(sum + options->filters[i].verdict + 1, options->filters[i].pattern);
	return sum;
}

int plan_remember(struct dlk_plan *plan, const char *const *paths, size_t count)
{
	if (!plan->options.cache)
		return 0;
	int r = take_asked(plan, paths, count);
	if (!r)
		r = cache_open(plan->options.cache, &plan->tell, &plan->catalog, &plan->cache);
	if (!r && plan->cache) {
		plan->key = *cache_key(plan->cache);
		cache_set_roots(plan->cache, sum_asked(plan));
	}
	return r;
}

static struct path_id first_path(const struct catalog *catalog, struct inode_id inode)
{
	return (struct path_id){ catalog_inode(catalog, inode)->first_path };
}

/* ---- names ---- */

struct naming {
	struct dlk_plan *plan;
	const uint32_t *wanted;
	size_t next; /* atomic: inodes taken */
	int error;   /* atomic */
};

enum { NAMING_TAKE = 4096, NAMERS = 16 };

static void sort_some(void *ctx, unsigned worker)
{
	struct naming *naming = ctx;
	struct catalog *catalog = &naming->plan->catalog;
	size_t from;
	(void)worker;
	while ((from = __atomic_fetch_add(&naming->next, NAMING_TAKE, __ATOMIC_RELAXED)) < catalog->inodes.count) {
		size_t to = size_min(from + NAMING_TAKE, catalog->inodes.count);
		for (size_t i = from; i < to; i++) {
			int r = naming->wanted[i] ? catalog_sort_names(catalog, (struct inode_id){ (uint32_t)i }) : 0;
			if (r)
				__atomic_store_n(&naming->error, r, __ATOMIC_RELAXED);
		}
	}
}

int plan_sort_names(struct dlk_plan *plan, const uint32_t *wanted)
{
	struct naming naming = { .plan = plan, .wanted = wanted };
	size_t turns = plan->catalog.inodes.count / NAMING_TAKE + 1;
	pool_run(pool_size(plan->options.threads, NAMERS, turns), sort_some, &naming);
	return naming.error;
}

/* ---- putting aside ---- */

static void leave(struct dlk_plan *plan, struct inode_id id, enum dlk_reason reason)
{
	const struct catalog_inode *inode = catalog_inode(&plan->catalog, id);
	own_free char *path = catalog_path_string(&plan->catalog, first_path(&plan->catalog, id));
	tell_skip(&plan->tell, DLK_STAGE_LINK, path, reason, inode->names);
}

static char *dir_from_root(const struct catalog *catalog, struct path_id path)
{
	const struct catalog_path *p = catalog_path(catalog, path);
	const struct catalog_dir *dir = catalog_dir(catalog, (struct dir_id){ p->dir });
	struct text text = { 0 };
	catalog_dir_text(catalog, (struct dir_id){ p->dir }, &text);
	size_t root = strlen(catalog->roots.at[dir->root].text);
	const char *below = text.at ? text.at + size_min(root, text.count) : "";
	char *relative = text.failed ? NULL : strdup(below + strspn(below, "/"));
	text_free(&text);
	return relative;
}

static int take_member(struct plan_class *class, const struct sift_member *member)
{
	struct catalog *catalog = &class->plan->catalog;
	const struct catalog_inode *inode = catalog_inode(catalog, member->inode);
	int r = catalog_sort_names(catalog, member->inode);
	if (r)
		return r;
	struct candidate_file file = {
		.inode = member->inode,
		.xattrs = member->xattrs,
		.meta = catalog_meta(catalog, inode),
		.mtime = inode->mtime,
		.name = catalog_name(catalog, first_path(catalog, member->inode)),
	};
	file.hidden = idmap_hides(&class->plan->idmap, file.meta->uid, file.meta->gid);
	if (class->plan->options.respect & DLK_RESPECT_DIR) {
		file.dir = dir_from_root(catalog, first_path(catalog, member->inode));
		if (!file.dir)
			return -ENOMEM;
	}
	r = vec_push(&class->files, file);
	if (r)
		free(file.dir);
	return r;
}

static int order_files(const void *a, const void *b, void *ctx)
{
	const struct candidate_file *x = a, *y = b;
	return catalog_path_order(ctx, first_path(ctx, x->inode), first_path(ctx, y->inode));
}

/* Why nobody could change a file or link to it, or DLK_REASON_NONE. */
static enum dlk_reason why_fixed(const struct dlk_plan *plan, const struct candidate_file *file)
{
	const struct mount_facts *mount = &plan->catalog.domains.at[file->meta->domain];
	if (mount->read_only)
		return DLK_REASON_READ_ONLY;
	if (mount->no_links && plan->options.method == DLK_HARDLINK)
		return DLK_REASON_NO_LINKS;
	if (mount->name_max && mount->name_max < TEMP_LENGTH && plan->options.method == DLK_HARDLINK)
		return DLK_REASON_SHORT_NAMES;
	return file->meta->immutable ? DLK_REASON_IMMUTABLE : DLK_REASON_NONE;
}

/* Members of which nothing can become, whatever the policy. They are told in path order. */
static void put_aside(struct plan_class *class)
{
	size_t kept = 0;
	for (size_t i = 0; i < class->files.count; i++) {
		struct candidate_file *file = &class->files.at[i];
		enum dlk_reason reason = why_fixed(class->plan, file);
		if (reason != DLK_REASON_NONE) {
			leave(class->plan, file->inode, reason);
			free(file->dir);
		} else {
			class->files.at[kept++] = *file;
		}
	}
	class->files.count = kept;
}

/* ---- policy ---- */

/*
 * One more word, which nobody can ignore: a name in a plain directory that became a link of an encrypted file could not be read any
 * more once the key is gone, and one that became a link of a file under fs-verity could not be written to.
 */
enum { DIFFER_IN_SEAL = 1 << DLK_RESPECT_WORDS };

/* What must agree. Files that only share blocks keep what is theirs, and what cannot be shared the kernel refuses. */
static unsigned must_agree(const struct dlk_plan *plan)
{
	return plan->options.respect | (plan->options.method == DLK_HARDLINK ? DIFFER_IN_SEAL : 0);
}

/* The words in which two files differ, of those asked about. An owner that is hidden is nobody else's, and not even its own. */
static unsigned differs(const struct candidate_file *a, const struct candidate_file *b, unsigned words)
{
	unsigned found = 0;
	if (a->meta->uid != b->meta->uid || a->meta->gid != b->meta->gid || a->hidden || b->hidden)
		found |= DLK_RESPECT_OWNER;
	if (a->meta->mode != b->meta->mode)
		found |= DLK_RESPECT_MODE;
	if (a->meta->seal != b->meta->seal)
		found |= DIFFER_IN_SEAL;
	if (a->xattrs != b->xattrs)
		found |= DLK_RESPECT_XATTR;
	if (a->mtime != b->mtime)
		found |= DLK_RESPECT_TIME;
	if (words & DLK_RESPECT_NAME && strcmp(a->name, b->name))
		found |= DLK_RESPECT_NAME;
	if (words & DLK_RESPECT_DIR && strcmp(a->dir, b->dir))
		found |= DLK_RESPECT_DIR;
	return found & words;
}

static int order_numbers(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

/* Any total order in which files that agree in all respected words stand together; among them, by path. */
static int order_by_policy(const void *a, const void *b, void *ctx)
{
	const struct candidate_file *x = a, *y = b;
	const struct dlk_plan *plan = ctx;
	unsigned words = must_agree(plan);
	int r = words & DIFFER_IN_SEAL ? order_numbers(x->meta->seal, y->meta->seal) : 0;
	if (!r && words & DLK_RESPECT_OWNER)
		r = order_numbers((uint64_t)x->meta->uid << 32 | x->meta->gid,
				  (uint64_t)y->meta->uid << 32 | y->meta->gid);
	if (!r && words & DLK_RESPECT_MODE)
		r = order_numbers(x->meta->mode, y->meta->mode);
	if (!r && words & DLK_RESPECT_XATTR)
		r = order_numbers(x->xattrs, y->xattrs);
	if (!r && words & DLK_RESPECT_TIME)
		r = order_numbers((uint64_t)x->mtime, (uint64_t)y->mtime);
	if (!r && words & DLK_RESPECT_NAME)
		r = strcmp(x->name, y->name);
	if (!r && words & DLK_RESPECT_DIR)
		r = strcmp(x->dir, y->dir);
	return r ? r : order_numbers(x->rank, y->rank);
}

/* Brings groups of equal policy together. Usually there is one group, in order as it is. */
static void order_groups(struct plan_class *class)
{
	const struct dlk_plan *plan = class->plan;
	struct candidate_file *files = class->files.at;
	size_t count = class->files.count, same = 1;
	while (same < count && !differs(&files[0], &files[same], must_agree(plan)))
		same++;
	if (same < count)
		qsort_r(files, count, sizeof(*files), order_by_policy, class->plan);
}

/* ---- sets ---- */

static uint64_t link_limit(const struct dlk_plan *plan, const struct candidate_file *file)
{
	uint64_t limit = plan->catalog.domains.at[file->meta->domain].link_limit;
	if (plan->options.method == DLK_REFLINK)
		return UINT64_MAX;
	return plan->options.max_links ? u64_min(limit, plan->options.max_links) : limit;
}

static void plan_names(struct dlk_plan *plan, struct inode_id id)
{
	const struct catalog *catalog = &plan->catalog;
	for (uint32_t at = catalog_inode(catalog, id)->first_path; at != ID_NONE;
	     at = catalog_path(catalog, (struct path_id){ at })->next)
		plan->fates[at] = DLK_FATE_PLANNED;
}

/* Set by set: the keeper, then its targets in path order. */
static int order_placed(const void *a, const void *b, void *ctx)
{
	const struct placed *x = a, *y = b;
	(void)ctx;
	if (x->keeper != y->keeper)
		return x->keeper < y->keeper ? -1 : 1;
	bool x_stays = x->member == x->keeper, y_stays = y->member == y->keeper;
	return x_stays != y_stays ? y_stays - x_stays : order_numbers(x->member, y->member);
}

static int add_set(struct dlk_plan *plan, const struct inode_id *inodes, const struct placed *placed, size_t count)
{
	struct plan_set set = {
		.first = plan->members.count,
		.count = (uint32_t)count,
		.path = first_path(&plan->catalog, inodes[placed->member]),
	};
	int r = 0;
	for (size_t i = 0; i < count && !r; i++)
		r = vec_push(&plan->members, inodes[placed[i].member]);
	for (size_t i = 1; i < count && !r; i++)
		plan_names(plan, inodes[placed[i].member]);
	return r ? r : vec_push(&plan->sets, set);
}

/* Each keeper with its targets becomes a set; one that nothing fits does not. */
static int add_sets(struct dlk_plan *plan, const struct inode_id *inodes, struct placed *placed, size_t count)
{
	int r = 0;
	sort(placed, count, sizeof(*placed), order_placed, NULL);
	for (size_t from = 0, to; from < count && !r; from = to) {
		for (to = from + 1; to < count && placed[to].keeper == placed[from].keeper;)
			to++;
		if (to - from > 1)
			r = add_set(plan, inodes, placed + from, to - from);
	}
	return r;
}

/* Files that agree in content and policy, in path order. *ret_keeper: who stays of them all. */
static int add_group(struct plan_class *class, const struct candidate_file *files, size_t count, struct inode_id *ret_keeper)
{
	struct dlk_plan *plan = class->plan;
	if (vec_reserve(&class->inodes, count) || vec_reserve(&class->order, count) || vec_reserve(&class->keeper_of, count) ||
	    vec_reserve(&class->placed, count))
		return -ENOMEM;
	struct inode_id *inodes = class->inodes.at;
	uint32_t *order = class->order.at, *keepers = class->keeper_of.at;
	struct placed *placed = class->placed.at;
	for (size_t i = 0; i < count; i++)
		inodes[i] = files[i].inode;
	struct keeper_rules rules = {
		.keep = plan->options.keep,
		.limit = link_limit(plan, &files[0]),
		.references = plan->options.reference_count,
		.isolate = plan->options.isolate,
	};
	int r = keeper_assign(&plan->catalog, &rules, inodes, count, order, keepers);
	if (r)
		return r;
	for (uint32_t i = 0; i < count; i++)
		placed[i] = (struct placed){ keepers[i], i };
	*ret_keeper = inodes[order[0]];
	return add_sets(plan, inodes, placed, count);
}

/* ---- kept apart ---- */

/* The words in which two groups differ. Where no ignoring would do, they stand for nothing. */
static unsigned words_apart(const struct dlk_plan *plan, const struct candidate_file *file, const struct candidate_file *main)
{
	unsigned words = differs(file, main, must_agree(plan));
	return words & DIFFER_IN_SEAL ? 0 : words;
}

static void count_apart(struct dlk_plan *plan, const struct plan_apart *file)
{
	const struct catalog_inode *inode = catalog_inode(&plan->catalog, file->inode);
	struct dlk_apart *apart = &plan->tally.apart[file->differ];
	apart->files++;
	if (inode->links <= inode->names)
		apart->bytes += inode->blocks * 512;
}

static int order_apart(const void *a, const void *b, void *ctx)
{
	const struct plan_apart *x = a, *y = b;
	return catalog_path_order(ctx, first_path(ctx, x->inode), first_path(ctx, y->inode));
}

/* What was listed since `first` becomes a set: the file that the others differ from, then those in path order. */
static int add_apart_set(struct dlk_plan *plan, size_t first)
{
	struct plan_apart *files = plan->apart.at + first;
	size_t count = plan->apart.count - first;
	struct plan_set set = { .first = first, .count = (uint32_t)count, .path = first_path(&plan->catalog, files->inode) };
	sort(files + 1, count - 1, sizeof(*files), order_apart, &plan->catalog);
	return vec_push(&plan->apart_sets, set);
}

/*
 * After linking, each group is one inode (its keeper). With the words that differ ignored, the keepers of all groups but the
 * largest (of equal ones, that with the first path) would go as well: that is what is counted, and listed if somebody wants to see it.
 */
static int keep_apart(struct plan_class *class, size_t groups, size_t main)
{
	struct dlk_plan *plan = class->plan;
	const struct candidate_file *first = &class->files.at[class->begins.at[main]];
	size_t listed = plan->apart.count;
	struct plan_apart file = { .inode = class->keepers.at[main] };
	bool list = plan->options.list_apart && groups > 1;
	int r = list ? vec_push(&plan->apart, file) : 0;
	for (size_t g = 0; g < groups && !r; g++) {
		if (g == main)
			continue;
		file.inode = class->keepers.at[g];
		file.differ = words_apart(plan, &class->files.at[class->begins.at[g]], first);
		count_apart(plan, &file);
		r = list ? vec_push(&plan->apart, file) : 0;
	}
	return list && !r ? add_apart_set(plan, listed) : r;
}

static int add_groups(struct plan_class *class)
{
	struct dlk_plan *plan = class->plan;
	struct candidate_file *files = class->files.at;
	size_t count = class->files.count, main = 0, main_size = 0;
	size_t groups = 0;
	int r = vec_reserve(&class->begins, count) || vec_reserve(&class->keepers, count) ? -ENOMEM : 0;
	size_t *begins = class->begins.at;
	struct inode_id *keepers = class->keepers.at;
	for (size_t from = 0, to; from < count && !r; from = to) {
		for (to = from + 1; to < count && !differs(&files[from], &files[to], must_agree(plan));)
			to++;
		if (to - from > main_size || (to - from == main_size && files[from].rank < files[begins[main]].rank)) {
			main = groups;
			main_size = to - from;
		}
		begins[groups] = from;
		keepers[groups] = files[from].inode;
		if (to - from > 1)
			r = add_group(class, files + from, to - from, &keepers[groups]);
		groups++;
	}
	return r ? r : keep_apart(class, groups, main);
}

/* What the members of the class had of their own. */
static void let_go(struct plan_class *class)
{
	for (size_t i = 0; class && i < class->files.count; i++)
		free(class->files.at[i].dir);
	if (class)
		class->files.count = 0;
}

int plan_add_class(struct dlk_plan *plan, const struct sift_member *members, size_t count, size_t *ret_first,
		   size_t *ret_count)
{
	struct plan_class *class = plan->class ? plan->class : calloc(1, sizeof(*class));
	size_t first = plan->sets.count;
	int r = class ? 0 : -ENOMEM;
	plan->class = class;
	if (class)
		class->plan = plan;
	for (size_t i = 0; i < count && !r; i++)
		r = take_member(class, &members[i]);
	if (!r) {
		sort(class->files.at, count, sizeof(*class->files.at), order_files, &plan->catalog);
		for (uint32_t i = 0; i < count; i++)
			class->files.at[i].rank = i;
		put_aside(class);
		order_groups(class);
		r = class->files.count > 1 ? add_groups(class) : 0;
	}
	let_go(class);
	*ret_first = first;
	*ret_count = plan->sets.count - first;
	return r;
}

/* ---- foreseeing ---- */

enum access { ACCESS_UNKNOWN, ACCESS_GRANTED, ACCESS_STICKY /* to our own files' names only */, ACCESS_DENIED };

/* A target that goes with all its links, and may share blocks with other files. */
struct sharer {
	struct inode_id keeper, inode;
	uint64_t names;
	uint64_t shared; /* bytes */
	int error;       /* they could not be asked for: counted as none */
};

struct foresight {
	struct dlk_plan *plan;
	struct reach reach;
	unsigned char *access; /* enum access of each directory; NULL for root, who is refused nothing */
	uid_t euid;
	bool links_protected;  /* proc_sys_fs(5), protected_hardlinks */
	VEC(struct sharer) sharers;
	size_t next;           /* atomic: sharers taken */
};

/* Granted also when the question cannot be put: the attempt will tell. */
static enum access ask_access(struct foresight *foresight, struct dir_id dir)
{
	struct stamp stamp;
	int fd;
	if (reach_dir(&foresight->reach, dir, &fd))
		return ACCESS_GRANTED;
	int r = sys->faccessat(fd, "", W_OK | X_OK, AT_EACCESS | AT_EMPTY_PATH);
	if (r == -EACCES || r == -EPERM)
		return ACCESS_DENIED;
	bool sticky = !stamp_fd(fd, &stamp) && stamp.mode & S_ISVTX && stamp.uid != foresight->euid;
	return sticky ? ACCESS_STICKY : ACCESS_GRANTED;
}

/* What replacing a name in the directory would fail with, or 0. `ours`: keeper and target. */
static int may_write(struct foresight *foresight, struct dir_id dir, bool ours)
{
	unsigned char *access = foresight->access ? &foresight->access[dir.v] : NULL;
	if (!access)
		return 0;
	if (*access == ACCESS_UNKNOWN)
		*access = (unsigned char)ask_access(foresight, dir);
	if (*access == ACCESS_DENIED)
		return -EACCES;
	return *access == ACCESS_STICKY && !ours ? -EPERM : 0;
}

/*
 * What linking the keeper would fail with, or 0: a file of others may be protected from those who may not write to it, and from all where
 * it runs as its owner (fs/namei.c, safe_hardlink_source).
 */
static int may_link(struct foresight *foresight, const struct catalog_inode *keeper)
{
	const struct catalog *catalog = &foresight->plan->catalog;
	const struct catalog_meta *meta = catalog_meta(catalog, keeper);
	const struct catalog_path *path = catalog_path(catalog, (struct path_id){ keeper->first_path });
	const uint16_t as_group = S_ISGID | S_IXGRP;
	int fd;
	if (!foresight->links_protected || meta->uid == foresight->euid)
		return 0;
	if (meta->mode & S_ISUID || (meta->mode & as_group) == as_group)
		return -EPERM;
	if (reach_dir(&foresight->reach, (struct dir_id){ path->dir }, &fd))
		return 0;
	int r = sys->faccessat(fd, catalog_name(catalog, (struct path_id){ keeper->first_path }), R_OK | W_OK, AT_EACCESS | AT_SYMLINK_NOFOLLOW);
	return r == -EACCES || r == -EPERM ? -EPERM : 0;
}

/* Names of a target that can move. `refused`: why none can, or 0. `ours`: keeper and target. */
static uint64_t count_movable(struct foresight *foresight, const struct catalog_inode *inode, int refused, bool ours)
{
	struct dlk_plan *plan = foresight->plan;
	uint64_t movable = 0;
	for (uint32_t at = inode->first_path; at != ID_NONE;
	     at = catalog_path(&plan->catalog, (struct path_id){ at })->next) {
		struct path_id path = { at };
		if (plan->fates[at] != DLK_FATE_PLANNED)
			continue;
		struct dir_id dir = { catalog_path(&plan->catalog, path)->dir };
		bool immutable = catalog_dir(&plan->catalog, dir)->immutable;
		int r = immutable ? 0 : may_write(foresight, dir, ours);
		r = r ? r : refused;
		if (!immutable && !r) {
			movable++;
			continue;
		}
		own_free char *text = catalog_path_string(&plan->catalog, path);
		if (immutable)
			tell_skip(&plan->tell, DLK_STAGE_LINK, text, DLK_REASON_IMMUTABLE, 1);
		else
			tell_error(&plan->tell, DLK_STAGE_LINK, text, r);
		plan->fates[at] = DLK_FATE_LEFT;
	}
	return movable;
}

bool plan_has_attribute_block(const struct catalog_inode *inode)
{
	const uint64_t block = 4096; /* on smaller ones it goes unnoticed beside the rest of a 4 KiB piece */
	return inode->blocks * 512 > (inode->size + block - 1) / block * block;
}

static bool may_share(const struct dlk_plan *plan, const struct catalog_inode *inode)
{
	return catalog_domain(&plan->catalog, inode)->shares_extents || plan_has_attribute_block(inode);
}

static int ask_sharer(struct reach *reach, struct sharer *sharer)
{
	const struct catalog *catalog = reach->catalog;
	const struct catalog_inode *inode = catalog_inode(catalog, sharer->inode), *keeper = catalog_inode(catalog, sharer->keeper);
	own_fd int fd = -1, other = -1;
	int r = reach_inode(reach, inode, true, &fd);
	if (!r && catalog_domain(catalog, inode)->shares_extents)
		r = extent_shared(fd, &sharer->shared);
	if (r || !plan_has_attribute_block(inode))
		return r;
	r = reach_inode(reach, keeper, true, &other);
	if (!r)
		sharer->shared += extent_attributes_shared(fd, other);
	return r;
}

enum {
	SHARERS_TAKE = 32, /* mostly of one directory */
	ASKERS = 4,        /* threads at most, and */
	ASKER_DIRS = 8,    /* directories that each keeps open: */
	FD_ASKER = ASKER_DIRS + 4,
};

static void ask_some(void *ctx, unsigned worker)
{
	struct foresight *foresight = ctx;
	struct reach reach;
	size_t from;
	(void)worker;
	reach_init(&reach, &foresight->plan->catalog, ASKER_DIRS);
	while ((from = __atomic_fetch_add(&foresight->next, SHARERS_TAKE, __ATOMIC_RELAXED)) < foresight->sharers.count) {
		size_t to = size_min(from + SHARERS_TAKE, foresight->sharers.count);
		for (struct sharer *at = foresight->sharers.at + from; at < foresight->sharers.at + to; at++)
			at->error = ask_sharer(&reach, at);
	}
	reach_free(&reach);
}

static int order_shared(const void *a, const void *b)
{
	const struct plan_shared *x = a, *y = b;
	return order_numbers(x->inode.v, y->inode.v);
}

uint64_t plan_shared(const struct dlk_plan *plan, struct inode_id inode)
{
	struct plan_shared key = { .inode = inode };
	const struct plan_shared *found = NULL;
	if (plan->shared.count)
		found = bsearch(&key, plan->shared.at, plan->shared.count, sizeof(key), order_shared);
	return found ? found->bytes : 0;
}

static void sort_shared(struct dlk_plan *plan)
{
	if (plan->shared.count)
		qsort(plan->shared.at, plan->shared.count, sizeof(*plan->shared.at), order_shared);
}

int plan_gather_shared(struct dlk_plan *plan)
{
	int r = 0;
	for (size_t i = 0; i < plan->shared_later.count && !r; i++)
		r = vec_push(&plan->shared, plan->shared_later.at[i]);
	vec_free(&plan->shared_later);
	sort_shared(plan);
	return r;
}

static int foresee_set(struct foresight *foresight, const struct plan_set *set)
{
	struct dlk_plan *plan = foresight->plan;
	struct inode_id keeper = plan->members.at[set->first];
	const struct catalog_inode *kept = catalog_inode(&plan->catalog, keeper);
	bool ours = catalog_meta(&plan->catalog, kept)->uid == foresight->euid;
	int refused = may_link(foresight, kept);
	uint64_t moved = 0;
	int r = 0;
	for (uint32_t i = 1; i < set->count && !r; i++) {
		struct inode_id id = plan->members.at[set->first + i];
		const struct catalog_inode *inode = catalog_inode(&plan->catalog, id);
		bool both = ours && catalog_meta(&plan->catalog, inode)->uid == foresight->euid;
		struct account_inode account = {
			.blocks = inode->blocks,
			.names = count_movable(foresight, inode, refused, both),
		};
		struct sharer sharer = { .keeper = keeper, .inode = id, .names = account.names };
		account.last = account.names >= inode->links;
		moved += account.names;
		if (account.last && may_share(plan, inode))
			r = vec_push(&foresight->sharers, sharer);
		else
			account_add(&plan->tally, &account);
	}
	plan->tally.sets += moved > 0;
	return r;
}

/* What is gone or swapped is met again when it is to be replaced. */
static void tell_unasked(struct dlk_plan *plan, const struct sharer *sharer)
{
	struct path_id path = { catalog_inode(&plan->catalog, sharer->inode)->first_path };
	own_free char *text = catalog_path_string(&plan->catalog, path);
	if (!fail_changed(sharer->error))
		tell_error(&plan->tell, DLK_STAGE_HASH, text, sharer->error);
}

/* Each is opened, so several threads ask. */
static int foresee_sharers(struct foresight *foresight)
{
	struct dlk_plan *plan = foresight->plan;
	size_t turns = foresight->sharers.count / SHARERS_TAKE + 1;
	int r = 0;
	if (foresight->sharers.count)
		pool_run(pool_size(plan->options.threads, ASKERS, size_min(turns, sys_descriptors() / FD_ASKER)), ask_some, foresight);
	for (size_t i = 0; i < foresight->sharers.count && !r; i++) {
		const struct sharer *sharer = &foresight->sharers.at[i];
		struct plan_shared shared = { sharer->inode, sharer->shared };
		if (sharer->error)
			tell_unasked(plan, sharer);
		account_add(&plan->tally, &(struct account_inode){
						  .blocks = catalog_inode(&plan->catalog, sharer->inode)->blocks,
						  .shared = sharer->shared,
						  .names = sharer->names,
						  .last = true,
					  });
		if (sharer->shared)
			r = vec_push(&plan->shared, shared);
	}
	sort_shared(plan);
	return r;
}

int plan_foresee(struct dlk_plan *plan)
{
	struct foresight foresight = { .plan = plan, .euid = geteuid() };
	int r = 0;
	if (foresight.euid != 0) {
		foresight.links_protected = sys_setting("/proc/sys/fs/protected_hardlinks") == 1;
		foresight.access = calloc(plan->catalog.dirs.count + 1, 1);
		if (!foresight.access)
			return -ENOMEM;
	}
	reach_init(&foresight.reach, &plan->catalog, size_min(64, sys_descriptors() / 2));
	for (size_t i = 0; i < plan->sets.count && !r; i++)
		r = foresee_set(&foresight, &plan->sets.at[i]);
	reach_free(&foresight.reach);
	if (!r)
		r = foresee_sharers(&foresight);
	vec_free(&foresight.sharers);
	free(foresight.access);
	return r;
}

/* ---- order ---- */

static int sort_sets(struct dlk_plan *plan, struct plan_set *ret, size_t count)
{
	own_free struct catalog_numbered *order = malloc((count + 1) * sizeof(*order));
	own_free struct plan_set *sets = malloc((count + 1) * sizeof(*sets));
	if (!order || !sets)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		sets[i] = ret[i];
		order[i] = (struct catalog_numbered){ sets[i].path, (uint32_t)i };
	}
	int r = catalog_sort_paths(&plan->catalog, order, count);
	for (size_t i = 0; i < count && !r; i++)
		ret[i] = sets[order[i].number];
	return r;
}

int plan_sort(struct dlk_plan *plan)
{
	int r = sort_sets(plan, plan->sets.at, plan->sets.count);
	if (!r && plan->apart_sets.count)
		r = sort_sets(plan, plan->apart_sets.at, plan->apart_sets.count);
	return r;
}
