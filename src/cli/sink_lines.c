/* SPDX-License-Identifier: MIT */
/*
 * sink_lines.c - --json-lines: an object for each event, as it happens, then the summary
 *
 * Events are written while the library works, through a stream, which keeps nobody waiting. What is here at the end is
 * what no event told: of a dry run the names that would be replaced, and the figures. tools/dist/schema.json has it all.
 */
#include "sink.h"

#include <string.h>

#include "../base/record.h"
#include "words.h"

void sink_lines_event(struct text *text, const struct dlk_event *event)
{
	record_begin(text, NULL, '{');
	record_add_word(text, "event", words_event(event->kind));
	if (event->kind == DLK_EVENT_PHASE || event->kind == DLK_EVENT_PROGRESS)
		record_add_word(text, "phase", words_phase_name(event->phase));
	if (event->kind == DLK_EVENT_PROGRESS) {
		record_add_number(text, "done", event->done);
		record_add_number(text, "total", event->total);
		record_add_number(text, "bytes", event->bytes);
		record_add_number(text, "bytes_total", event->bytes_total);
		record_add_number(text, "saved", event->saved);
		if (event->step)
			record_add_number(text, "step", event->step);
	}
	if (event->kind == DLK_EVENT_ERROR || event->kind == DLK_EVENT_SKIP)
		record_add_word(text, "stage", words_stage(event->stage));
	if (event->reason)
		record_add_word(text, "reason", words_reason(event->reason));
	if (event->error) {
		record_add_number(text, "errno", (uint64_t)event->error);
		record_add_word(text, "error", strerror(event->error));
	}
	if (event->path)
		record_add_name(text, "path", event->path);
	if (event->other)
		record_add_name(text, event->kind == DLK_EVENT_LINKED ? "keeper" : "other", event->other);
	record_end(text, '}');
	text_puts(text, "\n");
}

static void lines_set(struct sink *sink, const struct dlk_set *set UNUSED)
{
	sink->keeper.count = 0;
}

static void lines_member(struct sink *sink, const struct dlk_set *set UNUSED, const struct dlk_member *member)
{
	struct text *text = &sink->out.text;

	if (member->fate == DLK_FATE_KEEPER && !sink->keeper.count)
		text_add(&sink->keeper, member->path, strlen(member->path) + 1);
	if (member->fate != DLK_FATE_PLANNED || sink->report->about != REPORT_DRY_RUN)
		return;
	record_begin(text, NULL, '{');
	record_add_word(text, "event", "planned");
	record_add_name(text, "path", member->path);
	if (sink->keeper.count && !sink->keeper.failed)
		record_add_name(text, "keeper", sink->keeper.at);
	record_end(text, '}');
	text_puts(text, "\n");
}

static void lines_end(struct sink *sink)
{
	struct text *text = &sink->out.text;

	text_puts(text, "{\"event\": \"summary\", \"schema\": 1, \"summary\": ");
	sink_json_summary(text, sink->report);
	text_puts(text, "}\n");
	text_free(&sink->keeper);
}

const struct sink_kind sink_lines = { .set = lines_set, .member = lines_member, .end = lines_end };
