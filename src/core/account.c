/* SPDX-License-Identifier: MIT */
/*
 * account.c - what statfs will show
 *
 * Blocks are freed when an inode's last link goes, and only those no other file shares. The file's size plays no part.
 */
#include "account.h"

void account_add(struct dlk_tally *tally, const struct account_inode *inode)
{
	uint64_t bytes = inode->blocks * 512;
	tally->links_made += inode->names;
	if (!inode->names)
		return;
	if (inode->last) {
		tally->inodes_freed++;
		tally->bytes_saved += bytes - u64_min(bytes, inode->shared);
	} else {
		tally->bytes_held_elsewhere += bytes;
	}
}

void account_clear(struct dlk_tally *tally)
{
	tally->sets = tally->links_made = tally->inodes_freed = 0;
	tally->bytes_saved = tally->bytes_held_elsewhere = 0;
}
