/* SPDX-License-Identifier: MIT */
/*
 * recover.c - what a temporary name T may be, and what is done about it
 *
 *	T is                                  D (the name it says) is         done
 *	the recorded keeper, other links      anything                        unlink T: the run died before the exchange
 *	the recorded keeper, its last link    equal to it, bytes and all      unlink T
 *	the target, untouched, unused         equal to it, bytes and all      unlink T: the run died after the exchange
 *	the target, also named D              itself                          unlink T: it was a second name for safety
 *	anything else, be it a directory      the recorded keeper, untouched  exchange back, look: the run died before it looked
 *	                                      since, unused, where nobody
 *	                                      else may make names
 *	anything else                         anything else                   keep, and tell
 *
 * Which step died is never guessed: each row is proven by inode, stamps, lease, grace, probe and comparison. "It has another
 * link" proves nothing but for the recorded keeper's own inode. Where a user namespace hides who the owner of T or D is, all is kept
 * that is no other link of the keeper or of D.
 *
 * T says what it is, but its name proves nothing of who made it: the hashes in it are no secret. So a T that somebody planted is
 * asked for. To unlink it takes nothing from anybody: D, or another link, has all it has. To exchange it would.
 */
#include "recover.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../base/fail.h"
#include "../sys/beneath.h"
#include "../sys/dir.h"
#include "../sys/idmap.h"
#include "../sys/swap.h"
#include "replace.h"
#include "temp.h"

/*
 * How often the file that a leftover is may be compared in one run: a run has so many names of a file in line (core/apply.c, LINE_MOST)
 * and leaves no more. Somebody may have planted some ten thousand links of one large file, and all would be read again for each.
 */
enum { COMPARED_MOST = 64 };

/* The name that leftovers of a directory tell of, by its hash. */
struct wanted {
	uint64_t hash; /* as struct temp has it */
	char *name;    /* NULL: none has this hash */
	bool several;  /* then none is the one */
};

/* Of one directory, which is read once for all leftovers in it: somebody may have planted very many. */
struct names {
	uint32_t dir; /* ID_NONE: none yet */
	VEC(struct wanted) wanted; /* in the order of hashes, each once */
};

/* All of them. */
struct recovery {
	const struct walk *walk;
	struct reach reach;
	struct confirm *confirm;
	struct tell *tell;
	struct journal *journal; /* or NULL */
	struct idmap idmap;
	struct walk_temp *temps; /* directory by directory */
	size_t count;
	struct names names;
	struct seen compared; /* index in: */
	VEC(unsigned char) times;
};

/* One leftover being looked into. */
struct leftover {
	struct recovery *recovery;
	size_t index;                /* in its temps */
	struct confirm *confirm;
	struct journal *journal;     /* or NULL */
	const struct catalog *catalog;
	struct dir_id dir;
	int dirfd;
	const char *temp;            /* T's name */
	struct temp says;
	char name[DIR_NAME_MAX + 1]; /* D's name; "" when no entry of the directory has the recorded hash */
	struct stamp t, d;           /* d only when has_d */
	bool has_d;
};

enum verdict { VERDICT_KEPT, VERDICT_DONE, VERDICT_LATER, VERDICT_GONE /* since the walk, and not by us */ };

static void names_free(struct names *names)
{
	for (size_t i = 0; i < names->wanted.count; i++)
		free(names->wanted.at[i].name);
	vec_free(&names->wanted);
	names->dir = ID_NONE;
}

static int order_wanted(const void *a, const void *b)
{
	const struct wanted *x = a, *y = b;
	return x->hash < y->hash ? -1 : x->hash > y->hash;
}

