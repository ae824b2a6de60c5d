/* SPDX-License-Identifier: MIT */
/*
 * undo.c - a journal read backwards: names get files of their own again
 *
 *	D is a link of K; the line says that it was the file X, with this metadata
 *	copy     C = K's bytes in a file without a name, dressed as X was
 *	prove    C equals K, byte for byte, under leases, as any pair
 *	replace  D by a link of C, as any name: stage, look, exchange, verify, grace, probe, drop
 *
 * So what core/replace.c promises holds here too, and what a dead run leaves is recovered by the next one. X's number names what
 * was one file: its further names become links of the same C. Lines of earlier runs may speak of X as a keeper; by then X is C.
 */
#include "../../include/dedupe-link.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../base/fail.h"
#include "../base/record.h"
#include "../sys/beneath.h"
#include "../sys/remake.h"
#include "journal.h"
#include "lock.h"
#include "plan.h"
#include "replace.h"

enum { READ_AT_ONCE = 256 * 1024, LINE_ROOM = 32 };

struct entry {
	char *path;
	uint32_t run;       /* the number of its header */
	uint64_t kept;      /* inode of the keeper */
	uint64_t size;
	int64_t kept_mtime;
	struct stamp old;   /* ino, mtime, uid, gid, mode */
	bool has_xattrs;
	struct xattrs xattrs;
};

/* X became C again, and is at `path`. */
struct remade {
	uint32_t run;
	uint64_t old, now;
	const char *path; /* of an entry */
	size_t next;      /* one more than the index of an earlier one with the same hash; 0: none */
};

struct undo {
	struct dlk_plan *plan; /* for its roots, lock, tell and tally */
	VEC(struct entry) entries;
	VEC(struct remade) remade; /* in the order they were made */
	size_t *heads, mask;       /* by hash of `old`: one more than the index of the last */
	uint32_t runs;
	VEC(char *) roots;
	struct confirm confirm;
	struct replacer replacer;
	uint32_t number, serial;
	uid_t euid;
	/* the pair in hand */
	struct candidate *kept;
	struct proof *proof;
	const struct entry *of; /* for which it was made */
	int error;              /* ends everything */
};

/* A name in line. */
struct place {
	struct undo *undo;
	const struct entry *entry;
	int dirfd;
};

/* ---- reading ---- */

static int read_all(int fd, struct text *ret)
{
	own_free char *buffer = malloc(READ_AT_ONCE);
	if (!buffer)
		return -ENOMEM;
	for (;;) {
		ssize_t n = sys->read(fd, buffer, READ_AT_ONCE);
		if (n <= 0)
			return (int)n;
		text_add(ret, buffer, (size_t)n);
		if (ret->failed)
			return -ENOMEM;
	}
}

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

static int read_xattrs(const struct record *old, struct entry *entry)
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

static int read_old(const struct record *line, struct entry *entry)
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

static void entry_free(struct entry *entry)
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

static int read_link(struct undo *undo, const struct record *line)
{
	struct entry entry = { .run = undo->runs };
	const struct record *keeper;
	int r = record_name(line, "path", &entry.path);
	if (!r && !plain(entry.path))
		r = -EINVAL;
	if (!r)
		r = record_object(line, "keeper", &keeper);
	if (!r)
		r = record_unsigned(keeper, "inode", UINT64_MAX, &entry.kept);
	if (!r)
		r = record_unsigned(keeper, "size", UINT64_MAX, &entry.size);
	if (!r)
		r = record_signed(keeper, "mtime", &entry.kept_mtime);
	if (!r)
		r = read_old(line, &entry);
	if (!r)
		r = vec_push(&undo->entries, entry);
	if (r)
		entry_free(&entry);
	return r;
}

static bool is_root(const struct undo *undo, const char *path)
{
	for (size_t i = 0; i < undo->roots.count; i++)
		if (!strcmp(path, undo->roots.at[i]))
			return true;
	return false;
}

static int read_roots(struct undo *undo, const struct record *header)
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
		bool known = !r && is_root(undo, path);
		if (!r && !known)
			r = vec_push(&undo->roots, path);
		if (r || known)
			free(path);
	}
	return r;
}

