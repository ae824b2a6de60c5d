# SPDX-License-Identifier: MIT
"""Compressed files on btrfs: contents stay, dry and real run agree; what is told is what du counts, statfs shows less."""
import os

import image


def test(t):
    place = image.make(t, "btrfs", 300, "disk", mount="compress-force=zstd")
    for number in range(12):
        t.write("disk/tree/f%d" % number, (b"%d " % (number % 3)) * 300000)
    before = image.free_bytes(place)
    seen = t.look("disk")
    allocated = os.lstat(t.path("disk/tree/f0")).st_blocks * 512
    dry = t.json("-n", "disk/tree")
    t.untouched(seen)
    done = t.json("disk/tree")
    t.same_contents(seen)
    image.same_figures(t, dry, done)
    # st_blocks counts the bytes before compression there, and nothing without privileges tells those after it.
    t.figures(done, sets=3, links_made=9, inodes_freed=9, bytes_saved=9 * allocated, errors=0, weaker=0)
    freed = image.free_bytes(place) - before
    t.check(0 < freed < allocated, "is it compressed? freed %d" % freed)
    t.figures(t.json("disk/tree"), links_made=0)