/* The hashes told by the leftovers from index `from` on that lie in its directory. */
static int gather_wanted(struct recovery *recovery, size_t from)
{
	struct names *names = &recovery->names;
	size_t kept = 0;
	for (size_t i = from; i < recovery->count && recovery->temps[i].dir.v == recovery->temps[from].dir.v; i++) {
		const char *temp = arena_at(&recovery->walk->catalog->names, recovery->temps[i].name);
		struct temp says;
		if (temp_parse(temp, strlen(temp), &says) && vec_push(&names->wanted, (struct wanted){ .hash = says.name }))
			return -ENOMEM;
	}
	qsort(names->wanted.at, names->wanted.count, sizeof(*names->wanted.at), order_wanted);
	for (size_t i = 0; i < names->wanted.count; i++)
		if (!kept || names->wanted.at[kept - 1].hash != names->wanted.at[i].hash)
			names->wanted.at[kept++] = names->wanted.at[i];
	names->wanted.count = kept;
	return 0;
}

static struct wanted *find_wanted(const struct names *names, uint64_t hash)
{
	const struct wanted key = { .hash = hash };
	return bsearch(&key, names->wanted.at, names->wanted.count, sizeof(key), order_wanted);
}

static int note_name(struct names *names, const struct dir_entry *entry)
{
	struct temp temp;
	struct wanted *wanted = find_wanted(names, temp_cut_name(entry->name));
	if (!wanted || temp_parse(entry->name, entry->length, &temp))
		return 0;
	wanted->several = wanted->name;
	if (!wanted->name)
		wanted->name = strdup(entry->name);
	return wanted->name ? 0 : -ENOMEM;
}

static int read_names(struct recovery *recovery, size_t from, int dirfd)
{
	own_free char *buffer = malloc(DIR_BUFFER);
	own_fd int fd = -1;
	names_free(&recovery->names);
	int r = buffer ? gather_wanted(recovery, from) : -ENOMEM;
	if (!r)
		r = beneath_dir(dirfd, ".", true, &fd);
	if (r)
		return r;
	struct dir dir = dir_begin(fd, buffer);
	struct dir_entry entry;
	while ((r = dir_next(&dir, &entry)) > 0) {
		r = note_name(&recovery->names, &entry);
		if (r)
			return r;
	}
	if (!r)
		recovery->names.dir = recovery->temps[from].dir.v;
	return r;
}

/* Finds the name whose hash T records. Two names with one hash: no name. */
static int find_name(struct leftover *l)
{
	struct names *names = &l->recovery->names;
	int r = names->dir == l->dir.v ? 0 : read_names(l->recovery, l->index, l->dirfd);
	const struct wanted *wanted = r ? NULL : find_wanted(names, l->says.name);
	if (wanted && wanted->name && !wanted->several)
		snprintf(l->name, sizeof(l->name), "%s", wanted->name);
	return r;
}

static bool is_keeper(const struct leftover *l, const struct stamp *file)
{
	return temp_is_keeper(&l->says, file->ino);
}

/*
 * The recorded keeper as it was recorded, attributes included. What was done to it since shows at D, or was even done through it. A run
 * that did not look at attributes recorded none: a keeper that has some is not known to be the same.
 */
static bool is_untouched(const struct leftover *l, const struct candidate *d)
{
	return temp_is_version(&l->says, candidate_version(d));
}

static bool is_target(const struct leftover *l)
{
	return temp_is_target(&l->says, stamp_fingerprint(&l->t));
}

/* An open, leased candidate of a name, which must still be what was looked at. */
static int open_candidate(struct leftover *l, const char *name, const struct stamp *expected, struct candidate **ret)
{
	struct candidate *candidate;
	int fd;
	int r = beneath_file(l->dirfd, name, true, &fd);
	if (!r)
		r = candidate_open(l->confirm, fd, &candidate);
	if (r)
		return r;
	if (!stamp_untouched(&candidate->stamp, expected)) {
		candidate_unref(candidate);
		return -ESTALE;
	}
	*ret = candidate;
	return 0;
}

/* Grace, probe, and both names still what they were: then T is dropped. */
static int drop_quiet(struct leftover *l, struct candidate *t, struct candidate *d)
{
	struct stamp now;
	sys->sleep(REPLACE_GRACE);
	if (lease_probe(&t->lease) == LEASE_BROKEN || lease_look(&d->lease) == LEASE_BROKEN)
		return -EAGAIN;
	int r = stamp_at(l->dirfd, l->name, &now);
	if (!r && !stamp_untouched(&now, &d->stamp))
		r = -ESTALE;
	if (!r)
		r = stamp_at(l->dirfd, l->temp, &now);
	if (!r && !stamp_untouched(&now, &t->stamp))
		r = -ESTALE;
	return r ? r : swap_drop(l->dirfd, l->temp);
}

