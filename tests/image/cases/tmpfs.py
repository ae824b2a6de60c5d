# SPDX-License-Identifier: MIT
"""On tmpfs the dry run foretells the real one, statfs shows what is told to the byte, all links are made under leases."""
import image


def test(t):
    t.tmpfs("disk", "size=128m")
    image.mixed(t, "disk")
    image.promises(t, "disk")
