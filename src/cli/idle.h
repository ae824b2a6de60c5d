/* SPDX-License-Identifier: MIT */
/* idle.h - the last in the queue for disk and processor */
#ifndef CLI_IDLE_H
#define CLI_IDLE_H

#include "../base/base.h"

/* For this thread and all it starts from now on: I/O class idle, nice 19. 0 or the first error, negative. */
MUST_CHECK int idle_begin(void);

#endif