/* A replacement that is about to be finished stands in the journal like any other. */
static int write_down(struct leftover *l, const struct candidate *t, const struct candidate *d)
{
	struct text path = { 0 };
	uint64_t ticket;
	if (!l->journal || !is_target(l))
		return 0;
	roots_add_real_entry(l->catalog, journal_roots(l->journal), l->dir, l->name, &path);
	struct journal_link link = { .path = path.at, .kept = &d->stamp, .old = &t->stamp };
	int r = path.failed ? -ENOMEM : journal_add(l->journal, &link, &ticket);
	if (!r)
		r = journal_commit(l->journal, ticket);
	text_free(&path);
	return r;
}

/*
 * Whether both were read to their ends: what could not be read is not known to differ. One that ends before its size says so
 * is being changed. Files of two sizes were not read, and differ.
 */
static int read_whole(const struct candidate *t, const struct candidate *d)
{
	int error = d->error ? d->error : t->error;
	if (t->stamp.size != d->stamp.size)
		return 0;
	return error == -ENODATA ? -ESTALE : error;
}

/* -EAGAIN: T was compared so often that the next run may go on. */
static int count_comparison(const struct leftover *l)
{
	struct recovery *recovery = l->recovery;
	uint32_t domain = catalog_dir(l->catalog, l->dir)->domain, index;
	if (!seen_find(&recovery->compared, domain, l->t.ino, &index)) {
		index = (uint32_t)recovery->times.count;
		if (vec_push(&recovery->times, 0) || seen_add(&recovery->compared, domain, l->t.ino, index))
			return -ENOMEM;
	}
	if (recovery->times.at[index] == COMPARED_MOST)
		return -EAGAIN;
	recovery->times.at[index]++;
	return 0;
}

/*
 * T has the bytes and the metadata D has: unlinks it, once D's data is on disk. Metadata here is owner, mode, seal and attributes, as
 * the default policy asks; a run with a looser policy leaves leftovers that are kept.
 */
static int drop_equal(struct leftover *l)
{
	struct candidate *t = NULL, *d = NULL;
	struct proof *proof = NULL;
	int r = open_candidate(l, l->temp, &l->t, &t);
	if (!r)
		r = open_candidate(l, l->name, &l->d, &d);
	if (!r && (t->stamp.uid != d->stamp.uid || t->stamp.gid != d->stamp.gid || t->stamp.mode != d->stamp.mode ||
		   t->stamp.seal != d->stamp.seal))
		r = -EILSEQ;
	if (!r)
		r = count_comparison(l);
	if (!r)
		r = confirm_compare(l->confirm, (struct candidate *[]){ d, t }, 2);
	if (!r)
		r = read_whole(t, d);
	if (!r)
		r = confirm_prove(l->confirm, d, t, &proof);
	if (!r)
		r = sys->fdatasync(d->fd);
	if (!r)
		r = write_down(l, t, d);
	if (!r)
		r = drop_quiet(l, t, d);
	proof_free(proof);
	candidate_unref(t);
	candidate_unref(d);
	return r;
}

static int drop_temp(struct leftover *l)
{
	struct stamp now;
	int r = stamp_at(l->dirfd, l->temp, &now);
	if (!r && (!stamp_same_file(&now, &l->t) || now.links < 2))
		r = -ESTALE;
	return r ? r : swap_drop(l->dirfd, l->temp);
}

/*
 * What was done to D between look and exchange, of which `out` came to T: 0, nothing. Another save belongs at D, and what we put there
 * is older. A change of mode or attributes was meant for what D was, and so is the write of somebody who opened D and waits.
 */
