/* SPDX-License-Identifier: MIT */
/*
 * largest-set.c - the library in one page: scan, look at the sets, link the one that frees most, and stop when told to
 *
 *	cc largest-set.c $(pkg-config --cflags --libs dedupe-link) -pthread -o largest-set
 *	largest-set PATH...          links the largest set
 *	largest-set --enter PATH...  the same, but another thread waits for the Enter key and stops the work
 */
#include <dedupe-link.h>

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static volatile int stop;

static void *stop_at_enter(void *unused)
{
	char c;

	if (read(STDIN_FILENO, &c, 1) == 1)
		stop = 1;
	return unused;
}

/* Called by the library's threads, one at a time. It must be quick. */
static void observe(void *ctx, const struct dlk_event *event)
{
	unsigned *troubles = ctx;

	if (event->kind == DLK_EVENT_LINKED)
		printf("linked %s -> %s\n", event->path, event->other);
	else if (event->kind == DLK_EVENT_ERROR)
		fprintf(stderr, "%s: %s\n", event->path ? event->path : "?", strerror(event->error));
	*troubles += event->kind == DLK_EVENT_ERROR;
}

struct largest {
	uint64_t index, bytes;
};

static int look(void *ctx, const struct dlk_set *set)
{
	struct largest *largest = ctx;
	uint64_t bytes = set->size * (set->names - 1);

	printf("set %" PRIu64 ": %" PRIu64 " names of %" PRIu64 " bytes\n", set->index, set->names, set->size);
	if (bytes > largest->bytes)
		*largest = (struct largest){ set->index, bytes };
	return 0;
}

static int is_largest(void *ctx, const struct dlk_set *set)
{
	const struct largest *largest = ctx;

	return set->index == largest->index;
}

static int work(struct dlk_plan *plan)
{
	const struct dlk_plan_visitor visitor = { .set = look };
	struct largest largest = { 0 };
	int r = dlk_plan_each(plan, &visitor, &largest);

	if (!r)
		r = dlk_plan_choose(plan, is_largest, &largest);
	if (!r)
		r = dlk_apply(plan);
	printf("%" PRIu64 " links, %" PRIu64 " bytes\n", dlk_plan_tally(plan)->links_made, dlk_plan_tally(plan)->bytes_saved);
	return r;
}

int main(int argc, char **argv)
{
	struct dlk_options options;
	struct dlk_plan *plan = NULL;
	unsigned troubles = 0;
	pthread_t thread;
	int first = 1, r;

	setvbuf(stdout, NULL, _IOLBF, 0); /* each link is seen when it is made */
	if (argc > 1 && !strcmp(argv[1], "--enter")) {
		if (pthread_create(&thread, NULL, stop_at_enter, NULL))
			return 1;
		pthread_detach(thread);
		first = 2;
	}
	dlk_options_init(&options);
	options.will_apply = true;
	options.decide = true;
	options.tell_links = true;
	options.observe = observe;
	options.observe_ctx = &troubles;
	options.stop = &stop;
	r = dlk_scan(&options, (const char *const *)argv + first, (size_t)(argc - first), &plan);
	if (!r)
		r = work(plan);
	dlk_plan_free(plan);
	if (r)
		fprintf(stderr, "largest-set: %s\n", r == -ECANCELED ? "stopped" : strerror(-r));
	return r || troubles;
}
