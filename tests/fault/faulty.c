/* SPDX-License-Identifier: MIT */
/*
 * faulty.c - each entry: count, decide, do, decide again
 *
 *	enter()  counts the call; dies, stalls, or says that it fails
 *	leave()  dies after it, or turns what it returned into a lie
 *
 * One mutex around the counting: a walk has a walker and an owner, of which only one is ever in a call at a time when
 * there is one thread of each, so the order is the same in each run.
 */
#include "faulty.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../../src/base/fail.h"
#include "../../src/core/temp.h"
#include "memory.h"

const struct entry_faults faulty_entries[ENTRIES] = {
	[ENTRY_OPENAT] = { "openat", false, { EMFILE, ENFILE, ENOMEM, EACCES, ENOENT, ELOOP, EIO, ESTALE, EPERM } },
	[ENTRY_OPENAT2] = { "openat2",
			    false,
			    { EMFILE, ENOMEM, EACCES, ENOENT, ELOOP, EXDEV, EIO, ESTALE, ENOSYS, EAGAIN } },
	[ENTRY_CLOSE] = { "close", false, { EIO } },
	[ENTRY_GETDENTS] = { "getdents", false, { EIO, ENOENT, ESTALE } },
	[ENTRY_STATX] = { "statx", false, { EIO, ENOENT, ESTALE, EACCES, ENOMEM } },
	[ENTRY_FSTATFS] = { "fstatfs", false, { EIO, ENOSYS } },
	[ENTRY_READ] = { "read", false, { EIO, NOTHING, HALF } },
	[ENTRY_WRITE] = { "write", true, { ENOSPC, EIO, EPIPE, NOTHING, HALF } },
	[ENTRY_PREAD] = { "pread", false, { EIO, ESTALE, ENOMEM, NOTHING, HALF } },
	[ENTRY_PWRITE] = { "pwrite", true, { ENOSPC, EDQUOT, EIO } },
	[ENTRY_LSEEK] = { "lseek", false, { EINVAL, EIO } },
	[ENTRY_FADVISE] = { "fadvise", false, { EINVAL } },
	[ENTRY_CACHESTAT] = { "cachestat", false, { ENOSYS, EPERM } },
	[ENTRY_MINCORE] = { "mincore", false, { ENOMEM } },
	[ENTRY_LEASE_TAKE] = { "fcntl(F_SETLEASE, F_RDLCK)", false, { EAGAIN, EACCES, EINVAL, ENOLCK, ENOMEM } },
	[ENTRY_LEASE_ASK] = { "fcntl(F_GETLEASE)", false, { BREAK, EINVAL } },
	[ENTRY_LEASE_DROP] = { "fcntl(F_SETLEASE, F_UNLCK)", false, { EAGAIN } },
	[ENTRY_FCNTL] = { "fcntl", false, { EINVAL } },
	[ENTRY_IOCTL] = { "ioctl", false, { EOPNOTSUPP, EIO } },
	[ENTRY_FLISTXATTR] = { "flistxattr", false, { EOPNOTSUPP, EIO, ERANGE, ENOMEM } },
	[ENTRY_FGETXATTR] = { "fgetxattr", false, { ENODATA, EIO, ERANGE, EACCES } },
	[ENTRY_COPY] = { "copy_file_range", true, { EXDEV, EOPNOTSUPP, ENOSPC, EIO, NOTHING } },
	[ENTRY_FTRUNCATE] = { "ftruncate", true, { ENOSPC, EIO, EFBIG } },
	[ENTRY_FCHOWN] = { "fchown", true, { EPERM, EIO } },
	[ENTRY_FCHMOD] = { "fchmod", true, { EPERM, EIO } },
	[ENTRY_FSETXATTR] = { "fsetxattr", true, { EPERM, ENOSPC, EOPNOTSUPP, EIO } },
	[ENTRY_FREMOVEXATTR] = { "fremovexattr", true, { EPERM, EACCES, EOPNOTSUPP, EIO } },
	[ENTRY_INOTIFY_INIT] = { "inotify_init", false, { EMFILE } },
	[ENTRY_INOTIFY_ADD] = { "inotify_add_watch", false, { ENOSPC, ENOMEM } },
	[ENTRY_INOTIFY_RM] = { "inotify_rm_watch", false, { EINVAL } },
	[ENTRY_FUTIMENS] = { "futimens", true, { EPERM, EIO } },
	[ENTRY_READLINKAT] = { "readlinkat", false, { EIO, ENOENT } },
	[ENTRY_FLOCK] = { "flock", false, { EAGAIN, ENOLCK, EIO } },
	[ENTRY_FDATASYNC] = { "fdatasync", true, { EIO, ENOSPC, EDQUOT, EROFS, EINVAL } },
	[ENTRY_SYNCFS] = { "syncfs", true, { EIO, ENOSPC } },
	[ENTRY_LINKAT] = { "linkat",
			   true,
			   { EMLINK, ENOSPC, EDQUOT, EROFS, EPERM, EIO, EXDEV, ENOENT, ENOMEM, EEXIST, EACCES,
			     ESTALE } },
	[ENTRY_RENAMEAT2] = { "renameat2",
			      true,
			      { EINVAL, ENOSYS, ENOSPC, EDQUOT, EIO, EROFS, ENOENT, EXDEV, EACCES, ENOMEM, ESTALE } },
	[ENTRY_UNLINKAT] = { "unlinkat", true, { EIO, EROFS, EACCES, ENOENT, EPERM, EBUSY, ESTALE } },
	[ENTRY_GETRANDOM] = { "getrandom", false, { ENOSYS, EAGAIN } },
};