static int came_between(const struct leftover *l, struct candidate *d, const struct stamp *out)
{
	bool asked = lease_look(&d->lease) == LEASE_BROKEN;
	if (!stamp_same_version(out, &d->stamp) || confirm_attributes(l->confirm, d))
		return -ESTALE;
	return asked ? -EAGAIN : 0;
}

/*
 * -ESTALE where somebody else than D's owner may make names beside it: one like T may be a link of another file of D's owner, one
 * that many may write, and what they wrote must not come to D. In a directory like /tmp that is more than they can do by themselves.
 * An ACL that lets others write shows in the group's bits.
 */
static int look_at_dir(const struct leftover *l)
{
	struct stamp dir;
	int r = stamp_fd(l->dirfd, &dir);
	if (r)
		return r;
	bool trusted = dir.uid == l->d.uid || !dir.uid || dir.uid == geteuid();
	return trusted && !(dir.mode & (S_IWGRP | S_IWOTH)) ? 0 : -ESTALE;
}

/*
 * D is the recorded keeper, and T is something else than the target as it was: perhaps a save that the exchange caught, perhaps the
 * target with a write in it. It goes back to D when D is as it was recorded and nobody uses it; what D was must come out, and is
 * unlinked as an extra link of the keeper only while it has another. T must belong to D's owner. It need not have D's mode or
 * attributes: a save may come with others, and a chmod is just what may have come between.
 */
static int exchange_back(struct leftover *l)
{
	struct candidate *d = NULL;
	struct stamp now;
	int r = look_at_dir(l);
	if (!r)
		r = open_candidate(l, l->name, &l->d, &d);
	if (!r && !is_untouched(l, d))
		r = -ESTALE;
	if (!r && (l->t.uid != l->d.uid || l->t.gid != l->d.gid || d->stamp.links < 2))
		r = -ESTALE; /* the latter: the keeper's last name: then D is not surely only our link */
	if (!r) {
		sys->sleep(REPLACE_GRACE);
		if (lease_probe(&d->lease) == LEASE_BROKEN)
			r = -EAGAIN;
	}
	if (!r)
		r = stamp_at(l->dirfd, l->name, &now);
	if (!r && !stamp_untouched(&now, &d->stamp))
		r = -ESTALE;
	if (!r)
		r = swap_exchange(l->dirfd, l->temp, l->name);
	if (!r)
		r = stamp_at(l->dirfd, l->temp, &now);
	int why = r ? 0 : came_between(l, d, &now);
	if (why) {
		r = swap_exchange(l->dirfd, l->temp, l->name);
		r = r ? r : why;
	}
	if (!r && now.links < 2)
		r = -ESTALE;
	if (!r)
		r = swap_drop(l->dirfd, l->temp);
	candidate_unref(d);
	return r;
}

/* Whether the owner of one of them may be anybody: then they may belong to two, whatever the numbers say. */
static bool is_hidden(const struct leftover *l)
{
	const struct idmap *idmap = &l->recovery->idmap;
	return idmap_hides(idmap, l->t.uid, l->t.gid) || idmap_hides(idmap, l->d.uid, l->d.gid);
}

static int decide(struct leftover *l)
{
	bool file = stamp_regular(&l->t);
	if (file && is_keeper(l, &l->t) && l->t.links > 1)
		return drop_temp(l);
	if (file && l->has_d && stamp_same_file(&l->t, &l->d))
		return drop_temp(l);
	if (!l->has_d || !stamp_regular(&l->d) || is_hidden(l))
		return -ESTALE;
	int r = file && (is_keeper(l, &l->t) || is_target(l)) ? drop_equal(l) : -EILSEQ;
	if (r != -EILSEQ && r != -ENODATA)
		return r;
	/* Unlike D, whatever its stamps say: a writer may have put the time back. */
	return is_keeper(l, &l->d) ? exchange_back(l) : -ESTALE;
}

