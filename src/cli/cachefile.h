/* SPDX-License-Identifier: MIT */
/* cachefile.h - where the cache is when nobody says where */
#ifndef CLI_CACHEFILE_H
#define CLI_CACHEFILE_H

#include <stdbool.h>

#include "../base/text.h"

/*
 * Appends its path: for root /var/cache/dedupe-link/digests.db; for others below $XDG_CACHE_HOME, or $HOME/.cache. -ENOENT: the
 * environment names no such place; -ENOMEM.
 */
MUST_CHECK int cachefile_path(struct text *ret);

/* Makes the directories of that path, open to their owner alone. Whether it succeeded shows when the file is opened. */
void cachefile_make_place(const char *path);

/* Whether `path` may be meant for a cache: nothing is there, or an empty file or a database. */
bool cachefile_may_be(const char *path);

#endif
