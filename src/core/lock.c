/* SPDX-License-Identifier: MIT */
/*
 * lock.c - intention locks on directories
 *
 *	/            shared
 *	/srv         shared      <- a run on /srv would want it alone
 *	/srv/photos  alone
 *
 * Directories are gathered first, each once, "alone" winning over "shared"; then they are locked in the order of their
 * inode numbers, and all are let go when one cannot be had, so that two waiting runs cannot hold each other up. When there are
 * many roots (lists of files), or more directories than half of the descriptors, the top directory of their mount is locked instead.
 *
 * A mount below a root is a way into another tree, or into the same one once more: its top is locked like a root.
 */
#include "lock.h"

#include <errno.h>
#include <string.h>
#include <sys/file.h>

#include "../base/fail.h"
#include "../sys/mount.h"
#include "../sys/mountinfo.h"

enum { ALONE_MOST = 64, DEPTH_MOST = 32 * 1024, WAIT_MS = 100 };

struct held {
	struct stamp stamp;
	int fd;
	bool alone;
	char *path; /* of a root, for the message; NULL for a directory above */
};

struct lock {
	VEC(struct held) dirs;
	struct mounts mounts; /* read once while directories are gathered; without /proc the ordinary directories above must do */
	const char *given; /* one of the roots, for the message, where no root itself could be opened */
};

static void let_go(struct lock *lock)
{
	for (size_t i = 0; i < lock->dirs.count; i++) {
		close_fd(&lock->dirs.at[i].fd); /* the lock goes with the last descriptor of the open file */
		free(lock->dirs.at[i].path);
	}
	vec_free(&lock->dirs);
}

void lock_free(struct lock *lock)
{
	if (!lock)
		return;
	let_go(lock);
	mounts_free(&lock->mounts);
	free(lock);
}

/* Takes over fd. */
static int add(struct lock *lock, int fd, const struct stamp *stamp, bool alone, const char *path)
{
	for (size_t i = 0; i < lock->dirs.count; i++) {
		struct held *held = &lock->dirs.at[i];
		if (!stamp_same_file(&held->stamp, stamp))
			continue;
		sys->close(fd);
		held->alone |= alone;
		if (path && !held->path)
			held->path = strdup(path);
		return 0;
	}
	struct held held = { .stamp = *stamp, .fd = fd, .alone = alone, .path = path ? strdup(path) : NULL };
	int r = vec_push(&lock->dirs, held);
	if (r) {
		sys->close(fd);
		free(held.path);
	}
	return r;
}

/*
 * Whether a directory that could not be opened is simply not ours to lock. Any other trouble may have passed when the walk
 * comes to it, which would then go on without a lock.
 */
static bool out_of_reach(int r)
{
	return fail_kind(r) == FAIL_DENIED || fail_changed(r);
}

static int open_dir(int dirfd, const char *path, int *ret_fd, struct stamp *ret_stamp)
{
	own_fd int fd = sys->openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK, 0);
	int r = fd < 0 ? fd : stamp_fd(fd, ret_stamp);
	if (!r)
		*ret_fd = steal_fd(&fd);
	return r;
}

/*
 * Every directory above `from`, up to where ".." leads to itself. What may not be opened is passed through without a lock. A path need not
 * be short because a call takes only so much of it: -ENAMETOOLONG where there is no end, as somebody moves what is above.
 */
