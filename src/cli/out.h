/* SPDX-License-Identifier: MIT */
/*
 * out.h - a stream whose failures are not forgotten
 *
 * stdio keeps a write error but not its reason. Here the first errno stays, nothing is written after it, and
 * out_finish() tells.
 */
#ifndef CLI_OUT_H
#define CLI_OUT_H

#include "../base/text.h"

struct out {
	int fd;
	int error;        /* of the first write that failed, negative; else 0 */
	struct text text; /* added to with text_...(), written by out_check or out_flush */
};

/* All of it, however often write(2) takes only a part or is interrupted. 0 or a negative errno. */
MUST_CHECK int out_write(int fd, const char *at, size_t count);

/* Writes what is there when it is much. To be called now and then. */
void out_check(struct out *out);
void out_flush(struct out *out);

/* Flushes, closes the descriptor if anything was ever written, frees. 0 or the first error. */
MUST_CHECK int out_finish(struct out *out);

/*
 * One line "dedupe-link: TEXT" to stderr; more when TEXT has newlines. TEXT comes quoted: no raw name may be in it. When stderr
 * is the journal of systemd, each line begins with its priority (sd-daemon(3)); else the priority is not seen.
 */
enum out_priority { OUT_ERROR = 3, OUT_WARNING = 4, OUT_NOTICE = 5, OUT_INFO = 6 }; /* those of syslog(3) */
FORMAT_PRINTF(2, 3) void out_say(enum out_priority priority, const char *format, ...);
#define out_complain(...) out_say(OUT_ERROR, __VA_ARGS__)

/*
 * Opens /dev/null where descriptor 0, 1 or 2 is closed, in the wrong direction, so that writing still fails. Without
 * it a file of the user could be opened under number 1 and get our report.
 */
void out_guard_standard_descriptors(void);

#endif
