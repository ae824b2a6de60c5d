# SPDX-License-Identifier: MIT
"""With `ulimit -n 64` a wide and deep tree is walked and linked, with as many threads as asked for; a dry run takes more PATHs."""
import os

from harness import SLOW


def test(t):
    count = 0
    for width in range(20 if SLOW else 60):
        t.write("w%d/x/y/f" % width, t.random(3000, width % 3))
        for depth in range(1, 30):
            count += 1
            t.write("deep" + "/d" * depth + "/s%d/f" % width, t.random(2000, 100 + depth))
    before = t.look()
    for threads in ("1", "2", "16"):
        dry = t.json("-n", "-j", threads, ".", files=64)
        t.figures(dry, errors=0)
    done = t.json("-j", "16", ".", files=64)
    t.figures(done, errors=0, links_made=dry.summary["links_made"], bytes_saved=dry.summary["bytes_saved"])
    t.same_contents(before)
    inodes = {os.lstat(t.path("deep/d/d/s%d/f" % width)).st_ino for width in range(20)}
    t.equal(len(inodes), 1, "inodes of equal files in the depth")
    for number in range(120):
        t.write("roots/d%d/f" % number, "same%d" % (number % 7))
    # So many are locked as one, their whole mount, which other cases use at the same time: not linked here.
    dry = t.json("-n", *["roots/d%d" % number for number in range(120)], files=64)
    t.figures(dry, errors=0, dirs_seen=120, files_seen=120, sets=7, links_made=113)
