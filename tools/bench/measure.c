/* SPDX-License-Identifier: MIT */
/*
 * measure.c - run one command and write down what it cost
 *
 *	measure OUT SECONDS COMMAND [ARGUMENT]...
 *
 * A small program of its own, because the kernel counts the memory of whoever calls exec as the command's: started
 * from the bench itself, every tool would seem to need what Python needs. The command is killed, with all it
 * started, after SECONDS. OUT gets one JSON object. Figures are those of wait4(2) and of /proc/PID/io, which is read
 * while the command is dead and not yet waited for; both include children that were waited for.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static volatile pid_t child;
static volatile sig_atomic_t too_long;

static void on_alarm(int number)
{
	(void)number;
	too_long = 1;
	kill(-child, SIGKILL);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double seconds(struct timeval t)
{
	return (double)t.tv_sec + (double)t.tv_usec * 1e-6;
}

static unsigned long long io_value(const char *text, const char *key)
{
	const char *at = strstr(text, key);

	return at ? strtoull(at + strlen(key), NULL, 10) : 0;
}

static void read_io(pid_t pid, char *text, size_t room)
{
	char path[64];
	FILE *file;
	size_t got = 0;

	snprintf(path, sizeof(path), "/proc/%d/io", (int)pid);
	file = fopen(path, "re");
	if (file) {
		got = fread(text, 1, room - 1, file);
		fclose(file);
	}
	text[got] = 0;
}

static pid_t start(char **command)
{
	posix_spawnattr_t attributes;
	pid_t pid;
	int error;

	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP); /* so that the kill reaches its children */
	error = posix_spawnp(&pid, command[0], NULL, &attributes, command, environ);
	if (error) {
		fprintf(stderr, "measure: %s: %s\n", command[0], strerror(error));
		exit(127);
	}
	return pid;
}

int main(int argc, char **argv)
{
	char io[1024];
	struct rusage use;
	siginfo_t info;
	double begin, wall;
	int status;
	FILE *out;

	if (argc < 4) {
		fprintf(stderr, "usage: measure OUT SECONDS COMMAND [ARGUMENT]...\n");
		return 2;
	}
	out = fopen(argv[1], "we");
	if (!out) {
		perror(argv[1]);
		return 1;
	}
	begin = now();
	child = start(argv + 3);
	signal(SIGALRM, on_alarm);
	alarm((unsigned)strtoul(argv[2], NULL, 10));
	while (waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT) && errno == EINTR)
		;
	wall = now() - begin;
	alarm(0);
	read_io(child, io, sizeof(io));
	wait4(child, &status, 0, &use);
	fprintf(out,
		"{\"wall\": %.6f, \"user\": %.6f, \"sys\": %.6f, \"rss\": %ld, \"disk\": %llu, \"rchar\": %llu, "
		"\"minor\": %ld, \"switches\": %ld, \"status\": %d, \"timeout\": %d}\n",
		wall, seconds(use.ru_utime), seconds(use.ru_stime), use.ru_maxrss * 1024, io_value(io, "read_bytes: "),
		io_value(io, "rchar: "), use.ru_minflt, use.ru_nvcsw,
		WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), (int)too_long);
	return fclose(out) ? 1 : 0;
}
