/* SPDX-License-Identifier: MIT */
/*
 * floor.c - the limit of the machine: the calls that any finder of duplicates must make, and nothing else
 *
 *	floor [-j THREADS] [-w] [-i] PATH
 *
 * It walks (getdents64), looks at every name (statx), and opens, reads and closes what shares its size with
 * another inode: small files whole, large ones at head and tail, and whole when head and tail agree with another's.
 * There is no digest, no comparison, no report, so that a real program can come close to it and not below.
 *
 * -w stops after the walk. -i leaves out the statx of a name whose inode number was seen before, which is right
 * only where the number in the directory can be trusted, as on one ext4, xfs or tmpfs without mounts inside.
 *
 * How: directories are a stack that the threads share; a directory stays open until the last of its children was
 * opened from it. Each thread writes what it saw into an array of its own. One thread counts the sizes, then all
 * take runs of entries of one directory and read.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SMALL     (64 << 10)  /* read whole at the first opening: costs what a shorter read costs */
#define CHUNK     (128 << 10) /* a buffer of this size stays in the cache */
#define EDGE      4096        /* read at head and tail of a large file */
#define RUN       256         /* entries taken at once */
#define SEEN_BITS 22

struct dir {
	struct dir *parent;
	struct dir *next; /* in the stack */
	atomic_int users; /* itself while it is read, and each child that is not open yet */
	int fd;
	char name[];
};

struct entry {
	struct dir *dir;
	uint64_t inode;
	uint64_t size;
	uint64_t edges; /* of a large file: what head and tail were, folded */
	uint32_t name;  /* in the thread's names */
	bool wanted;
};

struct worker {
	struct floor *floor;
	pthread_t thread;
	struct entry *entries;
	size_t count, room;
	char *names;
	size_t names_used, names_room;
	uint64_t files_read, bytes_read;
	char *buffer;
};

struct floor {
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct dir *stack;
	unsigned busy;
	unsigned threads;
	bool walk_only, trust;
	_Atomic uint64_t *seen;
	struct worker *workers;
	int root;
	atomic_size_t next_run;
	struct run {
		struct worker *of;
		size_t begin, end;
	} * runs;
	size_t run_count, run_room;
	bool whole; /* second reading: whole large files */
	atomic_ullong names, dirs, skipped;
};

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void *grow(void *array, size_t *room, size_t needed, size_t each)
{
	if (needed <= *room)
		return array;
	*room = needed * 2;
	array = realloc(array, *room * each);
	if (!array)
		die("memory");
	return array;
}

/* ---- the walk ------------------------------------------------------------------------------------------------ */

static void dir_release(struct dir *d)
{
	if (atomic_fetch_sub(&d->users, 1) == 1)
		close(d->fd);
}

static struct dir *dir_new(struct dir *parent, const char *name)
{
	size_t length = strlen(name) + 1;
	struct dir *d = malloc(sizeof(*d) + length);

	if (!d)
		die("memory");
	*d = (struct dir){.parent = parent, .users = 1, .fd = -1};
	memcpy(d->name, name, length);
	if (parent)
		atomic_fetch_add(&parent->users, 1);
	return d;
}

static void stack_push(struct floor *f, struct dir *first, struct dir *last)
{
	pthread_mutex_lock(&f->lock);
	last->next = f->stack;
	f->stack = first;
	pthread_cond_broadcast(&f->more);
	pthread_mutex_unlock(&f->lock);
}

/* Waits for a directory; NULL when all is walked. */
static struct dir *stack_pop(struct floor *f, bool was_busy)
{
	struct dir *d;

	pthread_mutex_lock(&f->lock);
	f->busy -= was_busy;
	while (!f->stack && f->busy)
		pthread_cond_wait(&f->more, &f->lock);
	d = f->stack;
	if (d) {
		f->stack = d->next;
		f->busy++;
	} else {
		pthread_cond_broadcast(&f->more);
	}
	pthread_mutex_unlock(&f->lock);
	return d;
}