const struct content actor_saved = { .seed = '!', .size = 333 };

enum { SYNCED_MOST = 256, STAGED_MOST = 256 };

static struct {
	pthread_mutex_t mutex;
	const struct fault *fault;
	const struct actor *actor;
	struct report *report;
	unsigned world, die_modified, exchanges;
	int phase;
	int64_t slept;
	const char *locked;
	int grace_dirfd; /* of the exchange the actor waits behind; -1: none */
	char grace_temp[TREE_PATH], grace_name[TREE_PATH];
	/* the laws */
	uint64_t synced[SYNCED_MOST], unsynced[SYNCED_MOST]; /* inodes that were synced, or failed to be */
	unsigned synced_count, unsynced_count;
	bool all_synced;
	uint64_t fresh[SYNCED_MOST]; /* files made since then */
	unsigned fresh_count;
	char looked[STAGED_MOST][TEMP_ROOM]; /* temporary names that were looked at since they last moved */
	unsigned looked_count;
} state = { .mutex = PTHREAD_MUTEX_INITIALIZER, .grace_dirfd = -1 };

/* ---- counting and deciding ---- */

struct call {
	enum entry entry;
	bool hit;  /* this is call n, or one like it after it */
	int fails; /* with this errno; or NOTHING, HALF, BREAK; 0: does not */
};

/* Both ways a process can be gone: killed, and ended by itself without a word. */
static void die(unsigned nth)
{
	if (nth % 2)
		kill(getpid(), SIGKILL);
	_exit(99);
}

static bool is_hit(unsigned n, enum entry entry)
{
	const struct fault *fault = state.fault;
	if (fault->mode >= FAULT_MEMORY_ONCE || fault->mode == FAULT_NONE)
		return false;
	return n == fault->nth || (fault->mode == FAULT_ON && n > fault->nth && entry == state.report->entry);
}

