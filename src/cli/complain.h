/* SPDX-License-Identifier: MIT */
/* complain.h - what goes to stderr at the end of a run */
#ifndef CLI_COMPLAIN_H
#define CLI_COMPLAIN_H

#include "issues.h"

/* Errors, one line per cause with its count (with keep_all: per path), and all that somebody has to look after. */
void complain_issues(const struct issues *issues);

#endif
