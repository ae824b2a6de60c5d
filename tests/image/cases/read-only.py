# SPDX-License-Identifier: MIT
"""Read-only from the beginning, or from the middle of the run on: nothing is lost, it is said once, the rest is done later."""
import os

import image
import power


def test(t):
    place = image.make(t, "ext4", 64, "disk", ["-b", "4096"])
    image.mixed(t, "disk")
    before = t.look("disk")
    t.sh("mount", "-o", "remount,ro", place)
    dry = t.json("-n", "disk/tree")
    done = t.json("disk/tree")
    image.same_figures(t, dry, done)
    t.figures(done, links_made=0, sets=0, errors=0)
    t.check(done.summary["skipped_refused"] > 100, "not counted: " + done.about())
    told = t.run("disk/tree")
    t.equal(sum("read-only" in line for line in told.out.splitlines()), 1, "lines that say so: " + told.about())
    t.untouched(before)
    t.sh("mount", "-o", "remount,rw", place)
    t.bind("disk", "second")
    t.sh("mount", "-o", "remount,ro,bind", t.path("second"))
    t.figures(t.json("second/tree"), links_made=0, errors=0)
    t.untouched(before)

    # Remounted at a call in the middle. What is exchanged already and in its grace cannot be finished: recovery's work.
    total = 0
    for call in ("linkat", "renameat2", "unlinkat"):
        stops = []

        def freeze(name):
            stops.append(name)
            if stops.count(call) == 7 and name == call:
                t.sh("mount", "-o", "remount,ro", place)

        status, output = power.stopping(t, freeze, "disk/tree")
        t.equal(status, 1, "exit status: " + output)
        t.check("read-only" in output.lower(), "not told: " + output)
        t.same_contents(before, image.without_temps(t.look("disk")))
        t.sh("mount", "-o", "remount,rw", place)
        left = len(image.temps(t, "disk"))
        total += left
        t.figures(t.json("--recover", "disk/tree"), recovered=left, errors=0)
        t.same_contents(before)
    t.check(total > 0, "no temporary name was caught in its grace")
    done = t.json("disk/tree")
    t.figures(done, errors=0)
    t.same_contents(before)
    t.figures(t.json("disk/tree"), links_made=0)
    t.equal(os.stat(t.path("disk/tree/d0/f0")).st_ino, os.stat(t.path("disk/tree/d3/f24")).st_ino, "linked in the end")
