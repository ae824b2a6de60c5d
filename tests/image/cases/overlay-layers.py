# SPDX-License-Identifier: MIT
"""Files of an overlay's lower layers: linked when all layers lie on one file system, else left, and never half done."""
import os

import image


def copied_up(t):
    """XFS gives a file that is copied up room to grow: what went are the blocks that were promised."""
    place = image.make(t, "xfs", 300, "three-disk")
    for name in ("upper", "work"):
        os.mkdir(t.path("three-disk", name))
    for number in range(6):
        t.write("three-disk/lower/tree/f%d" % number, t.random(100000, number // 3))
    image.syncfs(place)
    os.mkdir(t.path("three"))
    t.sh("mount", "-t", "overlay", "-o", "lowerdir=%s/lower,upperdir=%s/upper,workdir=%s/work" % (place, place, place),
         "overlay", t.path("three"))
    dry = t.json("-n", "three/tree")
    done = t.json("three/tree")
    image.same_figures(t, dry, done)
    t.figures(done, links_made=4, errors=0)


def stack(t, where, lower):
    """An overlay with files of `lower` (made here) and of its upper layer, on an ext4; returns the latter's path."""
    place = image.make(t, "ext4", 64, where + "-disk", ["-b", "4096"])
    for name in ("upper", "work"):
        os.mkdir(t.path(where + "-disk", name))
    for number in range(6):
        t.write("%s/tree/low%d" % (lower, number), t.random(5000, number // 2))
    t.write(lower + "/tree/both", t.random(7000, 77))
    os.mkdir(t.path(where))
    t.sh("mount", "-t", "overlay", "-o", "lowerdir=%s,upperdir=%s,workdir=%s" % (
        t.path(lower), t.path(where + "-disk/upper"), t.path(where + "-disk/work")), "overlay", t.path(where))
    for number in range(6):
        t.write("%s/tree/up%d" % (where, number), t.random(5000, 10 + number // 2))
    t.write(where + "/tree/both-too", t.random(7000, 77))
    return place


def test(t):
    place = stack(t, "one", "one-disk/lower")
    before, seen = image.free_bytes(place), t.look("one")
    dry = t.json("-n", "one/tree")
    t.untouched(seen)
    done = t.json("one/tree")
    t.same_contents(seen)
    image.same_figures(t, dry, done)
    t.figures(done, links_made=7, weaker=7, errors=0, skipped_changed=0)
    t.one_inode("one/tree/low0", "one/tree/low1")
    t.one_inode("one/tree/both", "one/tree/both-too")
    # What lies below is only hidden, and a keeper from there is copied up: the kernel tells nobody which files those are,
    # so what is told is what du counts. Of the seven, three lay in the upper layer, and four keepers came up.
    freed = image.free_bytes(place) - before
    t.check(abs(freed) < done.summary["bytes_saved"], "statfs shows %d" % freed)
    t.figures(t.json("one/tree"), links_made=0, errors=0)

    t.tmpfs("below")
    stack(t, "two", "below")
    t.check(os.stat(t.path("two/tree/low0")).st_dev != os.stat(t.path("two/tree")).st_dev, "one device for all layers")
    seen = t.look("two")
    dry = t.json("-n", "two/tree")
    done = t.json("two/tree")
    t.same_contents(seen)
    image.same_figures(t, dry, done)
    t.figures(done, links_made=0, skipped_refused=14, errors=0)
    image.no_temps(t, "two")
    t.equal(sum("hard link" in line for line in t.run("two/tree").out.splitlines()), 1, "lines that say why")
    copied_up(t)
