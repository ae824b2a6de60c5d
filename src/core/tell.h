/* SPDX-License-Identifier: MIT */
/*
 * tell.h - events to the observer, sideways: any stage tells, nothing comes back but "stop"
 *
 * Events are serialized by a lock of their own and counted where they are told, so that an error that was told and one
 * that was counted are always the same number.
 */
#ifndef CORE_TELL_H
#define CORE_TELL_H

#include <pthread.h>

#include "../../include/dedupe-link.h"
#include "../base/base.h"

struct tell {
	dlk_observe_fn *observe; /* may be NULL */
	void *ctx;
	const volatile int *stop; /* may be NULL */
	struct dlk_tally *tally; /* errors and skips are added here */
	pthread_mutex_t mutex;
};

void tell_init(struct tell *tell, const struct dlk_options *options, struct dlk_tally *tally);
void tell_free(struct tell *tell);

/* Something failed: `error` is an errno of either sign. */
void tell_error(struct tell *tell, enum dlk_stage stage, const char *path, int error);

/* The same with a reason, which says more than the errno. */
void tell_error_because(struct tell *tell, enum dlk_stage stage, const char *path, int error, enum dlk_reason reason);

/* The same for a reason that is no errno. */
void tell_refused(struct tell *tell, enum dlk_stage stage, const char *path, enum dlk_reason reason);

/* `names` names were left as they were (one event, `names` counted). */
void tell_skip(struct tell *tell, enum dlk_stage stage, const char *path, enum dlk_reason reason, uint64_t names);

void tell_note(struct tell *tell, enum dlk_reason reason, const char *path, const char *other);
/* The same with an errno of either sign. It counts as no error. */
void tell_note_error(struct tell *tell, enum dlk_reason reason, const char *path, const char *other, int error);
void tell_linked(struct tell *tell, const char *path, const char *keeper);
void tell_restored(struct tell *tell, const char *path);
void tell_phase(struct tell *tell, enum dlk_phase phase);
/* A phase of its own: another run holds the lock on `path`. */
void tell_waiting(struct tell *tell, const char *path);
void tell_progress(struct tell *tell, const struct dlk_event *event);

static inline bool tell_stopped(const struct tell *tell)
{
	return tell->stop && __atomic_load_n(tell->stop, __ATOMIC_RELAXED);
}

#endif
