# SPDX-License-Identifier: MIT
"""On ext4 with inline_data, where small files lie in their inodes, those free an inode and no byte, and all else is as without."""
import os

import image


def test(t):
    image.make(t, "ext4", 128, "disk", ["-b", "4096", "-O", "inline_data", "-I", "256"])
    image.mixed(t, "disk")
    t.check(0 < os.stat(t.path("disk/tree/d0/f0")).st_blocks < 8, "set-up: not in its inode")
    image.promises(t, "disk")
