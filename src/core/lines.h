/* SPDX-License-Identifier: MIT */
/* lines.h - an open file read line by line: no more of it is in memory than a line, and what is read at once */
#ifndef CORE_LINES_H
#define CORE_LINES_H

#include "../base/text.h"

struct lines {
	int fd;          /* the caller's */
	struct text text;
	size_t at;       /* in text: of the next line */
	uint64_t line;   /* number of the one given last, from 1 */
	uint64_t passed; /* bytes of all that were given, their newlines included */
	bool ended;      /* nothing more to read */
};

/*
 * 1 and a line without its newline, which lives until the next; 0 at the end; or a negative errno. -EBADMSG: a line longer than
 * any of ours. The last line need not end in a newline.
 */
MUST_CHECK int lines_next(struct lines *lines, const char **ret_line, size_t *ret_length);
void lines_free(struct lines *lines);

#endif
