# SPDX-License-Identifier: MIT
"""With `ulimit -n 64` a wide and deep tree is walked and linked, with as many threads as asked for; so are as many PATHs, and more."""
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
    many_paths(t)


def many_paths(t):
    """Where these would take most descriptors they are locked as one: their whole mount, which here is none that other cases use."""
    t.tmpfs("roots")
    for number in range(120):
        t.write("roots/d%d/f" % number, "same%d" % (number % 7))
    linked = 0
    for count in (30, 60, 120):
        paths = ["roots/d%d" % number for number in range(count)]
        want = dict(errors=0, dirs_seen=count, files_seen=count, links_made=count - 7 - linked)
        t.figures(t.json("-n", *paths, files=64), **want)
        t.figures(t.json(*paths, files=64), **want)
        linked = count - 7
