/* SPDX-License-Identifier: MIT */
/*
 * temp.h - the names of temporary links, which say what they are
 *
 * A run that dies between two steps leaves such a name behind, and the next run has only the name to learn from: which
 * run made it, which inode was the keeper, which the target (with a fingerprint of its version) and which name in the same
 * directory was being replaced (by hash: the name itself may be 255 bytes long). The length is fixed (TEMP_LENGTH), whatever
 * the victim's name, so that a temp can be made wherever a name of 98 bytes can.
 */
#ifndef CORE_TEMP_H
#define CORE_TEMP_H

#include "../base/base.h"

enum { TEMP_LENGTH = 98, TEMP_ROOM = TEMP_LENGTH + 1 };

struct temp {
	uint32_t run;         /* random, one per run */
	uint32_t serial;      /* counts the temps of a run */
	uint64_t keeper;      /* inode number of the keeper */
	uint64_t target;      /* inode number of the file being replaced */
	uint64_t fingerprint; /* stamp_fingerprint of the target before the replacement */
	uint64_t name;        /* temp_hash of the name being replaced */
};

/* Writes the name with its NUL. */
void temp_write(const struct temp *temp, char ret_name[TEMP_ROOM]);

/* Whether a name is one of ours, and what it says. Anything not exactly as temp_write makes it is not. */
bool temp_parse(const char *name, size_t length, struct temp *ret);

/* Of a file name; the same in every run and version. */
uint64_t temp_hash(const char *name);

#endif
