/* SPDX-License-Identifier: MIT */
/* listfile.h - files that hold many names or patterns */
#ifndef CLI_LISTFILE_H
#define CLI_LISTFILE_H

#include "../base/text.h"

/* The whole file, "-" being stdin, into an empty `ret`, which the caller frees whatever is returned. Negative errno. */
MUST_CHECK int listfile_read(const char *path, struct text *ret);

/*
 * Takes the next item off a text cut up by `separator`; the last need not have one. *at starts at 0. The item ends in
 * a NUL where its separator was. NULL at the end.
 */
char *listfile_next(struct text *text, size_t *at, char separator);

#endif
