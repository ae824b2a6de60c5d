/* SPDX-License-Identifier: MIT */
/* issues.c - causes in an array, paths in one string; causes are few, so they are searched one by one */
#include "issues.h"

#include <string.h>

bool issues_urgent(enum dlk_reason reason)
{
	return reason == DLK_REASON_KEPT_ASIDE || reason == DLK_REASON_LEFTOVER || reason == DLK_REASON_LATE_OPENER ||
	       reason == DLK_REASON_CACHE_UNUSED || reason == DLK_REASON_CACHE_DAMAGED ||
	       reason == DLK_REASON_CACHE_UNWRITTEN;
}

/* The offset of a copy of the name; 0 for none. */
static size_t add_name(struct issues *issues, const char *name)
{
	size_t offset;

	if (!name)
		return 0;
	if (!issues->names.count)
		text_add(&issues->names, "", 1);
	offset = issues->names.count;
	text_add(&issues->names, name, strlen(name) + 1);
	return offset;
}

static void add_record(struct issues *issues, size_t cause, const struct dlk_event *event)
{
	struct issue_record record = { .cause = cause };

	record.path = add_name(issues, event->path);
	record.other = add_name(issues, event->other);
	if (issues->names.failed || vec_push(&issues->records, record))
		issues->failed = true;
}

/* The number of the event's cause, a new one perhaps; causes.count when memory ran out. */
static size_t find_cause(struct issues *issues, const struct dlk_event *event, bool told)
{
	struct issue_cause cause = {
		.kind = event->kind,
		.stage = event->stage,
		.reason = event->reason,
		.error = event->error,
		.told = told,
		.first = issues->records.count,
	};

	for (size_t i = 0; i < issues->causes.count; i++) {
		const struct issue_cause *at = &issues->causes.at[i];

		if (at->kind == cause.kind && at->stage == cause.stage && at->reason == cause.reason &&
		    at->error == cause.error && at->told == told)
			return i;
	}
	if (vec_push(&issues->causes, cause))
		return issues->causes.count;
	return issues->causes.count - 1;
}

static void note(struct issues *issues, const struct dlk_event *event, bool told)
{
	size_t cause;

	if (event->kind != DLK_EVENT_ERROR && event->kind != DLK_EVENT_SKIP && event->kind != DLK_EVENT_NOTE)
		return;
	cause = find_cause(issues, event, told);
	if (cause == issues->causes.count) {
		issues->failed = true;
		return;
	}
	if (issues->causes.at[cause].count++ == 0 || issues->keep_all || issues_urgent(event->reason))
		add_record(issues, cause, event);
}

void issues_note(struct issues *issues, const struct dlk_event *event)
{
	note(issues, event, false);
}

void issues_note_told(struct issues *issues, const struct dlk_event *event)
{
	note(issues, event, true);
}

const struct issue_cause *issues_cause(const struct issues *issues, size_t number)
{
	return &issues->causes.at[issues->records.at[number].cause];
}

static const char *name_at(const struct issues *issues, size_t offset)
{
	return offset ? issues->names.at + offset : NULL;
}

const char *issues_path(const struct issues *issues, size_t number)
{
	return number < issues->records.count ? name_at(issues, issues->records.at[number].path) : NULL;
}

const char *issues_other(const struct issues *issues, size_t number)
{
	return number < issues->records.count ? name_at(issues, issues->records.at[number].other) : NULL;
}

static int by_path(const void *a, const void *b, void *ctx)
{
	const struct issues *issues = ctx;

	return strcmp(issues_path(issues, *(const size_t *)a), issues_path(issues, *(const size_t *)b));
}

void issues_index(struct issues *issues)
{
	issues->by_path.count = 0;
	for (size_t i = 0; i < issues->records.count; i++) {
		const struct issue_cause *cause = issues_cause(issues, i);

		if (cause->kind == DLK_EVENT_NOTE || !issues_path(issues, i))
			continue;
		if (vec_push(&issues->by_path, i)) {
			issues->failed = true;
			return;
		}
	}
	if (issues->by_path.count)
		qsort_r(issues->by_path.at, issues->by_path.count, sizeof(size_t), by_path, issues);
}

const struct issue_cause *issues_why(const struct issues *issues, const char *path)
{
	size_t low = 0, high = issues->by_path.count;

	while (low < high) {
		size_t middle = low + (high - low) / 2, number = issues->by_path.at[middle];
		int order = strcmp(path, issues_path(issues, number));

		if (!order)
			return issues_cause(issues, number);
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

void issues_free(struct issues *issues)
{
	vec_free(&issues->causes);
	vec_free(&issues->records);
	vec_free(&issues->by_path);
	text_free(&issues->names);
}
