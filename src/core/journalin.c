/* SPDX-License-Identifier: MIT */
/*
 * journalin.c - lines of a journal as entries; nothing in them is trusted but their form
 *
 * The way forward counts the headers, gathers their roots, cuts the file into blocks and notes the inodes and names in two rows of bits: those
 * that were spoken of, and those that were more than once. Two may fall on one bit; then more is remembered than need be, never
 * less. Entries themselves are only made on the way back, a block at a time.
 */
#include "journalin.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../base/record.h"
#include "../base/text.h"
#include "../base/vec.h"
#include "journal.h"
#include "lines.h"

enum {
	BLOCK_BYTES = 4 << 20,
	LINE_AT_ONCE = 4096,
	BITS_LEAST = 1 << 13,
	BITS_MOST = 1 << 28,
	PIPE_GUESS = 64 << 20, /* bytes of what has no size */
	BYTES_A_BIT = 16, /* of the file: some sixteen bits a line, so that few inodes share one; twice as many where names are noted as well */
};

struct block {
	uint64_t at;
	uint32_t bytes;
	uint32_t run; /* number of the header above it, or in its first line */
};

struct journalin {
	struct tell *tell;
	int fd;
	bool names;       /* names that come again are looked for */
	int64_t begin;    /* where the file stood; negative: it is all in `text` */
	struct text text;
	VEC(struct block) blocks;
	VEC(char *) roots;
	uint32_t runs;
	uint64_t links;
	uint64_t seed;               /* random, this reading's own: whoever chose names must not know which share a bit */
	unsigned char *once, *again; /* a bit for each inode and name, by hash */
	uint64_t bits;               /* a power of two, less one */
};

/* ---- what matters again ---- */

static int begin_bits(struct journalin *in, uint64_t size)
{
	uint64_t wanted = size / BYTES_A_BIT * (in->names ? 2 : 1), bits = BITS_LEAST;
	wanted = u64_min(wanted, BITS_MOST);
	while (bits < wanted)
		bits *= 2;
	in->once = calloc(bits / 8, 1);
	in->again = calloc(bits / 8, 1);
	in->bits = bits - 1;
	return in->once && in->again ? 0 : -ENOMEM;
}

static bool test_and_set(unsigned char *bits, uint64_t at)
{
	bool was = bits[at / 8] & 1u << at % 8;
	bits[at / 8] |= (unsigned char)(1u << at % 8);
	return was;
}

static void note(struct journalin *in, uint64_t hash)
{
	uint64_t at = hash & in->bits;
	if (test_and_set(in->once, at))
		test_and_set(in->again, at);
}

/* A keeper that was itself replaced is what its links are called by later. */
static void note_entry(struct journalin *in, const struct journal_entry *entry)
{
	test_and_set(in->again, mix64(entry->kept) & in->bits);
	note(in, mix64(entry->old.ino));
	if (in->names)
		note(in, text_hash(in->seed, entry->path));
}

static bool matters_again(const struct journalin *in, uint64_t hash)
{
	uint64_t at = hash & in->bits;
	return in->again[at / 8] & 1u << at % 8;
}

/* ---- a line ---- */

static int hex_digit(char c)
{
	const char digits[] = "0123456789abcdef";
	const char *found = c ? strchr(digits, c) : NULL;
	return found ? (int)(found - digits) : -1;
}

/* Appends one attribute in the layout of sys/xattr.h. */
static int add_xattr(const struct record *record, struct text *bytes)
{
	own_free char *name = NULL;
	const char *hex;
	int r = record_name(record, "name", &name);
	if (!r)
		r = record_word(record, "hex", &hex);
	if (r)
		return r;
	uint64_t size = strlen(hex) / 2;
	text_add(bytes, name, strlen(name) + 1);
	text_add(bytes, (const char *)&size, sizeof(size));
	for (; *hex; hex += 2) {
		int high = hex_digit(hex[0]), low = hex_digit(hex[1]);
		if (high < 0 || low < 0)
			return -EINVAL;
		text_add(bytes, &(char){ (char)(high << 4 | low) }, 1);
	}
	return bytes->failed ? -ENOMEM : 0;
}

