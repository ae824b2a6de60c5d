/* SPDX-License-Identifier: MIT */
/*
 * replace.c - steps 3 to 10 and the undo; K is the keeper, D the target's name, T the temporary name
 *
 *	 3 sync      K's data is on disk
 *	 4 stage     T = another link of K, made of K's descriptor
 *	 5 look      leases unbroken, D still names the target, T is K
 *	 6 exchange  D = K, T = the old file
 *	 7 verify    T is the target as it was compared: else undo
 *	 8 grace     some milliseconds in line; a broken lease: undo
 *	 9 probe     nobody has or wants the target; T is it, untouched; then drop: T is unlinked
 *	10 account   a last look at the lease, the link count, and let go
 *
 * Two laws: T is unlinked only after a look identified it, and while the newest content may be in T it is never unlinked but kept
 * under a name that says so. Where a file system knows no exchange, the target's descriptor is linked to T first and a
 * second temporary link of K is renamed over D: from there on all is the same.
 */
#include "replace.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../base/fail.h"
#include "../base/text.h"
#include "../sys/beneath.h"
#include "../sys/extent.h"
#include "../sys/swap.h"

enum {
	TEMP_TRIES = 64,
	NAME_KEPT = 200, /* bytes of a name that stand in that of a file kept aside */
	PUT_BACK_ROUNDS = 100, /* each further round needs another program's rename at just that moment */
	/* Of ctimes, for step 3, in ms: the coarsest of a file system we know, and what is fine enough to rule that out. */
	COARSE = 2000,
	FINE = 10,
	FRESH = 100,           /* for those that are fine: some ticks of the clock that stamps files */
	RESCUE_WAIT = 1000,    /* ms to wait for a late opener to finish */
};

int replace_init(struct replacer *replacer, struct confirm *confirm, uint32_t run, uint32_t *serial, size_t room)
{
	*replacer = (struct replacer){
		.confirm = confirm,
		.run = run,
		.serial = serial,
		.synced = INT64_MIN,
		.line = calloc(room, sizeof(*replacer->line)),
		.line_room = room,
	};
	return replacer->line ? 0 : -ENOMEM;
}

void replace_free(struct replacer *replacer)
{
	free(replacer->line);
	replacer->line = NULL;
}

static bool weaker(const struct replace_pending *p)
{
	return p->over || proof_keeper(p->proof)->weaker || proof_target(p->proof)->weaker;
}

/* ---- telling ---- */

static void tell_done(struct replacer *replacer, const struct replace_pending *p, const struct replace_outcome *outcome)
{
	replacer->done(replacer->ctx, &p->place, p->proof, outcome);
}

static void tell_left(struct replacer *replacer, const struct replace_pending *p, enum dlk_stage stage,
		      enum dlk_reason reason, int error)
{
	tell_done(replacer, p,
		  &(struct replace_outcome){
			  .result = REPLACE_LEFT,
			  .stage = stage,
			  .reason = reason,
			  .error = error,
		  });
}

/* What an errno of a look means for the name: gone or swapped is a change, the rest is trouble. */
static void tell_look_failed(struct replacer *replacer, const struct replace_pending *p, enum dlk_stage stage, int r)
{
	if (fail_changed(r))
		tell_left(replacer, p, stage, DLK_REASON_CHANGED, 0);
	else
		tell_left(replacer, p, stage, DLK_REASON_NONE, r);
}

/* ---- 3 sync ---- */

/*
 * How far a ctime may lie behind the change that it stands for. Time stamps are whole seconds on ext3, and on ext4 with small inodes,
 * two on others; one that is no whole number of FINE was not rounded so.
 */
static int64_t lag(int64_t ctime)
{
	return (ctime % (FINE * NS_PER_MS) ? FRESH : COARSE) * NS_PER_MS;
}

/* A file untouched since before it, or its file system, was synced is on disk with it. Its ctime tells, which no program can set. */
static bool covered(int64_t synced, int64_t ctime)
{
	return synced != INT64_MIN && ctime < synced - lag(ctime);
}

