/* SPDX-License-Identifier: MIT */
/* project.c - FS_IOC_FSGETXATTR */
#include "project.h"

#include <linux/fs.h>

uint32_t project_of(int fd)
{
	struct fsxattr attributes = { 0 };
	return sys->ioctl(fd, FS_IOC_FSGETXATTR, &attributes) ? 0 : attributes.fsx_projid;
}
