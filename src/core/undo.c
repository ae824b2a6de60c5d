/* SPDX-License-Identifier: MIT */
/*
 * undo.c - a journal read backwards: names get files of their own again
 *
 *	D is a link of K; the line says that it was the file X, with this metadata
 *	copy     C = K's bytes in a file without a name, dressed as X was
 *	prove    C equals K, byte for byte, under leases, as any pair
 *	replace  D by a link of C, as any name: stage, look, exchange, verify, grace, probe, drop
 *
 * So what core/replace.c promises holds here too, and what a dead run leaves is recovered by the next one. X's number names what
 * was one file: its further names become links of the same C. Lines of earlier runs may speak of X as a keeper; by then X is C.
 *
 * C must be on disk before D is its name. One sync of the file system serves many: the copies of some hundred lines are made ahead,
 * before any of their names is touched. They are no more than that: when its line's turn comes everything is looked at anew, and a
 * copy that does not fit any more is left and another made.
 *
 * To foresee it the same lines are followed in the same order and judged by the same functions. Only, where a copy would be made and
 * exchanged, it is noted what would stand at the name then, since lines of earlier runs may be about the same name.
 */
#include "../../include/dedupe-link.h"

#include <errno.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "../base/fail.h"
#include "../sys/beneath.h"
#include "../sys/mount.h"
#include "../sys/remake.h"
#include "journalin.h"
#include "lock.h"
#include "plan.h"
#include "replace.h"

enum {
	LINE_MOST = 64,         /* as in core/apply.c */
	FD_EACH = 4,            /* descriptors an exchange may hold */
	KEPT_MOST = 8,          /* keepers open at once: lines of threads that linked side by side take turns */
	SYNC_WHOLE = 32,        /* copies on a file system from which on it is synced whole */
	TELL_MS = 100,
	AHEAD_BYTES = 64 << 20, /* of copies made ahead; a larger one is made ahead alone */
};

/* X became C again, and is at the name that the line at `at` tells. Only kept when another line may speak of X, or of that name. */
struct remade {
	uint64_t dev, old, now;
	uint64_t at;
	uint32_t run;
	uint32_t next; /* one more than the index of an earlier one with the same hash; 0: none */
};

struct remades {
	VEC(struct remade) all; /* in the order they were made */
	uint32_t *heads;        /* by hash: one more than the index of the last */
	size_t mask;
	uint64_t seed;          /* random */
};

/* A copy made ahead. */
struct ahead {
	struct candidate *copy; /* NULL: none could be made, or it is not needed */
	struct xattrs own;      /* of K when it was made */
};

struct volume {
	uint64_t dev;
	int fd; /* a directory, opened before any copy was made: what fails from then on is told to it (syncfs(2)) */
	size_t copies;
	bool shares;   /* copies take no space */
	uint64_t room; /* bytes; only when foreseeing */
};

/* An open directory. */
struct parent {
	unsigned refs;
	int fd;
	int refused; /* when foreseeing: what making a name in it would fail with */
	char path[]; /* with a slash at its end */
};

struct undo {
	struct dlk_plan *plan; /* for its roots, lock, tell and tally */
	struct journalin *in;
	VEC(char *) roots;         /* real paths of those that could be opened and are locked */
	struct remades remade;     /* by `old` */
	bool foresees;             /* nothing is done */
	struct remades names;      /* when foreseeing: by the hash of the name, which is `old` here */
	uint64_t made_up;          /* likewise: numbers of copies, from above, where no inode's lie */
	VEC(struct volume) volumes;
	struct confirm confirm;
	struct replacer replacer;
	uint32_t number, serial;
	uid_t euid;
	/* the block in hand, and its part from `from` to `to` for which copies were made ahead */
	struct journal_block block;
	struct ahead ahead[JOURNAL_BLOCK];
	size_t from, to, ahead_most;
	struct parent *parent; /* of the name before; NULL: none */
	/* the pair in hand */
	struct candidate *kept[KEPT_MOST];
	size_t kept_next;
	struct proof *proof;
	const struct journal_entry *of; /* for which it was made */
	uint64_t followed;              /* lines */
	int64_t told;
	int error;                      /* ends everything */
};

/* A name in line. */
struct place {
	struct undo *undo;
	const struct journal_entry *entry;
	struct parent *parent;
};

/* ---- directories ---- */

static const char *last_name(const char *path)
{
	return strrchr(path, '/') + 1;
}

