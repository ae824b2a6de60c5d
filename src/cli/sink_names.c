/* SPDX-License-Identifier: MIT */
/* sink_names.c - only the names that were or would be replaced, or with --undo restored, as they are, each ended by a NUL */
#include "sink.h"

#include <string.h>

static void names_member(struct sink *sink, const struct dlk_set *set UNUSED, const struct dlk_member *member)
{
	if (member->fate == DLK_FATE_PLANNED || member->fate == DLK_FATE_LINKED)
		text_add(&sink->out.text, member->path, strlen(member->path) + 1);
}

static void names_end(struct sink *sink)
{
	const struct text *restored = sink->report->restored;

	if (report_of_undo(sink->report) && restored->count)
		text_add(&sink->out.text, restored->at, restored->count);
}

const struct sink_kind sink_names = { .member = names_member, .end = names_end };
