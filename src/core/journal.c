/* SPDX-License-Identifier: MIT */
/*
 * journal.c - lines appended one write at a time, synced for all who wait at once
 *
 * Tickets count lines. Whoever needs a line on disk takes the mutex; if another's sync covered it meanwhile, nothing is left to do.
 */
#include "journal.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "../base/record.h"

struct journal {
	int fd;
	const struct catalog *catalog;
	const struct roots *roots;
	char **real;
	pthread_mutex_t mutex;   /* of what is written */
	pthread_mutex_t syncing; /* taken before it, or alone */
	struct text text;
	bool begun;
	uint64_t written, durable;
	int error;
};

/* A line that a dead run left half written must not swallow the next one. */
static int end_torn_line(int fd)
{
	struct stamp stamp;
	char last = '\n';
	int r = stamp_fd(fd, &stamp);
	if (r)
		return r;
	if (stamp.size && stamp_regular(&stamp) && sys->pread(fd, &last, 1, (off_t)stamp.size - 1) < 0)
		return -EIO;
	ssize_t n = last == '\n' ? 1 : sys->write(fd, "\n", 1);
	return n == 1 ? 0 : n ? (int)n : -EIO;
}

int journal_begin(int fd, const struct catalog *catalog, const struct roots *roots, struct journal **ret)
{
	struct journal *journal = calloc(1, sizeof(*journal));
	if (!journal)
		return -ENOMEM;
	*journal = (struct journal){ .fd = fd, .catalog = catalog, .roots = roots };
	pthread_mutex_init(&journal->mutex, NULL);
	pthread_mutex_init(&journal->syncing, NULL);
	int r = end_torn_line(fd);
	if (!r)
		r = roots_real_paths(catalog, &journal->real);
	if (r)
		journal_free(journal);
	else
		*ret = journal;
	return r;
}

void journal_free(struct journal *journal)
{
	if (!journal)
		return;
	roots_free_paths(journal->catalog, journal->real);
	text_free(&journal->text);
	pthread_mutex_destroy(&journal->mutex);
	pthread_mutex_destroy(&journal->syncing);
	free(journal);
}

char *const *journal_roots(const struct journal *journal)
{
	return journal->real;
}

/* ---- lines ---- */

static int flush(struct journal *journal)
{
	const char *at = journal->text.at;
	size_t left = journal->text.count;
	if (journal->text.failed)
		return -ENOMEM;
	while (left) {
		ssize_t n = sys->write(journal->fd, at, left);
		if (n <= 0)
			return n ? (int)n : -EIO;
		at += n;
		left -= (size_t)n;
	}
	journal->text.count = 0;
	return 0;
}

static int add_header(struct journal *journal)
{
	struct text *text = &journal->text;
	uint64_t run;
	char word[20];
	int r = sys_random(&run, sizeof(run));
	if (r)
		return r;
	snprintf(word, sizeof(word), "%016" PRIx64, run);
	record_begin(text, NULL, '{');
	record_add_number(text, "schema", JOURNAL_SCHEMA);
	record_add_word(text, "kind", "journal");
	record_add_word(text, "run", word);
	record_add_number(text, "started", (uint64_t)(sys->wall() / NS_PER_S));
	r = roots_add_records(journal->roots, journal->catalog, journal->real, text);
	record_end(text, '}');
	text_puts(text, "\n");
	return r;
}

static void add_keeper(struct text *text, const struct journal_link *link)
{
	record_begin(text, "keeper", '{');
	if (link->keeper)
		record_add_name(text, "path", link->keeper);
	record_add_exact_unsigned(text, "inode", link->kept->ino);
	record_add_exact_unsigned(text, "size", link->kept->size);
	record_add_exact(text, "mtime", link->kept->mtime);
	record_end(text, '}');
}

static void add_xattrs(struct text *text, const struct xattrs *xattrs)
{
	const char *at = xattrs->bytes, *end = at + xattrs->length;
	struct text hex = { 0 };
	record_begin(text, "xattrs", '[');
	while (at < end) {
		uint64_t size;
		record_begin(text, NULL, '{');
		record_add_name(text, "name", at);
		at += strlen(at) + 1;
		memcpy(&size, at, sizeof(size));
		at += sizeof(size);
		hex.count = 0;
		text_puts(&hex, "");
		for (uint64_t i = 0; i < size; i++)
			text_printf(&hex, "%02x", (unsigned char)at[i]);
		record_add_word(text, "hex", hex.failed ? "" : hex.at);
		text->failed |= hex.failed;
		at += size;
		record_end(text, '}');
	}
	record_end(text, ']');
	text_free(&hex);
}

static void add_old(struct text *text, const struct journal_link *link)
{
	char mode[16];
	snprintf(mode, sizeof(mode), "%04o", link->old->mode & 07777u);
	record_begin(text, "old", '{');
	record_add_exact_unsigned(text, "inode", link->old->ino);
	record_add_exact(text, "mtime", link->old->mtime);
	record_add_number(text, "uid", link->old->uid);
	record_add_number(text, "gid", link->old->gid);
	record_add_word(text, "mode", mode);
	if (link->xattrs)
		add_xattrs(text, link->xattrs);
	record_end(text, '}');
}

static int add_line(struct journal *journal, const struct journal_link *link)
{
	struct text *text = &journal->text;
	int r = journal->begun ? 0 : add_header(journal);
	if (r)
		return r;
	journal->begun = true;
	record_begin(text, NULL, '{');
	record_add_name(text, "path", link->path);
	add_keeper(text, link);
	add_old(text, link);
	record_end(text, '}');
	text_puts(text, "\n");
	return flush(journal);
}

int journal_add(struct journal *journal, const struct journal_link *link, uint64_t *ret_ticket)
{
	pthread_mutex_lock(&journal->mutex);
	if (!journal->error)
		journal->error = add_line(journal, link);
	int r = journal->error;
	if (!r)
		*ret_ticket = __atomic_add_fetch(&journal->written, 1, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&journal->mutex);
	return r;
}

int journal_error(struct journal *journal)
{
	pthread_mutex_lock(&journal->mutex);
	int r = journal->error;
	pthread_mutex_unlock(&journal->mutex);
	return r;
}

/* Others write on while this syncs. */
static int sync_lines(struct journal *journal)
{
	int r = journal_error(journal);
	uint64_t written = __atomic_load_n(&journal->written, __ATOMIC_ACQUIRE);
	if (r)
		return r;
	r = sys->fdatasync(journal->fd);
	if (r == -EINVAL || r == -EROFS) /* a pipe or a device: there is nothing to be synced */
		r = 0;
	pthread_mutex_lock(&journal->mutex);
	if (r)
		journal->error = r;
	else
		journal->durable = written;
	pthread_mutex_unlock(&journal->mutex);
	return r;
}

int journal_commit(struct journal *journal, uint64_t ticket)
{
	pthread_mutex_lock(&journal->syncing);
	int r = ticket > journal->durable ? sync_lines(journal) : 0;
	pthread_mutex_unlock(&journal->syncing);
	return r;
}
