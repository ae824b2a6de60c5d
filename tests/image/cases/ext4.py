# SPDX-License-Identifier: MIT
"""On ext4 the dry run foretells the real one, statfs shows what is told to the byte, all links are made under leases."""
import image


def test(t):
    image.make(t, "ext4", 128, "disk", ["-b", "4096"])
    image.mixed(t, "disk")
    image.attributes(t, "disk", large=True)
    image.promises(t, "disk")
