/* SPDX-License-Identifier: MIT */
/*
 * journal.h - what replaced what, on disk before the old file goes
 *
 *	{"schema": 1, "kind": "journal", "run": "5d41a9...", "started": 1763935200, "roots": [{"path": "/srv/photos"}]}
 *	{"path": "/srv/photos/b", "keeper": {"path": ..., "inode": ..., "size": ..., "mtime": ...},
 *	 "old": {"inode": ..., "mtime": ..., "uid": ..., "gid": ..., "mode": "0644"}}            one line for each name
 *
 * A line is written before the names are exchanged, so that it outlives a killed process, and synced before the old file is
 * dropped, so that it outlives a power cut. One sync serves all that were written by then: lines cost little while others wait
 * for their grace. A line whose replacement was taken back, or never came, tells of a link that is not there, and dlk_undo()
 * sees that. "xattrs" stand in "old" when attributes or owners need not have agreed.
 */
#ifndef CORE_JOURNAL_H
#define CORE_JOURNAL_H

#include "../sys/stamp.h"
#include "../sys/xattr.h"
#include "roots.h"

enum { JOURNAL_SCHEMA = 1 };

struct journal;

struct journal_link {
	const char *path;   /* absolute, real */
	const char *keeper; /* likewise; NULL: not known */
	const struct stamp *kept, *old;
	const struct xattrs *xattrs; /* of the old file; NULL: as the keeper's */
};

/* `fd` is open for reading and appending; borrowed, as is all else. A torn last line is ended. -ENOMEM, errors of files. */
MUST_CHECK int journal_begin(int fd, const struct catalog *catalog, const struct roots *roots, struct journal **ret);
void journal_free(struct journal *journal);

/* The real paths of the catalog's roots. */
char *const *journal_roots(const struct journal *journal);

/* Writes a line. *ret_ticket is for journal_commit. After an error all that follows fails as well. */
MUST_CHECK int journal_add(struct journal *journal, const struct journal_link *link, uint64_t *ret_ticket);

/* Why lines could not be written, or 0. */
int journal_error(struct journal *journal);

/* Returns once the line is on disk. */
MUST_CHECK int journal_commit(struct journal *journal, uint64_t ticket);

#endif
