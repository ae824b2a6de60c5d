/* SPDX-License-Identifier: MIT */
/*
 * newfile.h - a file that is there whole or not at all
 *
 * It is written under another name beside the one asked for, which it takes when all is on disk; so what stood there stays until
 * then. A pipe or a device is written to as it is, and so is what stdout or stderr lead to, by whatever name (/dev/stdout).
 */
#ifndef CLI_NEWFILE_H
#define CLI_NEWFILE_H

#include "../base/base.h"

struct newfile {
	int fd;
	char *path; /* what it shall be called */
	char *temp; /* what it is called; NULL: the same */
};

/* A negative errno when it cannot be made: better to know before the work. A zeroed struct with fd -1 is none. */
MUST_CHECK int newfile_open(const char *path, struct newfile *ret);

/* Closes it and gives it its name. Frees, whatever is returned. */
MUST_CHECK int newfile_commit(struct newfile *file);

/* Closes and removes what was begun, if anything. */
void newfile_abandon(struct newfile *file);

#endif
