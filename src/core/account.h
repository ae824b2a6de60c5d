/* SPDX-License-Identifier: MIT */
/* account.h - exact bytes and inodes freed */
#ifndef CORE_ACCOUNT_H
#define CORE_ACCOUNT_H

#include "../../include/dedupe-link.h"
#include "../base/base.h"

/* One inode whose names were, or would be, moved to the keeper. */
struct account_inode {
	uint64_t blocks;  /* 512-byte units, before */
	uint64_t shared;  /* bytes of it in extents shared with other files */
	uint64_t names;   /* names moved */
	bool last;        /* no other link is left */
};

/* Adds it: freed when no link is left, else held by names elsewhere. */
void account_add(struct dlk_tally *tally, const struct account_inode *inode);

/* Takes back all that was added, and the sets: a prediction makes place for what is done, or for another one. */
void account_clear(struct dlk_tally *tally);

#endif
