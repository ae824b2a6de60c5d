# SPDX-License-Identifier: MIT
"""On xfs the dry run foretells the real one, statfs shows what is told to the byte, all links are made under leases."""
import image


def test(t):
    image.make(t, "xfs", 300, "disk", ["-m", "reflink=1"])
    image.mixed(t, "disk")
    image.attributes(t, "disk", large=True)
    image.promises(t, "disk")
