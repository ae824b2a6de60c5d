# SPDX-License-Identifier: MIT
"""Bind mounts, inside the tree and given as PATHs, read-only ones too: links within a mount, no name lost, no error."""
import image


def plant(t, where):
    for number in range(6):
        t.write("disk/%s/f%d" % (where, number), t.random(5000, number % 2))


def test(t):
    image.make(t, "ext4", 64, "disk", ["-b", "4096"])
    for where in ("tree/real", "tree/more", "aside", "still"):
        plant(t, where)
    t.bind("disk/aside", "disk/tree/bound")
    t.bind("disk/still", "disk/tree/frozen")
    t.sh("mount", "-o", "remount,ro,bind", t.path("disk/tree/frozen"))
    t.bind("disk/tree/real", "elsewhere")
    before = t.look("disk")
    dry = t.json("-n", "disk/tree")
    t.untouched(before)
    done = t.json("disk/tree")
    t.same_contents(before)
    image.same_figures(t, dry, done)
    # real and more are one mount, 12 files of 2 contents; bound another; in frozen 6 names stay.
    t.figures(done, links_made=10 + 4, inodes_freed=14, skipped_refused=6, errors=0)
    t.one_inode(*("disk/tree/%s/f%d" % (where, number) for where in ("real", "more") for number in (0, 2, 4)))
    t.one_inode(*("disk/tree/bound/f%d" % number for number in (1, 3, 5)))
    t.all_apart(*("disk/tree/frozen/f%d" % number for number in range(6)))
    image.no_temps(t, "disk")

    # As PATHs: the same directory by two mounts, of which the second was linked by the first.
    again = t.json("disk/tree", "elsewhere")
    t.figures(again, links_made=0, errors=0)
    plant(t, "aside/new")
    before = t.look("disk")
    done = t.json("disk/tree/bound")
    t.same_contents(before)
    t.figures(done, links_made=6, errors=0)
    # Read-only by this mount alone: by the other the same directory may be written.
    told = t.run("disk/tree/frozen")
    t.check("read-only" in told.out.lower(), "not told: " + told.about())
    t.figures(t.json("disk/still"), links_made=4, errors=0)
    t.same_contents(before)