static int read_xattrs(const struct record *old, struct journal_entry *entry)
{
	const struct record *list, *item;
	struct text bytes = { 0 };
	int r = record_list(old, "xattrs", &list);
	if (r)
		return r == -ENOENT ? 0 : r;
	entry->has_xattrs = true;
	for (size_t i = 0; i < record_count(list) && !r; i++) {
		r = record_item_object(list, i, &item);
		if (!r)
			r = add_xattr(item, &bytes);
	}
	entry->xattrs = (struct xattrs){ .bytes = bytes.at, .length = bytes.count };
	return r;
}

static int read_mode(const struct record *old, uint16_t *ret)
{
	const char *word;
	unsigned mode = 0;
	int r = record_word(old, "mode", &word);
	if (r)
		return r;
	if (!*word || strlen(word) > 5 || strspn(word, "01234567") != strlen(word))
		return -EINVAL;
	for (; *word; word++)
		mode = mode * 8 + (unsigned)(*word - '0');
	*ret = (uint16_t)(S_IFREG | (mode & 07777));
	return 0;
}

static int read_old(const struct record *line, struct journal_entry *entry)
{
	const struct record *old;
	uint64_t uid = 0, gid = 0;
	int r = record_object(line, "old", &old);
	if (!r)
		r = record_unsigned(old, "inode", UINT64_MAX, &entry->old.ino);
	if (!r)
		r = record_signed(old, "mtime", &entry->old.mtime);
	if (!r)
		r = record_unsigned(old, "uid", UINT32_MAX, &uid);
	if (!r)
		r = record_unsigned(old, "gid", UINT32_MAX, &gid);
	if (!r)
		r = read_mode(old, &entry->old.mode);
	entry->old.uid = (uint32_t)uid;
	entry->old.gid = (uint32_t)gid;
	return r ? r : read_xattrs(old, entry);
}

void journal_entry_free(struct journal_entry *entry)
{
	free(entry->path);
	xattrs_free(&entry->xattrs);
}

/* A name must be absolute and plain: it is opened component by component. */
static bool plain(const char *path)
{
	size_t length = strlen(path);
	return *path == '/' && path[length - 1] != '/' && !strstr(path, "//") && !strstr(path, "/./") &&
	       !strstr(path, "/../") && !(length > 1 && !strcmp(path + length - 2, "/.")) &&
	       !(length > 2 && !strcmp(path + length - 3, "/.."));
}

/* After an error, too, the entry is to be freed. */
static int read_link(const struct record *line, struct journal_entry *entry)
{
	const struct record *keeper;
	int r = record_name(line, "path", &entry->path);
	if (!r && !plain(entry->path))
		r = -EINVAL;
	if (!r)
		r = record_object(line, "keeper", &keeper);
	if (!r)
		r = record_unsigned(keeper, "inode", UINT64_MAX, &entry->kept);
	if (!r)
		r = record_unsigned(keeper, "size", UINT64_MAX, &entry->size);
	if (!r)
		r = record_signed(keeper, "mtime", &entry->kept_mtime);
	return r ? r : read_old(line, entry);
}

/* -ENOENT is said of members: a line without one is none of ours. */
static int no_line(int r)
{
	return r == -ENOENT ? -EINVAL : r;
}

/* *ret_header: it was a header, and there is no entry. -EINVAL: neither. */
static int parse_line(const char *line, size_t length, struct record **ret_record, bool *ret_header,
		      struct journal_entry *ret)
{
	struct record *record;
	struct journal_entry entry = { 0 };
	const char *kind;
	int r = record_parse(line, length, &record);
	if (r)
		return r;
	*ret_header = !record_word(record, "kind", &kind);
	if (!*ret_header)
		r = no_line(read_link(record, &entry));
	if (r) {
		journal_entry_free(&entry);
		record_free(record);
		return r;
	}
	*ret = entry;
	*ret_record = record;
	return 0;
}

/* What a power cut left of a line that was being written: zeros, at the end, or with the next run's first line behind them. */
static size_t skip_blank(const char *line, size_t length)
{
	size_t blank = 0;
	while (blank < length && (!line[blank] || line[blank] == ' ' || line[blank] == '\r'))
		blank++;
	return blank;
}