static enum verdict look_into(struct leftover *l, int *ret_error)
{
	int r = stamp_at(l->dirfd, l->temp, &l->t);
	*ret_error = 0;
	if (r == -ENOENT)
		return VERDICT_GONE;
	if (!r)
		r = find_name(l);
	if (!r && l->name[0]) {
		r = stamp_at(l->dirfd, l->name, &l->d);
		l->has_d = !r;
		r = r == -ENOENT ? 0 : r;
	}
	if (!r)
		r = decide(l);
	if (!r)
		return VERDICT_DONE;
	if (r == -EAGAIN || r == -EBUSY)
		return VERDICT_LATER;
	if (r != -ESTALE && r != -EILSEQ && r != -ENODATA && r != -ENOTSUP && fail_kind(r) != FAIL_GONE)
		*ret_error = r;
	return VERDICT_KEPT;
}

static void tell_verdict(struct tell *tell, const char *path, enum verdict verdict, int error)
{
	if (fail_changed(error)) /* its directory, since the walk */
		tell_skip(tell, DLK_STAGE_RECOVER, path, DLK_REASON_CHANGED, 1);
	else if (error)
		tell_error(tell, DLK_STAGE_RECOVER, path, error);
	else if (verdict == VERDICT_DONE)
		tell_note(tell, DLK_REASON_RECOVERED, path, NULL);
	else if (verdict == VERDICT_LATER)
		tell_skip(tell, DLK_STAGE_RECOVER, path, DLK_REASON_IN_USE, 1);
	else if (verdict == VERDICT_KEPT)
		tell_note(tell, DLK_REASON_LEFTOVER, path, NULL);
}

static int recover_one(struct recovery *recovery, size_t index)
{
	const struct catalog *catalog = recovery->walk->catalog;
	const struct walk_temp *temp = &recovery->temps[index];
	struct leftover l = {
		.recovery = recovery,
		.index = index,
		.confirm = recovery->confirm,
		.journal = recovery->journal,
		.catalog = catalog,
		.dir = temp->dir,
		.temp = arena_at(&catalog->names, temp->name),
	};
	struct text path = { 0 };
	enum verdict verdict = VERDICT_KEPT;
	int error = 0;
	catalog_dir_text(catalog, temp->dir, &path);
	text_puts(&path, "/");
	text_puts(&path, l.temp);
	int r = path.failed ? -ENOMEM : reach_dir(&recovery->reach, temp->dir, &l.dirfd);
	if (!r && temp_parse(l.temp, strlen(l.temp), &l.says))
		verdict = look_into(&l, &error);
	else
		error = r;
	bool end = error == -ENOMEM || error == -ECANCELED;
	if (!end)
		tell_verdict(recovery->tell, path.at, verdict, error);
	text_free(&path);
	return end ? error : 0;
}

static int order_temps(const void *a, const void *b)
{
	const struct walk_temp *x = a, *y = b;
	if (x->dir.v != y->dir.v)
		return x->dir.v < y->dir.v ? -1 : 1;
	return x->name < y->name ? -1 : x->name > y->name;
}

int recover_run(const struct walk *walk, struct confirm *confirm, struct tell *tell, struct journal *journal)
{
	struct recovery recovery = {
		.walk = walk,
		.confirm = confirm,
		.tell = tell,
		.journal = journal,
		.count = walk->temps.count,
		.names = { .dir = ID_NONE },
		.compared = { .seed = walk->catalog->seed },
	};
	own_free struct walk_temp *temps = calloc(recovery.count + 1, sizeof(*temps));
	int r = 0;
	if (!temps)
		return -ENOMEM;
	for (size_t i = 0; i < recovery.count; i++)
		temps[i] = walk->temps.at[i];
	qsort(temps, recovery.count, sizeof(*temps), order_temps);
	recovery.temps = temps;
	idmap_read(&recovery.idmap);
	reach_init(&recovery.reach, walk->catalog, 16);
	for (size_t i = 0; i < recovery.count && !r; i++)
		r = tell_stopped(tell) ? -ECANCELED : recover_one(&recovery, i);
	names_free(&recovery.names);
	seen_free(&recovery.compared);
	vec_free(&recovery.times);
	reach_free(&recovery.reach);
	return r;
}
