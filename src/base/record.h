/* SPDX-License-Identifier: MIT */
/*
 * record.h - JSON objects, one a line: written member by member, read back one line at a time
 *
 * Writing needs nothing but struct text. Reading is done by jansson; built without it, record_parse says -ENOSYS.
 *
 *	{"path": "a/b", "inode": 17, "mtime": "1763900000123456789"}
 *
 * A name is KEY when it is valid UTF-8; else KEY_b64 has its bytes in base64 beside a readable, lossy KEY. An exact number
 * beyond 2^53 stands in quotes: many programs (jq before 1.7) keep numbers as doubles and would round it.
 */
#ifndef BASE_RECORD_H
#define BASE_RECORD_H

#include "text.h"

/* ---- writing: each appends a member, with ", " before it unless it is the first of its object or list ---- */

void record_begin(struct text *text, const char *key, char bracket); /* key NULL: an item of a list, or the whole; '{' or '[' */
void record_end(struct text *text, char bracket);                    /* '}' or ']' */
void record_add_name(struct text *text, const char *key, const char *name);
void record_add_word(struct text *text, const char *key, const char *word); /* key NULL: an item of a list */
void record_add_number(struct text *text, const char *key, uint64_t number);
void record_add_exact(struct text *text, const char *key, int64_t number);
void record_add_exact_unsigned(struct text *text, const char *key, uint64_t number);
void record_add_bool(struct text *text, const char *key, bool value);

/* ---- reading ---- */

struct record; /* an object or a list */

/*
 * Parses one object: a line, with or without its newline. *ret is freed with record_free; whatever is got out of it lives as
 * long. -EINVAL: no JSON, no object, or a key twice; -ENOSYS: cannot read JSON; -ENOMEM.
 */
MUST_CHECK int record_parse(const char *line, size_t length, struct record **ret);
void record_free(struct record *record);

/* Members of an object, by key. -ENOENT: there is none; -EINVAL: it is of another kind, or out of range. */
MUST_CHECK int record_object(const struct record *record, const char *key, const struct record **ret);
MUST_CHECK int record_list(const struct record *record, const char *key, const struct record **ret);
MUST_CHECK int record_word(const struct record *record, const char *key, const char **ret);
MUST_CHECK int record_unsigned(const struct record *record, const char *key, uint64_t max, uint64_t *ret); /* quoted or not */
MUST_CHECK int record_signed(const struct record *record, const char *key, int64_t *ret);                  /* likewise */
MUST_CHECK int record_bool(const struct record *record, const char *key, bool *ret);

/* A name: KEY_b64 if it is there, else KEY. To be freed. -EINVAL also when it is empty or holds a NUL; -ENOMEM. */
MUST_CHECK int record_name(const struct record *record, const char *key, char **ret);

/* Items of a list. */
size_t record_count(const struct record *list);
MUST_CHECK int record_item_object(const struct record *list, size_t at, const struct record **ret);
MUST_CHECK int record_item_word(const struct record *list, size_t at, const char **ret);

#endif