/* ---- headers ---- */

static bool is_root(const struct journalin *in, const char *path)
{
	for (size_t i = 0; i < in->roots.count; i++)
		if (!strcmp(path, in->roots.at[i]))
			return true;
	return false;
}

static int read_roots(struct journalin *in, const struct record *header)
{
	const struct record *list, *root;
	int r = record_list(header, "roots", &list);
	for (size_t i = 0; !r && i < record_count(list); i++) {
		char *path = NULL;
		r = record_item_object(list, i, &root);
		if (!r)
			r = record_name(root, "path", &path);
		if (!r && (*path != '/' || (path[1] && !plain(path))))
			r = -EINVAL;
		bool known = !r && is_root(in, path);
		if (!r && !known)
			r = vec_push(&in->roots, path);
		if (r || known)
			free(path);
	}
	return no_line(r);
}

/* -EINVAL: none of ours; -EBADMSG: of a newer version. */
static int look_at_header(const struct record *header)
{
	const char *kind;
	uint64_t schema;
	if (record_word(header, "kind", &kind) || strcmp(kind, "journal") ||
	    record_unsigned(header, "schema", UINT32_MAX, &schema))
		return -EINVAL;
	return schema > JOURNAL_SCHEMA ? -EBADMSG : 0;
}

/* ---- forward ---- */

static int read_forward(struct journalin *in, const char *line, size_t length)
{
	struct record *record;
	struct journal_entry entry;
	bool header;
	int r = parse_line(line, length, &record, &header, &entry);
	if (r)
		return r;
	if (header) {
		r = look_at_header(record);
		if (!r) {
			in->runs++;
			r = read_roots(in, record);
		}
	} else {
		r = in->runs ? 0 : -EINVAL;
		in->links += !r;
		note_entry(in, &entry);
	}
	journal_entry_free(&entry);
	record_free(record);
	return r;
}

/*
 * A line that is cut off tells of a name whose old file was not dropped: a power cut may leave zeros of it, and a later run writes
 * on behind it. It is passed over. What does not begin as a journal is none.
 */
static int judge_line(struct journalin *in, const struct lines *lines, int r)
{
	char where[32];
	snprintf(where, sizeof(where), "line %llu", (unsigned long long)lines->line);
	if (r == -EBADMSG || (r == -EINVAL && !in->runs && !lines->ended)) {
		tell_refused(in->tell, DLK_STAGE_JOURNAL, where, r == -EINVAL ? DLK_REASON_NO_PLAN : DLK_REASON_NEWER);
		return -EBADMSG;
	}
	if (r == -EINVAL)
		tell_note(in->tell, DLK_REASON_TORN, where, NULL);
	return r == -EINVAL ? 0 : r;
}

static int add_block(struct journalin *in, uint64_t at)
{
	return vec_push(&in->blocks, ((struct block){ .at = at, .run = in->runs }));
}

/* Begins another block where the last one is full. `at`, `bytes`: of the next line. */
static int cut_blocks(struct journalin *in, uint64_t at, uint64_t bytes, size_t *count)
{
	struct block *last = in->blocks.count ? &in->blocks.at[in->blocks.count - 1] : NULL;
	int r = 0;
	if (!last || *count == JOURNAL_BLOCK || last->bytes + bytes > BLOCK_BYTES) {
		r = add_block(in, at);
		*count = 0;
	}
	if (!r) {
		in->blocks.at[in->blocks.count - 1].bytes += (uint32_t)bytes;
		++*count;
	}
	return r;
}

/* What cannot be read again is kept. */
static int keep(struct journalin *in, const char *line, size_t length, bool ended)
{
	if (in->begin >= 0)
		return 0;
	text_add(&in->text, line, length);
	text_add(&in->text, "\n", ended);
	return in->text.failed ? -ENOMEM : 0;
}

static int pass_line(struct journalin *in, const struct lines *lines, const char *line, size_t length)
{
	size_t blank = skip_blank(line, length);
	int r = blank < length ? read_forward(in, line + blank, length - blank) : 0;
	return r ? judge_line(in, lines, r) : 0;
}