static struct call enter(enum entry entry)
{
	struct call call = { .entry = entry };
	struct report *report = state.report;
	pthread_mutex_lock(&state.mutex);
	unsigned n = ++report->calls;
	if (n <= CALLS_MOST)
		report->order[n - 1] = (unsigned char)entry;
	call.hit = is_hit(n, entry);
	if (call.hit && n == state.fault->nth) {
		report->entry = entry;
		report->phase = state.phase;
	}
	if (call.hit)
		report->fired++;
	if (call.hit && (state.fault->mode == FAULT_ONCE || state.fault->mode == FAULT_ON))
		call.fails = state.fault->error;
	if (call.hit && state.fault->mode == FAULT_STALL)
		state.slept += 300 * NS_PER_S;
	pthread_mutex_unlock(&state.mutex);
	if (call.hit && state.fault->mode == FAULT_DIE_BEFORE)
		die(n);
	return call;
}

static ssize_t leave(const struct call *call, ssize_t r)
{
	if (r >= 0 &&
	    (call->entry == ENTRY_LINKAT || call->entry == ENTRY_RENAMEAT2 || call->entry == ENTRY_UNLINKAT) &&
	    ++state.report->modified == state.die_modified)
		die(1);
	if (call->hit && state.fault->mode == FAULT_DIE_AFTER)
		die(state.fault->nth);
	if (call->hit && state.fault->mode == FAULT_LIE && r >= 0)
		return -state.fault->error;
	return r;
}

/* enter() and, if the call fails, its answer; else `real` and leave(). */
#define THROUGH(type, entry, real)                                                                                     \
	do {                                                                                                           \
		struct call call_ = enter(entry);                                                                      \
		if (call_.fails > 0)                                                                                   \
			return (type)-call_.fails;                                                                     \
		if (call_.fails == NOTHING)                                                                            \
			return 0;                                                                                      \
		return (type)leave(&call_, (ssize_t)(real));                                                           \
	} while (0)

/* ---- laws ---- */

static void broken(const char *law, const char *name)
{
	if (!state.report->broken[0])
		snprintf(state.report->broken, sizeof(state.report->broken), "%s: %s", law, name);
}

static bool among(const uint64_t *inodes, unsigned count, uint64_t ino)
{
	for (unsigned i = 0; i < count; i++)
		if (inodes[i] == ino)
			return true;
	return false;
}

static void add_inode(uint64_t *inodes, unsigned *count, uint64_t ino)
{
	if (!among(inodes, *count, ino) && *count < SYNCED_MOST)
		inodes[(*count)++] = ino;
}

/* A sync that failed may have thrown the pages away: a second one that says yes proves nothing (fsync(2), EIO). */
static void note_sync(int fd, bool done)
{
	struct stat st;
	if (fstat(fd, &st))
		return;
	if (done)
		add_inode(state.synced, &state.synced_count, st.st_ino);
	else
		add_inode(state.unsynced, &state.unsynced_count, st.st_ino);
}

static void forget_inode(uint64_t *inodes, unsigned *count, uint64_t ino)
{
	for (unsigned i = 0; i < *count; i++)
		if (inodes[i] == ino)
			inodes[i--] = inodes[--*count];
}

/* A file of our own making, whatever else had its number: it is on disk once it is synced, or all that there is by then. */
static void note_new(int fd)
{
	struct stat st;
	if (fstat(fd, &st))
		return;
	forget_inode(state.synced, &state.synced_count, st.st_ino);
	forget_inode(state.unsynced, &state.unsynced_count, st.st_ino);
	add_inode(state.fresh, &state.fresh_count, st.st_ino);
}

/* The lock counts whoever asks for it, from another open file. */
static bool locked(int dirfd, const char *path)
{
	int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool is = fd < 0 || flock(fd, LOCK_EX | LOCK_NB);
	if (fd >= 0)
		close(fd);
	return is;
}

/*
 * The root is locked and the directory above it. A file system that cannot lock has no locks (flock's own faults), and
 * a directory above that may not be opened is left out.
 */
