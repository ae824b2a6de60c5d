/* SPDX-License-Identifier: MIT */
/*
 * words.h - the words of the public header's enums
 *
 * One word for options and JSON, which never changes its meaning, and one for people. Every table is indexed by its
 * enum; words_respect by the number of the bit.
 */
#ifndef CLI_WORDS_H
#define CLI_WORDS_H

#include "../../include/dedupe-link.h"
#include "../base/text.h"

enum { WORDS_KEEP = DLK_KEEP_FIRST_PATH + 1 };

extern const char *const words_respect[DLK_RESPECT_WORDS];
extern const char *const words_keep[WORDS_KEEP];

/* For JSON: one word each. */
const char *words_stage(enum dlk_stage stage);
const char *words_reason(enum dlk_reason reason);
const char *words_fate(enum dlk_fate fate);
const char *words_phase_name(enum dlk_phase phase);
const char *words_event(enum dlk_event_kind kind);

/* For people. words_attempt: what failed at a stage, after "cannot" and before the name. */
const char *words_attempt(enum dlk_stage stage);
const char *words_because(enum dlk_reason reason);
const char *words_phase(enum dlk_phase phase);
/* Why a cache is not used: an errno of either sign. */
const char *words_cache_trouble(int error);

/* Appends the words of the bits set in `respect`, with what stands between them. */
void words_add_respect(struct text *text, unsigned respect, const char *between);

/* Appends "1 file", "1,234 files". */
void words_add_count(struct text *text, uint64_t count, const char *one, const char *many);

/* Appends "1.2 GiB (1,288,490,189 bytes)"; below 1 KiB only "512 bytes". */
void words_add_size(struct text *text, uint64_t bytes);

#endif
