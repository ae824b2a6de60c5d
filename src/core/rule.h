/* SPDX-License-Identifier: MIT */
/*
 * rule.h - the user's policy, compiled once: what to take, what to enter, what must agree
 *
 * Selection reads only names and stamps; it opens nothing.
 */
#ifndef CORE_RULE_H
#define CORE_RULE_H

#include "../../include/dedupe-link.h"
#include "../sys/stamp.h"

struct rule; /* opaque; immutable once compiled, so threads share it */

/* Copies what it needs of `options` (patterns included). -EINVAL for a pattern that does not compile; -ENOMEM. */
MUST_CHECK int rule_compile(const struct dlk_options *options, struct rule **ret);
void rule_free(struct rule *rule);

/* True when some filter needs the whole path, so that the walker must build it; else `path` below may be NULL. */
bool rule_needs_path(const struct rule *rule);

/*
 * Whether the filters take a name. `path` is relative to the root ("a/b.jpg"; for a file given as a root its last
 * component), `base` its last component. The first filter that matches decides; none: taken. A directory that is
 * excluded is not entered at all. An include never excludes by itself: as in rsync, `-i '*.jpg' -e '*'` takes JPEGs
 * only. DLK_EXCLUDE '*' does not keep directories out (else nothing below could be included): a pattern applies to
 * directories only when it ends in a slash, or when it is literal (no wildcard) and names the directory.
 */
bool rule_takes_file(const struct rule *rule, const char *path, const char *base);
bool rule_enters_dir(const struct rule *rule, const char *path, const char *base);

/* Whether a size lies within the limits; whether a time lies far enough back, as of when the rule was compiled. */
bool rule_takes_size(const struct rule *rule, uint64_t size);
bool rule_takes_time(const struct rule *rule, int64_t mtime);

/* The words of enum dlk_respect in which two files' stamps differ, owner, mode and time only, whatever the policy. */
unsigned rule_stamp_differs(const struct stamp *a, const struct stamp *b);

/* The words that must agree. */
unsigned rule_respects(const struct rule *rule);

#endif
