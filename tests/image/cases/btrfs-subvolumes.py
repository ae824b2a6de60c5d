# SPDX-License-Identifier: MIT
"""Subvolumes and snapshots: linked within each, never tried between them; a read-only snapshot stays as it is."""
import os

import image


def test(t):
    place = image.make(t, "btrfs", 300, "disk")
    t.sh("btrfs", "subvolume", "create", t.path("disk/tree"))
    t.sh("btrfs", "subvolume", "create", t.path("disk/inner"))
    for where in ("tree", "inner"):
        for number in range(4):
            t.write("disk/%s/f%d" % (where, number), t.random(20000, number % 2))
    t.sh("btrfs", "subvolume", "snapshot", t.path("disk/tree"), t.path("disk/snapshot"))
    for where in ("inner", "snapshot"):
        os.rename(t.path("disk", where), t.path("disk/tree", where))
    t.sh("btrfs", "subvolume", "snapshot", "-r", t.path("disk/tree/inner"), t.path("disk/tree/frozen"))
    image.syncfs(place)
    before = t.look("disk/tree")
    devices = {os.stat(t.path("disk/tree", name)).st_dev for name in (".", "inner", "snapshot", "frozen")}
    t.equal(len(devices), 4, "devices, one a subvolume")
    dry = t.json("-n", "disk/tree")
    t.untouched(before)
    done = t.json("disk/tree", exit=None)
    t.same_contents(before)
    image.same_figures(t, dry, done)
    t.equal(done.status, dry.status, "exit status of dry and real run")
    # f2 becomes f0 and f3 becomes f1 in three of the four; their extents are the snapshots' too.
    t.figures(done, domains=4, links_made=6, inodes_freed=6, bytes_saved=0, errors=0, skipped_refused=4, weaker=0)
    for where in ("", "inner/", "snapshot/"):
        t.one_inode("disk/tree/%sf0" % where, "disk/tree/%sf2" % where)
        t.one_inode("disk/tree/%sf1" % where, "disk/tree/%sf3" % where)
    t.all_apart(*("disk/tree/%sf0" % where for where in ("", "inner/", "snapshot/", "frozen/")), "disk/tree/frozen/f2")
    told = t.run("disk/tree", exit=None)
    t.check("read-only" in (told.out + told.err).lower(), "not told: " + told.about())
    again = t.json("disk/tree", exit=None)
    t.figures(again, links_made=0, sets=0)
    image.no_temps(t, "disk")