/* A keeper younger than that is synced, perhaps once more: what is new since the last time is little. */
static int sync_keeper(const struct replacer *replacer, struct candidate *keeper)
{
	if (keeper->durable || replacer->no_sync)
		return 0;
	if (keeper->unsynced) /* the kernel may have dropped what it could not write, and would say yes now (fsync(2)) */
		return keeper->unsynced;
	int64_t ctime = keeper->stamp.ctime;
	int r = covered(replacer->synced, ctime) || covered(keeper->synced, ctime) ? 0 : sys->fdatasync(keeper->fd);
	keeper->durable = !r;
	keeper->unsynced = r;
	return r;
}

struct replace_synced replace_sync(struct replacer *replacer, int fd)
{
	struct replace_synced synced = REPLACE_NOT_SYNCED;
	struct stamp now;
	if (replacer->no_sync || stamp_fd(fd, &now) || covered(replacer->synced, now.ctime))
		return synced;
	replace_settle_all(replacer);
	synced.at = sys->wall();
	synced.error = sys->fdatasync(fd);
	return synced;
}

void replace_note_sync(struct candidate *keeper, const struct replace_synced *synced)
{
	keeper->synced = synced->at;
	keeper->unsynced = synced->error;
}

/* ---- 4 stage ---- */

/* Who may do to a file what its owner may, may set O_NOATIME (fs/fcntl.c, setfl). */
static bool owns(const struct candidate *file)
{
	return file->stamp.uid == geteuid() || !sys->fcntl(file->fd, F_SETFL, O_NONBLOCK | O_NOATIME);
}

/*
 * In a sticky directory only who owns a file, or the directory, takes a name of it away (fs/namei.c, __check_sticky): T could be made
 * there and never unlinked. -EPERM.
 */
static int look_at_dir(const struct replace_pending *p)
{
	const struct candidate *keeper = proof_keeper(p->proof), *target = proof_target(p->proof);
	struct stamp dir;
	if (keeper->stamp.uid == geteuid() && target->stamp.uid == geteuid())
		return 0;
	int r = stamp_fd(p->place.dirfd, &dir);
	if (r || !(dir.mode & S_ISVTX) || dir.uid == geteuid())
		return r;
	return owns(keeper) && owns(target) ? 0 : -EPERM;
}

static void name_temp(struct replacer *replacer, struct replace_pending *p)
{
	const struct candidate *keeper = proof_keeper(p->proof), *target = proof_target(p->proof);
	struct temp temp = {
		.run = replacer->run,
		.serial = __atomic_fetch_add(replacer->serial, 1, __ATOMIC_RELAXED),
		.keeper = temp_hash_number(keeper->stamp.ino),
		.version = temp_hash_number(candidate_version(keeper)),
		.target = temp_hash_number(stamp_fingerprint(&target->stamp)),
		.name = temp_hash_name(p->place.name),
	};
	temp_write(&temp, p->temp);
}

/* Links an open file to a fresh temporary name beside the target. */
static int stage(struct replacer *replacer, struct replace_pending *p, int fd)
{
	int r = -EEXIST;
	for (int tries = 0; r == -EEXIST && tries < TEMP_TRIES; tries++) {
		name_temp(replacer, p);
		r = swap_stage(fd, p->place.dirfd, p->temp);
	}
	return r;
}

/*
 * Unlinks T if it is still a link of `file`; what another program put there stays. T may be its last link by now: then all its own
 * names were deleted or saved over, and T never was the name of anything.
 */
static int unstage(const struct replace_pending *p, struct candidate *file)
{
	struct stamp temp;
	int r = stamp_at(p->place.dirfd, p->temp, &temp);
	if (r)
		return r == -ENOENT ? 0 : r;
	if (!stamp_same_file(&temp, &file->stamp))
		return 0;
	r = swap_drop(p->place.dirfd, p->temp);
	if (!r)
		r = stamp_fd(file->fd, &temp);
	if (!r && stamp_same_version(&temp, &file->stamp))
		file->stamp = temp; /* our own link and unlink moved ctime */
	return r;
}

