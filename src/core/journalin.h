/* SPDX-License-Identifier: MIT */
/*
 * journalin.h - a journal read back: once forward, to learn what it is about, then block by block from its end
 *
 * Of a journal of millions of lines no more is in memory than a block, sixteen bytes for each other block, and a few bits a line: which
 * inodes and names more than one line may speak of.
 */
#ifndef CORE_JOURNALIN_H
#define CORE_JOURNALIN_H

#include "../sys/stamp.h"
#include "../sys/xattr.h"
#include "tell.h"

/* A line: the name at `path` was the file `old`, and became a link of the keeper. */
struct journal_entry {
	char *path;         /* absolute and plain: without "." and ".." */
	uint64_t at;        /* where its line is: for journalin_again */
	uint32_t run;       /* the number of its header, from 1 */
	bool again;         /* another line, too, may speak of the inode that is `old` */
	bool named_again;   /* with `names`: another line, too, may be about this name */
	uint64_t hash;      /* with `names`: of the path, under a random number of this reading */
	uint64_t kept;      /* inode of the keeper */
	uint64_t size;
	int64_t kept_mtime;
	struct stamp old;   /* ino, mtime, uid, gid, mode */
	bool has_xattrs;
	struct xattrs xattrs;
};

struct journal_block {
	struct journal_entry *entries; /* in the order of the lines */
	size_t count, room;
};

enum { JOURNAL_BLOCK = 1024 /* lines, at most */ };

struct journalin;

/*
 * Reads an open file from where it stands to its end. What cannot be come back to (a pipe) is kept in memory. Torn lines are told.
 * `names`: entries are wanted with what is said of their names, at twice the bits.
 * -EBADMSG: no journal, or of a newer version (told); -EPERM: others could have written it; -ENOSYS; -ENOMEM; errors of reading
 * (told).
 */
MUST_CHECK int journalin_open(int fd, bool names, struct tell *tell, struct journalin **ret);
void journalin_free(struct journalin *in);

/* The roots of all its runs, each once. */
char *const *journalin_roots(const struct journalin *in, size_t *ret_count);
/* Whether a path lies below one of them. */
bool journalin_covers(const struct journalin *in, const char *path);
/* Whether it lies below this directory ("" or "/": the root of all), or is this file. */
bool journal_below(const char *path, const char *root);

uint64_t journalin_links(const struct journalin *in);
size_t journalin_blocks(const struct journalin *in);
/* Reads one of them; torn lines are left out. To be freed with journal_block_free. -ENOMEM; errors of reading (told). */
MUST_CHECK int journalin_read(const struct journalin *in, size_t number, struct journal_block *ret);
void journal_block_free(struct journal_block *block);

/* An entry that was read before, but for `run` and what stands after it. To be freed with journal_entry_free. -ESTALE: there is no such
 * line any more. */
MUST_CHECK int journalin_again(const struct journalin *in, uint64_t at, struct journal_entry *ret);
void journal_entry_free(struct journal_entry *entry);

#endif
