/* SPDX-License-Identifier: MIT */
/* complain.h - what goes to stderr at the end of a run */
#ifndef CLI_COMPLAIN_H
#define CLI_COMPLAIN_H

#include "issues.h"
#include "options.h"

/*
 * Errors, one line per cause with its count (with keep_all: per path), and all that somebody has to look after. `options` has the
 * names of the plan and the journal.
 */
void complain_issues(const struct issues *issues, const struct options *options);

#endif