/* ---- 5 look ---- */

/*
 * 0 when all is as it was compared; -EBUSY in use; -ESTALE changed; else trouble. The look at T is the look at K: T must be K,
 * with one link more and nothing else different. Our link moved K's ctime, so its attributes are read again.
 */
static int look(struct replacer *replacer, struct replace_pending *p)
{
	struct candidate *keeper = proof_keeper(p->proof), *target = proof_target(p->proof);
	struct stamp now;
	int r = stamp_at(p->place.dirfd, p->temp, &now);
	if (r)
		return r;
	if (!stamp_same_version(&now, &keeper->stamp) || now.links != keeper->stamp.links + 1)
		return -ESTALE;
	keeper->stamp = now;
	r = confirm_attributes(replacer->confirm, keeper);
	if (!r)
		r = stamp_at(p->place.dirfd, p->place.name, &now);
	if (r)
		return r;
	if (!stamp_untouched(&now, &target->stamp))
		return -ESTALE;
	p->looked = sys->now();
	if (lease_look(&keeper->lease) == LEASE_BROKEN) {
		keeper->spoiled = true;
		return -EBUSY;
	}
	if (lease_look(&target->lease) == LEASE_BROKEN) {
		target->spoiled = true;
		return -EBUSY;
	}
	return 0;
}

/* ---- undo ---- */

/*
 * Makes a file beside D under a name that people understand. Some file systems have room for less (143 bytes on eCryptfs), and some
 * take whole characters only (ext4 with casefold, strict): D's own name gets shorter until it fits.
 */
static int name_aside(struct replace_pending *p, const char *what,
		      int (*make)(const struct replace_pending *p, const char *name), char *ret_name, size_t room)
{
	size_t most = NAME_KEPT;
	int r = -EEXIST;
	for (unsigned i = 0; i < TEMP_TRIES && (r == -EEXIST || r == -ENAMETOOLONG); i++) {
		most = r == -ENAMETOOLONG ? most / 2 : most;
		snprintf(ret_name, room, "%.*s.dedupe-link-%s-%u", (int)text_cut(p->place.name, most), p->place.name, what, i);
		r = make(p, ret_name);
	}
	return r;
}

static int move_aside(const struct replace_pending *p, const char *name)
{
	return swap_aside(p->place.dirfd, p->temp, name);
}

/* Keeps what is in T, and says so. */
static void keep_aside(struct replace_pending *p, struct replace_outcome *outcome, char *ret_name, size_t room)
{
	if (name_aside(p, "kept", move_aside, ret_name, room))
		snprintf(ret_name, room, "%s", p->temp); /* it stays where it is; recovery looks at it again */
	outcome->kept = ret_name;
	outcome->kept_reason = DLK_REASON_KEPT_ASIDE;
}

/*
 * T is `file` as it was proven, attributes included, and nobody writes to it or is about to: lease, grace, probe. Without leases the
 * stamps must do.
 */
static bool quiet(const struct replacer *replacer, struct replace_pending *p, const struct candidate *file, uint32_t links)
{
	own_fd int fd = -1;
	struct lease lease;
	struct stamp now;
	if (beneath_file(p->place.dirfd, p->temp, true, &fd) || stamp_fd(fd, &now) || !stamp_same_file(&now, &file->stamp) ||
	    lease_take(fd, &lease))
		return false;
	sys->sleep(REPLACE_GRACE);
	bool ok = lease_probe(&lease) != LEASE_BROKEN && !stamp_at(p->place.dirfd, p->temp, &now) &&
		  stamp_same_version(&now, &file->stamp) && now.links == links &&
		  !confirm_attributes(replacer->confirm, file);
	lease_drop(&lease);
	return ok;
}

/* K has the bytes and attributes the target had, wherever our link of it went; and nobody has asked for it. */
static bool keeper_stands(const struct replacer *replacer, struct replace_pending *p)
{
	struct candidate *keeper = proof_keeper(p->proof);
	struct stamp now;
	return !p->unequal && lease_look(&keeper->lease) != LEASE_BROKEN && !stamp_fd(keeper->fd, &now) &&
	       stamp_same_version(&now, &keeper->stamp) && !confirm_attributes(replacer->confirm, keeper);
}

