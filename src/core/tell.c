/* SPDX-License-Identifier: MIT */
/* tell.c - the observer's side door; see tell.h */
#include "tell.h"

#include <stdlib.h>

void tell_init(struct tell *tell, const struct dlk_options *options, struct dlk_tally *tally)
{
	*tell = (struct tell){
		.observe = options->observe,
		.ctx = options->observe_ctx,
		.stop = options->stop,
		.tally = tally,
	};
	pthread_mutex_init(&tell->mutex, NULL);
}

void tell_free(struct tell *tell)
{
	pthread_mutex_destroy(&tell->mutex);
}

static void count(struct dlk_tally *tally, const struct dlk_event *event, uint64_t names)
{
	if (event->kind == DLK_EVENT_ERROR)
		tally->errors++;
	if (event->kind == DLK_EVENT_SKIP && event->reason == DLK_REASON_IN_USE)
		tally->skipped_in_use += names;
	else if (event->kind == DLK_EVENT_SKIP &&
		 (event->reason == DLK_REASON_CHANGED || event->reason == DLK_REASON_UNEQUAL))
		tally->skipped_changed += names;
	else if (event->kind == DLK_EVENT_SKIP)
		tally->skipped_refused += names;
	if (event->kind == DLK_EVENT_NOTE && event->reason == DLK_REASON_RECOVERED)
		tally->recovered++;
}

static void send(struct tell *tell, const struct dlk_event *event, uint64_t names)
{
	pthread_mutex_lock(&tell->mutex);
	count(tell->tally, event, names);
	if (tell->observe)
		tell->observe(tell->ctx, event);
	pthread_mutex_unlock(&tell->mutex);
}

void tell_error(struct tell *tell, enum dlk_stage stage, const char *path, int error)
{
	tell_error_because(tell, stage, path, error, DLK_REASON_NONE);
}

void tell_error_because(struct tell *tell, enum dlk_stage stage, const char *path, int error, enum dlk_reason reason)
{
	send(tell,
	     &(struct dlk_event){ .kind = DLK_EVENT_ERROR,
				  .stage = stage,
				  .path = path,
				  .error = abs(error),
				  .reason = reason },
	     1);
}

void tell_refused(struct tell *tell, enum dlk_stage stage, const char *path, enum dlk_reason reason)
{
	tell_error_because(tell, stage, path, 0, reason);
}

void tell_skip(struct tell *tell, enum dlk_stage stage, const char *path, enum dlk_reason reason, uint64_t names)
{
	send(tell, &(struct dlk_event){ .kind = DLK_EVENT_SKIP, .stage = stage, .path = path, .reason = reason },
	     names);
}

void tell_note(struct tell *tell, enum dlk_reason reason, const char *path, const char *other)
{
	send(tell, &(struct dlk_event){ .kind = DLK_EVENT_NOTE, .reason = reason, .path = path, .other = other }, 1);
}

void tell_note_error(struct tell *tell, enum dlk_reason reason, const char *path, const char *other, int error)
{
	send(tell,
	     &(struct dlk_event){ .kind = DLK_EVENT_NOTE,
				  .reason = reason,
				  .path = path,
				  .other = other,
				  .error = abs(error) },
	     1);
}

void tell_linked(struct tell *tell, const char *path, const char *keeper)
{
	if (tell->observe)
		send(tell, &(struct dlk_event){ .kind = DLK_EVENT_LINKED, .path = path, .other = keeper }, 1);
}

void tell_restored(struct tell *tell, const char *path)
{
	if (tell->observe)
		send(tell, &(struct dlk_event){ .kind = DLK_EVENT_RESTORED, .path = path }, 1);
}

void tell_phase(struct tell *tell, enum dlk_phase phase)
{
	send(tell, &(struct dlk_event){ .kind = DLK_EVENT_PHASE, .phase = phase }, 0);
}

void tell_waiting(struct tell *tell, const char *path)
{
	send(tell, &(struct dlk_event){ .kind = DLK_EVENT_PHASE, .phase = DLK_PHASE_WAIT, .path = path }, 0);
}

void tell_progress(struct tell *tell, const struct dlk_event *event)
{
	if (tell->observe)
		send(tell, event, 0);
}