/* *ret_line: NULL at the end. */
static int next_line(struct journalin *in, struct lines *lines, const char **ret_line, size_t *ret_length)
{
	int r = lines_next(lines, ret_line, ret_length);
	if (!r)
		*ret_line = NULL;
	if (r == -EBADMSG)
		tell_refused(in->tell, DLK_STAGE_JOURNAL, NULL, DLK_REASON_NO_PLAN);
	else if (r < 0 && r != -ENOMEM)
		tell_error(in->tell, DLK_STAGE_JOURNAL, NULL, r);
	return r < 0 ? r : 0;
}

/* A file that ends before its size was cut meanwhile: what its last lines told of would be passed over in silence. */
static int go_forward(struct journalin *in, uint64_t size)
{
	struct lines lines = { .fd = in->fd };
	const char *line = NULL;
	size_t length = 0, count = 0;
	uint64_t at = 0;
	int r;
	while (!(r = next_line(in, &lines, &line, &length)) && line) {
		r = cut_blocks(in, at, lines.passed - at, &count);
		if (!r)
			r = keep(in, line, length, lines.passed - at > length);
		if (!r)
			r = pass_line(in, &lines, line, length);
		if (r)
			break;
		at = lines.passed;
	}
	if (!r && in->begin >= 0 && (uint64_t)in->begin + at < size) {
		r = -ENODATA;
		tell_error(in->tell, DLK_STAGE_JOURNAL, NULL, r);
	}
	lines_free(&lines);
	return r;
}

/* ---- back ---- */

/* As many bytes as there are, up to `size`. */
static ssize_t read_at(const struct journalin *in, uint64_t at, char *buffer, size_t size)
{
	size_t have = 0;
	ssize_t n = 1;
	if (in->begin < 0) {
		have = (size_t)u64_min(size, in->text.count - u64_min(at, in->text.count));
		if (have)
			memcpy(buffer, in->text.at + at, have);
		return (ssize_t)have;
	}
	while (have < size && n > 0) {
		n = sys->pread(in->fd, buffer + have, size - have, in->begin + (off_t)(at + have));
		if (n < 0)
			return n;
		have += (size_t)n;
	}
	return (ssize_t)have;
}

static int add_entry(struct journal_block *block, const struct journal_entry *entry)
{
	int r = vec_grow((void **)&block->entries, &block->room, block->count + 1, sizeof(*block->entries));
	if (!r)
		block->entries[block->count++] = *entry;
	return r;
}

/* What was torn on the way forward was told then. */
static int read_back(const struct journalin *in, const char *line, size_t length, uint64_t at, uint32_t *run,
		     struct journal_block *block)
{
	struct record *record;
	struct journal_entry entry;
	bool header;
	int r = parse_line(line, length, &record, &header, &entry);
	if (r)
		return r == -EINVAL ? 0 : r;
	if (header)
		*run += !look_at_header(record);
	record_free(record);
	if (header || !*run) {
		journal_entry_free(&entry);
		return 0;
	}
	entry.at = at;
	entry.run = *run;
	entry.again = matters_again(in, mix64(entry.old.ino));
	if (in->names) {
		entry.hash = text_hash(in->seed, entry.path);
		entry.named_again = matters_again(in, entry.hash);
	}
	r = add_entry(block, &entry);
	if (r)
		journal_entry_free(&entry);
	return r;
}

static int read_lines(const struct journalin *in, const struct block *from, const char *text, size_t size,
		      struct journal_block *block)
{
	uint32_t run = from->run;
	int r = 0;
	for (size_t at = 0, length; at < size && !r; at += length + 1) {
		const char *line = text + at, *end = memchr(line, '\n', size - at);
		length = end ? (size_t)(end - line) : size - at;
		size_t blank = skip_blank(line, length);
		if (blank < length)
			r = read_back(in, line + blank, length - blank, from->at + at + blank, &run, block);
	}
	return r;
}

