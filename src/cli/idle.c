/* SPDX-License-Identifier: MIT */
/* idle.c - ioprio_set(2), which has no wrapper and no header, and setpriority(2) */
#include "idle.h"

#include <errno.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { WHO_PROCESS = 1, CLASS_IDLE = 3, CLASS_SHIFT = 13, NICEST = 19 };

int idle_begin(void)
{
	int r = syscall(SYS_ioprio_set, WHO_PROCESS, 0, CLASS_IDLE << CLASS_SHIFT) ? -errno : 0;

	if (setpriority(PRIO_PROCESS, 0, NICEST) && !r)
		r = -errno;
	return r;
}