static void check_locked(void)
{
	const struct report *report = state.report;
	enum fail_kind kind = fail_kind(state.fault->error);
	bool refuses = kind == FAIL_DENIED || kind == FAIL_GONE || kind == FAIL_SWAPPED;
	int fd = state.locked ? open(state.locked, O_PATH | O_CLOEXEC) : -1;
	if (fd >= 0 && !(report->fired && report->entry == ENTRY_FLOCK)) {
		if (!locked(fd, "."))
			broken("something is linked, and the root is not locked", state.locked);
		if (!locked(fd, "..") && !(report->fired && refuses))
			broken("something is linked, and the directory above the root is not locked", state.locked);
	}
	if (fd >= 0)
		close(fd);
}

/* Whether a name is a temporary one, and leads to the keeper it records. */
static bool brings_keeper(int dirfd, const char *temp_name, uint64_t *ret_ino)
{
	struct temp temp;
	struct stat st;
	if (!temp_parse(temp_name, strlen(temp_name), &temp) || fstatat(dirfd, temp_name, &st, AT_SYMLINK_NOFOLLOW))
		return false;
	*ret_ino = st.st_ino;
	return temp_is_keeper(&temp, st.st_ino);
}

/* Before T takes D's place: the keeper must be on disk. */
static void check_synced(uint64_t ino, const char *temp_name)
{
	if (among(state.unsynced, state.unsynced_count, ino))
		broken("a keeper whose sync failed took a name's place", temp_name);
	else if ((!state.all_synced || among(state.fresh, state.fresh_count, ino)) &&
		 !among(state.synced, state.synced_count, ino))
		broken("a keeper that was not synced took a name's place", temp_name);
}

static unsigned looked_at(const char *name)
{
	unsigned i = 0;
	while (i < state.looked_count && strcmp(state.looked[i], name) != 0)
		i++;
	return i;
}

static void note_look(const char *name)
{
	struct temp temp;
	if (temp_parse(name, strlen(name), &temp) && looked_at(name) == state.looked_count &&
	    state.looked_count < STAGED_MOST)
		strcpy(state.looked[state.looked_count++], name);
}

static void forget_look(const char *name)
{
	unsigned i = looked_at(name);
	if (i < state.looked_count)
		memcpy(state.looked[i], state.looked[--state.looked_count], TEMP_ROOM);
}

static void check_looked(const char *name)
{
	struct temp temp;
	if (temp_parse(name, strlen(name), &temp) && looked_at(name) == state.looked_count)
		broken("a temporary name was unlinked that nobody looked at since it moved", name);
}

/* ---- the actor ---- */

static void act_save(int dirfd, const char *name)
{
	static char bytes[CONTENT_MOST];
	int fd = openat(dirfd, "new", O_WRONLY | O_CREAT | O_EXCL, 0644);
	content_fill(&actor_saved, bytes);
	if (fd < 0 || write(fd, bytes, actor_saved.size) != (ssize_t)actor_saved.size || close(fd) ||
	    renameat(dirfd, "new", dirfd, name))
		state.report->acted = false;
}

