/* SPDX-License-Identifier: MIT */
/*
 * cache.h - remembered digests for the next night
 *
 * A digest is remembered for an inode and believed for as long as the inode looks the same:
 *
 *	file system, inode number, size, mtime, birth time    the same, and
 *	ctime    the same: nobody has touched it, so nothing can be different;
 *	         another one: it was linked, unlinked, renamed, chmodded, or written and its mtime set back. `cp -al` does the
 *	         first to every file every night, so it is believed all the same, but not for ever: after 60 to 119 days since it
 *	         was read (spread by inode number) it is read again.
 *
 * Where a size is settled (settled.h) its digests are not asked for, and so not found to be too old, for up to a week more.
 *
 * So what can be missed, for some four months, is a copy that came to be by writing into a file without changing its size and
 * then setting its mtime back to the nanosecond. It cannot be linked wrongly: bytes are compared before any link. A file found
 * unequal to what its digest says is forgotten, and read in the next run.
 *
 * A digest is remembered only if the file's ctime lies before the moment it was read, on the clock that file systems stamp with: a
 * write in the same tick would not show.
 *
 * Besides digests of head, tail and whole, which are under a secret of this cache's own, it remembers who was equal to whom in a
 * comparison: large files alike at both ends, of which nobody knows a whole digest, because comparing stopped where they differ.
 *
 * cache_put and the other writers may be called by any thread, finders by one each. The rest is for one thread at a time. Trouble with the cache is told
 * once and never ends a run: without it, files are read again.
 */
#ifndef CORE_CACHE_H
#define CORE_CACHE_H

#include "catalog.h"
#include "digest.h"
#include "tell.h"

struct cache;

enum cache_part {
	CACHE_HEAD,
	CACHE_TAIL,
	CACHE_WHOLE,
	CACHE_EQUALS, /* low: which comparison, high: which group of equals in it */
	CACHE_PARTS,
};

/* Opens it. *ret stays NULL when it cannot be used, which is told. -ENOMEM. */
MUST_CHECK int cache_open(const char *path, struct tell *tell, const struct catalog *catalog, struct cache **ret);

/* Writes what is left and closes. NULL is fine. */
void cache_close(struct cache *cache);

/* The secret under which its digests are, and all others must be that are put into it. */
const struct digest_key *cache_key(const struct cache *cache);

/* Whether a file found is the cache itself: it must not be opened, let alone linked. */
bool cache_is(const struct cache *cache, const struct stamp *stamp);

/* Notes how an inode of the catalog looks: in the order of their ids, each once. -ENOMEM. */
MUST_CHECK int cache_note(struct cache *cache, struct inode_id inode, const struct stamp *stamp);

/* One number for an inode that was noted and for what it holds, as far as records go by it. */
uint64_t cache_version(const struct cache *cache, struct inode_id inode);

/* To be called once after all have been noted: finds out which file systems they lie on. -ENOMEM. */
MUST_CHECK int cache_begin(struct cache *cache);

/*
 * Who looks things up, one thread at a time; it keeps the block of records read last, so the order of inode numbers is the
 * cheapest. Several may look at once, while nobody puts anything.
 */
struct cache_finder;
MUST_CHECK int cache_finder_new(struct cache *cache, struct cache_finder **ret); /* -ENOMEM */
void cache_finder_free(struct cache_finder *finder); /* NULL is fine */

/* Reads what is known of these in one go, in the order in which it will be asked for: then nobody waits for another's reading. */
void cache_look_ahead(struct cache_finder *finder, const struct inode_id *inodes, size_t count);

/* What is remembered. Attributes change without a trace in mtime, so they are known only if nobody has touched the inode. */
struct cache_found {
	struct digest digest;
	uint32_t xattrs;
	bool has_xattrs;
	bool compared; /* CACHE_EQUALS could be found, too */
};
bool cache_find(struct cache_finder *finder, struct inode_id inode, enum cache_part part, struct cache_found *ret);

/*
 * Around much finding: what is found is of one moment, and SQLite need not look for another run's changes before each block, which
 * costs more than the block. Other runs wait with writing meanwhile.
 */
void cache_hold(struct cache *cache);
void cache_release(struct cache *cache);

/* Before it is known which file systems there are: whether it is a new cache, so that all will be read. */
bool cache_is_empty(struct cache *cache);

/* Whether anything is remembered of the file systems at hand. */
bool cache_knows(const struct cache *cache);

/* The day it is, since the epoch. */
uint16_t cache_today(const struct cache *cache);

/* The number by which the file system of a domain is remembered from run to run; 0: it is not. After cache_begin. */
uint32_t cache_number(const struct cache *cache, uint32_t domain);

/*
 * A list of the caller's own, one for each set of roots (cache_set_roots), which is not read unless it is as it was written. *ret: to
 * be freed; NULL when there is none. -ENOMEM.
 */
MUST_CHECK int cache_get_list(struct cache *cache, void **ret, size_t *ret_length);
void cache_put_list(struct cache *cache, const void *bytes, size_t length);

/* Whether what is read of it from now on may be remembered. Waits, some milliseconds at most, for a file touched just now. */
bool cache_may_keep(const struct cache *cache, struct inode_id inode);

void cache_put(struct cache *cache, struct inode_id inode, enum cache_part part, const struct digest *digest);
void cache_put_xattrs(struct cache *cache, struct inode_id inode, uint32_t xattrs);

/* Our own linking has moved its ctime from `before` to that of `now`: if it was noted with that, what was true stays so. */
void cache_linked(struct cache *cache, struct inode_id inode, int64_t before, const struct stamp *now);

/* Its bytes are not what its digest said. */
void cache_forget(struct cache *cache, struct inode_id inode);

/* A number no other comparison has. */
uint64_t cache_comparison(struct cache *cache);

/* Writes all that was put so far. */
void cache_flush(struct cache *cache);

/*
 * Drops what is remembered of inodes that are gone: those put by runs over the same roots that the catalog, which is complete, does
 * not know. Not each time: only once there is much more than there was, or a week has passed.
 */
void cache_prune(struct cache *cache);

/* What this run was asked for, for cache_prune and lists: a number for the roots and all that selects files. */
void cache_set_roots(struct cache *cache, uint64_t roots);

/* A row of history. */
void cache_add_run(struct cache *cache, const struct dlk_past_run *run);

#endif
