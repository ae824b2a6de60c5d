/* SPDX-License-Identifier: MIT */
/* history.h - the runs of the past, as a table with a chart or as JSON */
#ifndef CLI_HISTORY_H
#define CLI_HISTORY_H

#include <stdbool.h>

/*
 * Prints what the cache `path` knows of past runs on stdout. Returns 0; or a negative errno of reading the cache, with what could be
 * read printed before. A cache that is not there has no runs. *ret_written: 0, or a negative errno of stdout.
 */
int history_print(const char *path, bool json, int *ret_written);

#endif