static int open_dir(char *path)
{
	own_fd int at = sys->openat(AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
	char *name = path + 1;
	if (at < 0)
		return at;
	for (char *slash; (slash = strchr(name, '/')); name = slash + 1) {
		int next;
		*slash = '\0';
		int r = beneath_mount(at, name, false, &next);
		*slash = '/';
		if (r)
			return r;
		close_fd(&at);
		at = next;
	}
	return steal_fd(&at);
}

static int open_parent(const char *path, struct parent **ret)
{
	size_t length = (size_t)(last_name(path) - path);
	struct parent *parent = malloc(sizeof(*parent) + length + 1);
	if (!parent)
		return -ENOMEM;
	*parent = (struct parent){ .refs = 1 };
	memcpy(parent->path, path, length);
	parent->path[length] = '\0';
	parent->fd = open_dir(parent->path);
	if (parent->fd < 0) {
		int r = parent->fd;
		free(parent);
		return r;
	}
	*ret = parent;
	return 0;
}

static void parent_unref(struct parent *parent)
{
	if (!parent || --parent->refs)
		return;
	close_fd(&parent->fd);
	free(parent);
}

/* What making a name in a directory is refused with; 0: nothing, or it cannot be asked (faccessat2 came with Linux 5.8). */
static int ask_to_write(int fd)
{
	int r = sys->faccessat(fd, "", W_OK | X_OK, AT_EACCESS | AT_EMPTY_PATH);
	return r == -EACCES || r == -EPERM || r == -EROFS ? r : 0;
}

/* The directory of a name; the one before serves again. Borrowed until the next. */
static int take_parent(struct undo *undo, const char *path, struct parent **ret)
{
	size_t length = (size_t)(last_name(path) - path);
	struct parent *last = undo->parent;
	if (!last || strncmp(last->path, path, length) != 0 || last->path[length]) {
		parent_unref(last);
		undo->parent = NULL;
		int r = open_parent(path, &undo->parent);
		if (r)
			return r;
		if (undo->foresees)
			undo->parent->refused = ask_to_write(undo->parent->fd);
	}
	*ret = undo->parent;
	return 0;
}

/* ---- file systems ---- */

/* Bytes that may be written; some file systems keep a part for root. */
static uint64_t room_of(const struct undo *undo, int fd)
{
	struct statfs statfs;
	if (sys->fstatfs(fd, &statfs))
		return UINT64_MAX;
	uint64_t blocks = undo->euid ? statfs.f_bavail : statfs.f_bfree;
	return blocks * (uint64_t)(statfs.f_frsize ? statfs.f_frsize : statfs.f_bsize);
}

/* The file system of `dev`, on which dirfd lies; NULL where it cannot be opened. */
static struct volume *take_volume(struct undo *undo, uint64_t dev, int dirfd)
{
	struct mount_facts facts;
	for (size_t i = 0; i < undo->volumes.count; i++)
		if (undo->volumes.at[i].dev == dev)
			return &undo->volumes.at[i];
	int fd = sys->openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	struct volume volume = { .dev = dev, .fd = fd };
	if (fd < 0)
		return NULL;
	volume.shares = !mount_look(fd, &facts) && facts.shares_extents;
	volume.room = undo->foresees ? room_of(undo, fd) : 0;
	if (vec_push(&undo->volumes, volume)) {
		sys->close(fd);
		return NULL;
	}
	return &undo->volumes.at[undo->volumes.count - 1];
}

/* What a copy of the file takes: told of one that is foreseen and of one that was made in the same words. */
static uint64_t copy_bytes(const struct volume *volume, const struct stamp *kept)
{
	return volume && volume->shares ? 0 : kept->blocks * 512;
}

/* ---- telling ---- */

static void tell_trouble(struct undo *undo, const struct journal_entry *entry, int r)
{
	struct tell *tell = &undo->plan->tell;
	if (r == -ENOMEM || r == -ECANCELED)
		undo->error = r;
	else if (r == -EAGAIN || r == -EBUSY)
		tell_skip(tell, DLK_STAGE_UNDO, entry->path, DLK_REASON_IN_USE, 1);
	else if (r == -ESTALE || r == -EILSEQ || r == -ENODATA || r == -ENOTSUP || fail_changed(r))
		tell_skip(tell, DLK_STAGE_UNDO, entry->path, DLK_REASON_CHANGED, 1);
	else
		tell_error(tell, DLK_STAGE_UNDO, entry->path, r);
}

static void tell_kept(struct undo *undo, const struct journal_entry *entry, const struct replace_outcome *outcome)
{
	struct text kept = { 0 };
	text_add(&kept, entry->path, (size_t)(strrchr(entry->path, '/') + 1 - entry->path));
	text_puts(&kept, outcome->kept);
	tell_note(&undo->plan->tell, outcome->kept_reason, kept.at, entry->path);
	text_free(&kept);
}

static void place_free(struct place *place)
{
	parent_unref(place->parent);
	free(place);
}

/* A name has a file of its own again, or would have. */
static void note_restored(struct undo *undo, const struct journal_entry *entry)
{
	undo->plan->tally.restored++;
	if (undo->plan->options.tell_links)
		tell_restored(&undo->plan->tell, entry->path);
}

/* A copy counts with the first name that it got. */
static void count_copy(struct undo *undo, int dirfd, const struct proof *proof)
{
	struct candidate *copy = proof_keeper(proof);
	const struct stamp *kept = &proof_target(proof)->stamp;
	if (copy->owner)
		return;
	copy->owner = undo;
	undo->plan->tally.copies++;
	undo->plan->tally.bytes_copied += copy_bytes(take_volume(undo, copy->stamp.dev, dirfd), kept);
}

static void name_done(void *ctx, const struct replace_place *at, const struct proof *proof,
		      const struct replace_outcome *outcome)
{
	struct undo *undo = ctx;
	struct place *place = at->cookie;
	if (outcome->result == REPLACE_LINKED) {
		note_restored(undo, place->entry);
		count_copy(undo, at->dirfd, proof);
	}
	if (outcome->error)
		tell_error(&undo->plan->tell, outcome->stage, place->entry->path, outcome->error);
	else if (outcome->result == REPLACE_LEFT)
		tell_skip(&undo->plan->tell, DLK_STAGE_UNDO, place->entry->path, outcome->reason, 1);
	if (outcome->kept)
		tell_kept(undo, place->entry, outcome);
	place_free(place);
}

/* ---- what became of what ---- */

static const struct remade *next_remade(const struct remades *remades, const struct remade *remade)
{
	return remade->next ? &remades->all.at[remade->next - 1] : NULL;
}

/* The first of those that may have been made of it, the latest first. */
static const struct remade *last_remade(const struct remades *remades, uint64_t old)
{
	uint32_t head = remades->heads ? remades->heads[mix64(old ^ remades->seed) & remades->mask] : 0;
	return head ? &remades->all.at[head - 1] : NULL;
}

static void hang_up(struct remades *remades, size_t index)
{
	struct remade *remade = &remades->all.at[index];
	uint32_t *head = &remades->heads[mix64(remade->old ^ remades->seed) & remades->mask];
	remade->next = *head;
	*head = (uint32_t)index + 1;
}

static int grow_heads(struct remades *remades)
{
	size_t room = remades->heads ? 2 * (remades->mask + 1) : 64;
	uint32_t *heads = calloc(room, sizeof(*heads));
	if (!heads)
		return -ENOMEM;
	free(remades->heads);
	remades->heads = heads;
	remades->mask = room - 1;
	for (size_t i = 0; i < remades->all.count; i++)
		hang_up(remades, i);
	return 0;
}

static int add_remade(struct remades *remades, const struct journal_entry *entry, uint64_t old, const struct stamp *now)
{
	struct remade remade = {
		.dev = now->dev,
		.old = old,
		.now = now->ino,
		.at = entry->at,
		.run = entry->run,
	};
	int r = 0;
	if (!remades->heads || remades->all.count > remades->mask)
		r = grow_heads(remades);
	if (!r)
		r = remades->all.count == UINT32_MAX ? -EOVERFLOW : vec_push(&remades->all, remade);
	if (!r)
		hang_up(remades, remades->all.count - 1);
	return r;
}

static int note_remade(struct undo *undo, const struct journal_entry *entry, const struct stamp *now)
{
	return entry->again ? add_remade(&undo->remade, entry, entry->old.ino, now) : 0;
}

static void free_remades(struct remades *remades)
{
	vec_free(&remades->all);
	free(remades->heads);
}

/* The last that was made of it, if any, or the inode itself. Numbers are a file system's own. */
static uint64_t now_called(const struct undo *undo, uint32_t run, uint64_t dev, uint64_t inode)
{
	const struct remade *remade = last_remade(&undo->remade, inode);
	while (remade && !(remade->old == inode && remade->dev == dev && remade->run > run))
		remade = next_remade(&undo->remade, remade);
	return remade ? remade->now : inode;
}

static const struct remade *remade_before(const struct undo *undo, uint64_t dev, const struct journal_entry *entry)
{
	const struct remade *remade = last_remade(&undo->remade, entry->old.ino);
	while (remade && !(remade->old == entry->old.ino && remade->dev == dev && remade->run == entry->run))
		remade = next_remade(&undo->remade, remade);
	return remade;
}

/*
 * Where recovery finished a name of an undo that died, its line says that K itself was replaced there: K is remade at that name,
 * and still K at its others.
 */
static bool is_kept(const struct undo *undo, const struct stamp *stamp, const struct journal_entry *entry)
{
	return (stamp->ino == entry->kept ||
		stamp->ino == now_called(undo, entry->run, stamp->dev, entry->kept)) &&
	       stamp->size == entry->size && stamp->mtime == entry->kept_mtime;
}

/* ---- copies ---- */

struct copying {
	struct undo *undo;
	struct candidate *kept;
};

/* Every few megabytes of a copy: who waits for K has it, and those in line are not kept waiting either. */
static int while_copying(void *ctx)
{
	const struct copying *copying = ctx;
	replace_settle(&copying->undo->replacer);
	if (tell_stopped(&copying->undo->plan->tell))
		return -ECANCELED;
	return lease_look(&copying->kept->lease) == LEASE_BROKEN ? -EBUSY : 0;
}

/* The same of a comparison. */
static void while_comparing(void *ctx)
{
	struct undo *undo = ctx;
	replace_settle(&undo->replacer);
}

static const char capability[] = "security.capability";

/* Without the group's execute bit S_ISGID gives nothing, and a write leaves it. */
static bool runs_as_group(const struct stamp *stamp)
{
	const uint16_t as_group = S_ISGID | S_IXGRP;
	return (stamp->mode & as_group) == as_group;
}

static bool keeps_group(const struct stamp *kept, const struct journal_entry *entry)
{
	return runs_as_group(kept) && kept->gid == entry->old.gid;
}

static bool keeps_capability(int fd, const struct xattr *old)
{
	struct xattrs now;
	struct xattr has;
	if (xattrs_read(fd, &now))
		return false;
	bool same = xattrs_find(&now, capability, &has) && has.size == old->size && !memcmp(has.value, old->value, old->size);
	xattrs_free(&now);
	return same;
}

/*
 * Privileges are not given to bytes of somebody who has them not: of another owner, nor, where they are a group's or capabilities, of the
 * owner. A write takes them away (fs/inode.c, file_remove_privs), so a K that has them still was not written to since it got them.
 */
static bool would_trust(const struct undo *undo, const struct stamp *kept, int fd, const struct journal_entry *entry)
{
	struct xattr old;
	bool others = kept->uid != entry->old.uid;
	if (!others && kept->uid == undo->euid)
		return false;
	if (others ? entry->old.mode & (S_ISUID | S_ISGID) : runs_as_group(&entry->old) && !keeps_group(kept, entry))
		return true;
	return xattrs_find(&entry->xattrs, capability, &old) && !keeps_capability(fd, &old);
}

/* An ACL is for a file's owner to give: where the line does not say what there was, K's, which is another's, may be newer. */
static bool may_let_in(const struct stamp *kept, const struct journal_entry *entry, const struct xattrs *own)
{
	struct xattr acl;
	return !entry->has_xattrs && kept->uid != entry->old.uid && xattrs_find(own, "system.posix_acl_access", &acl);
}

/* `own`: K's attributes, which are the copy's unless the line has others. */
static int make_copy(struct undo *undo, int dirfd, struct candidate *kept, const struct journal_entry *entry,
		     const struct xattrs *own, struct candidate **ret)
{
	struct copying copying = { undo, kept };
	own_fd int fd = -1;
	int again;
	bool refused = would_trust(undo, &kept->stamp, kept->fd, entry) || may_let_in(&kept->stamp, entry, own);
	int r = refused ? -EPERM : remake_open(dirfd, &fd);
	if (!r)
		r = remake_copy(kept->fd, fd, kept->stamp.size, kept->holes_true, while_copying, &copying);
	if (!r)
		r = remake_dress(fd, &entry->old, entry->has_xattrs ? &entry->xattrs : own);
	if (!r)
		r = beneath_again(fd, &again);
	if (r)
		return r;
	close_fd(&fd); /* so that a lease can be had */
	return candidate_open(&undo->confirm, again, ret);
}

/* -ESTALE: they are others now. A copy goes without those that were not told of, so one answer is not enough. */
static int look_at_attributes(const struct candidate *kept, const struct xattrs *then)
{
	struct xattrs now;
	int r = xattrs_read(kept->fd, &now);
	if (r)
		return r;
	r = xattrs_equal(&now, then) ? 0 : -ESTALE;
	xattrs_free(&now);
	return r;
}

static int make_copy_now(struct undo *undo, int dirfd, struct candidate *kept, const struct journal_entry *entry,
			 struct candidate **ret)
{
	struct xattrs own;
	struct candidate *copy = NULL;
	int r = xattrs_read(kept->fd, &own);
	if (r)
		return r;
	r = make_copy(undo, dirfd, kept, entry, &own, &copy);
	if (!r && !entry->has_xattrs)
		r = look_at_attributes(kept, &own);
	if (!r)
		*ret = copy;
	else
		candidate_unref(copy);
	xattrs_free(&own);
	return r;
}

/* One that was made ahead, if it is still what would be made. */
static int take_ahead(struct undo *undo, struct candidate *kept, const struct journal_entry *entry, struct candidate **ret)
{
	const struct ahead *ahead = &undo->ahead[entry - undo->block.entries];
	if (!ahead->copy || would_trust(undo, &kept->stamp, kept->fd, entry))
		return -ENOENT;
	int r = entry->has_xattrs ? 0 : look_at_attributes(kept, &ahead->own);
	if (!r)
		*ret = candidate_ref(ahead->copy);
	return r;
}

/* What is open anyway need not be opened by its name, which those in line may still take back. */
static struct candidate *find_open(const struct undo *undo, const struct remade *remade)
{
	for (size_t i = undo->from; i < undo->to; i++) {
		struct candidate *copy = undo->ahead[i].copy;
		if (copy && copy->stamp.ino == remade->now && copy->stamp.dev == remade->dev && !copy->spoiled)
			return candidate_ref(copy);
	}
	return NULL;
}

static int open_remade(struct undo *undo, const struct remade *remade, struct candidate **ret)
{
	struct journal_entry at = { 0 };
	struct parent *parent = NULL;
	int fd;
	struct remade wanted = *remade;
	*ret = find_open(undo, remade);
	if (*ret)
		return 0;
	replace_settle_all(&undo->replacer);
	int r = journalin_again(undo->in, wanted.at, &at);
	if (!r)
		r = open_parent(at.path, &parent);
	if (!r)
		r = beneath_file(parent->fd, last_name(at.path), !undo->euid, &fd);
	parent_unref(parent);
	journal_entry_free(&at);
	if (!r)
		r = candidate_open(&undo->confirm, fd, ret);
	if (!r && ((*ret)->stamp.ino != wanted.now || (*ret)->stamp.dev != wanted.dev)) {
		candidate_unref(*ret);
		r = -ESTALE;
	}
	if (!r)
		(*ret)->owner = undo; /* a name has it: it was counted */
	return r;
}

static int prove(struct undo *undo, struct candidate *copy, struct candidate *kept)
{
	struct candidate *pair[] = { copy, kept };
	int r = confirm_compare(&undo->confirm, pair, countof(pair));
	if (!r)
		r = copy->error ? copy->error : kept->error;
	return r ? r : confirm_prove(&undo->confirm, copy, kept, &undo->proof);
}

/* Proves it, and lets go of it. `fresh`: it was no name's file before. */
static int prove_copy(struct undo *undo, struct candidate *copy, struct candidate *kept,
		      const struct journal_entry *entry, bool fresh)
{
	int r = prove(undo, copy, kept);
	if (!r && fresh)
		r = note_remade(undo, entry, &copy->stamp);
	candidate_unref(copy);
	return r;
}

static bool does_not_fit(int r)
{
	return r == -ESTALE || r == -EILSEQ || r == -ENOENT;
}

/* What was one file shall be one again; where its copy is gone or changed by now, another is made. */
static int take_copy(struct undo *undo, int dirfd, struct candidate *kept, const struct journal_entry *entry)
{
	const struct remade *before = remade_before(undo, kept->stamp.dev, entry);
	struct candidate *copy = NULL;
	int r = before ? open_remade(undo, before, &copy) : take_ahead(undo, kept, entry, &copy);
	if (!r)
		r = prove_copy(undo, copy, kept, entry, !before);
	if (!does_not_fit(r))
		return r;
	r = make_copy_now(undo, dirfd, kept, entry, &copy);
	return r ? r : prove_copy(undo, copy, kept, entry, true);
}

/* ---- names ---- */

static bool same_pair(const struct undo *undo, const struct journal_entry *entry, const struct stamp *now)
{
	const struct journal_entry *of = undo->of;
	return undo->proof && stamp_same_file(&proof_target(undo->proof)->stamp, now) && of->run == entry->run &&
	       of->old.ino == entry->old.ino && of->kept == entry->kept && of->old.mtime == entry->old.mtime &&
	       of->size == entry->size && of->kept_mtime == entry->kept_mtime &&
	       !proof_keeper(undo->proof)->spoiled && !proof_target(undo->proof)->spoiled;
}

/* Another look at a file in line would see what those in line do to it. */
static bool in_line(const struct undo *undo, uint64_t inode)
{
	const struct replacer *replacer = &undo->replacer;
	for (size_t i = 0; i < replacer->line_count; i++) {
		const struct replace_pending *p = &replacer->line[(replacer->line_first + i) % replacer->line_room];
		if (proof_target(p->proof)->stamp.ino == inode || proof_keeper(p->proof)->stamp.ino == inode)
			return true;
	}
	return false;
}

static void let_go_of_kept(struct undo *undo)
{
	for (size_t i = 0; i < KEPT_MOST; i++) {
		candidate_unref(undo->kept[i]);
		undo->kept[i] = NULL;
	}
}

static struct candidate *find_kept(const struct undo *undo, const struct stamp *now, const struct journal_entry *entry)
{
	for (size_t i = 0; i < KEPT_MOST; i++) {
		struct candidate *kept = undo->kept[i];
		if (kept && !kept->spoiled && stamp_same_file(&kept->stamp, now) && is_kept(undo, &kept->stamp, entry))
			return kept;
	}
	return NULL;
}

static int open_kept(struct undo *undo, int dirfd, const char *name, const struct journal_entry *entry,
		     struct candidate **ret)
{
	int fd;
	int r = beneath_file(dirfd, name, !undo->euid, &fd);
	if (!r)
		r = candidate_open(&undo->confirm, fd, ret);
	if (!r && !is_kept(undo, &(*ret)->stamp, entry)) {
		candidate_unref(*ret);
		r = -ESTALE;
	}
	return r;
}

/* K, opened by D: whoever comes later must find that D is K still. One that is open serves all that are links of it. */
static int take_kept(struct undo *undo, int dirfd, const char *name, const struct journal_entry *entry,
		     const struct stamp *now, struct candidate **ret)
{
	struct candidate **slot = &undo->kept[undo->kept_next];
	*ret = find_kept(undo, now, entry);
	if (*ret)
		return 0;
	candidate_unref(*slot);
	*slot = NULL;
	if (in_line(undo, now->ino))
		replace_settle_all(&undo->replacer);
	int r = open_kept(undo, dirfd, name, entry, slot);
	if (r) {
		*slot = NULL;
		return r;
	}
	*ret = *slot;
	undo->kept_next = (undo->kept_next + 1) % KEPT_MOST;
	return 0;
}

static int take_pair(struct undo *undo, int dirfd, const char *name, const struct journal_entry *entry)
{
	struct stamp now;
	struct candidate *kept;
	int r = stamp_at(dirfd, name, &now);
	if (r || same_pair(undo, entry, &now))
		return r;
	proof_free(undo->proof);
	undo->proof = NULL;
	undo->of = entry;
	r = take_kept(undo, dirfd, name, entry, &now, &kept);
	return r ? r : take_copy(undo, dirfd, kept, entry);
}

static int undo_name(struct undo *undo, const struct journal_entry *entry)
{
	const char *name = last_name(entry->path);
	struct parent *parent;
	int r = take_parent(undo, entry->path, &parent);
	if (!r)
		r = take_pair(undo, parent->fd, name, entry);
	if (r)
		return r;
	struct place *place = malloc(sizeof(*place));
	if (!place)
		return -ENOMEM;
	parent->refs++;
	*place = (struct place){ undo, entry, parent };
	struct replace_place at = { .dirfd = parent->fd, .name = name, .cookie = place };
	r = replace_name(&undo->replacer, &at, undo->proof);
	if (r)
		place_free(place);
	return r;
}

/* ---- foreseeing ---- */

/* Makes of what stands at a name what the line would have made of it. */
static void be_remade(struct stamp *stamp, const struct remade *remade, const struct stamp *old)
{
	stamp->ino = remade->now;
	stamp->mtime = old->mtime;
	stamp->uid = old->uid;
	stamp->gid = old->gid;
	stamp->mode = old->mode;
}

/* What would stand at the name when the line's turn comes: a line of a later run may have given it another file. */
static int stamp_then(const struct undo *undo, int dirfd, const struct journal_entry *entry, struct stamp *ret)
{
	const struct remade *named = entry->named_again ? last_remade(&undo->names, entry->hash) : NULL;
	int r = stamp_at(dirfd, last_name(entry->path), ret);
	for (bool found = false; named && !found && !r; named = next_remade(&undo->names, named)) {
		struct journal_entry then = { 0 };
		if (named->old != entry->hash)
			continue;
		r = journalin_again(undo->in, named->at, &then);
		found = !r && !strcmp(then.path, entry->path);
		if (found)
			be_remade(ret, named, &then.old);
		journal_entry_free(&then);
	}
	return r;
}

/* What making a copy of the open file would be refused with. Where a line of a later run is about the name, it stands for that one's copy. */
static int may_copy(const struct undo *undo, int fd, const struct journal_entry *entry, const struct stamp *kept)
{
	struct xattrs own = { 0 };
	int r = entry->has_xattrs ? 0 : xattrs_read(fd, &own);
	if (!r && (would_trust(undo, kept, fd, entry) || may_let_in(kept, entry, &own)))
		r = -EPERM;
	xattrs_free(&own);
	return r;
}

/* What finds no room counts as well: the figures say how much is needed. */
static int foresee_copy(struct undo *undo, int dirfd, const struct journal_entry *entry, struct stamp *copy)
{
	struct volume *volume = take_volume(undo, copy->dev, dirfd);
	uint64_t bytes = copy_bytes(volume, copy);
	undo->plan->tally.copies++;
	undo->plan->tally.bytes_copied += bytes;
	if (volume && bytes > volume->room)
		return -ENOSPC;
	if (volume)
		volume->room -= bytes;
	copy->ino = --undo->made_up;
	return note_remade(undo, entry, copy);
}

/* What take_copy does. */
static int foresee_file(struct undo *undo, const struct parent *parent, const struct journal_entry *entry, struct stamp *copy)
{
	const struct remade *before = remade_before(undo, copy->dev, entry);
	own_fd int fd = -1;
	int r = beneath_file(parent->fd, last_name(entry->path), !undo->euid, &fd);
	if (!r)
		r = parent->refused;
	if (!r && !before)
		r = may_copy(undo, fd, entry, copy);
	if (!r && !before)
		r = foresee_copy(undo, parent->fd, entry, copy);
	else if (!r)
		copy->ino = before->now;
	if (!r && entry->named_again)
		r = add_remade(&undo->names, entry, entry->hash, copy);
	return r;
}

/* What undo_name does. */
static int foresee_name(struct undo *undo, const struct journal_entry *entry)
{
	struct parent *parent;
	struct stamp now;
	int r = take_parent(undo, entry->path, &parent);
	if (!r)
		r = stamp_then(undo, parent->fd, entry, &now);
	if (!r && !is_kept(undo, &now, entry))
		r = -ESTALE;
	if (!r)
		r = foresee_file(undo, parent, entry, &now);
	if (!r)
		note_restored(undo, entry);
	return r;
}

/* ---- lines ---- */

/* A root that is gone, or may not be opened, was told of, and is not locked: nothing below it is touched. */
static bool is_locked(const struct undo *undo, const char *path)
{
	for (size_t i = 0; i < undo->roots.count; i++)
		if (journal_below(path, undo->roots.at[i]))
			return true;
	return false;
}

static void tell_how_far(struct undo *undo)
{
	const struct dlk_event event = {
		.kind = DLK_EVENT_PROGRESS,
		.phase = DLK_PHASE_UNDO,
		.done = undo->followed,
		.total = journalin_links(undo->in),
	};
	int64_t now = sys->now();
	if (now - undo->told < TELL_MS * NS_PER_MS)
		return;
	undo->told = now;
	tell_progress(&undo->plan->tell, &event);
}

static void undo_entry(struct undo *undo, const struct journal_entry *entry)
{
	struct tell *tell = &undo->plan->tell;
	if (tell_stopped(tell)) {
		undo->error = -ECANCELED;
	} else if (!journalin_covers(undo->in, entry->path)) {
		tell_refused(tell, DLK_STAGE_UNDO, entry->path, DLK_REASON_OUTSIDE);
	} else if (!is_locked(undo, entry->path)) {
		tell_skip(tell, DLK_STAGE_UNDO, entry->path, DLK_REASON_CHANGED, 1);
	} else {
		int r = undo->foresees ? foresee_name(undo, entry) : undo_name(undo, entry);
		if (r)
			tell_trouble(undo, entry, r);
	}
	undo->followed++;
	replace_settle(&undo->replacer);
	tell_how_far(undo);
}

/* ---- ahead ---- */

/* Whether X is C already, or will be by a line before this one. */
static bool comes_again(const struct undo *undo, uint64_t dev, const struct journal_entry *entry)
{
	if (!entry->again)
		return false;
	for (size_t i = (size_t)(entry - undo->block.entries) + 1; i < undo->to; i++) {
		const struct journal_entry *other = &undo->block.entries[i];
		if (undo->ahead[i].copy && undo->ahead[i].copy->stamp.dev == dev &&
		    other->old.ino == entry->old.ino && other->run == entry->run)
			return true;
	}
	return remade_before(undo, dev, entry) != NULL;
}

/* K, by the name of the line: it is let go of before the sync, which may take long. */
static int take_source(struct undo *undo, int dirfd, const char *name, const struct journal_entry *entry,
		       struct candidate **source)
{
	struct stamp now;
	int r = stamp_at(dirfd, name, &now);
	if (!r && !is_kept(undo, &now, entry))
		r = -ESTALE;
	if (!r && comes_again(undo, now.dev, entry))
		r = -EEXIST;
	if (r || (*source && stamp_same_file(&(*source)->stamp, &now)))
		return r;
	candidate_unref(*source);
	*source = NULL;
	struct candidate *opened;
	r = open_kept(undo, dirfd, name, entry, &opened);
	if (!r)
		*source = opened;
	return r;
}

/* Trouble is not told: the line's turn comes, and what is still wrong then is. */
static void copy_ahead(struct undo *undo, size_t index, struct candidate **source)
{
	const struct journal_entry *entry = &undo->block.entries[index];
	struct ahead *ahead = &undo->ahead[index];
	struct parent *parent;
	if (!journalin_covers(undo->in, entry->path) || !is_locked(undo, entry->path) || take_parent(undo, entry->path, &parent) ||
	    take_source(undo, parent->fd, last_name(entry->path), entry, source))
		return;
	struct volume *volume = take_volume(undo, (*source)->stamp.dev, parent->fd);
	if (!volume || xattrs_read((*source)->fd, &ahead->own))
		return;
	if (!make_copy(undo, parent->fd, *source, entry, &ahead->own, &ahead->copy))
		volume->copies++;
	else
		xattrs_free(&ahead->own);
}

static void sync_ahead(struct undo *undo)
{
	for (size_t v = 0; v < undo->volumes.count; v++) {
		struct volume *volume = &undo->volumes.at[v];
		bool synced = volume->copies >= SYNC_WHOLE && !sys->syncfs(volume->fd);
		for (size_t i = undo->from; i < undo->to && synced; i++)
			if (undo->ahead[i].copy && undo->ahead[i].copy->stamp.dev == volume->dev)
				undo->ahead[i].copy->durable = true;
		volume->copies = 0;
	}
}

/* How far down from `to` copies are made ahead at once. */
static size_t ahead_from(const struct undo *undo, size_t to)
{
	size_t from = to;
	for (uint64_t bytes = 0; from && to - from < undo->ahead_most; from--) {
		uint64_t size = undo->block.entries[from - 1].size;
		if (from < to && size > AHEAD_BYTES - u64_min(bytes, AHEAD_BYTES))
			break;
		bytes += size;
	}
	return from;
}

static void copy_all_ahead(struct undo *undo, size_t to)
{
	struct candidate *source = NULL;
	undo->to = to;
	undo->from = ahead_from(undo, to);
	if (undo->to - undo->from >= SYNC_WHOLE && !undo->foresees) {
		for (size_t i = to; i-- > undo->from && !tell_stopped(&undo->plan->tell);)
			copy_ahead(undo, i, &source);
		candidate_unref(source);
		sync_ahead(undo);
	}
}

static void free_ahead(struct undo *undo)
{
	for (size_t i = undo->from; i < undo->to; i++) {
		candidate_unref(undo->ahead[i].copy);
		xattrs_free(&undo->ahead[i].own);
		undo->ahead[i] = (struct ahead){ 0 };
	}
}

/* ---- the whole ---- */

static void undo_block(struct undo *undo)
{
	for (size_t to = undo->block.count; to && !undo->error; to = undo->from) {
		copy_all_ahead(undo, to);
		for (size_t i = to; i-- > undo->from && !undo->error;)
			undo_entry(undo, &undo->block.entries[i]);
		replace_settle_all(&undo->replacer);
		let_go_of_kept(undo);
		parent_unref(undo->parent);
		undo->parent = NULL;
		proof_free(undo->proof);
		undo->proof = NULL;
		free_ahead(undo);
	}
}

static int undo_all(struct undo *undo)
{
	for (size_t number = journalin_blocks(undo->in); number-- > 0 && !undo->error;) {
		int r = journalin_read(undo->in, number, &undo->block);
		if (r)
			return r;
		undo_block(undo);
		journal_block_free(&undo->block);
	}
	return undo->error;
}

static int note_root(struct undo *undo, uint32_t root, const char *name)
{
	char *directory;
	struct text path = { 0 };
	int r = roots_real_path(&undo->plan->catalog, root, &directory);
	if (r) {
		tell_error(&undo->plan->tell, DLK_STAGE_ROOT, undo->plan->catalog.roots.at[root].open, r);
		return r == -ENOMEM ? r : 0;
	}
	text_puts(&path, directory);
	text_puts(&path, name ? "/" : "");
	text_puts(&path, name ? name : "");
	free(directory);
	r = path.failed ? -ENOMEM : vec_push(&undo->roots, path.at);
	if (r)
		text_free(&path);
	return r;
}

static int note_roots(struct undo *undo)
{
	const struct roots *roots = &undo->plan->roots;
	int r = 0;
	for (size_t i = 0; i < roots->dirs.count && !r; i++) {
		const struct root_dir *dir = &roots->dirs.at[i];
		if (dir->error)
			tell_error(&undo->plan->tell, DLK_STAGE_ROOT, undo->plan->catalog.roots.at[dir->root].open, dir->error);
		else
			r = note_root(undo, dir->root, NULL);
	}
	for (size_t i = 0; i < roots->files.count && !r; i++)
		r = note_root(undo, roots->parents.at[roots->files.at[i].parent].root, roots->files.at[i].name);
	return r;
}

/* What locking would say of the roots, without a lock. */
static void look_at_roots(struct dlk_plan *plan)
{
	for (size_t i = 0; i < plan->roots.dirs.count; i++) {
		struct root_dir *dir = &plan->roots.dirs.at[i];
		own_fd int fd = -1;
		dir->error = roots_open(&plan->catalog, dir->root, &dir->stamp, true, &fd);
	}
}

static int take_roots(struct undo *undo)
{
	struct dlk_plan *plan = undo->plan;
	size_t count;
	char *const *roots = journalin_roots(undo->in, &count);
	int r = roots_resolve(&plan->catalog, &plan->tell, (const char *const *)roots, count, &plan->roots);
	if (!r && undo->foresees)
		look_at_roots(plan);
	else if (!r)
		r = lock_take(&plan->catalog, &plan->roots, &plan->tell, true, plan->options.wait, &plan->lock);
	return r ? r : note_roots(undo);
}

/* Descriptors: half of them for copies made ahead, a quarter for those in line. */
static int begin(struct undo *undo)
{
	struct dlk_options loose = undo->plan->options;
	unsigned descriptors = sys_descriptors();
	size_t line = size_max(1, size_min(LINE_MOST, descriptors / 4 / FD_EACH));
	undo->euid = geteuid();
	undo->ahead_most = size_max(1, size_min(JOURNAL_BLOCK, descriptors / 2));
	loose.respect = 0; /* the copy is dressed as the old file, not as the one it is compared with */
	int r = take_roots(undo);
	if (r || undo->foresees)
		return r;
	r = sys_random(&undo->number, sizeof(undo->number));
	if (!r)
		r = confirm_init(&undo->confirm, &loose);
	if (!r)
		r = replace_init(&undo->replacer, &undo->confirm, undo->number, &undo->serial, line);
	undo->confirm.between = while_comparing;
	undo->confirm.ctx = undo;
	undo->replacer.done = name_done;
	undo->replacer.ctx = undo;
	return r;
}

static int work(struct undo *undo)
{
	int r = begin(undo);
	if (!r) {
		tell_phase(&undo->plan->tell, DLK_PHASE_UNDO);
		if (!undo->foresees)
			lease_signal_begin();
		r = undo_all(undo);
		if (!undo->foresees)
			lease_signal_end();
	}
	replace_free(&undo->replacer);
	confirm_free(&undo->confirm);
	return r;
}

static void undo_free(struct undo *undo)
{
	for (size_t i = 0; i < undo->volumes.count; i++)
		sys->close(undo->volumes.at[i].fd);
	for (size_t i = 0; i < undo->roots.count; i++)
		free(undo->roots.at[i]);
	vec_free(&undo->roots);
	vec_free(&undo->volumes);
	free_remades(&undo->remade);
	free_remades(&undo->names);
	journalin_free(undo->in);
	dlk_plan_free(undo->plan);
	free(undo);
}

static int follow(const struct dlk_options *options, int fd, bool foresees, struct dlk_tally *ret_tally)
{
	struct undo *undo = calloc(1, sizeof(*undo));
	if (!undo)
		return -ENOMEM;
	undo->foresees = foresees;
	int r = plan_new(options, &undo->plan);
	if (r) {
		free(undo);
		return r;
	}
	undo->remade.seed = undo->names.seed = undo->plan->seed;
	r = journalin_open(fd, foresees, &undo->plan->tell, &undo->in);
	if (!r && journalin_links(undo->in))
		r = work(undo);
	*ret_tally = undo->plan->tally;
	undo_free(undo);
	return r;
}

int dlk_undo(const struct dlk_options *options, int fd, struct dlk_tally *ret_tally)
{
	return follow(options, fd, false, ret_tally);
}

int dlk_undo_foresee(const struct dlk_options *options, int fd, struct dlk_tally *ret_tally)
{
	return follow(options, fd, true, ret_tally);
}