static bool act_write(int dirfd, const char *file, bool forges)
{
	struct stat st;
	int fd = openat(dirfd, file, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
	bool done = fd >= 0 && !fstat(fd, &st) && pwrite(fd, "!", 1, 0) == 1;
	if (done && forges)
		done = !futimens(fd, (struct timespec[]){ st.st_atim, st.st_mtim });
	if (fd >= 0)
		close(fd);
	return done;
}

static void act(int dirfd, const char *name, const char *file)
{
	int fd = -1;
	state.report->acted = true;
	snprintf(state.report->acted_on, sizeof(state.report->acted_on), "%s", name);
	switch (state.actor->act) {
	case ACT_SAVE:
		act_save(dirfd, name);
		break;
	case ACT_DELETE:
		state.report->acted = !unlinkat(dirfd, name, 0);
		break;
	case ACT_CHMOD: /* somebody who looked the name up before the exchange reaches the old file, whatever it is
			   called now */
		state.report->acted = !fchmodat(dirfd, file, ACTOR_MODE, 0);
		break;
	case ACT_DIR:
		state.report->acted = !unlinkat(dirfd, name, 0) && !mkdirat(dirfd, name, 0700);
		break;
	case ACT_WRITE:
	case ACT_FORGE:
		state.report->acted = act_write(dirfd, file, state.actor->act == ACT_FORGE);
		break;
	case ACT_ASK: /* does not wait for the lease to be let go */
		fd = openat(dirfd, file, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		state.report->acted = fd < 0 && errno == EWOULDBLOCK;
		if (fd >= 0)
			close(fd);
		break;
	case ACT_HOLD:
	case ACT_NONE:
		break;
	}
}

/* Before the exchange both names lead where they did; after it T is the old file. */
static void act_at(enum when when, int dirfd, const char *temp, const char *name)
{
	if (state.actor->when == when)
		act(dirfd, name, when == WHEN_BEFORE ? name : temp);
}

/* What happened to the name is told when it is over, since the run must not be helped by it. */
int faulty_hold(int dirfd, const char *path)
{
	return openat(dirfd, path, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
}

void faulty_let_go(int fd, const char *name, struct report *report)
{
	report->acted = fd >= 0 && pwrite(fd, "!", 1, 0) == 1 && !close(fd);
	snprintf(report->acted_on, sizeof(report->acted_on), "%s", name);
}

/* ---- the table ---- */

static int f_openat(int dirfd, const char *path, int flags, mode_t mode)
{
	struct call call = enter(ENTRY_OPENAT);
	if (call.fails)
		return -call.fails;
	int fd = sys_kernel.openat(dirfd, path, flags, mode);
	if (fd >= 0 && (flags & O_TMPFILE) == O_TMPFILE)
		note_new(fd);
	return (int)leave(&call, fd);
}

static int f_openat2(int dirfd, const char *path, const struct open_how *how)
{
	if (state.world & WORLD_NO_OPENAT2)
		return -ENOSYS;
	THROUGH(int, ENTRY_OPENAT2, sys_kernel.openat2(dirfd, path, how));
}

/* The descriptor is gone whatever close says. */
static int f_close(int fd)
{
	struct call call = enter(ENTRY_CLOSE);
	int r = (int)leave(&call, sys_kernel.close(fd));
	return call.fails ? -call.fails : r;
}

static ssize_t f_getdents(int fd, void *buffer, size_t size)
{
	THROUGH(ssize_t, ENTRY_GETDENTS, sys_kernel.getdents(fd, buffer, size));
}

static int f_statx(int dirfd, const char *path, int flags, unsigned mask, struct statx *ret)
{
	struct call call = enter(ENTRY_STATX);
	if (call.fails)
		return -call.fails;
	note_look(path);
	return (int)leave(&call, sys_kernel.statx(dirfd, path, flags, mask, ret));
}

static int f_fstatfs(int fd, struct statfs *ret)
{
	THROUGH(int, ENTRY_FSTATFS, sys_kernel.fstatfs(fd, ret));
}

static ssize_t f_pread(int fd, void *buffer, size_t size, off_t offset)
{
	struct call call = enter(ENTRY_PREAD);
	if (call.fails > 0)
		return -call.fails;
	if (call.fails == NOTHING)
		return 0;
	if (call.fails == HALF && size > 1)
		size /= 2;
	return leave(&call, sys_kernel.pread(fd, buffer, size, offset));
}

static ssize_t f_read(int fd, void *buffer, size_t size)
{
	struct call call = enter(ENTRY_READ);
	if (call.fails > 0)
		return -call.fails;
	if (call.fails == NOTHING)
		return 0;
	if (call.fails == HALF && size > 1)
		size /= 2;
	return leave(&call, sys_kernel.read(fd, buffer, size));
}

static ssize_t f_write(int fd, const void *buffer, size_t size)
{
	struct call call = enter(ENTRY_WRITE);
	if (call.fails > 0)
		return -call.fails;
	if (call.fails == NOTHING)
		return 0;
	if (call.fails == HALF && size > 1)
		size /= 2;
	return leave(&call, sys_kernel.write(fd, buffer, size));
}

static ssize_t f_pwrite(int fd, const void *buffer, size_t size, off_t offset)
{
	THROUGH(ssize_t, ENTRY_PWRITE, sys_kernel.pwrite(fd, buffer, size, offset));
}

static off_t f_lseek(int fd, off_t offset, int whence)
{
	THROUGH(off_t, ENTRY_LSEEK, sys_kernel.lseek(fd, offset, whence));
}

static int f_fadvise(int fd, off_t offset, off_t length, int advice)
{
	THROUGH(int, ENTRY_FADVISE, sys_kernel.fadvise(fd, offset, length, advice));
}

static int f_cachestat(int fd, uint64_t *ret_pages)
{
	THROUGH(int, ENTRY_CACHESTAT, sys_kernel.cachestat(fd, ret_pages));
}

static int f_mincore(int fd, off_t offset, size_t length, unsigned char *ret_pages)
{
	THROUGH(int, ENTRY_MINCORE, sys_kernel.mincore(fd, offset, length, ret_pages));
}

static enum entry fcntl_entry(int command, long argument)
{
	if (command == F_GETLEASE)
		return ENTRY_LEASE_ASK;
	if (command != F_SETLEASE)
		return ENTRY_FCNTL;
	return argument == F_UNLCK ? ENTRY_LEASE_DROP : ENTRY_LEASE_TAKE;
}

static int f_fcntl(int fd, int command, long argument)
{
	if (state.world & WORLD_NO_LEASES && (command == F_SETLEASE || command == F_GETLEASE))
		return -EINVAL;
	struct call call = enter(fcntl_entry(command, argument));
	if (call.fails == BREAK)
		return F_UNLCK;
	if (call.fails)
		return -call.fails;
	return (int)leave(&call, sys_kernel.fcntl(fd, command, argument));
}

static int f_ioctl(int fd, unsigned long request, void *argument)
{
	THROUGH(int, ENTRY_IOCTL, sys_kernel.ioctl(fd, request, argument));
}

static ssize_t f_flistxattr(int fd, char *list, size_t size)
{
	THROUGH(ssize_t, ENTRY_FLISTXATTR, sys_kernel.flistxattr(fd, list, size));
}

static ssize_t f_fgetxattr(int fd, const char *name, void *value, size_t size)
{
	THROUGH(ssize_t, ENTRY_FGETXATTR, sys_kernel.fgetxattr(fd, name, value, size));
}

static ssize_t f_copy_file_range(int from, off_t from_at, int to, off_t to_at, size_t size)
{
	struct call call = enter(ENTRY_COPY);
	if (call.fails > 0)
		return -call.fails;
	if (call.fails == NOTHING)
		return 0;
	return leave(&call, sys_kernel.copy_file_range(from, from_at, to, to_at, size));
}

static int f_ftruncate(int fd, off_t size)
{
	THROUGH(int, ENTRY_FTRUNCATE, sys_kernel.ftruncate(fd, size));
}

static int f_fchown(int fd, uid_t uid, gid_t gid)
{
	THROUGH(int, ENTRY_FCHOWN, sys_kernel.fchown(fd, uid, gid));
}

static int f_fchmod(int fd, mode_t mode)
{
	THROUGH(int, ENTRY_FCHMOD, sys_kernel.fchmod(fd, mode));
}

static int f_fsetxattr(int fd, const char *name, const void *value, size_t size)
{
	THROUGH(int, ENTRY_FSETXATTR, sys_kernel.fsetxattr(fd, name, value, size));
}

static int f_fremovexattr(int fd, const char *name)
{
	THROUGH(int, ENTRY_FREMOVEXATTR, sys_kernel.fremovexattr(fd, name));
}

static int f_inotify_init(int flags)
{
	THROUGH(int, ENTRY_INOTIFY_INIT, sys_kernel.inotify_init(flags));
}

static int f_inotify_add_watch(int fd, const char *path, uint32_t mask)
{
	THROUGH(int, ENTRY_INOTIFY_ADD, sys_kernel.inotify_add_watch(fd, path, mask));
}

static int f_inotify_rm_watch(int fd, int id)
{
	THROUGH(int, ENTRY_INOTIFY_RM, sys_kernel.inotify_rm_watch(fd, id));
}

static int f_futimens(int fd, int64_t mtime)
{
	THROUGH(int, ENTRY_FUTIMENS, sys_kernel.futimens(fd, mtime));
}

static ssize_t f_readlinkat(int dirfd, const char *path, char *buffer, size_t size)
{
	THROUGH(ssize_t, ENTRY_READLINKAT, sys_kernel.readlinkat(dirfd, path, buffer, size));
}

static int f_flock(int fd, int operation)
{
	THROUGH(int, ENTRY_FLOCK, sys_kernel.flock(fd, operation));
}

/* Nothing is really synced: no power is cut here, and what must have been is known. */
static int f_fdatasync(int fd)
{
	struct call call = enter(ENTRY_FDATASYNC);
	note_sync(fd, !call.fails);
	return call.fails ? -call.fails : (int)leave(&call, 0);
}

static int f_syncfs(int fd)
{
	(void)fd;
	struct call call = enter(ENTRY_SYNCFS);
	if (!call.fails) {
		state.all_synced = true;
		state.fresh_count = 0;
	}
	return call.fails ? -call.fails : (int)leave(&call, 0);
}

static int f_linkat(int old_dirfd, const char *old_path, int new_dirfd, const char *new_path, int flags)
{
	struct call call = enter(ENTRY_LINKAT);
	if (call.fails)
		return -call.fails;
	forget_look(new_path);
	check_locked();
	return (int)leave(&call, sys_kernel.linkat(old_dirfd, old_path, new_dirfd, new_path, flags));
}

static int f_renameat2(int old_dirfd, const char *old_path, int new_dirfd, const char *new_path, unsigned flags)
{
	if (state.world & WORLD_NO_EXCHANGE && flags)
		return -EINVAL;
	struct call call = enter(ENTRY_RENAMEAT2);
	if (call.fails)
		return -call.fails;
	uint64_t keeper = 0;
	bool forward = !(flags & RENAME_NOREPLACE) && brings_keeper(old_dirfd, old_path, &keeper);
	bool acts = forward && state.actor && state.actor->act && ++state.exchanges == state.actor->exchange;
	/* A save between look and plain rename is lost to sight: the weaker guarantee. */
	if (acts && !flags && state.actor->when == WHEN_BEFORE)
		acts = false;
	if (forward)
		check_synced(keeper, old_path);
	if (acts)
		act_at(WHEN_BEFORE, new_dirfd, old_path, new_path);
	int r = sys_kernel.renameat2(old_dirfd, old_path, new_dirfd, new_path, flags);
	forget_look(old_path);
	if (acts && !r) {
		act_at(WHEN_AFTER, new_dirfd, old_path, new_path);
		state.grace_dirfd = state.actor->when == WHEN_GRACE ? dup(new_dirfd) : -1;
		snprintf(state.grace_temp, sizeof(state.grace_temp), "%s", old_path);
		snprintf(state.grace_name, sizeof(state.grace_name), "%s", new_path);
	}
	return (int)leave(&call, r);
}

static int f_unlinkat(int dirfd, const char *path, int flags)
{
	struct call call = enter(ENTRY_UNLINKAT);
	if (call.fails)
		return -call.fails;
	check_looked(path);
	return (int)leave(&call, sys_kernel.unlinkat(dirfd, path, flags));
}

/* The digests' secret is always the same, since the order of sets comes from it; what names a run is not. */
static ssize_t made_up(void *buffer, size_t size)
{
	for (size_t i = 0; i < size; i++)
		((unsigned char *)buffer)[i] = (unsigned char)(mix64(i + 1) >> 24);
	return (ssize_t)size;
}

static ssize_t f_getrandom(void *buffer, size_t size, unsigned flags)
{
	THROUGH(ssize_t, ENTRY_GETRANDOM,
		size > 16 ? made_up(buffer, size) : sys_kernel.getrandom(buffer, size, flags));
}

/* Begins somewhere; each question takes a microsecond. */
static int64_t f_now(void)
{
	return __atomic_add_fetch(&state.slept, 1000, __ATOMIC_RELAXED);
}

/* An hour off, this way or that: whether a file looks old enough for its sync to be left out is no matter of the machine's load. */
static int64_t f_wall(void)
{
	return sys_kernel.wall() + (state.world & WORLD_LATER ? 3600 : -3600) * NS_PER_S;
}

/* The first sleep after the exchange is its grace. */
static void f_sleep(int64_t ns)
{
	int dirfd = state.grace_dirfd;
	if (dirfd >= 0) {
		state.grace_dirfd = -1;
		act_at(WHEN_GRACE, dirfd, state.grace_temp, state.grace_name);
		close(dirfd);
	}
	if (ns > 0)
		__atomic_add_fetch(&state.slept, ns, __ATOMIC_RELAXED);
}

/* ---- in force ---- */

void faulty_phase(int phase)
{
	state.phase = phase;
}

void faulty_begin(const struct fault *fault, unsigned world, const struct actor *actor, unsigned die_modified,
		  const char *locked, struct report *report)
{
	static struct sys_calls calls;
	calls = sys_kernel;
	calls.openat = f_openat;
	calls.openat2 = f_openat2;
	calls.close = f_close;
	calls.getdents = f_getdents;
	calls.statx = f_statx;
	calls.fstatfs = f_fstatfs;
	calls.read = f_read;
	calls.write = f_write;
	calls.pread = f_pread;
	calls.pwrite = f_pwrite;
	calls.lseek = f_lseek;
	calls.fadvise = f_fadvise;
	calls.cachestat = f_cachestat;
	calls.mincore = f_mincore;
	calls.fcntl = f_fcntl;
	calls.ioctl = f_ioctl;
	calls.flistxattr = f_flistxattr;
	calls.fgetxattr = f_fgetxattr;
	calls.copy_file_range = f_copy_file_range;
	calls.ftruncate = f_ftruncate;
	calls.fchown = f_fchown;
	calls.fchmod = f_fchmod;
	calls.fsetxattr = f_fsetxattr;
	calls.fremovexattr = f_fremovexattr;
	calls.inotify_init = f_inotify_init;
	calls.inotify_add_watch = f_inotify_add_watch;
	calls.inotify_rm_watch = f_inotify_rm_watch;
	calls.futimens = f_futimens;
	calls.readlinkat = f_readlinkat;
	calls.flock = f_flock;
	calls.fdatasync = f_fdatasync;
	calls.syncfs = f_syncfs;
	calls.linkat = f_linkat;
	calls.renameat2 = f_renameat2;
	calls.unlinkat = f_unlinkat;
	calls.getrandom = f_getrandom;
	calls.now = f_now;
	calls.wall = f_wall;
	calls.sleep = f_sleep;
	state.fault = fault;
	state.actor = actor;
	state.world = world;
	state.die_modified = die_modified;
	state.report = report;
	state.slept = NS_PER_S;
	state.locked = locked;
	state.grace_dirfd = -1;
	memory_begin(fault, report);
	sys_replace(&calls);
}

void faulty_end(void)
{
	if (state.grace_dirfd >= 0)
		close(state.grace_dirfd);
	state.grace_dirfd = -1;
	memory_end();
	sys_replace(NULL);
}
