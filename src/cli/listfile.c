/* SPDX-License-Identifier: MIT */
/* listfile.c - read whole, then cut up in place */
#include "listfile.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static int read_all(int fd, struct text *ret)
{
	char buffer[1 << 16];

	for (;;) {
		ssize_t count = read(fd, buffer, sizeof(buffer));

		if (count < 0 && errno == EINTR)
			continue;
		if (count <= 0)
			return count ? -errno : 0;
		text_add(ret, buffer, (size_t)count);
		if (ret->failed)
			return -ENOMEM;
	}
}

int listfile_read(const char *path, struct text *ret)
{
	int fd, r;

	if (!strcmp(path, "-"))
		return read_all(STDIN_FILENO, ret);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = read_all(fd, ret);
	close(fd);
	return r;
}

char *listfile_next(struct text *text, size_t *at, char separator)
{
	char *item, *end;

	if (*at >= text->count)
		return NULL;
	item = text->at + *at;
	end = memchr(item, separator, text->count - *at);
	/* text ends in a NUL of its own, so the last item does too. */
	if (!end)
		end = text->at + text->count;
	*end = 0;
	*at = (size_t)(end - text->at) + 1;
	return item;
}
