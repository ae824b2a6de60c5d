/* SPDX-License-Identifier: MIT */
/*
 * walk.c - a stack of directories, a few walkers, and batches handed to one owner
 *
 *	walkers:  pop a directory -> open beneath its parent -> read entries -> look at files -> push subdirectories
 *	owner:    takes sealed batches -> catalog; walks, too, while there is more to walk than the others can take
 *
 * A tree is walked one mount at a time (a phase), so that a directory seen through two mounts is always counted under the same
 * one, whatever the threads do. Entering another mount is put off to a phase of its own.
 *
 * A frame is a directory being read or having children on the stack. Its descriptor stays open for them while descriptors
 * last; beyond that they find it again by name, from the nearest ancestor that is open. The stack is last in, first out,
 * which keeps frames few; nothing recurses.
 */
#include "walk.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "../base/fail.h"
#include "../base/pool.h"
#include "../base/wait.h"
#include "../sys/beneath.h"
#include "../sys/dir.h"
#include "../sys/mountinfo.h"
#include "reach.h"
#include "temp.h"

enum {
	WALKERS = 16,       /* pays when cold; the owner is one of them */
	WALKERS_FIRST = 4,  /* enough when warm, where each costs some tens of microseconds */
	ATTEND = 64,        /* entries the owner reads before it looks after the others */
	TELL_MS = 100,      /* how often it is told how far the walk is */
	TICK_MS = 10,       /* how often it is looked at whether they wait */
	WAITS = 4,          /* they do when they slept more than once for so many entries found */
	PATH_STRIDE = 4096, /* bytes of a path between two frames that keep theirs */
	FD_WALKER = 4,      /* descriptors a walker may need at once, besides those of frames */
	BATCH_FOUND = 256,
	BATCH_TEXT = 16 * 1024,
	BATCHES = 32,       /* besides one in each walker's hands, so that memory stays bounded when the owner is slow */
};

enum found_kind { FOUND_DIR, FOUND_FILE, FOUND_KNOWN, FOUND_TEMP };

/* Small, and stamps apart from it: another processor reads all of this, and most names of snapshots have no stamp. */
struct found {
	enum found_kind kind;
	uint32_t dir;    /* FOUND_DIR: its own id; else the directory it stands in */
	uint32_t text;   /* offset of the name in the batch */
	uint32_t length;
	union {
		struct {
			uint32_t parent; /* its own record may still be on its way */
			uint32_t root;
		}; /* FOUND_DIR */
		struct inode_id inode; /* FOUND_KNOWN */
	};
};

struct batch {
	struct batch *next;
	size_t count, stamps_used, text_used;
	struct found found[BATCH_FOUND];
	struct stamp stamps[BATCH_FOUND]; /* of FOUND_DIR and FOUND_FILE, in their order */
	char text[BATCH_TEXT];
};

struct frame {
	struct frame *parent; /* counted in its refs; NULL for the start of a phase */
	struct frame *anchor; /* when fd was closed early: the nearest ancestor with one, which it keeps open */
	struct stamp stamp;
	uint32_t id, depth, root;
	unsigned refs;    /* atomic: the reader, entries on the stack, and child frames */
	unsigned pending; /* atomic: the reader, and entries on the stack: who still wants fd */
	int fd;           /* -1: closed to save descriptors, or a root that was not opened yet */
	bool holds_files; /* that may be read soon */
	char *path;       /* relative to the root, with a slash at the end: of the start of a later phase, and of some, see frame_path */
	char name[];      /* "" at the start of a phase */
};

/* A subdirectory waiting on the stack. */
struct entry {
	struct entry *next;
	struct frame *parent;
	char name[];
};

/* The owner's: the walkers that run, and those that come once the first turn out to wait for the disk. */
struct crew {
	struct pool first, rest;
	unsigned missing;           /* not started yet */
	int64_t looked;             /* when it was looked at last; and what there was by then: */
	uint64_t switches, entries;
	int64_t told;               /* when it was told last how far the walk is */
};

/* A directory in another mount. */
struct crossing {
	struct dir_id parent;
	uint32_t root, depth;
	char *name, *path; /* path: of its frame, or NULL */
};

struct phase {
	struct walk *walk;
	uint32_t domain;
	uint64_t dev, mount;
	bool ino_true; /* d_ino can be trusted here */
	bool end_told; /* the last entry says that it is the last */
	const struct stamp *visited; /* directories of this device walked before through another mount, sorted by ino */
	size_t visited_count;
	uint32_t *next_id; /* atomic */
	size_t max_open;

	pthread_mutex_t mutex;
	pthread_cond_t work, room, to_owner; /* entries; spare batches; the owner has something to do */
	struct entry *stack;
	size_t stacked;    /* entries on it */
	struct batch *full, **full_end, *spare;
	size_t batches;    /* made so far */
	size_t most;       /* never so many that walkers without work could hold them all */
	bool owner_waits;  /* for batches or work */
	unsigned walkers;  /* running, besides the owner */
	unsigned active;   /* not waiting for work; the owner while it walks */
	size_t open;       /* atomic: frames with a descriptor */
	int error;         /* the first that ends everything */
	bool late;         /* atomic: the time for walking is over */
	VEC(struct crossing) crossings;
};

struct walker {
	struct phase *phase;
	struct crew *crew;  /* the owner's, who looks after it; else NULL */
	unsigned entries;   /* read since it did */
	struct batch *batch;
	char *buffer;       /* of getdents */
};

static bool ended(struct phase *phase)
{
	return __atomic_load_n(&phase->error, __ATOMIC_RELAXED) != 0;
}

