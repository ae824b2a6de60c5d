/* SPDX-License-Identifier: MIT */
/*
 * temp.h - the names of temporary links, which say what they are
 *
 * A run that dies between two steps leaves such a name behind, and the next run has only the name to learn from: which
 * run made it, which inode was the keeper and in which version, which version of which file was the target, and which name in
 * the same directory was being replaced. Most are a hash of some forty bits: enough to recognise, never taken as proof (recovery
 * proves by lease, look and comparison), and short, since a directory grows by what it must hold and does not shrink again.
 * The length is the same whatever the victim's name.
 */
#ifndef CORE_TEMP_H
#define CORE_TEMP_H

#include "../base/base.h"

enum { TEMP_LENGTH = 48, TEMP_ROOM = TEMP_LENGTH + 1 };

struct temp {
	uint64_t run;     /* random, one per run; 30 bits */
	uint64_t serial;  /* counts the temps of a run; 24 bits */
	uint64_t keeper;  /* temp_hash_number of the keeper's inode number; 42 bits */
	uint64_t version; /* temp_hash_number of candidate_version of the keeper; 24 bits */
	uint64_t target;  /* temp_hash_number of stamp_fingerprint of the file being replaced; 48 bits */
	uint64_t name;    /* temp_hash_name of the name being replaced; 42 bits */
};

/* Writes the name with its NUL. Numbers are cut to their bits. */
void temp_write(const struct temp *temp, char ret_name[TEMP_ROOM]);

/* Whether a name is one of ours, and what it says. Anything not exactly as temp_write makes it is not. */
bool temp_parse(const char *name, size_t length, struct temp *ret);

/* The same in every run and version. */
uint64_t temp_hash_number(uint64_t number);
uint64_t temp_hash_bytes(const char *bytes, size_t length);
uint64_t temp_hash_name(const char *name);
uint64_t temp_cut_name(const char *name); /* as a parsed name has it */

/* Whether a field of a parsed name is this hash, cut to the field's bits. */
bool temp_is_keeper(const struct temp *temp, uint64_t ino);
bool temp_is_version(const struct temp *temp, uint64_t version);
bool temp_is_target(const struct temp *temp, uint64_t fingerprint);
bool temp_is_name(const struct temp *temp, const char *name);

#endif