/* -EINVAL: none of ours; -EBADMSG: of a newer version. */
static int read_header(struct undo *undo, const struct record *header)
{
	const char *kind;
	uint64_t schema;
	if (record_word(header, "kind", &kind) || strcmp(kind, "journal") ||
	    record_unsigned(header, "schema", UINT32_MAX, &schema))
		return -EINVAL;
	if (schema > JOURNAL_SCHEMA)
		return -EBADMSG;
	undo->runs++;
	return read_roots(undo, header);
}

static int read_line(struct undo *undo, const char *line, size_t length)
{
	struct record *record;
	const char *kind;
	int r = record_parse(line, length, &record);
	if (r)
		return r;
	if (!record_word(record, "kind", &kind))
		r = read_header(undo, record);
	else
		r = undo->runs ? read_link(undo, record) : -EINVAL;
	record_free(record);
	return r;
}

/*
 * A line that is cut off tells of a name whose old file was not dropped: a power cut may leave zeros of it, and a later run writes
 * on behind it. It is passed over. What does not begin as a journal is none.
 */
static int read_lines(struct undo *undo, const struct text *text)
{
	struct tell *tell = &undo->plan->tell;
	uint64_t number = 0;
	for (size_t at = 0, length; at < text->count; at += length + 1) {
		const char *line = text->at + at, *end = memchr(line, '\n', text->count - at);
		char where[32];
		size_t blank = 0;
		length = end ? (size_t)(end - line) : text->count - at;
		while (blank < length && (!line[blank] || line[blank] == ' ' || line[blank] == '\r'))
			blank++;
		number++;
		if (blank == length)
			continue;
		int r = read_line(undo, line + blank, length - blank);
		snprintf(where, sizeof(where), "line %llu", (unsigned long long)number);
		if (r == -EBADMSG || (r == -EINVAL && !undo->runs && end)) {
			tell_refused(tell, DLK_STAGE_JOURNAL, where, r == -EINVAL ? DLK_REASON_NO_PLAN : DLK_REASON_NEWER);
			return -EBADMSG;
		}
		if (r == -EINVAL)
			tell_note(tell, DLK_REASON_TORN, where, NULL);
		else if (r)
			return r;
	}
	return 0;
}

/* ---- places ---- */

