/* SPDX-License-Identifier: MIT */
/* replay.c - plays files through an entry, without libFuzzer: each argument is a file or a directory of files */
#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>

#include "fuzz.h"

static unsigned played;

static void play(const char *path)
{
	FILE *file = fopen(path, "rb");
	uint8_t *data = malloc(1 << 20);
	if (!file || !data) {
		perror(path);
		exit(2);
	}
	size_t size = fread(data, 1, 1 << 20, file);
	fclose(file);
	/* Exactly as large as it is, so that reading beyond it shows. */
	uint8_t *exact = realloc(data, size ? size : 1);
	fprintf(stderr, "%s: %zu bytes\n", path, size);
	LLVMFuzzerTestOneInput(exact, size);
	free(exact);
	played++;
}

static void play_all(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	if (!dir) {
		play(path);
		return;
	}
	while ((entry = readdir(dir))) {
		char name[4096];
		if (entry->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		play(name);
	}
	closedir(dir);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		play_all(argv[i]);
	printf("%u inputs\n", played);
	return played ? 0 : 77;
}