/*
 * D is not what we put there, or T came back from it and is no link of K. What is in T may be the newest content of D, or of the name
 * D was moved to: a delete, a move and a save look alike. It is needed no more if it is the target as it was proven, and K stands for
 * it; else it is kept aside. That nothing moved since we put it there is not enough (tests/model/README.md, the rule of the undo).
 */
static int drop_or_keep(struct replacer *replacer, struct replace_pending *p, struct replace_outcome *outcome, char *name,
			size_t room)
{
	struct candidate *target = proof_target(p->proof);
	lease_drop(&target->lease); /* whoever waits for it goes first */
	if (quiet(replacer, p, target, target->stamp.links) && keeper_stands(replacer, p))
		return swap_drop(p->place.dirfd, p->temp);
	keep_aside(p, outcome, name, room);
	return 0;
}

/* Brings what is in T back to D. With exchange what stood at D comes to T. */
static int put_back(struct replace_pending *p)
{
	int dirfd = p->place.dirfd;
	return p->over ? swap_over(dirfd, p->temp, p->place.name) : swap_exchange(dirfd, p->temp, p->place.name);
}

/*
 * T came back from D as the last thing we had put there, so D has the newer: T is an extra link of K, or a file that another
 * program's save made stale. Is it K's last link, what a writer did to it through D would go with it.
 */
static int drop_stale(struct replacer *replacer, struct replace_pending *p, const struct stamp *now,
		      struct replace_outcome *outcome, char *name, size_t room)
{
	struct candidate *keeper = proof_keeper(p->proof);
	if (!stamp_same_file(&p->put, &keeper->stamp))
		return drop_or_keep(replacer, p, outcome, name, room);
	if (now->links > 1)
		return unstage(p, keeper);
	lease_drop(&proof_target(p->proof)->lease); /* whoever waits for the target goes first */
	if (!p->unequal && quiet(replacer, p, keeper, now->links))
		return swap_drop(p->place.dirfd, p->temp);
	keep_aside(p, outcome, name, room);
	return 0;
}

/* D = what we put there: exchange until T gives back what we put last; every further round is another program's rename. */
static int put_back_loop(struct replacer *replacer, struct replace_pending *p, struct replace_outcome *outcome, char *name,
			 size_t room)
{
	for (int round = 0; round < PUT_BACK_ROUNDS; round++) {
		struct stamp at_name, before, after;
		int r = stamp_at(p->place.dirfd, p->temp, &before);
		if (r) /* not even when it seems to be gone: that is no deletion of D */
			return r;
		r = stamp_at(p->place.dirfd, p->place.name, &at_name);
		if (r == -ENOENT) /* deleted, or moved away */
			return drop_or_keep(replacer, p, outcome, name, room);
		if (r)
			return r;
		if (!stamp_same_file(&at_name, &p->put)) /* saved over, or moved away and made anew */
			return drop_or_keep(replacer, p, outcome, name, room);
		r = put_back(p);
		if (r == -ENOENT)
			continue; /* deleted just now: the look sees it */
		if (r)
			return r;
		if (p->over)
			return 0;
		r = stamp_at(p->place.dirfd, p->temp, &after);
		if (r)
			return r;
		if (stamp_same_file(&after, &p->put))
			return drop_stale(replacer, p, &after, outcome, name, room);
		p->put = before;
	}
	keep_aside(p, outcome, name, room);
	return 0;
}

/* Undoes an exchange; whatever the reason, every update made meanwhile stays where its maker put it. */
static void undo(struct replacer *replacer, struct replace_pending *p, enum dlk_reason reason)
{
	char name[256];
	struct candidate *target = proof_target(p->proof);
	struct replace_outcome outcome = {
		.result = REPLACE_LEFT,
		.stage = DLK_STAGE_DROP,
		.reason = reason,
	};
	target->spoiled = true;
	outcome.error = put_back_loop(replacer, p, &outcome, name, sizeof(name));
	lease_drop(&target->lease); /* whoever waits for the file may have it */
	tell_done(replacer, p, &outcome);
}

