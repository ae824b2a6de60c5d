/* SPDX-License-Identifier: MIT */
/* out.c - a stream whose failures are not forgotten */
#include "out.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ENOUGH = 1 << 16 };

int out_write(int fd, const char *at, size_t count)
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
		out->error = out_write(out->fd, out->text.at, out->text.count);
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

/* systemd tells by JOURNAL_STREAM which device and inode its stream has; stderr may have been redirected since. */
static bool is_journal(int fd)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat status;

	return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 && !fstat(fd, &status) &&
	       status.st_dev == device && status.st_ino == inode;
}

static void add_lines(struct text *text, enum out_priority priority, const char *lines)
{
	bool journal = is_journal(STDERR_FILENO);

	for (bool first = true; first || *lines; first = false) {
		size_t length = strcspn(lines, "\n");

		if (journal)
			text_printf(text, "<%d>", priority);
		if (first)
			text_puts(text, "dedupe-link: ");
		text_add(text, lines, length);
		text_puts(text, "\n");
		lines += length + (lines[length] == '\n');
	}
}

void out_say(enum out_priority priority, const char *format, ...)
{
	va_list arguments;
	char *lines;
	struct text text = { 0 };

	va_start(arguments, format);
	if (vasprintf(&lines, format, arguments) >= 0) {
		add_lines(&text, priority, lines);
		free(lines);
	}
	va_end(arguments);
	/* In one write, so that lines of several processes stay whole. That stderr fails can be told to nobody. */
	if (!text.failed && text.count)
		(void)!out_write(STDERR_FILENO, text.at, text.count);
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