static int open_parent(const char *path, int *ret_fd, const char **ret_name)
{
	own_free char *copy = strdup(path);
	own_fd int at = sys->openat(AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
	if (!copy || at < 0)
		return copy ? at : -ENOMEM;
	char *name = copy + 1;
	for (char *slash; (slash = strchr(name, '/')); name = slash + 1) {
		int next;
		*slash = '\0';
		int r = beneath_mount(at, name, false, &next);
		if (r)
			return r;
		close_fd(&at);
		at = next;
	}
	*ret_name = path + (name - copy);
	*ret_fd = steal_fd(&at);
	return 0;
}

static bool below(const char *path, const char *root)
{
	size_t length = strlen(root);
	if (length == 1)
		return true;
	return !strncmp(path, root, length) && (path[length] == '/' || !path[length]);
}

static bool below_roots(const struct undo *undo, const char *path)
{
	for (size_t i = 0; i < undo->roots.count; i++)
		if (below(path, undo->roots.at[i]))
			return true;
	return false;
}

/* ---- telling ---- */

static void tell_trouble(struct undo *undo, const struct entry *entry, int r)
{
	struct tell *tell = &undo->plan->tell;
	enum fail_kind kind = fail_kind(r);
	if (r == -ENOMEM || r == -ECANCELED)
		undo->error = r;
	else if (r == -EAGAIN || r == -EBUSY)
		tell_skip(tell, DLK_STAGE_UNDO, entry->path, DLK_REASON_IN_USE, 1);
	else if (r == -ESTALE || r == -EILSEQ || r == -ENODATA || r == -ENOTSUP || kind == FAIL_GONE || kind == FAIL_SWAPPED)
		tell_skip(tell, DLK_STAGE_UNDO, entry->path, DLK_REASON_CHANGED, 1);
	else
		tell_error(tell, DLK_STAGE_UNDO, entry->path, r);
}

static void tell_kept(struct undo *undo, const struct entry *entry, const struct replace_outcome *outcome)
{
	struct text kept = { 0 };
	text_add(&kept, entry->path, (size_t)(strrchr(entry->path, '/') + 1 - entry->path));
	text_puts(&kept, outcome->kept);
	tell_note(&undo->plan->tell, outcome->kept_reason, kept.at, entry->path);
	text_free(&kept);
}

static void place_free(struct place *place)
{
	close_fd(&place->dirfd);
	free(place);
}

static void name_done(void *ctx, const struct replace_place *at, const struct proof *proof,
		      const struct replace_outcome *outcome)
{
	struct undo *undo = ctx;
	struct place *place = at->cookie;
	(void)proof;
	if (outcome->result == REPLACE_LINKED)
		undo->plan->tally.restored++;
	if (outcome->error)
		tell_trouble(undo, place->entry, outcome->error);
	else if (outcome->result == REPLACE_LEFT)
		tell_skip(&undo->plan->tell, DLK_STAGE_UNDO, place->entry->path, outcome->reason, 1);
	if (outcome->kept)
		tell_kept(undo, place->entry, outcome);
	place_free(place);
}

/* ---- copies ---- */

static const struct remade *next_remade(const struct undo *undo, const struct remade *remade)
{
	return remade->next ? &undo->remade.at[remade->next - 1] : NULL;
}

/* The first of those that may have been made of it, the latest first. */
static const struct remade *last_remade(const struct undo *undo, uint64_t inode)
{
	size_t head = undo->heads[mix64(inode) & undo->mask];
	return head ? &undo->remade.at[head - 1] : NULL;
}

static int add_remade(struct undo *undo, const struct entry *entry, uint64_t now)
{
	size_t *head = &undo->heads[mix64(entry->old.ino) & undo->mask];
	struct remade remade = { entry->run, entry->old.ino, now, entry->path, *head };
	int r = vec_push(&undo->remade, remade);
	if (!r)
		*head = undo->remade.count;
	return r;
}

/* The last that was made of it, if any, or the inode itself. */
static uint64_t now_called(const struct undo *undo, uint32_t run, uint64_t inode)
{
	const struct remade *remade = last_remade(undo, inode);
	while (remade && !(remade->old == inode && remade->run > run))
		remade = next_remade(undo, remade);
	return remade ? remade->now : inode;
}

static const struct remade *remade_before(const struct undo *undo, const struct entry *entry)
{
	const struct remade *remade = last_remade(undo, entry->old.ino);
	while (remade && !(remade->old == entry->old.ino && remade->run == entry->run))
		remade = next_remade(undo, remade);
	return remade;
}

/* Every few milliseconds of a long comparison: those in line are not to wait for its end, nor who waits for them. */
static void meanwhile(void *ctx)
{
	struct undo *undo = ctx;
	replace_settle(&undo->replacer);
}

/* Every some megabytes of a copy of K the same, and a look at who asks for K. */
static int between(void *ctx)
{
	struct undo *undo = ctx;
	meanwhile(undo);
	return lease_look(&undo->kept->lease) == LEASE_BROKEN ? -EBUSY : 0;
}

/* Privileges are not given to bytes that another owner could write. */
static bool would_trust(const struct candidate *kept, const struct entry *entry)
{
	static const char capability[] = "security.capability";
	const struct xattrs *xattrs = &entry->xattrs;
	return kept->stamp.uid != entry->old.uid &&
	       (entry->old.mode & (S_ISUID | S_ISGID) ||
		(xattrs->length && memmem(xattrs->bytes, xattrs->length, capability, sizeof(capability))));
}

static int make_copy(struct undo *undo, int dirfd, struct candidate *kept, const struct entry *entry, struct candidate **ret)
{
	own_fd int fd = -1;
	int again;
	struct xattrs own = { 0 };
	int r = would_trust(kept, entry) ? -EPERM : remake_open(dirfd, &fd);
	if (!r)
		r = remake_copy(kept->fd, fd, kept->stamp.size, kept->holes_true, between, undo);
	if (!r)
		r = xattrs_read(kept->fd, &own);
	if (!r)
		r = remake_dress(fd, &entry->old, entry->has_xattrs ? &entry->xattrs : &own);
	if (!r)
		r = remake_reopen(fd, &again);
	xattrs_free(&own);
	if (r)
		return r;
	close_fd(&fd); /* so that a lease can be had */
	return candidate_open(&undo->confirm, again, ret);
}

static int open_copy(struct undo *undo, const struct remade *remade, struct candidate **ret)
{
	own_fd int dirfd = -1;
	const char *name;
	int fd;
	replace_settle_all(&undo->replacer); /* it may still be taken back */
	int r = open_parent(remade->path, &dirfd, &name);
	if (!r)
		r = beneath_file(dirfd, name, !undo->euid, &fd);
	if (!r)
		r = candidate_open(&undo->confirm, fd, ret);
	if (!r && (*ret)->stamp.ino != remade->now) {
		candidate_unref(*ret);
		r = -ESTALE;
	}
	return r;
}

static int prove(struct undo *undo, struct candidate *copy, struct candidate *kept)
{
	struct candidate *pair[] = { copy, kept };
	int r = confirm_compare(&undo->confirm, pair, countof(pair));
	if (!r)
		r = copy->error ? copy->error : kept->error;
	return r ? r : confirm_prove(&undo->confirm, copy, kept, &undo->proof);
}

/* What was one file shall be one again; where its copy is gone or changed by now, another is made. */
static int take_copy(struct undo *undo, int dirfd, struct candidate *kept, const struct entry *entry)
{
	const struct remade *before = remade_before(undo, entry);
	struct candidate *copy = NULL;
	int r = before ? open_copy(undo, before, &copy) : -ENOENT;
	if (!r) {
		r = prove(undo, copy, kept);
		candidate_unref(copy);
	}
	if (!before || r == -ESTALE || r == -EILSEQ || r == -ENOENT) {
		r = make_copy(undo, dirfd, kept, entry, &copy);
		if (r)
			return r;
		r = prove(undo, copy, kept);
		if (!r)
			r = add_remade(undo, entry, copy->stamp.ino);
		candidate_unref(copy);
	}
	return r;
}

/* ---- names ---- */

static bool same_pair(const struct undo *undo, const struct entry *entry, uint64_t inode)
{
	const struct entry *of = undo->of;
	return undo->proof && proof_target(undo->proof)->stamp.ino == inode && of->run == entry->run &&
	       of->old.ino == entry->old.ino && of->kept == entry->kept && of->old.mtime == entry->old.mtime &&
	       !proof_keeper(undo->proof)->spoiled && !proof_target(undo->proof)->spoiled;
}

/*
 * Where recovery finished a name of an undo that died, its line says that K itself was replaced there: K is remade at that name,
 * and still K at its others.
 */
static bool is_kept(const struct undo *undo, const struct stamp *stamp, const struct entry *entry)
{
	return (stamp->ino == entry->kept || stamp->ino == now_called(undo, entry->run, entry->kept)) &&
	       stamp->size == entry->size && stamp->mtime == entry->kept_mtime;
}

/* Another look at a file in line would see what those in line do to it. */
static bool in_line(const struct undo *undo, uint64_t inode)
{
	const struct replacer *replacer = &undo->replacer;
	for (size_t i = 0; i < replacer->line_count; i++) {
		const struct replace_pending *p = &replacer->line[(replacer->line_first + i) % replacer->line_room];
		if (proof_target(p->proof)->stamp.ino == inode || proof_keeper(p->proof)->stamp.ino == inode)
			return true;
	}
	return false;
}

/* K, opened by D: whoever comes later must find that D is K still. One that is open serves all that are links of it. */
static int take_kept(struct undo *undo, int dirfd, const char *name, const struct entry *entry, uint64_t inode)
{
	int fd;
	if (undo->kept && !undo->kept->spoiled && undo->kept->stamp.ino == inode &&
	    is_kept(undo, &undo->kept->stamp, entry))
		return 0;
	candidate_unref(undo->kept);
	undo->kept = NULL;
	if (in_line(undo, inode))
		replace_settle_all(&undo->replacer);
	int r = beneath_file(dirfd, name, !undo->euid, &fd);
	if (!r)
		r = candidate_open(&undo->confirm, fd, &undo->kept);
	if (!r && !is_kept(undo, &undo->kept->stamp, entry)) {
		candidate_unref(undo->kept);
		undo->kept = NULL;
		r = -ESTALE;
	}
	return r;
}

static int take_pair(struct undo *undo, int dirfd, const char *name, const struct entry *entry)
{
	struct stamp now;
	int r = stamp_at(dirfd, name, &now);
	if (r || same_pair(undo, entry, now.ino))
		return r;
	proof_free(undo->proof);
	undo->proof = NULL;
	undo->of = entry;
	r = take_kept(undo, dirfd, name, entry, now.ino);
	return r ? r : take_copy(undo, dirfd, undo->kept, entry);
}

static int undo_name(struct undo *undo, const struct entry *entry)
{
	const char *name;
	struct place *place = malloc(sizeof(*place));
	if (!place)
		return -ENOMEM;
	*place = (struct place){ undo, entry, -1 };
	int r = open_parent(entry->path, &place->dirfd, &name);
	if (!r)
		r = take_pair(undo, place->dirfd, name, entry);
	if (!r) {
		struct replace_place at = { .dirfd = place->dirfd, .name = name, .cookie = place };
		r = replace_name(&undo->replacer, &at, undo->proof);
		if (!r)
			return 0;
	}
	place_free(place);
	return r;
}

static int undo_all(struct undo *undo)
{
	struct tell *tell = &undo->plan->tell;
	for (size_t i = undo->entries.count; i-- > 0 && !undo->error;) {
		const struct entry *entry = &undo->entries.at[i];
		if (tell_stopped(tell)) {
			undo->error = -ECANCELED;
		} else if (!below_roots(undo, entry->path)) {
			tell_refused(tell, DLK_STAGE_UNDO, entry->path, DLK_REASON_OUTSIDE);
		} else {
			int r = undo_name(undo, entry);
			if (r)
				tell_trouble(undo, entry, r);
		}
		replace_settle(&undo->replacer);
	}
	replace_settle_all(&undo->replacer);
	return undo->error;
}

/* ---- the whole ---- */

static int begin(struct undo *undo)
{
	struct dlk_plan *plan = undo->plan;
	struct dlk_options loose = plan->options;
	for (undo->mask = 1; undo->mask < undo->entries.count;)
		undo->mask *= 2;
	undo->heads = calloc(undo->mask--, sizeof(*undo->heads));
	if (!undo->heads)
		return -ENOMEM;
	loose.respect = 0; /* the copy is dressed as the old file, not as the one it is compared with */
	int r = roots_resolve(&plan->catalog, &plan->tell, (const char *const *)undo->roots.at, undo->roots.count,
			      &plan->roots);
	if (!r)
		r = lock_take(&plan->catalog, &plan->roots, &plan->tell, true, plan->options.wait, &plan->lock);
	if (!r)
		r = sys_random(&undo->number, sizeof(undo->number));
	if (!r)
		r = confirm_init(&undo->confirm, &loose);
	if (!r)
		r = replace_init(&undo->replacer, &undo->confirm, undo->number, &undo->serial, LINE_ROOM);
	undo->confirm.between = meanwhile;
	undo->confirm.ctx = undo;
	undo->replacer.done = name_done;
	undo->replacer.ctx = undo;
	undo->euid = geteuid();
	return r;
}

static int work(struct undo *undo)
{
	int r = begin(undo);
	if (!r) {
		tell_phase(&undo->plan->tell, DLK_PHASE_LINK);
		lease_signal_begin();
		r = undo_all(undo);
		lease_signal_end();
	}
	proof_free(undo->proof);
	candidate_unref(undo->kept);
	replace_free(&undo->replacer);
	confirm_free(&undo->confirm);
	return r;
}

/* It says what owner and mode a copy gets: nobody else may have had a hand in it. */
static int look_at_journal(int fd)
{
	struct stamp stamp;
	int r = stamp_fd(fd, &stamp);
	return r ? r : stamp_regular(&stamp) && stamp_of_others(&stamp) ? -EPERM : 0;
}

int dlk_undo(const struct dlk_options *options, int fd, struct dlk_tally *ret_tally)
{
	struct undo undo = { 0 };
	struct text text = { 0 };
	int r = plan_new(options, &undo.plan);
	if (r)
		return r;
	r = look_at_journal(fd);
	if (!r)
		r = read_all(fd, &text);
	if (!r)
		r = read_lines(&undo, &text);
	text_free(&text);
	if (!r && undo.entries.count)
		r = work(&undo);
	for (size_t i = 0; i < undo.entries.count; i++)
		entry_free(&undo.entries.at[i]);
	for (size_t i = 0; i < undo.roots.count; i++)
		free(undo.roots.at[i]);
	vec_free(&undo.entries);
	vec_free(&undo.remade);
	free(undo.heads);
	vec_free(&undo.roots);
	*ret_tally = undo.plan->tally;
	dlk_plan_free(undo.plan);
	return r;
}