/* ---- 8 grace, 9 probe and drop, 10 account ---- */

/*
 * Why the old file must not be dropped now, or DLK_REASON_NONE. An attribute set between look and exchange moved a ctime that the
 * exchange moved as well, so attributes are read again.
 */
static enum dlk_reason probe(struct replacer *replacer, struct replace_pending *p)
{
	struct candidate *target = proof_target(p->proof);
	struct stamp now;
	if (target->spoiled || lease_probe(&target->lease) == LEASE_BROKEN)
		return DLK_REASON_IN_USE;
	if (stamp_at(p->place.dirfd, p->temp, &now) || !stamp_untouched(&now, &target->stamp))
		return DLK_REASON_CHANGED;
	return confirm_attributes(replacer->confirm, target) ? DLK_REASON_CHANGED : DLK_REASON_NONE;
}

static int copy_aside(const struct replace_pending *p, const char *name)
{
	const struct candidate *target = proof_target(p->proof);
	return swap_rescue(target->fd, target->holes_true, p->place.dirfd, name);
}

/*
 * Somebody opened the old file after the last look. The name they opened leads elsewhere now, so what they write would be lost with
 * their descriptor, or show at the file's other names only: let them write, and when they have, keep a copy.
 */
static void rescue(struct replace_pending *p, struct replace_outcome *outcome, char *name, size_t room)
{
	struct candidate *target = proof_target(p->proof);
	struct stamp now;
	struct lease lease = { .fd = -1 };
	int r = -EAGAIN;
	target->spoiled = true;
	lease_drop(&target->lease);
	for (int ms = 0; ms < RESCUE_WAIT && r == -EAGAIN; ms += 10) {
		sys->sleep(10 * NS_PER_MS);
		r = lease_take(target->fd, &lease);
	}
	if (!r)
		lease_drop(&lease);
	if (!r && !stamp_fd(target->fd, &now) && stamp_same_version(&now, &target->stamp))
		return; /* opened, but not written */
	r = name_aside(p, "rescued", copy_aside, name, room);
	outcome->error = r;
	outcome->kept = r ? NULL : name;
	outcome->kept_reason = DLK_REASON_LATE_OPENER;
}

/* The target's own stamp moved with the unlink; anything else that moved spoils it for its further names. Returns its links. */
static uint32_t note_drop(struct candidate *target)
{
	struct stamp now;
	if (stamp_fd(target->fd, &now)) {
		target->spoiled = true;
		return target->stamp.links - 1;
	}
	if (!stamp_same_version(&now, &target->stamp) || now.links + 1 != target->stamp.links)
		target->spoiled = true;
	else
		target->stamp = now;
	return now.links;
}

static void drop(struct replacer *replacer, struct replace_pending *p)
{
	char name[256];
	struct candidate *target = proof_target(p->proof);
	struct replace_outcome outcome = { .result = REPLACE_LINKED, .stage = DLK_STAGE_DROP, .weaker = weaker(p) };
	if (target->stamp.links == 1 && replacer->shares_extents && extent_shared(target->fd, &target->shared))
		target->shared = 0;
	outcome.error = swap_drop(p->place.dirfd, p->temp);
	target->moved++;
	if (!outcome.error) {
		target->gone = note_drop(target) == 0;
		if (lease_look(&target->lease) == LEASE_BROKEN)
			rescue(p, &outcome, name, sizeof(name));
	}
	tell_done(replacer, p, &outcome);
}

static void settle(struct replacer *replacer, struct replace_pending *p)
{
	enum dlk_reason reason = DLK_REASON_NONE;
	if (replacer->recorded && replacer->recorded(replacer->ctx, p->ticket))
		reason = DLK_REASON_NO_JOURNAL;
	if (reason == DLK_REASON_NONE)
		reason = probe(replacer, p);
	if (reason == DLK_REASON_NONE)
		drop(replacer, p);
	else
		undo(replacer, p, reason);
	proof_free(p->proof);
}