/* True when the number was seen before. A table that is too full answers no: the name is looked at once more. */
static bool seen_before(struct floor *f, uint64_t inode)
{
	size_t slot = (size_t)(inode * 0x9e3779b97f4a7c15u >> (64 - SEEN_BITS));

	for (unsigned tries = 0; tries < 32; tries++, slot = (slot + 1) & ((1u << SEEN_BITS) - 1)) {
		uint64_t there = atomic_load_explicit(&f->seen[slot], memory_order_relaxed);

		if (there == inode)
			return true;
		if (there == 0 && atomic_compare_exchange_strong(&f->seen[slot], &there, inode))
			return false;
		if (there == inode)
			return true;
	}
	return false;
}

static void entry_add(struct worker *w, struct dir *d, const char *name, const struct statx *st)
{
	size_t length = strlen(name) + 1;

	w->entries = grow(w->entries, &w->room, w->count + 1, sizeof(*w->entries));
	w->names = grow(w->names, &w->names_room, w->names_used + length, 1);
	memcpy(w->names + w->names_used, name, length);
	w->entries[w->count++] =
	    (struct entry){.dir = d, .inode = st->stx_ino, .size = st->stx_size, .name = (uint32_t)w->names_used};
	w->names_used += length;
}

struct dirent64 {
	uint64_t inode;
	int64_t offset;
	uint16_t length;
	uint8_t type;
	char name[];
};

static void look(struct worker *w, struct dir *d, const struct dirent64 *found, struct dir **children,
		 struct dir **last)
{
	struct statx st;

	if (found->type == 4 && strcmp(found->name, ".") && strcmp(found->name, "..")) {
		struct dir *child = dir_new(d, found->name);

		child->next = *children;
		*children = child;
		if (!*last)
			*last = child;
	}
	if (found->type != 8)
		return;
	atomic_fetch_add_explicit(&w->floor->names, 1, memory_order_relaxed);
	if (w->floor->trust && seen_before(w->floor, found->inode))
		return;
	if (statx(d->fd, found->name, AT_SYMLINK_NOFOLLOW | AT_STATX_DONT_SYNC, STATX_BASIC_STATS, &st))
		return;
	if (st.stx_size)
		entry_add(w, d, found->name, &st);
}