static int add_above(struct lock *lock, int from)
{
	struct stamp stamp, last;
	own_fd int at = sys->openat(from, ".", O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
	if (at < 0) /* not even `from` may be searched: nothing can be done in it */
		return out_of_reach(at) ? 0 : at;
	int r = stamp_fd(at, &last);
	for (int depth = 0; !r; depth++) {
		if (depth == DEPTH_MOST)
			return -ENAMETOOLONG;
		int up = sys->openat(at, "..", O_PATH | O_DIRECTORY | O_CLOEXEC, 0), fd;
		if (up < 0) /* not searchable: nobody could come down this way either, for this user */
			return out_of_reach(up) ? 0 : up;
		close_fd(&at);
		at = up;
		r = stamp_fd(at, &stamp);
		if (r || (stamp_same_file(&stamp, &last) && stamp.mount == last.mount))
			break;
		last = stamp;
		r = open_dir(at, ".", &fd, &stamp);
		if (!r)
			r = add(lock, fd, &stamp, false, NULL);
		else if (out_of_reach(r))
			r = 0;
	}
	return r;
}

/* ---- bind mounts: the directories above in the file system itself ---- */

static bool is_above(const char *upper, const char *lower)
{
	size_t length = strlen(upper);
	if (length && upper[length - 1] == '/')
		return !strncmp(upper, lower, length);
	return !strncmp(upper, lower, length) && (lower[length] == '/' || !lower[length]);
}

/*
 * `fd` lies on a bind mount of directory `root` of its file system. Through another mount of it that begins further up, `root`
 * is reached again, and from there what is above it.
 */
static int add_through(struct lock *lock, const struct mount_line *other, const char *root)
{
	struct text path = { 0 };
	struct stamp stamp;
	int fd = -1;
	text_puts(&path, other->point);
	text_puts(&path, "/");
	text_puts(&path, root + strlen(other->root));
	int r = path.failed ? -ENOMEM : open_dir(AT_FDCWD, path.at, &fd, &stamp);
	text_free(&path);
	if (r)
		return r;
	r = add_above(lock, fd);
	if (!r)
		return add(lock, fd, &stamp, false, NULL);
	sys->close(fd);
	return r;
}

/* What cannot be reached that way nobody else comes by either; but a lack of descriptors or memory is ours, and passes. */
static int add_bound(struct lock *lock, const struct stamp *stamp)
{
	const struct mount_line *mine = NULL;
	int r = 0;
	for (size_t i = 0; i < lock->mounts.lines.count; i++)
		if (lock->mounts.lines.at[i].id == stamp->mount)
			mine = &lock->mounts.lines.at[i];
	bool bound = mine && strcmp(mine->root, "/");
	for (size_t i = 0; bound && i < lock->mounts.lines.count && fail_kind(r) != FAIL_RESOURCE; i++) {
		const struct mount_line *other = &lock->mounts.lines.at[i];
		if (other != mine && other->major == mine->major && other->minor == mine->minor &&
		    strlen(other->root) < strlen(mine->root) && is_above(other->root, mine->root))
			r = add_through(lock, other, mine->root);
	}
	return fail_kind(r) == FAIL_RESOURCE ? r : 0;
}

/* ---- gathering ---- */

/* What is above a directory, here and through other mounts. O_PATH will do. */
static int add_around(struct lock *lock, int fd, const struct stamp *stamp)
{
	int r = add_above(lock, fd);
	return r ? r : add_bound(lock, stamp);
}

/* Takes over fd: it alone, and what is above it. */
static int add_alone(struct lock *lock, int fd, const struct stamp *stamp, const char *path)
{
	int r = add_around(lock, fd, stamp);
	if (!r)
		return add(lock, fd, stamp, true, path);
	sys->close(fd);
	return r;
}

/*
 * *ret_refused: why it may not be opened, if so. Where it may be searched, files that were named in it can be linked all the same, and
 * who comes from above must not take their temporary names for leftovers.
 */
static int add_root(struct lock *lock, const struct catalog *catalog, uint32_t root, const struct stamp *stamp,
		    int *ret_refused)
{
	int fd;
	int r = roots_open(catalog, root, stamp, true, &fd);
	if (!r)
		return add_alone(lock, fd, stamp, catalog->roots.at[root].open);
	if (!out_of_reach(r))
		return r;
	*ret_refused = r;
	own_fd int at = -1;
	r = roots_open(catalog, root, stamp, false, &at);
	if (r)
		return out_of_reach(r) ? 0 : r;
	return add_around(lock, at, stamp);
}

/* Of many roots the top directory of each mount is locked instead: more than needed, but one descriptor. */
static int add_mount(struct lock *lock, const struct catalog *catalog, uint32_t root, const struct stamp *stamp,
		     int *ret_refused)
{
	struct stamp top = *stamp, up;
	for (size_t i = 0; i < lock->dirs.count; i++)
		if (lock->dirs.at[i].alone && lock->dirs.at[i].stamp.mount == stamp->mount)
			return 0;
	own_fd int at = -1;
	int r = roots_open(catalog, root, stamp, false, &at);
	for (int depth = 0; !r; depth++) {
		if (depth == DEPTH_MOST)
			return -ENAMETOOLONG;
		own_fd int above = sys->openat(at, "..", O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
		r = above < 0 ? above : stamp_fd(above, &up);
		if (r || up.mount != top.mount || stamp_same_file(&up, &top))
			break;
		top = up;
		close_fd(&at);
		at = steal_fd(&above);
	}
	int fd = -1;
	if (at >= 0 && (!r || out_of_reach(r)))
		r = open_dir(at, ".", &fd, &top);
	if (!r)
		return add_alone(lock, fd, &top, catalog->roots.at[root].open);
	if (!out_of_reach(r))
		return r;
	*ret_refused = r;
	return at < 0 ? 0 : add_around(lock, at, &top);
}

/* ---- mounts below ---- */

/* The kernel's own, in which nothing can be linked, and those that would be mounted by our look. */
static bool holds_files(const struct mount_line *mount)
{
	static const char *const others[] = { "autofs", "proc", "sysfs", "cgroup", "cgroup2", "devpts", "mqueue",
					      "debugfs", "tracefs", "securityfs", "bpf", "configfs", "fusectl" };
	for (size_t i = 0; i < countof(others); i++)
		if (!strcmp(mount->type, others[i]))
			return false;
	return true;
}

/* One that cannot be opened now, a server that is away perhaps, is none that the walk will come to. */
static int add_crossing(struct lock *lock, const struct mount_line *mount)
{
	struct mount_facts facts;
	struct stamp stamp;
	own_fd int fd = -1;
	int r = open_dir(AT_FDCWD, mount->point, &fd, &stamp);
	if (!r && stamp.mount != mount->id)
		return 0; /* hidden by another mount, which has a line of its own */
	if (!r)
		r = mount_look(fd, &facts);
	if (r)
		return fail_kind(r) == FAIL_RESOURCE ? r : 0;
	return facts.read_only ? 0 : add_alone(lock, steal_fd(&fd), &stamp, mount->point);
}

/* Every mount below root directory `root`. */
static int add_below(struct lock *lock, const struct catalog *catalog, uint32_t root)
{
	own_free char *real = NULL;
	int r = roots_real_path(catalog, root, &real);
	if (r)
		return fail_kind(r) == FAIL_RESOURCE ? r : 0; /* no longer there, or no /proc */
	for (size_t i = 0; i < lock->mounts.lines.count && !r; i++) {
		const struct mount_line *mount = &lock->mounts.lines.at[i];
		if (is_above(real, mount->point) && holds_files(mount))
			r = add_crossing(lock, mount);
	}
	return r;
}

static int add_all_below(struct lock *lock, const struct catalog *catalog, const struct roots *roots)
{
	int r = 0;
	for (size_t i = 0; i < roots->dirs.count && !r; i++)
		if (!roots->dirs.at[i].error)
			r = add_below(lock, catalog, roots->dirs.at[i].root);
	return r;
}

typedef int add_fn(struct lock *lock, const struct catalog *catalog, uint32_t root, const struct stamp *stamp, int *ret_refused);

/*
 * Adds each root by `add_one`, as long as there are no more than `most` directories. A root directory that may not be opened is
 * marked, so that the walk does not come to it without a lock either. The directory of a file that was named may well be one that
 * can be searched but not read. *ret_root: the last that was come to.
 */
static int add_roots(struct lock *lock, const struct catalog *catalog, struct roots *roots, add_fn *add_one, size_t most,
		     uint32_t *ret_root)
{
	size_t dirs = roots->dirs.count, count = dirs + roots->parents.count;
	int r = 0;
	for (size_t i = 0; i < count && !r && lock->dirs.count <= most; i++) {
		int refused = 0, *error = i < dirs ? &roots->dirs.at[i].error : &refused;
		const struct stamp *stamp = i < dirs ? &roots->dirs.at[i].stamp : &roots->parents.at[i - dirs].stamp;
		*ret_root = i < dirs ? roots->dirs.at[i].root : roots->parents.at[i - dirs].root;
		lock->given = catalog->roots.at[*ret_root].open;
		*error = 0;
		r = add_one(lock, catalog, *ret_root, stamp, error);
	}
	return r;
}

/* The walk needs descriptors as well: where the roots and what is above them would take most, their mounts are locked. */
static int gather(struct lock *lock, const struct catalog *catalog, struct roots *roots, struct tell *tell, bool below)
{
	size_t count = roots->dirs.count + roots->parents.count, most = sys_descriptors() / 2;
	uint32_t root = 0;
	int r = mounts_read(&lock->mounts);
	if (!r && count <= ALONE_MOST)
		r = add_roots(lock, catalog, roots, add_root, most, &root);
	if (!r && (count > ALONE_MOST || lock->dirs.count > most)) {
		let_go(lock);
		r = add_roots(lock, catalog, roots, add_mount, SIZE_MAX, &root);
	}
	if (!r && below)
		r = add_all_below(lock, catalog, roots);
	if (!r || r == -ENOMEM)
		return r;
	tell_error(tell, DLK_STAGE_LOCK, catalog->roots.at[root].open, r);
	return r == -ENOENT || r == -EAGAIN ? -EIO : r; /* these say something else to who called */
}

static int order_held(const void *a, const void *b)
{
	const struct held *x = a, *y = b;
	if (x->stamp.dev != y->stamp.dev)
		return x->stamp.dev < y->stamp.dev ? -1 : 1;
	return x->stamp.ino < y->stamp.ino ? -1 : x->stamp.ino > y->stamp.ino;
}

/* ---- locking ---- */

/* The index of the first that is taken; the count when all are ours. */
static size_t try_all(struct lock *lock)
{
	size_t i;
	for (i = 0; i < lock->dirs.count; i++) {
		struct held *held = &lock->dirs.at[i];
		int r = sys->flock(held->fd, (held->alone ? LOCK_EX : LOCK_SH) | LOCK_NB);
		if (r == -EAGAIN)
			break;
		/* Other errors: a file system without flock. There the lock cannot be had by anybody. */
	}
	if (i < lock->dirs.count)
		for (size_t j = 0; j < i; j++)
			sys->flock(lock->dirs.at[j].fd, LOCK_UN);
	return i;
}

static const char *name_of(const struct lock *lock, size_t taken)
{
	if (lock->dirs.at[taken].path)
		return lock->dirs.at[taken].path;
	for (size_t i = 0; i < lock->dirs.count; i++) /* a directory above: name a root below */
		if (lock->dirs.at[i].path)
			return lock->dirs.at[i].path;
	return lock->given;
}

int lock_take(const struct catalog *catalog, struct roots *roots, struct tell *tell, bool below, bool wait, struct lock **ret)
{
	struct lock *lock = calloc(1, sizeof(*lock));
	if (!lock)
		return -ENOMEM;
	int r = gather(lock, catalog, roots, tell, below);
	if (!r && lock->dirs.count)
		qsort(lock->dirs.at, lock->dirs.count, sizeof(*lock->dirs.at), order_held);
	size_t taken = 0;
	bool told = false;
	while (!r && (taken = try_all(lock)) < lock->dirs.count) {
		if (!wait) {
			tell_error(tell, DLK_STAGE_LOCK, name_of(lock, taken), EAGAIN);
			r = -EAGAIN;
		} else if (tell_stopped(tell)) {
			r = -ECANCELED;
		} else {
			if (!told)
				tell_waiting(tell, name_of(lock, taken));
			told = true;
			sys->sleep(WAIT_MS * NS_PER_MS);
		}
	}
	if (r)
		lock_free(lock);
	else
		*ret = lock;
	return r;
}

int lock_take_dir(int dirfd, struct lock **ret)
{
	struct lock *lock = calloc(1, sizeof(*lock));
	struct stamp stamp;
	int fd, r = lock ? 0 : -ENOMEM;
	if (!r)
		r = mounts_read(&lock->mounts);
	if (!r)
		r = stamp_fd(dirfd, &stamp);
	if (!r)
		r = add_around(lock, dirfd, &stamp);
	if (!r)
		r = open_dir(dirfd, ".", &fd, &stamp);
	if (!r)
		r = add(lock, fd, &stamp, false, NULL);
	else if (out_of_reach(r))
		r = 0;
	if (!r && try_all(lock) < lock->dirs.count)
		r = -EAGAIN;
	if (r)
		lock_free(lock);
	else
		*ret = lock;
	return r;
}