static struct replace_pending *line_first(struct replacer *replacer)
{
	return replacer->line_count ? &replacer->line[replacer->line_first] : NULL;
}

/* Finishes the first in line, after what is left of its grace. */
static void settle_first(struct replacer *replacer)
{
	struct replace_pending p = *line_first(replacer);
	sys->sleep(p.exchanged + REPLACE_GRACE - sys->now());
	replacer->line_first = (replacer->line_first + 1) % replacer->line_room;
	replacer->line_count--;
	settle(replacer, &p);
}

/* ---- 6 exchange, 7 verify ---- */

static bool cannot_exchange(int r)
{
	return r == -EINVAL || r == -ENOSYS || r == -EOPNOTSUPP;
}

/* T is the target as it was compared, but for the ctime that our exchange moved, which is noted. */
static enum dlk_reason verify(struct replace_pending *p)
{
	struct candidate *target = proof_target(p->proof);
	struct stamp now;
	if (stamp_at(p->place.dirfd, p->temp, &now) || !stamp_same_version(&now, &target->stamp) ||
	    now.links != target->stamp.links)
		return DLK_REASON_CHANGED;
	if (sys->now() - p->looked > lease_patience())
		return DLK_REASON_IN_USE; /* stalled so long that a lease, K's too, may have been gone before the exchange */
	if (lease_look(&target->lease) == LEASE_BROKEN)
		return DLK_REASON_IN_USE;
	target->stamp = now;
	return DLK_REASON_NONE;
}

/* Our exchange moved K's ctime as well: from here on the new one counts. Anything else that moved ends its use as a keeper. */
static void note_exchange(struct candidate *keeper)
{
	struct stamp now;
	if (stamp_fd(keeper->fd, &now) || !stamp_same_version(&now, &keeper->stamp) || now.links != keeper->stamp.links)
		keeper->spoiled = true;
	else
		keeper->stamp = now;
}

/*
 * Without exchange: the old file gets T as a second name, then a second temporary link of K is renamed over D. Here a save made
 * between look and rename is lost to sight, and a name deleted there comes back, which is the weaker guarantee the summary tells of.
 */
static int exchange_over(struct replacer *replacer, struct replace_pending *p)
{
	struct candidate *target = proof_target(p->proof);
	struct replace_pending link = *p; /* T of K, staged and looked at */
	struct stamp now;
	int r = stage(replacer, p, target->fd);
	if (r) {
		*p = link; /* the T that is there, for unstage */
		return r;
	}
	p->over = true;
	r = stamp_at(p->place.dirfd, p->place.name, &now);
	if (!r && (!stamp_same_version(&now, &target->stamp) || now.links != target->stamp.links + 1))
		r = -ESTALE;
	if (!r)
		r = swap_over(link.place.dirfd, link.temp, link.place.name);
	if (r) {
		link.left = unstage(p, target);
		*p = link;
	}
	return r;
}

static int exchange(struct replacer *replacer, struct replace_pending *p)
{
	int r = -EINVAL;
	if (!replacer->no_exchange)
		r = swap_exchange(p->place.dirfd, p->temp, p->place.name);
	if (!cannot_exchange(r))
		return r;
	r = exchange_over(replacer, p);
	if (!r)
		replacer->no_exchange = true; /* it was not the names that were wrong */
	return r;
}

static struct replace_pending *line_add(struct replacer *replacer, const struct replace_pending *p)
{
	struct replace_pending *slot =
		&replacer->line[(replacer->line_first + replacer->line_count++) % replacer->line_room];
	*slot = *p;
	return slot;
}

/* After the exchange: verified, it waits in line; else it is undone here and now. */
static void verify_or_undo(struct replacer *replacer, struct replace_pending *p)
{
	note_exchange(proof_keeper(p->proof));
	p->put = proof_keeper(p->proof)->stamp;
	enum dlk_reason reason = verify(p);
	if (reason == DLK_REASON_NONE && weaker(p)) {
		int r = confirm_again(replacer->confirm, p->proof);
		if (r)
			reason = DLK_REASON_CHANGED;
		/* A spoiled keeper is equal to nobody, whatever its bytes. */
		p->unequal = r == -EILSEQ && !proof_keeper(p->proof)->spoiled && !proof_target(p->proof)->spoiled;
	}
	if (reason == DLK_REASON_NONE) {
		p->exchanged = sys->now();
		line_add(replacer, p);
		return;
	}
	undo(replacer, p, reason);
	proof_free(p->proof);
}

