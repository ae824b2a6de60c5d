/* SPDX-License-Identifier: MIT */
/* cachefile.c - the XDG base directory specification, version 0.8, and the file hierarchy standard for root */
#include "cachefile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/own.h"

int cachefile_path(struct text *ret)
{
	const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");

	if (geteuid() == 0)
		text_puts(ret, "/var/cache");
	else if (cache && *cache == '/') /* relative ones are to be ignored */
		text_puts(ret, cache);
	else if (home && *home == '/')
		text_printf(ret, "%s/.cache", home);
	else
		return -ENOENT;
	text_puts(ret, "/dedupe-link/digests.db");
	return ret->failed ? -ENOMEM : 0;
}

void cachefile_make_place(const char *path)
{
	own_free char *copy = strdup(path);

	for (char *slash = copy ? strchr(copy + 1, '/') : NULL; slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(copy, 0700); /* most are there; what fails is told by opening the file */
		*slash = '/';
	}
}

/* The first bytes of a file, as many as there are up to `room`; -1 when it cannot be read. */
static ssize_t read_begin(const char *path, char *ret, size_t room)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	ssize_t count = fd < 0 ? -1 : read(fd, ret, room);

	if (fd >= 0)
		close(fd);
	return count;
}

bool cachefile_may_be(const char *path)
{
	static const char database[] = "SQLite format 3"; /* with its NUL, as every file of SQLite begins */
	char begin[sizeof(database)];
	struct stat status;
	ssize_t count;

	if (stat(path, &status))
		return errno == ENOENT;
	if (!S_ISREG(status.st_mode))
		return false;
	count = read_begin(path, begin, sizeof(begin));
	return !count || (count == sizeof(begin) && !memcmp(begin, database, sizeof(database)));
}
