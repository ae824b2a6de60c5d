# SPDX-License-Identifier: MIT
"""A quota that is used up: links are made still, or it is said that the quota is exceeded; nothing is lost."""
import errno
import os

import image


def test(t):
    # User and project quotas of ext4 and xfs need support that this kernel may lack; subvolume quotas of btrfs need none.
    place = image.make(t, "btrfs", 300, "disk")
    t.sh("btrfs", "quota", "enable", place)
    t.sh("btrfs", "subvolume", "create", t.path("disk/tree"))
    for number in range(60):
        t.write("disk/tree/f%d" % number, t.random(20000, number % 10))
    image.syncfs(place)
    t.sh("btrfs", "qgroup", "limit", "1500k", t.path("disk/tree"))
    refused = 0
    try:
        with open(t.path("disk/tree/more"), "wb", buffering=0) as file:
            for _ in range(1000):
                file.write(os.urandom(4096))
                os.fsync(file.fileno())
    except OSError as error:
        refused = error.errno
    t.equal(refused, errno.EDQUOT, "errno of writing on")
    before = t.look("disk")
    done = t.json("disk/tree", exit=None)
    t.same_contents(before)
    image.no_temps(t, "disk")
    print("%d links made, %d errors" % (done.summary["links_made"], done.summary["errors"]))
    t.equal(done.status, 1 if done.summary["errors"] else 0, "exit status")
    t.equal({issue["errno"] for issue in done.issues if issue["kind"] == "error"} - {errno.EDQUOT}, set(), "errors")
    t.equal(done.summary["links_made"] + done.summary["errors"], 50, "names that were linked or told")
    if done.summary["errors"]:
        told = t.run("disk/tree", exit=1)
        t.check("quota" in (told.out + told.err).lower(), "not told: " + told.about())
    t.sh("btrfs", "qgroup", "limit", "none", t.path("disk/tree"))
    t.json("disk/tree")
    t.same_contents(before)
    t.figures(t.json("disk/tree"), links_made=0, errors=0)
