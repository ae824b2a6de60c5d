/* SPDX-License-Identifier: MIT */
/* out.c - a stream whose failures are not forgotten */
#include "out.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { ENOUGH = 1 << 16 };

static int write_all(int fd, const char *at, size_t count)
{
	while (count) {
		ssize_t written = write(fd, at, count);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return -errno;
		at += written;
		count -= (size_t)written;
	}
	return 0;
}

void out_flush(struct out *out)
{
	if (!out->error && out->text.failed)
		out->error = -ENOMEM;
	if (!out->error && out->text.count)
		out->error = write_all(out->fd, out->text.at, out->text.count);
	out->text.count = 0;
}

void out_check(struct out *out)
{
	if (out->text.count >= ENOUGH)
		out_flush(out);
}

int out_finish(struct out *out)
{
	bool used = out->text.at != NULL;

	out_flush(out);
	/* Some file systems tell only now that the disk is full. */
	if (used && close(out->fd) && !out->error)
		out->error = -errno;
	text_free(&out->text);
	return out->error;
}

void out_complain(const char *format, ...)
{
	va_list arguments;
	char *line;
	struct text text = { 0 };

	va_start(arguments, format);
	if (vasprintf(&line, format, arguments) >= 0) {
		text_puts(&text, "dedupe-link: ");
		text_puts(&text, line);
		text_puts(&text, "\n");
		free(line);
	}
	va_end(arguments);
	/* In one write, so that lines of several processes stay whole. That stderr fails can be told to nobody. */
	if (!text.failed && text.count)
		(void)!write_all(STDERR_FILENO, text.at, text.count);
	text_free(&text);
}

void out_guard_standard_descriptors(void)
{
	for (int fd = 0; fd <= 2; fd++) {
		if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF)
			continue;
		if (open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) != fd)
			_exit(2);
	}
}