/* Not begun, or taken back before the exchange. Returns what replace_name returns. */
static int give_up(struct replacer *replacer, struct replace_pending *p, enum dlk_stage stage, int r)
{
	if (r == -EMLINK || r == -EXDEV || r == -EROFS) {
		proof_free(p->proof);
		return r;
	}
	if (r == -EBUSY)
		tell_left(replacer, p, stage, DLK_REASON_IN_USE, 0);
	else if (r == -ECANCELED) /* by the journal */
		tell_left(replacer, p, stage, DLK_REASON_NO_JOURNAL, 0);
	else
		tell_look_failed(replacer, p, stage, r);
	proof_free(p->proof);
	return 0;
}

/*
 * Without room for T, those in line are finished first: each holds a temporary name in its directory, and the bytes of an
 * old file. A link that could not be made may have moved K's ctime (ext4 does so).
 */
static int stage_keeper(struct replacer *replacer, struct replace_pending *p)
{
	struct candidate *keeper = proof_keeper(p->proof), *target = proof_target(p->proof);
	int r = stage(replacer, p, keeper->fd);
	if (r)
		note_exchange(keeper);
	if ((r != -ENOSPC && r != -EDQUOT) || !replacer->line_count)
		return r;
	replace_settle_all(replacer);
	if (keeper->spoiled || target->spoiled)
		return -EBUSY;
	r = stage(replacer, p, keeper->fd);
	if (r)
		note_exchange(keeper);
	return r;
}

int replace_name(struct replacer *replacer, const struct replace_place *place, struct proof *proof)
{
	struct candidate *keeper = proof_keeper(proof), *target = proof_target(proof);
	struct replace_pending p = { .place = *place };
	if (replacer->line_count == replacer->line_room)
		settle_first(replacer);
	int r = proof_share(proof, &p.proof);
	if (r) {
		p.proof = proof;
		tell_left(replacer, &p, DLK_STAGE_LINK, DLK_REASON_NONE, r);
		return 0;
	}
	if (keeper->spoiled || target->spoiled)
		return give_up(replacer, &p, DLK_STAGE_LINK, -EBUSY);
	r = sync_keeper(replacer, keeper);
	if (r)
		return give_up(replacer, &p, DLK_STAGE_SYNC, r == -EROFS ? -EIO : r);
	r = look_at_dir(&p);
	if (!r)
		r = stage_keeper(replacer, &p);
	if (r)
		return give_up(replacer, &p, DLK_STAGE_LINK, r);
	if (replacer->record)
		r = replacer->record(replacer->ctx, place, proof, &p.ticket);
	if (r)
		r = -ECANCELED;
	else
		r = look(replacer, &p);
	if (!r)
		r = exchange(replacer, &p);
	if (r) {
		int undone = unstage(&p, keeper);
		undone = undone ? undone : p.left;
		if (!undone)
			return give_up(replacer, &p, DLK_STAGE_SWAP, r);
		tell_left(replacer, &p, DLK_STAGE_DROP, DLK_REASON_NONE, undone); /* T is left: trouble, whatever the errno */
		proof_free(p.proof);
		return 0;
	}
	verify_or_undo(replacer, &p);
	return 0;
}

/* ---- the line ---- */

void replace_settle(struct replacer *replacer)
{
	struct replace_pending *first = line_first(replacer);
	int64_t now = first ? sys->now() : 0;
	while ((first = line_first(replacer)) && now - first->exchanged >= REPLACE_GRACE)
		settle_first(replacer);
}

void replace_settle_all(struct replacer *replacer)
{
	while (replacer->line_count)
		settle_first(replacer);
}
