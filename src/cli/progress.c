/* SPDX-License-Identifier: MIT */
/* progress.c - how far the work is, in one line */
#include "progress.h"

#include "words.h"

void progress_line(struct text *text, const struct dlk_event *event)
{
	bool names = event->phase == DLK_PHASE_LINK || event->phase == DLK_PHASE_RECOVER;
	char number[TEXT_COUNT_MAX], size[TEXT_SIZE_MAX];

	text_printf(text, "%s: ", words_phase(event->phase));
	if (event->total)
		text_printf(text, "%s of ", text_count(event->done, number));
	words_add_count(text, event->total ? event->total : event->done, names ? "name" : "file",
			names ? "names" : "files");
	if (event->bytes)
		text_printf(text, ", %s", text_size(event->bytes, size));
}
