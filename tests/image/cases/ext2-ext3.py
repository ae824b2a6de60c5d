# SPDX-License-Identifier: MIT
"""On ext2 and ext3 all is as on ext4, blocks of 1 KiB and indirect ones included."""
import image


def test(t):
    for kind in ("ext2", "ext3"):
        image.make(t, kind, 96, kind, ["-b", "1024"])
        image.mixed(t, kind)
        image.attributes(t, kind)
        image.promises(t, kind)