static void dir_walk(struct worker *w, struct dir *d)
{
	int from = d->parent ? d->parent->fd : AT_FDCWD;
	struct dir *children = NULL, *last = NULL;
	long got;

	d->fd = openat(from, d->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (d->parent)
		dir_release(d->parent);
	if (d->fd < 0) {
		atomic_fetch_add(&w->floor->skipped, 1);
		return;
	}
	while ((got = syscall(SYS_getdents64, d->fd, w->buffer, SMALL)) > 0)
		for (long at = 0; at < got;) {
			const struct dirent64 *found = (const struct dirent64 *)(const void *)(w->buffer + at);

			look(w, d, found, &children, &last);
			at += found->length;
		}
	atomic_fetch_add(&w->floor->dirs, 1);
	if (children)
		stack_push(w->floor, children, last);
	dir_release(d);
}

static void *walk_all(void *arg)
{
	struct worker *w = arg;
	bool busy = false;

	for (struct dir *d; (d = stack_pop(w->floor, busy)); busy = true)
		dir_walk(w, d);
	return NULL;
}

/* ---- who shares a key with whom ---------------------------------------------------------------------------------- */

struct tally_slot {
	uint64_t key;
	uint64_t inode; /* the first that came */
	bool used, shared;
};

static struct tally_slot *slot_of(struct tally_slot *slots, size_t mask, uint64_t key)
{
	size_t at = (size_t)(key * 0x9e3779b97f4a7c15u >> 20) & mask;

	while (slots[at].used && slots[at].key != key)
		at = (at + 1) & mask;
	return &slots[at];
}

static uint64_t key_of(const struct floor *f, const struct entry *e)
{
	return f->whole ? e->size ^ e->edges * 0xff51afd7ed558ccdu : e->size;
}

static void mark_shared(struct floor *f)
{
	size_t total = 0, mask = 1;
	struct tally_slot *slots;

	for (unsigned i = 0; i < f->threads; i++)
		total += f->workers[i].count;
	while (mask < total * 2)
		mask *= 2;
	slots = calloc(mask--, sizeof(*slots));
	if (!slots)
		die("memory");
	for (unsigned pass = 0; pass < 2; pass++)
		for (unsigned i = 0; i < f->threads; i++)
			for (size_t k = 0; k < f->workers[i].count; k++) {
				struct entry *e = &f->workers[i].entries[k];
				struct tally_slot *s;

				if (f->whole && (e->size <= SMALL || !e->wanted))
					continue;
				s = slot_of(slots, mask, key_of(f, e));
				if (pass)
					e->wanted = s->shared;
				else if (!s->used)
					*s = (struct tally_slot){.key = key_of(f, e), .inode = e->inode, .used = true};
				else
					s->shared |= s->inode != e->inode;
			}
	free(slots);
}

static int by_inode(const void *a, const void *b)
{
	const struct entry *x = *(const struct entry *const *)a, *y = *(const struct entry *const *)b;

	return x->inode < y->inode ? -1 : x->inode > y->inode;
}

/* Of an inode with several names one name is read. */
static void drop_other_names(struct floor *f)
{
	struct entry **wanted = NULL;
	size_t count = 0, room = 0;

	for (unsigned i = 0; i < f->threads; i++)
		for (size_t k = 0; k < f->workers[i].count; k++) {
			if (!f->workers[i].entries[k].wanted)
				continue;
			wanted = grow(wanted, &room, count + 1, sizeof(struct entry *));
			wanted[count++] = &f->workers[i].entries[k];
		}
	if (count)
		qsort(wanted, count, sizeof(struct entry *), by_inode);
	for (size_t i = 1; i < count; i++)
		if (wanted[i]->inode == wanted[i - 1]->inode)
			wanted[i]->wanted = false;
	free(wanted);
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static size_t path_of(const struct dir *d, char *path, size_t at)
{
	if (d->parent)
		at = path_of(d->parent, path, at);
	else
		return at;
	at += (size_t)sprintf(path + at, "%s%s", at ? "/" : "", d->name);
	return at;
}

static uint64_t fold(const char *bytes, size_t count)
{
	uint64_t sum = 0, word;

	for (size_t i = 0; i + 8 <= count; i += 8) {
		memcpy(&word, bytes + i, 8);
		sum = (sum << 1 | sum >> 63) ^ word;
	}
	return sum;
}

static void read_edges(struct worker *w, int fd, struct entry *e)
{
	ssize_t head, tail;

	posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
	head = pread(fd, w->buffer, EDGE, 0);
	tail = pread(fd, w->buffer + EDGE, EDGE, (off_t)(e->size - EDGE));
	if (head == EDGE && tail == EDGE)
		e->edges = fold(w->buffer, 2 * EDGE);
	w->bytes_read += 2 * EDGE;
}

static void read_whole(struct worker *w, int fd, const struct entry *e)
{
	size_t ask = e->size <= SMALL ? e->size + 1 : CHUNK;
	uint64_t at = 0;
	ssize_t got;

	while (at < e->size && (got = pread(fd, w->buffer, ask, (off_t)at)) > 0)
		at += (uint64_t)got;
	w->bytes_read += at;
}

static void entry_read(struct worker *w, int dirfd, const char *names, struct entry *e)
{
	int fd = openat(dirfd, names + e->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOATIME | O_CLOEXEC);

	if (fd < 0) {
		atomic_fetch_add(&w->floor->skipped, 1);
		return;
	}
	if (e->size > SMALL && !w->floor->whole)
		read_edges(w, fd, e);
	else
		read_whole(w, fd, e);
	w->files_read++;
	close(fd);
}

static void run_read(struct worker *w, const struct run *r)
{
	char path[8192] = ".";
	int dirfd = -1;

	for (size_t k = r->begin; k < r->end; k++) {
		struct entry *e = &r->of->entries[k];

		if (!e->wanted)
			continue;
		if (dirfd < 0) {
			path_of(e->dir, path, 0);
			dirfd = openat(w->floor->root, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		}
		if (dirfd < 0)
			return;
		entry_read(w, dirfd, r->of->names, e);
	}
	if (dirfd >= 0)
		close(dirfd);
}

static void *read_all(void *arg)
{
	struct worker *w = arg;
	size_t i;

	while ((i = atomic_fetch_add(&w->floor->next_run, 1)) < w->floor->run_count)
		run_read(w, &w->floor->runs[i]);
	return NULL;
}

static void make_runs(struct floor *f)
{
	f->run_count = 0;
	atomic_store(&f->next_run, 0);
	for (unsigned i = 0; i < f->threads; i++)
		for (size_t begin = 0, end; begin < f->workers[i].count; begin = end) {
			const struct entry *e = f->workers[i].entries;

			for (end = begin; end < f->workers[i].count && end - begin < RUN && e[end].dir == e[begin].dir;)
				end++;
			f->runs = grow(f->runs, &f->run_room, f->run_count + 1, sizeof(*f->runs));
			f->runs[f->run_count++] = (struct run){&f->workers[i], begin, end};
		}
}

/* ---- main -------------------------------------------------------------------------------------------------------- */

static void in_parallel(struct floor *f, void *(*work)(void *))
{
	for (unsigned i = 0; i < f->threads; i++)
		if (pthread_create(&f->workers[i].thread, NULL, work, &f->workers[i]))
			die("thread");
	for (unsigned i = 0; i < f->threads; i++)
		pthread_join(f->workers[i].thread, NULL);
}

static void floor_init(struct floor *f, const char *path)
{
	struct dir *top = dir_new(NULL, path);

	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->more, NULL);
	f->workers = calloc(f->threads, sizeof(*f->workers));
	f->root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (f->root < 0)
		die(path);
	for (unsigned i = 0; i < f->threads; i++)
		f->workers[i] = (struct worker){.floor = f, .buffer = malloc(CHUNK)};
	f->seen = f->trust ? mmap(NULL, sizeof(uint64_t) << SEEN_BITS, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
			   : NULL;
	stack_push(f, top, top);
}

/* What is small was read: only large files whose head and tail agree with another's are left. */
static void only_equal_edges(struct floor *f)
{
	f->whole = true;
	mark_shared(f);
	atomic_store(&f->next_run, 0);
	for (unsigned i = 0; i < f->threads; i++)
		for (size_t k = 0; k < f->workers[i].count; k++)
			f->workers[i].entries[k].wanted &= f->workers[i].entries[k].size > SMALL;
}

static void report(const struct floor *f)
{
	unsigned long long files = 0, bytes = 0, entries = 0;

	for (unsigned i = 0; i < f->threads; i++) {
		files += f->workers[i].files_read;
		bytes += f->workers[i].bytes_read;
		entries += f->workers[i].count;
	}
	printf("{\"names\": %llu, \"dirs\": %llu, \"looked_at\": %llu, \"opened\": %llu, \"bytes_read\": %llu, "
	       "\"skipped\": %llu}\n",
	       (unsigned long long)f->names, (unsigned long long)f->dirs, entries, files, bytes,
	       (unsigned long long)f->skipped);
}

int main(int argc, char **argv)
{
	struct floor f = {.threads = (unsigned)sysconf(_SC_NPROCESSORS_ONLN)};
	int letter;

	while ((letter = getopt(argc, argv, "j:wi")) != -1) {
		if (letter == 'j')
			f.threads = (unsigned)strtoul(optarg, NULL, 10);
		f.walk_only |= letter == 'w';
		f.trust |= letter == 'i';
	}
	if (argc - optind != 1 || !f.threads) {
		fprintf(stderr, "usage: floor [-j THREADS] [-w] [-i] PATH\n");
		return 2;
	}
	floor_init(&f, argv[optind]);
	in_parallel(&f, walk_all);
	if (!f.walk_only) {
		mark_shared(&f);
		drop_other_names(&f);
		make_runs(&f);
		in_parallel(&f, read_all);
		only_equal_edges(&f);
		in_parallel(&f, read_all);
	}
	report(&f);
	return 0;
}
