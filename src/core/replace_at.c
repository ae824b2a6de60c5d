/* SPDX-License-Identifier: MIT */
/*
 * replace_at.c - one pair, in the shape of link(2)
 *
 * The same steps as a whole run takes, for two names the caller chose: lock, lease, prove, replace, settle.
 */
#include "../../include/dedupe-link.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../sys/beneath.h"
#include "../sys/mount.h"
#include "confirm.h"
#include "lock.h"
#include "replace.h"

enum { KNOWN_FLAGS = DLK_FOLLOW | DLK_NO_SYNC };

struct call {
	int src;            /* open for reading */
	int dir;            /* of dst */
	const char *name;   /* of dst, in dir */
	struct stamp src_stamp, dst_stamp;
	unsigned flags;
	struct replace_outcome outcome;
	struct dlk_replaced replaced;
};

static int refuse_type(const struct stamp *stamp)
{
	if (S_ISDIR(stamp->mode))
		return -EISDIR;
	if (S_ISLNK(stamp->mode))
		return -ELOOP;
	return stamp_regular(stamp) ? 0 : -EINVAL;
}

/* Looks at what src leads to before opening it for reading: opening a device can do things. Without /proc it is opened by name. */
static int open_src(int dirfd, const char *src, unsigned flags, struct call *call)
{
	int follow = flags & DLK_FOLLOW ? 0 : O_NOFOLLOW;
	struct stamp opened;
	own_fd int fd = sys->openat(dirfd, src, O_PATH | O_CLOEXEC | follow, 0);
	int r = fd < 0 ? fd : stamp_fd(fd, &call->src_stamp);
	if (!r)
		r = refuse_type(&call->src_stamp);
	if (r)
		return r;
	r = beneath_again(fd, &call->src);
	if (r != -ENOENT)
		return r;
	call->src = sys->openat(dirfd, src, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | follow, 0);
	r = call->src < 0 ? call->src : stamp_fd(call->src, &opened);
	if (!r && !stamp_same_file(&opened, &call->src_stamp))
		r = -EBUSY;
	return r;
}

/* Opens the directory of dst, and looks at dst in it without following. */
static int open_dst(int dirfd, const char *dst, char *path, struct call *call)
{
	strcpy(path, dst);
	char *slash = strrchr(path, '/');
	call->name = slash ? slash + 1 : path;
	if (!*dst)
		return -ENOENT;
	if (!*call->name || !strcmp(call->name, ".") || !strcmp(call->name, ".."))
		return -EISDIR;
	if (slash)
		*slash = '\0';
	const char *dir = !slash ? "." : slash == path ? "/" : path;
	call->dir = sys->openat(dirfd, dir, O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
	int r = call->dir < 0 ? call->dir : stamp_fd(call->dir, &call->dst_stamp);
	if (!r && call->dst_stamp.immutable)
		r = -EPERM; /* append-only: the temporary name could be made and never unlinked */
	if (!r)
		r = stamp_at(call->dir, call->name, &call->dst_stamp);
	return r ? r : refuse_type(&call->dst_stamp);
}

static void note_outcome(void *ctx, const struct replace_place *place, const struct proof *proof,
			 const struct replace_outcome *outcome)
{
	struct call *call = ctx;
	const struct candidate *target = proof_target(proof);
	(void)place;
	call->outcome = *outcome;
	call->replaced.freed = target->gone;
	call->replaced.weaker = outcome->weaker;
	if (outcome->kept)
		snprintf(call->replaced.kept, sizeof(call->replaced.kept), "%s", outcome->kept);
	if (target->gone)
		call->replaced.bytes_saved = target->stamp.blocks * 512 - u64_min(target->stamp.blocks * 512, target->shared);
}

/* Errors of opening and comparing in the words of this call. */
static int in_use(int r)
{
	return r == -EAGAIN || r == -ENODATA || r == -ESTALE ? -EBUSY : r;
}

static int replace(struct call *call, struct confirm *confirm, struct proof *proof)
{
	struct replacer replacer;
	struct mount_facts facts;
	uint32_t run, serial = 0;
	int r = sys_random(&run, sizeof(run));
	if (!r)
		r = mount_look(proof_keeper(proof)->fd, &facts);
	if (!r)
		r = replace_init(&replacer, confirm, run, &serial, 1);
	if (r)
		return r;
	replacer.no_sync = call->flags & DLK_NO_SYNC;
	replacer.shares_extents = facts.shares_extents;
	replacer.done = note_outcome;
	replacer.ctx = call;
	r = replace_name(&replacer, &(struct replace_place){ .dirfd = call->dir, .name = call->name }, proof);
	replace_settle_all(&replacer);
	replace_free(&replacer);
	if (!r)
		r = call->outcome.error;
	if (!r && call->outcome.result == REPLACE_LEFT)
		r = -EBUSY;
	return r;
}

static int prove_and_replace(struct call *call)
{
	struct dlk_options options = { .respect = 0 };
	struct confirm confirm;
	struct candidate *keeper = NULL, *target = NULL;
	struct proof *proof = NULL;
	int fd, r = confirm_init(&confirm, &options);
	if (r)
		return r;
	r = candidate_open(&confirm, steal_fd(&call->src), &keeper);
	if (!r)
		r = beneath_file(call->dir, call->name, true, &fd);
	if (!r)
		r = candidate_open(&confirm, fd, &target);
	if (!r && (!stamp_untouched(&target->stamp, &call->dst_stamp) || !stamp_same_file(&keeper->stamp, &call->src_stamp) ||
		   keeper->stamp.seal != target->stamp.seal))
		r = -EBUSY;
	if (!r)
		r = confirm_compare(&confirm, (struct candidate *[]){ keeper, target }, 2);
	if (!r)
		r = keeper->error ? keeper->error : target->error;
	if (!r)
		r = confirm_prove(&confirm, keeper, target, &proof);
	if (!r)
		r = replace(call, &confirm, proof);
	proof_free(proof);
	candidate_unref(keeper);
	candidate_unref(target);
	confirm_free(&confirm);
	return in_use(r);
}

static int replace_locked(struct call *call)
{
	struct lock *lock;
	if (call->src_stamp.dev != call->dst_stamp.dev || call->src_stamp.mount != call->dst_stamp.mount)
		return -EXDEV;
	if (stamp_same_file(&call->src_stamp, &call->dst_stamp)) {
		call->replaced.already = true;
		return 0;
	}
	if (call->src_stamp.seal != call->dst_stamp.seal)
		return -EPERM; /* as link(2) says it of a plain file and an encrypted directory */
	if (call->src_stamp.size != call->dst_stamp.size)
		return -EILSEQ;
	int r = lock_take_dir(call->dir, &lock);
	if (r)
		return in_use(r);
	lease_signal_begin();
	r = prove_and_replace(call);
	lease_signal_end();
	lock_free(lock);
	return r;
}

int dlk_replace_at(int src_dirfd, const char *src, int dst_dirfd, const char *dst, unsigned flags, struct dlk_replaced *ret)
{
	if (flags & ~(unsigned)KNOWN_FLAGS)
		return -EINVAL;
	struct call call = { .src = -1, .dir = -1, .flags = flags };
	own_free char *path = malloc(strlen(dst) + 1);
	int r = path ? open_src(src_dirfd, src, flags, &call) : -ENOMEM;
	if (!r)
		r = open_dst(dst_dirfd, dst, path, &call);
	if (!r)
		r = replace_locked(&call);
	close_fd(&call.src);
	close_fd(&call.dir);
	if (ret)
		*ret = call.replaced;
	return r;
}
