/* SPDX-License-Identifier: MIT */
/* progress.h - how far the work is, in one line */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include "../../include/dedupe-link.h"
#include "../base/text.h"

/* Appends "walking: 1,234 files", "reading: 12 of 345 files, 1.2 GiB", "linking: 12 of 345 names". */
void progress_line(struct text *text, const struct dlk_event *event);

#endif