static void end(struct phase *phase, int error)
{
	int none = 0;
	__atomic_compare_exchange_n(&phase->error, &none, error, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

static bool late(struct phase *phase)
{
	return __atomic_load_n(&phase->late, __ATOMIC_RELAXED);
}

/* Looks at the clock: not for each entry, but for each directory and each batch. */
static bool look_at_clock(struct phase *phase)
{
	if (!late(phase) && manners_walk_late(phase->walk->manners))
		__atomic_store_n(&phase->late, true, __ATOMIC_RELAXED);
	return late(phase);
}

/* ---- paths of frames, for messages and rules ---- */

/* Appends the path of `name` (or of the frame itself) relative to the root. */
static void frame_relative(const struct frame *frame, const char *name, struct text *text)
{
	VEC(const char *) names = { 0 };
	int r = name ? vec_push(&names, name) : 0;
	for (; !r && frame->parent && !frame->path; frame = frame->parent)
		r = vec_push(&names, frame->name);
	text->failed |= r != 0;
	if (frame->path)
		text_puts(text, frame->path);
	for (size_t i = names.count; i-- > 0;) {
		text_puts(text, names.at[i]);
		if (i)
			text_puts(text, "/");
	}
	vec_free(&names);
}

/*
 * The same of the frame itself, with a slash at the end, by its reader. If each kept its path, those of a hundred thousand directories
 * one in the other would take gigabytes; if none did, each would be put together from as many names. -ENOMEM.
 */
static int frame_path(struct frame *frame, struct text *ret)
{
	const struct frame *from = frame;
	while (from->parent && !from->path)
		from = from->parent;
	frame_relative(frame, "", ret);
	if (!ret->failed && !frame->path && ret->count >= (from->path ? strlen(from->path) : 0) + PATH_STRIDE)
		frame->path = strdup(ret->at); /* without it there is only more to do */
	return ret->failed ? -ENOMEM : 0;
}

static void frame_text(const struct phase *phase, const struct frame *frame, const char *name, struct text *text)
{
	struct text relative = { 0 };
	frame_relative(frame, name, &relative);
	text_puts(text, phase->walk->catalog->roots.at[frame->root].text);
	if (relative.count && text->count && text->at[text->count - 1] != '/')
		text_puts(text, "/");
	text_puts(text, relative.at ? relative.at : "");
	text_free(&relative);
}

static void tell_trouble(const struct phase *phase, const struct frame *frame, const char *name, int error)
{
	struct text text = { 0 };
	frame_text(phase, frame, name, &text);
	tell_error(phase->walk->tell, DLK_STAGE_WALK, text.at, error);
	text_free(&text);
}

/* ---- frames ---- */

static void frame_unref(struct frame *frame)
{
	while (frame && __atomic_sub_fetch(&frame->refs, 1, __ATOMIC_ACQ_REL) == 0) {
		struct frame *parent = frame->parent;
		free(frame->path);
		free(frame);
		frame = parent;
	}
}

/* Nobody here wants the descriptor any more; but perhaps who reads the files. */
static void frame_close(struct phase *phase, struct frame *frame)
{
	struct reach_kept *kept = phase->walk->kept;
	if (kept && frame->holds_files && reach_keep(kept, (struct dir_id){ frame->id }, frame->fd))
		frame->fd = -1;
	close_fd(&frame->fd);
	__atomic_sub_fetch(&phase->open, 1, __ATOMIC_RELAXED);
}

/* One fewer wants the descriptor. */
static void frame_release(struct phase *phase, struct frame *frame)
{
	while (frame && __atomic_sub_fetch(&frame->pending, 1, __ATOMIC_ACQ_REL) == 0) {
		if (frame->fd >= 0)
			frame_close(phase, frame);
		frame = frame->anchor; /* an ancestor, so it outlives us */
	}
}

/* Closes the descriptor although entries want it: they will come by way of the anchor. To be called by the frame's reader,
 * whose own entry keeps the parent's descriptor, or the parent's anchor's, open just now. */
static void frame_close_early(struct phase *phase, struct frame *frame)
{
	frame->anchor = frame->parent->fd >= 0 ? frame->parent : frame->parent->anchor;
	__atomic_add_fetch(&frame->anchor->pending, 1, __ATOMIC_RELAXED);
	close_fd(&frame->fd);
	__atomic_sub_fetch(&phase->open, 1, __ATOMIC_RELAXED);
}

static struct frame *frame_new(struct frame *parent, const char *name)
{
	size_t length = strlen(name);
	struct frame *frame = calloc(1, sizeof(*frame) + length + 1);
	if (!frame)
		return NULL;
	memcpy(frame->name, name, length + 1);
	frame->fd = -1;
	frame->refs = frame->pending = 1;
	if (parent) {
		frame->parent = parent;
		frame->depth = parent->depth + 1;
		frame->root = parent->root;
		__atomic_add_fetch(&parent->refs, 1, __ATOMIC_RELAXED);
	}
	return frame;
}

/* Opens frame again by way of its anchor. */
static int frame_reopen(struct frame *frame, int *ret_fd)
{
	VEC(struct frame *) chain = { 0 };
	own_fd int at = -1;
	int r = 0, from = frame->anchor->fd;
	for (struct frame *f = frame; !r && f != frame->anchor; f = f->parent)
		r = vec_push(&chain, f);
	while (!r && chain.count) {
		char path[DIR_NAME_MAX + 1];
		size_t length = 0;
		do {
			const char *name = chain.at[--chain.count]->name;
			length += (size_t)snprintf(path + length, sizeof(path) - length, "%s%s", length ? "/" : "", name);
		} while (chain.count && length + 1 + strlen(chain.at[chain.count - 1]->name) < sizeof(path));
		int next;
		r = beneath_dir(from, path, false, &next);
		if (!r) {
			close_fd(&at);
			from = at = next;
		}
	}
	vec_free(&chain);
	struct stamp now;
	if (!r)
		r = stamp_fd(at, &now);
	if (!r && !stamp_same_file(&now, &frame->stamp))
		r = -ESTALE;
	if (!r)
		*ret_fd = steal_fd(&at);
	return r;
}

/* ---- batches ---- */

static void batch_clear(struct batch *batch)
{
	batch->next = NULL;
	batch->count = batch->stamps_used = batch->text_used = 0;
}

static struct batch *batch_get(struct walker *walker)
{
	struct phase *phase = walker->phase;
	struct batch *batch = NULL;
	pthread_mutex_lock(&phase->mutex);
	while (!phase->spare && phase->batches >= phase->most && !walker->crew) /* it is the owner who makes room */
		pthread_cond_wait(&phase->room, &phase->mutex);
	if (phase->spare) {
		batch = phase->spare;
		phase->spare = batch->next;
	} else {
		phase->batches++;
	}
	pthread_mutex_unlock(&phase->mutex);
	if (!batch)
		batch = malloc(sizeof(*batch));
	if (batch)
		batch_clear(batch);
	return batch;
}

static void own_batch(struct phase *phase, const struct batch *batch);

/* The owner takes its own at once, still warm. */
static void batch_seal(struct walker *walker)
{
	struct phase *phase = walker->phase;
	if (walker->batch && walker->crew) {
		own_batch(phase, walker->batch);
		batch_clear(walker->batch);
	} else if (walker->batch) {
		pthread_mutex_lock(&phase->mutex);
		*phase->full_end = walker->batch;
		phase->full_end = &walker->batch->next;
		if (phase->owner_waits)
			pthread_cond_signal(&phase->to_owner);
		pthread_mutex_unlock(&phase->mutex);
		walker->batch = NULL;
	}
}

static struct found *batch_add(struct walker *walker, enum found_kind kind, uint32_t dir, const char *name, size_t length)
{
	if (walker->batch &&
	    (walker->batch->count == BATCH_FOUND || walker->batch->text_used + length > BATCH_TEXT))
		batch_seal(walker);
	if (!walker->batch)
		walker->batch = batch_get(walker);
	struct batch *batch = walker->batch;
	if (!batch) {
		end(walker->phase, -ENOMEM);
		return NULL;
	}
	struct found *found = &batch->found[batch->count++];
	found->kind = kind;
	found->dir = dir;
	found->text = (uint32_t)batch->text_used;
	found->length = (uint32_t)length;
	memcpy(batch->text + batch->text_used, name, length);
	batch->text_used += length;
	return found;
}

static struct found *batch_add_stamped(struct walker *walker, enum found_kind kind, uint32_t dir, const char *name,
				       size_t length, const struct stamp *stamp)
{
	struct found *found = batch_add(walker, kind, dir, name, length);
	if (found)
		walker->batch->stamps[walker->batch->stamps_used++] = *stamp;
	return found;
}

/* ---- reading a directory ---- */

struct reading {
	struct walker *walker;
	struct frame *frame;
	struct entry *first, *last; /* subdirectories found, pushed together at the end */
	char *path;                 /* scratch: the frame's with the entry's name behind it; NULL: the rules ask for none */
	size_t path_base;
	bool file_roots;            /* some file roots exist */
};

static const char *entry_path(struct reading *reading, const char *name, size_t length)
{
	if (!reading->path)
		return name;
	memcpy(reading->path + reading->path_base, name, length + 1);
	return reading->path;
}

static void found_dir(struct reading *reading, const struct dir_entry *entry)
{
	struct walk *walk = reading->walker->phase->walk;
	if (reading->frame->depth + 1 >= walk->options->max_depth)
		return;
	if (!rule_enters_dir(walk->rule, entry_path(reading, entry->name, entry->length), entry->name))
		return;
	struct entry *child = malloc(sizeof(*child) + entry->length + 1);
	if (!child) {
		end(reading->walker->phase, -ENOMEM);
		return;
	}
	memcpy(child->name, entry->name, entry->length + 1);
	child->parent = reading->frame;
	child->next = reading->first;
	reading->first = child;
	if (!reading->last)
		reading->last = child;
}

/*
 * A file on another device than its directory belongs to a layer of an overlay whose layers lie on several file systems. A
 * link copies it up, and what was opened and compared is then another file than what was linked.
 */
static bool may_link(const struct stamp *file, uint64_t dev, uint64_t mount, enum dlk_reason *ret_why)
{
	if (file->mount == mount && file->dev == dev)
		return true;
	/* something is mounted on the file: it cannot be renamed */
	*ret_why = file->mount != mount ? DLK_REASON_MOUNT_POINT : DLK_REASON_CROSS_DEVICE;
	return false;
}

static void found_stamp(struct reading *reading, const struct dir_entry *entry, const struct stamp *stamp)
{
	struct phase *phase = reading->walker->phase;
	if (!rule_takes_size(phase->walk->rule, stamp->size) || !rule_takes_time(phase->walk->rule, stamp->mtime))
		return;
	enum dlk_reason why;
	if (!may_link(stamp, reading->frame->stamp.dev, reading->frame->stamp.mount, &why)) {
		struct text text = { 0 };
		frame_text(phase, reading->frame, entry->name, &text);
		tell_skip(phase->walk->tell, DLK_STAGE_WALK, text.at, why, 1);
		text_free(&text);
		return;
	}
	reading->frame->holds_files = true;
	batch_add_stamped(reading->walker, FOUND_FILE, reading->frame->id, entry->name, entry->length, stamp);
}

/* A regular file, or an entry whose type the file system does not say. */
static void found_file(struct reading *reading, const struct dir_entry *entry)
{
	struct walker *walker = reading->walker;
	struct phase *phase = walker->phase;
	struct frame *frame = reading->frame;
	if (entry->type == DIR_FILE &&
	    !rule_takes_file(phase->walk->rule, entry_path(reading, entry->name, entry->length), entry->name))
		return;
	if (reading->file_roots && roots_has_file(phase->walk->roots, &frame->stamp, entry->name))
		return;
	uint32_t inode;
	if (phase->ino_true && entry->type == DIR_FILE &&
	    seen_find(&phase->walk->catalog->linked, phase->domain, entry->ino, &inode)) {
		struct found *found = batch_add(walker, FOUND_KNOWN, frame->id, entry->name, entry->length);
		if (found)
			found->inode.v = inode;
		return;
	}
	struct stamp stamp;
	int r = stamp_at(frame->fd, entry->name, &stamp);
	if (r && fail_kind(r) != FAIL_GONE)
		tell_trouble(phase, frame, entry->name, r);
	if (r)
		return;
	if (entry->type == DIR_UNKNOWN && S_ISDIR(stamp.mode))
		found_dir(reading, entry);
	else if (!phase->walk->temps_only && stamp_regular(&stamp) &&
		 (entry->type == DIR_FILE ||
		  rule_takes_file(phase->walk->rule, entry_path(reading, entry->name, entry->length), entry->name)))
		found_stamp(reading, entry, &stamp);
}

static void found_entry(struct reading *reading, const struct dir_entry *entry)
{
	struct temp temp;
	/* Of any type: a directory or a symlink put in a file's place while it was being replaced comes to stand here. */
	if (temp_parse(entry->name, entry->length, &temp))
		batch_add(reading->walker, FOUND_TEMP, reading->frame->id, entry->name, entry->length);
	else if (entry->type == DIR_DIR)
		found_dir(reading, entry);
	else if (entry->type == DIR_OTHER)
		return;
	else if (!reading->walker->phase->walk->temps_only)
		found_file(reading, entry);
	else if (entry->type == DIR_UNKNOWN)
		found_file(reading, entry);
}

static void push_children(struct phase *phase, struct reading *reading)
{
	struct frame *frame = reading->frame;
	unsigned count = 0;
	for (struct entry *e = reading->first; e; e = e->next)
		count++;
	if (!count)
		return;
	__atomic_add_fetch(&frame->refs, count, __ATOMIC_RELAXED);
	/* Few descriptors left: let children find their parent by name. Frames without parents must stay, they are the way. */
	if (frame->parent && __atomic_load_n(&phase->open, __ATOMIC_RELAXED) > phase->max_open)
		frame_close_early(phase, frame);
	__atomic_add_fetch(&frame->pending, count, __ATOMIC_RELAXED);
	pthread_mutex_lock(&phase->mutex);
	reading->last->next = phase->stack;
	phase->stack = reading->first;
	phase->stacked += count;
	if (count > 1)
		pthread_cond_broadcast(&phase->work);
	else
		pthread_cond_signal(&phase->work);
	if (phase->owner_waits && phase->stacked > phase->walkers)
		pthread_cond_signal(&phase->to_owner);
	pthread_mutex_unlock(&phase->mutex);
}

/* The Cache Directory Tagging Specification: a regular file of this name that begins with this line. */
static bool is_cache(int dirfd)
{
	static const char signature[] = "Signature: 8a477f597d28d172789f06886806bc55";
	char begin[sizeof(signature) - 1];
	struct stamp stamp;
	own_fd int fd = -1;
	return !beneath_file(dirfd, "CACHEDIR.TAG", false, &fd) && !stamp_fd(fd, &stamp) && stamp_regular(&stamp) &&
	       sys->pread(fd, begin, sizeof(begin), 0) == sizeof(begin) && !memcmp(begin, signature, sizeof(begin));
}

/* In a tree of snapshots nearly each name is looked up: memory is waited for once for many of them. */
static void expect_ino(void *ctx, uint64_t ino)
{
	const struct phase *phase = ctx;
	seen_prefetch(&phase->walk->catalog->linked, phase->domain, ino);
}

static struct dir begin_dir(struct walker *walker, const struct frame *frame)
{
	struct phase *phase = walker->phase;
	struct dir dir = dir_begin(frame->fd, walker->buffer);
	dir.end_told = phase->end_told;
	dir.ahead = phase->ino_true ? expect_ino : NULL;
	dir.ctx = phase;
	return dir;
}

static int begin_path(struct reading *reading)
{
	struct text text = { 0 };
	int r = frame_path(reading->frame, &text);
	if (!r)
		reading->path = malloc(text.count + DIR_NAME_MAX + 1);
	if (reading->path) {
		memcpy(reading->path, text.at, text.count);
		reading->path_base = text.count;
	}
	text_free(&text);
	return reading->path ? 0 : -ENOMEM;
}

static void attend(struct walker *owner);

static void read_frame(struct walker *walker, struct frame *frame)
{
	struct phase *phase = walker->phase;
	if (phase->walk->options->exclude_caches && is_cache(frame->fd))
		return;
	struct reading reading = { .walker = walker, .frame = frame, .file_roots = phase->walk->roots->files.count > 0 };
	if (rule_needs_path(phase->walk->rule) && begin_path(&reading)) {
		end(phase, -ENOMEM);
		return;
	}
	struct dir dir = begin_dir(walker, frame);
	struct dir_entry entry;
	int r;
	while (!ended(phase) && !late(phase) && (r = dir_next(&dir, &entry)) != 0) {
		if (r < 0) {
			tell_trouble(phase, frame, NULL, r);
			break;
		}
		found_entry(&reading, &entry);
		if (walker->crew && ++walker->entries == ATTEND)
			attend(walker);
	}
	free(reading.path);
	push_children(phase, &reading);
}

/* ---- opening the next directory ---- */

static bool visited(const struct phase *phase, const struct stamp *stamp)
{
	size_t low = 0, high = phase->visited_count;
	while (low < high) {
		size_t middle = (low + high) / 2;
		if (phase->visited[middle].ino == stamp->ino)
			return true;
		if (phase->visited[middle].ino < stamp->ino)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

static void put_off(struct phase *phase, const struct frame *parent, const char *name)
{
	if (phase->walk->options->one_file_system)
		return;
	struct text text = { 0 };
	frame_relative(parent, name, &text);
	text_puts(&text, "/");
	struct crossing crossing = {
		.parent = { parent->id },
		.root = parent->root,
		.depth = parent->depth + 1,
		.name = strdup(name),
		.path = text.at,
	};
	pthread_mutex_lock(&phase->mutex);
	int r = crossing.name && crossing.path ? vec_push(&phase->crossings, crossing) : -ENOMEM;
	pthread_mutex_unlock(&phase->mutex);
	if (r) {
		free(crossing.name);
		free(crossing.path);
		end(phase, r);
	}
}

/* Whether a directory that opened well is to be read in this phase; otherwise says or notes what is to be. */
static bool enter(struct phase *phase, const struct entry *entry, const struct stamp *stamp)
{
	if (stamp->mount != phase->mount || stamp->dev != phase->dev) {
		put_off(phase, entry->parent, entry->name);
		return false;
	}
	return !roots_has_dir(phase->walk->roots, stamp) && !visited(phase, stamp);
}

static struct frame *open_entry(struct walker *walker, struct entry *entry)
{
	struct phase *phase = walker->phase;
	struct frame *parent = entry->parent, *frame = NULL;
	own_fd int reopened = -1, fd = -1;
	struct stamp stamp;
	int r = parent->fd >= 0 ? 0 : frame_reopen(parent, &reopened);
	if (!r)
		r = beneath_dir(parent->fd >= 0 ? parent->fd : reopened, entry->name, true, &fd);
	if (!r)
		r = stamp_fd(fd, &stamp);
	if (r == -EXDEV)
		put_off(phase, parent, entry->name);
	else if (r && !fail_changed(r))
		tell_trouble(phase, parent, entry->name, r);
	if (r || !enter(phase, entry, &stamp))
		return NULL;

	frame = frame_new(parent, entry->name);
	if (!frame) {
		end(phase, -ENOMEM);
		return NULL;
	}
	frame->id = __atomic_fetch_add(phase->next_id, 1, __ATOMIC_RELAXED);
	frame->stamp = stamp;
	frame->fd = steal_fd(&fd);
	__atomic_add_fetch(&phase->open, 1, __ATOMIC_RELAXED);
	struct found *found =
		batch_add_stamped(walker, FOUND_DIR, frame->id, entry->name, strlen(entry->name), &stamp);
	if (found) {
		found->parent = parent->id;
		found->root = parent->root;
	}
	return frame;
}

/* With the mutex held, there being one. */
static struct entry *pop_entry(struct phase *phase)
{
	struct entry *entry = phase->stack;
	phase->stack = entry->next;
	phase->stacked--;
	phase->active++;
	return entry;
}

/* With the mutex held: one that may have pushed entries is through. */
static void become_idle(struct phase *phase)
{
	phase->active--;
	if (!phase->stack && !phase->active)
		pthread_cond_broadcast(&phase->work); /* nothing left and nobody who could push: all go home */
}

static struct entry *next_entry(struct phase *phase)
{
	pthread_mutex_lock(&phase->mutex);
	become_idle(phase);
	while (!phase->stack && phase->active)
		pthread_cond_wait(&phase->work, &phase->mutex);
	struct entry *entry = phase->stack ? pop_entry(phase) : NULL;
	pthread_mutex_unlock(&phase->mutex);
	return entry;
}

static void tell_root(const struct walk *walk, uint32_t root, int error)
{
	tell_error(walk->tell, DLK_STAGE_ROOT, walk->catalog->roots.at[root].open, error);
}

/*
 * There may be more roots than descriptors. They are lowest on the stack, and the next is popped when all entries are in the
 * walkers' hands: so besides the first no more of them are open at once than there are walkers.
 */
static struct frame *open_start(struct walker *walker, struct frame *frame)
{
	struct phase *phase = walker->phase;
	if (frame->fd >= 0)
		return frame;
	int r = roots_open(phase->walk->catalog, frame->root, &frame->stamp, true, &frame->fd);
	if (r) {
		tell_root(phase->walk, frame->root, r);
		return NULL;
	}
	__atomic_add_fetch(&phase->open, 1, __ATOMIC_RELAXED);
	frame->id = __atomic_fetch_add(phase->next_id, 1, __ATOMIC_RELAXED);
	struct found *found = batch_add_stamped(walker, FOUND_DIR, frame->id, "", 0, &frame->stamp);
	if (found) {
		found->parent = ID_NONE;
		found->root = frame->root;
	}
	return frame;
}

static void walk_entry(struct walker *walker, struct entry *entry)
{
	struct phase *phase = walker->phase;
	struct frame *parent = entry->parent, *frame = NULL;
	if (!ended(phase) && !look_at_clock(phase))
		frame = parent->parent || entry->name[0] ? open_entry(walker, entry) : open_start(walker, parent);
	if (frame) {
		read_frame(walker, frame);
		frame_release(phase, frame);
	}
	if (frame && frame != parent)
		frame_unref(frame);
	if (frame != parent)
		frame_release(phase, parent);
	frame_unref(parent);
	free(entry);
}

/* Without a buffer the phase has ended, and walking only empties the stack. */
static void walker_begin(struct walker *walker)
{
	walker->buffer = malloc(DIR_BUFFER);
	if (!walker->buffer)
		end(walker->phase, -ENOMEM);
}

static void walker_main(void *ctx, unsigned worker)
{
	struct phase *phase = ctx;
	struct walker walker = { .phase = phase };
	struct entry *entry;
	(void)worker;
	walker_begin(&walker);
	while ((entry = next_entry(phase)))
		walk_entry(&walker, entry);
	batch_seal(&walker);
	free(walker.buffer);
	pthread_mutex_lock(&phase->mutex);
	phase->walkers--;
	pthread_cond_signal(&phase->to_owner);
	pthread_mutex_unlock(&phase->mutex);
}

/* ---- the owner ---- */

static int take_found(struct phase *phase, const struct batch *batch, const struct found *found,
		      const struct stamp *stamp)
{
	struct walk *walk = phase->walk;
	const char *name = batch->text + found->text;
	struct dir_id dir = { found->dir };
	struct inode_id inode;
	bool fresh;
	int r;
	switch (found->kind) {
	case FOUND_DIR:
		walk->dirs++;
		return catalog_set_dir(walk->catalog, dir, (struct dir_id){ found->parent }, found->root, name,
				       found->length, stamp, phase->domain);
	case FOUND_TEMP: {
		struct walk_temp temp = { .dir = dir };
		r = arena_add(&walk->catalog->names, name, found->length, &temp.name);
		return r ? r : vec_push(&walk->temps, temp);
	}
	case FOUND_KNOWN:
		walk->files++;
		return catalog_add_name(walk->catalog, dir, name, found->length, found->inode);
	case FOUND_FILE:
		break;
	}
	walk->files++;
	r = catalog_add_file(walk->catalog, dir, name, found->length, stamp, phase->domain, &inode, &fresh);
	return !r && fresh ? walk->fresh(walk->ctx, inode, stamp) : r;
}

static int take_batch(struct phase *phase, const struct batch *batch)
{
	const struct stamp *stamp = batch->stamps;
	int r = tell_stopped(phase->walk->tell) ? -ECANCELED : 0;
	for (size_t i = 0; i < batch->count && !r && !ended(phase); i++) {
		const struct found *found = &batch->found[i];
		r = take_found(phase, batch, found, stamp);
		stamp += found->kind == FOUND_DIR || found->kind == FOUND_FILE;
	}
	return r;
}

static void own_batch(struct phase *phase, const struct batch *batch)
{
	look_at_clock(phase);
	int r = take_batch(phase, batch);
	if (r)
		end(phase, r);
}

/* Takes those that are full by now. */
static void own_batches(struct phase *phase)
{
	struct batch *batch, *next;
	pthread_mutex_lock(&phase->mutex);
	batch = phase->full;
	phase->full = NULL;
	phase->full_end = &phase->full;
	pthread_mutex_unlock(&phase->mutex);
	for (; batch; batch = next) {
		next = batch->next;
		own_batch(phase, batch);
		pthread_mutex_lock(&phase->mutex);
		batch->next = phase->spare;
		phase->spare = batch;
		pthread_cond_signal(&phase->room);
		pthread_mutex_unlock(&phase->mutex);
	}
}

static void tell_how_far(const struct walk *walk)
{
	tell_progress(walk->tell, &(struct dlk_event){
					  .kind = DLK_EVENT_PROGRESS,
					  .phase = DLK_PHASE_WALK,
					  .done = walk->files,
					  .bytes = walk->tell->tally->bytes_seen,
				  });
}

/* Starts so many more. When the last is just leaving they find nothing to do. Returns how many could be started. */
static unsigned add_walkers(struct phase *phase, struct pool *pool, unsigned count)
{
	pthread_mutex_lock(&phase->mutex);
	phase->walkers += count;
	phase->active += count;
	pthread_mutex_unlock(&phase->mutex);
	unsigned started = pool_begin(pool, count, walker_main, phase);
	pthread_mutex_lock(&phase->mutex);
	phase->walkers -= count - started;
	phase->active -= count - started;
	pthread_cond_broadcast(&phase->work);
	pthread_cond_signal(&phase->to_owner);
	pthread_mutex_unlock(&phase->mutex);
	return started;
}

/* Cold storage is latency: while walkers sleep more than they find, more of them have more in flight (order.h does so with readers). */
static void look_at_waiting(struct phase *phase, struct crew *crew)
{
	int64_t now = sys->now();
	if (!crew->missing || now - crew->looked < TICK_MS * NS_PER_MS)
		return;
	uint64_t switches = sys_switches(), entries = phase->walk->files + phase->walk->dirs;
	if ((switches - crew->switches) * WAITS > entries - crew->entries) {
		add_walkers(phase, &crew->rest, crew->missing);
		crew->missing = 0;
	}
	crew->looked = now;
	crew->switches = switches;
	crew->entries = entries;
}

/* What the owner must not leave undone for long. */
static void attend(struct walker *owner)
{
	struct crew *crew = owner->crew;
	owner->entries = 0;
	look_at_waiting(owner->phase, crew);
	own_batches(owner->phase);
	if (sys->now() - crew->told > TELL_MS * NS_PER_MS) {
		crew->told = sys->now();
		tell_how_far(owner->phase->walk);
	}
}

/*
 * Waits, a tick at the most when `hurried`, until there are batches, or more to walk than the others take at once: then *ret is an
 * entry, else NULL. A single large directory is left to them, so that reading it and filling the catalog go on side by side.
 * False: all is walked, and there is no batch any more.
 */
static bool owner_next(struct phase *phase, bool hurried, struct entry **ret)
{
	struct timespec until = wait_until(TICK_MS);
	bool timeout = false;
	pthread_mutex_lock(&phase->mutex);
	phase->owner_waits = true;
	while (!phase->full && phase->walkers && phase->stacked <= phase->walkers && !timeout) {
		if (hurried)
			timeout = pthread_cond_timedwait(&phase->to_owner, &phase->mutex, &until);
		else
			pthread_cond_wait(&phase->to_owner, &phase->mutex);
	}
	phase->owner_waits = false;
	bool more = phase->full || phase->walkers || phase->stack;
	*ret = !phase->full && phase->stacked > phase->walkers ? pop_entry(phase) : NULL;
	pthread_mutex_unlock(&phase->mutex);
	return more;
}

static void owner_run(struct phase *phase, struct crew *crew)
{
	struct walker owner = { .phase = phase, .crew = crew };
	struct entry *entry;
	walker_begin(&owner);
	while (owner_next(phase, crew->missing, &entry)) {
		attend(&owner);
		if (!entry)
			continue;
		walk_entry(&owner, entry);
		pthread_mutex_lock(&phase->mutex);
		become_idle(phase);
		pthread_mutex_unlock(&phase->mutex);
	}
	batch_seal(&owner);
	free(owner.batch);
	free(owner.buffer);
}

/* The calling thread is the owner. Threads that could not be started are done without. */
static void phase_run(struct phase *phase, unsigned walkers)
{
	unsigned first = phase->walk->options->threads || walkers < WALKERS_FIRST ? walkers : WALKERS_FIRST;
	struct crew crew = {
		.looked = sys->now(),
		.switches = sys_switches(),
		.entries = phase->walk->files + phase->walk->dirs,
	};
	crew.told = crew.looked;
	unsigned started = add_walkers(phase, &crew.first, first - 1);
	crew.missing = started == first - 1 ? walkers - first : 0;
	if (started && phase->walk->kept)
		reach_kept_expect(phase->walk->kept);
	owner_run(phase, &crew);
	pool_end(&crew.first);
	pool_end(&crew.rest);
	tell_how_far(phase->walk);
}

/* ---- phases ---- */

/* All that a walk keeps from phase to phase. */
struct journey {
	struct walk *walk;
	uint32_t next_id;
	uint32_t first_walked;          /* directories before it are only places of file roots */
	VEC(struct crossing) crossings; /* a queue: `crossed` of them are done */
	size_t crossed;
	VEC(uint64_t) devs;             /* walked so far */
	struct mounts mounts;           /* read when first asked for */
	bool mounts_read, mounts_known;
};

/* Those that will be kept open have theirs besides. */
static unsigned descriptors_to_use(const struct journey *journey)
{
	const struct reach_kept *kept = journey->walk->kept;
	return kept ? kept->others : sys_descriptors();
}

static unsigned walker_count(const struct journey *journey, size_t *ret_max_open)
{
	const struct walk *walk = journey->walk;
	unsigned descriptors = descriptors_to_use(journey);
	unsigned wanted = walk->options->threads ? walk->options->threads : WALKERS;
	unsigned most = descriptors / (2 * FD_WALKER);
	unsigned count = wanted < most ? wanted : most;
	if (!count)
		count = 1;
	*ret_max_open = descriptors > count * FD_WALKER + 8 ? descriptors - count * FD_WALKER - 8 : 1;
	if (*ret_max_open > 512)
		*ret_max_open = 512;
	return count;
}

static int order_ino(const void *a, const void *b)
{
	const struct stamp *x = a, *y = b;
	return x->ino < y->ino ? -1 : x->ino > y->ino;
}

/* The directories of this device that were walked through another mount. */
static int gather_visited(struct journey *journey, uint64_t dev, struct stamp **ret, size_t *ret_count)
{
	const struct catalog *catalog = journey->walk->catalog;
	VEC(struct stamp) visited = { 0 };
	bool known = false;
	for (size_t i = 0; i < journey->devs.count; i++)
		known |= journey->devs.at[i] == dev;
	for (uint32_t i = journey->first_walked; known && i < catalog->dirs.count; i++) {
		const struct catalog_dir *dir = catalog_dir(catalog, (struct dir_id){ i });
		struct stamp stamp = { .ino = dir->ino };
		if (dir->ino && catalog->domains.at[dir->domain].dev == dev && vec_push(&visited, stamp)) {
			vec_free(&visited);
			return -ENOMEM;
		}
	}
	if (visited.count)
		qsort(visited.at, visited.count, sizeof(*visited.at), order_ino);
	*ret = visited.at;
	*ret_count = visited.count;
	return known ? 0 : vec_push(&journey->devs, dev);
}

/*
 * What is mounted on a file stands under the inode number of the file it covers, which may be one seen already. Where there was no
 * memory or descriptor to ask whether such a mount is here, each name is looked at.
 */
static bool entries_true(struct journey *journey, const struct mount_facts *facts)
{
	if (!facts->dirent_ino_true)
		return false;
	if (!journey->mounts_read)
		journey->mounts_known = !mounts_read(&journey->mounts);
	journey->mounts_read = true;
	return journey->mounts_known && !mounts_cover_file(&journey->mounts, facts->mount);
}

static void phase_free(struct phase *phase)
{
	while (phase->spare) {
		struct batch *next = phase->spare->next;
		free(phase->spare);
		phase->spare = next;
	}
	pthread_mutex_destroy(&phase->mutex);
	pthread_cond_destroy(&phase->work);
	pthread_cond_destroy(&phase->to_owner);
	pthread_cond_destroy(&phase->room);
	vec_free(&phase->crossings);
	free((void *)phase->visited);
}

static int order_crossings(const void *a, const void *b)
{
	const struct crossing *x = a, *y = b;
	if (x->root != y->root)
		return x->root < y->root ? -1 : 1;
	return strcmp(x->path, y->path);
}

/* Walks one mount from the frames on `starts`. */
static int phase_walk(struct journey *journey, const struct mount_facts *facts, uint32_t domain, struct entry *starts)
{
	struct phase phase = {
		.walk = journey->walk,
		.domain = domain,
		.dev = facts->dev,
		.mount = facts->mount,
		.ino_true = entries_true(journey, facts),
		.end_told = facts->dirent_end_told,
		.next_id = &journey->next_id,
		.mutex = PTHREAD_MUTEX_INITIALIZER,
		.work = PTHREAD_COND_INITIALIZER,
		.room = PTHREAD_COND_INITIALIZER,
		.stack = starts,
	};
	phase.full_end = &phase.full;
	wait_init(&phase.to_owner);
	struct stamp *visited = NULL;
	phase.error = gather_visited(journey, facts->dev, &visited, &phase.visited_count);
	phase.visited = visited;
	unsigned walkers = walker_count(journey, &phase.max_open);
	phase.most = walkers + BATCHES;
	for (struct entry *e = starts; e; e = e->next) {
		phase.open += e->parent->fd >= 0;
		phase.stacked++;
	}
	phase_run(&phase, walkers);

	int r = phase.error;
	if (phase.crossings.count)
		qsort(phase.crossings.at, phase.crossings.count, sizeof(*phase.crossings.at), order_crossings);
	for (size_t i = 0; i < phase.crossings.count; i++) {
		if (r || vec_push(&journey->crossings, phase.crossings.at[i])) {
			free(phase.crossings.at[i].name);
			free(phase.crossings.at[i].path);
			r = r ? r : -ENOMEM;
		}
	}
	phase_free(&phase);
	return r;
}

/*
 * A start of a phase travels as an entry without a name, whose parent is the frame itself. Takes over fd; -1: a root, opened and
 * noted when its turn comes.
 */
static int start_add(struct journey *journey, struct entry **starts, int fd, const struct stamp *stamp, uint32_t domain,
		     struct dir_id parent, uint32_t root, const char *name, const char *path, uint32_t depth)
{
	struct frame *frame = frame_new(NULL, "");
	struct entry *entry = malloc(sizeof(*entry) + 1);
	char *path_copy = path ? strdup(path) : NULL;
	if (!frame || !entry || (path && !path_copy)) {
		free(frame);
		free(entry);
		free(path_copy);
		close_fd(&fd);
		return -ENOMEM;
	}
	frame->fd = fd;
	frame->stamp = *stamp;
	frame->root = root;
	frame->depth = depth;
	frame->path = path_copy;
	*entry = (struct entry){ .next = *starts, .parent = frame };
	entry->name[0] = '\0';
	*starts = entry;
	if (fd < 0)
		return 0;
	frame->id = journey->next_id++;
	journey->walk->dirs++;
	return catalog_set_dir(journey->walk->catalog, (struct dir_id){ frame->id }, parent, root, name, strlen(name),
			       stamp, domain);
}

static void starts_free(struct entry *starts)
{
	while (starts) {
		struct entry *next = starts->next;
		close_fd(&starts->parent->fd);
		frame_unref(starts->parent);
		free(starts);
		starts = next;
	}
}

/* Whether this very directory was walked before, through another mount: then its names are counted already. */
static bool walked(const struct journey *journey, const struct stamp *stamp)
{
	const struct catalog *catalog = journey->walk->catalog;
	bool known = false;
	for (size_t i = 0; i < journey->devs.count; i++)
		known |= journey->devs.at[i] == stamp->dev;
	for (uint32_t i = journey->first_walked; known && i < catalog->dirs.count; i++) {
		const struct catalog_dir *dir = catalog_dir(catalog, (struct dir_id){ i });
		if (dir->ino == stamp->ino && catalog->domains.at[dir->domain].dev == stamp->dev)
			return true;
	}
	return false;
}

static int domain_of(struct journey *journey, int fd, struct mount_facts *ret_facts, uint32_t *ret_domain)
{
	int r = mount_look(fd, ret_facts);
	if (!r && journey->walk->options->method == DLK_REFLINK)
		mount_look_whole(fd, ret_facts);
	return r ? r : catalog_add_domain(journey->walk->catalog, ret_facts, ret_domain);
}

static int open_first(struct journey *journey, const struct root_dir *dir, struct mount_facts *ret_facts,
		      uint32_t *ret_domain, int *ret_fd)
{
	own_fd int fd = -1;
	int r = roots_open(journey->walk->catalog, dir->root, &dir->stamp, true, &fd);
	if (!r)
		r = domain_of(journey, fd, ret_facts, ret_domain);
	if (!r)
		*ret_fd = steal_fd(&fd);
	return r;
}

/* The phase of all root directories on the mount of dirs.at[first]; marks them done. */
static int walk_roots(struct journey *journey, size_t first, bool *done)
{
	const struct roots *roots = journey->walk->roots;
	const struct stamp *like = &roots->dirs.at[first].stamp;
	struct entry *starts = NULL;
	struct mount_facts facts;
	uint32_t domain = 0;
	int r = 0;
	for (size_t i = 0; i < roots->dirs.count && !r; i++) {
		const struct root_dir *dir = &roots->dirs.at[i];
		if (done[i] || dir->stamp.mount != like->mount || dir->stamp.dev != like->dev)
			continue;
		done[i] = true;
		if (walked(journey, &dir->stamp))
			continue;
		int fd = -1;
		int failed = dir->error;
		if (!failed && !starts) /* of one is asked where they lie */
			failed = open_first(journey, dir, &facts, &domain, &fd);
		if (failed)
			tell_root(journey->walk, dir->root, failed);
		else
			r = start_add(journey, &starts, fd, &dir->stamp, domain, (struct dir_id){ ID_NONE }, dir->root,
				      "", NULL, 0);
	}
	if (r || !starts) {
		starts_free(starts);
		return r;
	}
	return phase_walk(journey, &facts, domain, starts);
}

static int walk_crossing(struct journey *journey, const struct crossing *crossing)
{
	struct catalog *catalog = journey->walk->catalog;
	struct reach reach;
	struct mount_facts facts;
	struct stamp stamp;
	uint32_t domain;
	int parent, fd = -1;
	reach_init(&reach, catalog, 4);
	int r = reach_dir(&reach, crossing->parent, &parent);
	if (!r)
		r = beneath_mount(parent, crossing->name, true, &fd);
	if (!r)
		r = stamp_fd(fd, &stamp);
	if (!r)
		r = domain_of(journey, fd, &facts, &domain);
	reach_free(&reach);
	if (r) {
		struct text text = { 0 };
		catalog_dir_text(catalog, crossing->parent, &text);
		text_printf(&text, "/%s", crossing->name);
		if (fail_kind(r) != FAIL_GONE)
			tell_error(journey->walk->tell, DLK_STAGE_WALK, text.at, r);
		text_free(&text);
		close_fd(&fd);
		return 0;
	}
	if (roots_has_dir(journey->walk->roots, &stamp) || walked(journey, &stamp)) {
		close_fd(&fd);
		return 0;
	}
	struct entry *starts = NULL;
	r = start_add(journey, &starts, fd, &stamp, domain, crossing->parent, crossing->root, crossing->name,
		      crossing->path, crossing->depth);
	if (!r)
		return phase_walk(journey, &facts, domain, starts);
	starts_free(starts);
	return r;
}

/* ---- file roots ---- */

static int take_parent(struct journey *journey, const struct root_parent *parent, uint32_t *ret_id, uint32_t *ret_domain)
{
	struct mount_facts facts;
	own_fd int fd = -1;
	int r = roots_open(journey->walk->catalog, parent->root, &parent->stamp, false, &fd);
	if (!r)
		r = domain_of(journey, fd, &facts, ret_domain);
	if (r)
		return r;
	*ret_id = journey->next_id++;
	return catalog_set_dir(journey->walk->catalog, (struct dir_id){ *ret_id }, (struct dir_id){ ID_NONE },
			       parent->root, "", 0, &parent->stamp, *ret_domain);
}

static int take_file_root(struct journey *journey, const struct root_file *file, uint32_t dir, uint32_t domain)
{
	struct walk *walk = journey->walk;
	struct inode_id inode;
	struct temp temp;
	bool fresh;
	if (walk->temps_only || temp_parse(file->name, strlen(file->name), &temp) ||
	    !rule_takes_file(walk->rule, file->name, file->name) ||
	    !rule_takes_size(walk->rule, file->stamp.size) || !rule_takes_time(walk->rule, file->stamp.mtime))
		return 0;
	const struct mount_facts *facts = &walk->catalog->domains.at[domain];
	enum dlk_reason why;
	if (!may_link(&file->stamp, facts->dev, facts->mount, &why)) {
		tell_skip(walk->tell, DLK_STAGE_ROOT, file->name, why, 1);
		return 0;
	}
	walk->files++;
	int r = catalog_add_file(walk->catalog, (struct dir_id){ dir }, file->name, strlen(file->name), &file->stamp,
				 domain, &inode, &fresh);
	return !r && fresh ? walk->fresh(walk->ctx, inode, &file->stamp) : r;
}

static int walk_file_roots(struct journey *journey)
{
	const struct roots *roots = journey->walk->roots;
	size_t parents = roots->parents.count;
	own_free uint32_t *ids = calloc(parents + 1, sizeof(*ids));
	own_free uint32_t *domains = calloc(parents + 1, sizeof(*domains));
	if (!ids || !domains)
		return -ENOMEM;
	for (size_t i = 0; i < parents; i++) {
		ids[i] = ID_NONE;
		int r = take_parent(journey, &roots->parents.at[i], &ids[i], &domains[i]);
		if (r == -ENOMEM)
			return r;
		if (r)
			tell_root(journey->walk, roots->parents.at[i].root, r);
	}
	for (size_t i = 0; i < roots->files.count; i++) {
		const struct root_file *file = &roots->files.at[i];
		int r = ids[file->parent] == ID_NONE ?
				0 :
				take_file_root(journey, file, ids[file->parent], domains[file->parent]);
		if (r)
			return r;
	}
	return 0;
}

/* ---- the walk ---- */

static int walk_dir_roots(struct journey *journey)
{
	const struct roots *roots = journey->walk->roots;
	own_free bool *done = calloc(roots->dirs.count + 1, sizeof(*done));
	if (!done)
		return -ENOMEM;
	/* Mounts in the order of their first root as it was given, so that ties between mounts fall the same way each time. */
	for (;;) {
		size_t first = SIZE_MAX;
		for (size_t i = 0; i < roots->dirs.count; i++)
			if (!done[i] && (first == SIZE_MAX || roots->dirs.at[i].root < roots->dirs.at[first].root))
				first = i;
		if (first == SIZE_MAX)
			return 0;
		int r = walk_roots(journey, first, done);
		if (r)
			return r;
	}
}

int walk_run(struct walk *walk)
{
	struct journey journey = { .walk = walk };
	int r = walk->kept ? reach_kept_init(walk->kept) : 0;
	if (!r)
		r = walk_file_roots(&journey);
	journey.first_walked = journey.next_id;
	if (!r && walk->options->max_depth)
		r = walk_dir_roots(&journey);
	while (!r && journey.crossed < journey.crossings.count && !manners_walk_late(walk->manners)) {
		struct crossing crossing = journey.crossings.at[journey.crossed++];
		r = walk_crossing(&journey, &crossing);
		free(crossing.name);
		free(crossing.path);
	}
	for (; journey.crossed < journey.crossings.count; journey.crossed++) {
		free(journey.crossings.at[journey.crossed].name);
		free(journey.crossings.at[journey.crossed].path);
	}
	vec_free(&journey.crossings);
	vec_free(&journey.devs);
	mounts_free(&journey.mounts);
	seen_free(&walk->catalog->linked); /* there are no more names to come */
	return r ? r : catalog_rank_dirs(walk->catalog);
}
