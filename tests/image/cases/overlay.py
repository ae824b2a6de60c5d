# SPDX-License-Identifier: MIT
"""On an overlay over ext4 links are made without leases, and told as such; statfs shows what is told."""
import os

import image


def test(t):
    image.make(t, "ext4", 128, "below")
    for name in ("lower", "upper", "work"):
        os.mkdir(t.path("below", name))
    os.mkdir(t.path("disk"))
    t.sh("mount", "-t", "overlay", "-o", "lowerdir=%s,upperdir=%s,workdir=%s" % tuple(
        t.path("below", name) for name in ("lower", "upper", "work")), "overlay", t.path("disk"))
    image.mixed(t, "disk")
    image.promises(t, "disk", weaker=True)
