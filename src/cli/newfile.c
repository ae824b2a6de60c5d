/* SPDX-License-Identifier: MIT */
/* newfile.c - mkostemp, fsync, rename */
#include "newfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static mode_t usual_mode(void)
{
	mode_t mask = umask(0);

	umask(mask);
	return 0666 & ~mask;
}

static int open_beside(struct newfile *file, const char *path, const struct stat *old)
{
	if (asprintf(&file->temp, "%s.new-XXXXXX", path) < 0) {
		file->temp = NULL;
		return -ENOMEM;
	}
	file->fd = mkostemp(file->temp, O_CLOEXEC);
	if (file->fd >= 0 && !fchmod(file->fd, old ? old->st_mode & 07777 : usual_mode()))
		return 0;
	return -errno;
}

/* One of ours that has this file open, or -1. */
static int standard(const struct stat *file)
{
	struct stat now;

	for (int fd = STDOUT_FILENO; fd <= STDERR_FILENO; fd++)
		if (!fstat(fd, &now) && now.st_dev == file->st_dev && now.st_ino == file->st_ino)
			return fd;
	return -1;
}

/* A second descriptor of the same opening goes on where the first one stands; a second opening would write over its bytes. */
static int open_as_it_is(struct newfile *file, const char *path, const struct stat *old)
{
	int fd = S_ISREG(old->st_mode) ? standard(old) : -1;

	file->fd = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	return file->fd < 0 ? -errno : 0;
}

/*
 * What is there is looked at through symlinks: a file is replaced, not the link to it. Some links of /proc lead to what has no path,
 * such as a pipe.
 */
int newfile_open(const char *path, struct newfile *ret)
{
	struct newfile file = { .fd = -1 };
	struct stat old;
	bool there = !stat(path, &old);
	char *real = there ? realpath(path, NULL) : NULL;
	int r;

	file.path = real ? real : strdup(path);
	if (!file.path)
		return -ENOMEM;
	if (there && (!real || !S_ISREG(old.st_mode) || standard(&old) >= 0))
		r = open_as_it_is(&file, path, &old);
	else
		r = open_beside(&file, file.path, there ? &old : NULL);
	if (r)
		newfile_abandon(&file);
	else
		*ret = file;
	return r;
}

/* So that the new name outlives a power cut. Not every file system can; the file is whole either way. */
static void sync_dir(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *dir = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
	int fd = dir ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	free(dir);
	if (fd < 0)
		return;
	(void)!fsync(fd);
	close(fd);
}

int newfile_commit(struct newfile *file)
{
	int r = file->temp && fsync(file->fd) ? -errno : 0;
	int fd = file->fd;

	file->fd = -1;
	if (close(fd) && !r)
		r = -errno;
	if (!r && file->temp && rename(file->temp, file->path))
		r = -errno;
	if (!r) {
		sync_dir(file->path);
		free(file->temp);
		file->temp = NULL;
	}
	newfile_abandon(file);
	return r;
}

void newfile_abandon(struct newfile *file)
{
	if (file->fd >= 0)
		close(file->fd);
	if (file->temp)
		unlink(file->temp);
	free(file->temp);
	free(file->path);
	*file = (struct newfile){ .fd = -1 };
}
