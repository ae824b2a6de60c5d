/* SPDX-License-Identifier: MIT */
/*
 * signals.h - what the outside says: stop, or how far are you
 *
 * TERM, INT, HUP and XCPU ask the library to end in good order: the file in hand is finished or undone. A second signal
 * asks the same and does nothing more; who cannot wait has SIGKILL, after which no name is missing either. Signals that
 * were ignored when we started (nohup) stay ignored.
 *
 * A handler can reach nothing but globals, so the state of this file is one, as it is one for the process.
 */
#ifndef CLI_SIGNALS_H
#define CLI_SIGNALS_H

#include "../base/base.h"

/* Installs the handlers; a write to a closed pipe becomes an error instead of death. */
void signals_watch(void);

/* For dlk_options.stop: the number of the first signal that asked us to stop, 0 until then. */
const volatile int *signals_stop(void);
int signals_stopped(void);

/* "SIGTERM". */
const char *signals_name(int number);

/* Waits until one of the signals came since the last time, or signals_wake() was called; `ms` at the longest, -1: forever. */
void signals_wait(int ms);
void signals_wake(void);

/* Whether SIGUSR1 came since the last time it was asked. */
bool signals_asked_for_progress(void);

#endif
