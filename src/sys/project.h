/* SPDX-License-Identifier: MIT */
/* project.h - the number by which quotas count a file with others (project quotas of ext4, XFS and f2fs) */
#ifndef SYS_PROJECT_H
#define SYS_PROJECT_H

#include "sys.h"

/*
 * That of an open file. A directory that hands its number down takes links of files with the same number only, else link(2) says -EXDEV.
 * 0: none, or it cannot be asked.
 */
uint32_t project_of(int fd);

#endif
