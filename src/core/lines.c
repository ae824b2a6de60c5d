/* SPDX-License-Identifier: MIT */
/* lines.c - a window over the file; what was taken makes room for what is read */
#include "lines.h"

#include <errno.h>
#include <string.h>

#include "../sys/sys.h"

enum { READ_AT_ONCE = 256 * 1024, LINE_MOST = 256 << 20 };

static int read_more(struct lines *lines)
{
	struct text *text = &lines->text;
	own_free char *buffer = malloc(READ_AT_ONCE);
	if (!buffer)
		return -ENOMEM;
	if (lines->at > text->count / 2) {
		memmove(text->at, text->at + lines->at, text->count - lines->at);
		text->count -= lines->at;
		lines->at = 0;
	}
	ssize_t n = sys->read(lines->fd, buffer, READ_AT_ONCE);
	if (n < 0)
		return (int)n;
	lines->ended = !n;
	text_add(text, buffer, (size_t)n);
	return text->failed ? -ENOMEM : 0;
}

int lines_next(struct lines *lines, const char **ret_line, size_t *ret_length)
{
	size_t looked = 0;
	const char *end = NULL;
	int r = 0;
	for (;;) {
		size_t have = lines->text.count - lines->at;
		const char *line = have ? lines->text.at + lines->at : "";
		if (have > looked)
			end = memchr(line + looked, '\n', have - looked);
		if (end || (lines->ended && have)) {
			*ret_line = line;
			*ret_length = end ? (size_t)(end - line) : have;
			lines->at += *ret_length + (end != NULL);
			lines->passed += *ret_length + (end != NULL);
			lines->line++;
			return 1;
		}
		if (lines->ended)
			return 0;
		if (have > LINE_MOST)
			return -EBADMSG;
		looked = have;
		r = read_more(lines);
		if (r)
			return r;
	}
}

void lines_free(struct lines *lines)
{
	text_free(&lines->text);
}
