# SPDX-License-Identifier: MIT
"""On btrfs the dry run foretells the real one, and statfs shows what is told up to the metadata."""
import image

# Small files lie inline in the metadata there, so all of these are larger. The trees of the metadata shrink when inodes
# go, and keep what they had on disk until the next commit: that much statfs may differ.
TOLERANCE = 512 << 10


def test(t):
    image.make(t, "btrfs", 300, "disk")
    image.mixed(t, "disk", floor=4096)
    image.attributes(t, "disk", floor=4096)
    image.promises(t, "disk", tolerance=TOLERANCE)
