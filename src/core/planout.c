/* SPDX-License-Identifier: MIT */
/*
 * planout.c - a plan as JSON lines
 *
 *	{"schema": 1, "kind": "plan", "roots": [{"path": "/srv/photos"}], "options": {...}}
 *	{"keeper": {"path": ..., stamps}, "duplicate": {"path": ..., stamps}}         one for each name to be replaced
 *	{"counts": {"steps": 1, ...}}                                                 so that a torn file is noticed
 *
 * Every name is absolute, by the real path of its root, so that the plan means the same from any directory and on any host that
 * sees the files there. A stamp is what another host sees too: no device, no mount.
 */
#include "../../include/dedupe-link.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../base/record.h"
#include "plan.h"
#include "planwords.h"

enum { ENOUGH = 64 * 1024 };

struct planout {
	const struct dlk_plan *plan;
	int fd;
	struct text text;
	char **real; /* of each root of the catalog, without a slash at the end: "" for the root of all */
	uint64_t steps;
};

static int flush(struct planout *out)
{
	const char *at = out->text.at;
	size_t left = out->text.count;
	if (out->text.failed)
		return -ENOMEM;
	while (left) {
		ssize_t n = sys->write(out->fd, at, left);
		if (n <= 0)
			return n ? (int)n : -EIO;
		at += n;
		left -= (size_t)n;
	}
	out->text.count = 0;
	return 0;
}

static int end_line(struct planout *out)
{
	record_end(&out->text, '}');
	text_puts(&out->text, "\n");
	return out->text.failed || out->text.count >= ENOUGH ? flush(out) : 0;
}

/* ---- lines ---- */

static int header(struct planout *out)
{
	struct text *text = &out->text;
	record_begin(text, NULL, '{');
	record_add_number(text, "schema", PLAN_SCHEMA);
	record_add_word(text, "kind", "plan");
	int r = roots_add_records(&out->plan->roots, &out->plan->catalog, out->real, text);
	record_begin(text, "options", '{');
	record_begin(text, "respect", '[');
	for (unsigned bit = 0; bit < DLK_RESPECT_WORDS; bit++)
		if (out->plan->options.respect & 1u << bit)
			record_add_word(text, NULL, plan_respect_words[bit]);
	record_end(text, ']');
	record_add_word(text, "method", out->plan->options.method == DLK_REFLINK ? "reflink" : "hardlink");
	record_add_number(text, "max_links", out->plan->options.max_links);
	record_end(text, '}');
	return r ? r : end_line(out);
}

static int side(struct planout *out, const char *key, const struct catalog_inode *inode, struct path_id id)
{
	const struct catalog *catalog = &out->plan->catalog;
	const struct catalog_meta *meta = catalog_meta(catalog, inode);
	struct text path = { 0 };
	char mode[16];
	roots_add_real(catalog, out->real, id, &path);
	snprintf(mode, sizeof(mode), "%04o", meta->mode & 07777u);
	record_begin(&out->text, key, '{');
	if (!path.failed)
		record_add_name(&out->text, "path", path.at);
	record_add_exact_unsigned(&out->text, "inode", inode->ino);
	record_add_exact_unsigned(&out->text, "size", inode->size);
	record_add_exact(&out->text, "mtime", inode->mtime);
	record_add_number(&out->text, "uid", meta->uid);
	record_add_number(&out->text, "gid", meta->gid);
	record_add_word(&out->text, "mode", mode);
	record_add_number(&out->text, "links", inode->links);
	record_add_exact_unsigned(&out->text, "allocated", inode->blocks * 512);
	record_end(&out->text, '}');
	int r = path.failed ? -ENOMEM : 0;
	text_free(&path);
	return r;
}

static int set(struct planout *out, const struct plan_set *set)
{
	const struct dlk_plan *plan = out->plan;
	const struct inode_id *members = &plan->members.at[set->first];
	const struct catalog_inode *keeper = catalog_inode(&plan->catalog, members[0]);
	int r = 0;
	for (uint32_t i = 1; i < set->count; i++) {
		const struct catalog_inode *inode = catalog_inode(&plan->catalog, members[i]);
		for (uint32_t at = inode->first_path; at != ID_NONE && !r;
		     at = catalog_path(&plan->catalog, (struct path_id){ at })->next) {
			if (plan->fates[at] != DLK_FATE_PLANNED)
				continue;
			record_begin(&out->text, NULL, '{');
			r = side(out, "keeper", keeper, (struct path_id){ keeper->first_path });
			if (!r)
				r = side(out, "duplicate", inode, (struct path_id){ at });
			if (!r)
				r = end_line(out);
			out->steps++;
		}
	}
	return r;
}

static int counts(struct planout *out)
{
	const struct dlk_tally *tally = &out->plan->tally;
	record_begin(&out->text, NULL, '{');
	record_begin(&out->text, "counts", '{');
	record_add_number(&out->text, "steps", out->steps);
	record_add_number(&out->text, "sets", tally->sets);
	record_add_number(&out->text, "inodes_freed", tally->inodes_freed);
	record_add_number(&out->text, "bytes_saved", tally->bytes_saved);
	record_end(&out->text, '}');
	int r = end_line(out);
	return r ? r : flush(out);
}

int dlk_plan_write(const struct dlk_plan *plan, int fd)
{
	struct planout out = { .plan = plan, .fd = fd };
	if (plan->options.will_apply)
		return -EINVAL;
	int r = roots_real_paths(&plan->catalog, &out.real);
	if (!r)
		r = header(&out);
	for (size_t i = 0; i < plan->sets.count && !r; i++)
		r = set(&out, &plan->sets.at[i]);
	if (!r)
		r = counts(&out);
	roots_free_paths(&plan->catalog, out.real);
	text_free(&out.text);
	return r;
}
