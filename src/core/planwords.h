/* SPDX-License-Identifier: MIT */
/* planwords.h - the words of a plan's header, for those who write and read it */
#ifndef CORE_PLANWORDS_H
#define CORE_PLANWORDS_H

#include "../../include/dedupe-link.h"

enum { PLAN_SCHEMA = 1 };

static const char *const plan_respect_words[DLK_RESPECT_WORDS] = { "owner", "mode", "xattr", "time", "name", "dir" };

#endif