int journalin_read(const struct journalin *in, size_t number, struct journal_block *ret)
{
	const struct block *from = &in->blocks.at[number];
	struct journal_block block = { 0 };
	own_free char *text = malloc(from->bytes + 1);
	if (!text)
		return -ENOMEM;
	ssize_t n = read_at(in, from->at, text, from->bytes);
	int r = n < 0 ? (int)n : n < (ssize_t)from->bytes ? -ENODATA : 0;
	if (r)
		tell_error(in->tell, DLK_STAGE_JOURNAL, NULL, r);
	else
		r = read_lines(in, from, text, (size_t)n, &block);
	if (!r)
		*ret = block;
	else
		journal_block_free(&block);
	return r;
}

void journal_block_free(struct journal_block *block)
{
	for (size_t i = 0; i < block->count; i++)
		journal_entry_free(&block->entries[i]);
	free(block->entries);
	*block = (struct journal_block){ 0 };
}

/* Whatever stands there by now: its path is only where to look for a file that must be the one expected. */
static int read_again(const char *line, size_t length, struct journal_entry *ret)
{
	struct record *record;
	struct journal_entry entry;
	bool header;
	int r = parse_line(line, length, &record, &header, &entry);
	if (r)
		return r == -EINVAL ? -ESTALE : r;
	record_free(record);
	if (header)
		return -ESTALE;
	*ret = entry;
	return 0;
}

int journalin_again(const struct journalin *in, uint64_t at, struct journal_entry *ret)
{
	for (size_t room = LINE_AT_ONCE;; room *= 4) {
		own_free char *text = malloc(room);
		if (!text)
			return -ENOMEM;
		ssize_t n = read_at(in, at, text, room);
		if (n < 0)
			return (int)n;
		const char *end = memchr(text, '\n', (size_t)n);
		if (end || (size_t)n < room)
			return read_again(text, end ? (size_t)(end - text) : (size_t)n, ret);
	}
}

/* ---- the whole ---- */

/*
 * It says what owner and mode a copy gets: nobody else may have had a hand in it. Nor a user's own group, which an ACL of others hides
 * behind: journals are made without.
 */
static int look_at_file(struct journalin *in, uint64_t *ret_size)
{
	struct stamp stamp;
	int r = stamp_fd(in->fd, &stamp);
	if (r) {
		tell_error(in->tell, DLK_STAGE_JOURNAL, NULL, r);
		return r;
	}
	bool regular = stamp_regular(&stamp);
	in->begin = regular ? sys->lseek(in->fd, 0, SEEK_CUR) : -ESPIPE;
	*ret_size = regular ? stamp.size : 0;
	return regular && (stamp_of_others(&stamp) || stamp.mode & S_IWGRP) ? -EPERM : 0;
}

int journalin_open(int fd, bool names, struct tell *tell, struct journalin **ret)
{
	struct journalin *in = calloc(1, sizeof(*in));
	uint64_t size;
	if (!in)
		return -ENOMEM;
	*in = (struct journalin){ .tell = tell, .fd = fd, .names = names };
	int r = look_at_file(in, &size);
	if (!r)
		r = sys_random(&in->seed, sizeof(in->seed));
	if (!r)
		r = begin_bits(in, in->begin < 0 ? PIPE_GUESS : size);
	if (!r)
		r = go_forward(in, size);
	if (r)
		journalin_free(in);
	else
		*ret = in;
	return r;
}

void journalin_free(struct journalin *in)
{
	if (!in)
		return;
	for (size_t i = 0; i < in->roots.count; i++)
		free(in->roots.at[i]);
	vec_free(&in->roots);
	vec_free(&in->blocks);
	text_free(&in->text);
	free(in->once);
	free(in->again);
	free(in);
}

char *const *journalin_roots(const struct journalin *in, size_t *ret_count)
{
	*ret_count = in->roots.count;
	return in->roots.at;
}

bool journal_below(const char *path, const char *root)
{
	size_t length = strlen(root);
	if (length == 1)
		return true;
	return !strncmp(path, root, length) && (path[length] == '/' || !path[length]);
}

bool journalin_covers(const struct journalin *in, const char *path)
{
	for (size_t i = 0; i < in->roots.count; i++)
		if (journal_below(path, in->roots.at[i]))
			return true;
	return false;
}

uint64_t journalin_links(const struct journalin *in)
{
	return in->links;
}

size_t journalin_blocks(const struct journalin *in)
{
	return in->blocks.count;
}
