# SPDX-License-Identifier: MIT
"""A cache copied from another machine: what it says of other disks is not believed, and of a copied disk it is compared."""
import os
import shutil

import image

TIME = 10**18


def plant(t, where, seeds):
    """The same names, sizes, times and, on a fresh file system, inode numbers; contents as the seeds say."""
    for number, seed in enumerate(seeds):
        t.write("%s/f%d" % (where, number), t.random(50000 + number % 2, seed), mtime=TIME)


def other_disk(t, cache):
    """Twins by all that a cache sees but the file system's UUID and times of birth. Once two were equal that are not here."""
    image.make(t, "ext4", 64, "other")
    plant(t, "other", (1, 2, 3, 4, 5, 4))
    for number in range(6):
        t.equal(os.stat(t.path("other/f%d" % number)).st_ino, os.stat(t.path("one/f%d" % number)).st_ino, "inode")
    without = t.json("-n", "other")
    with_it = t.json("-n", "--cache=" + cache, "other")
    t.equal([issue["reason"] for issue in with_it.issues], ["cache_elsewhere"], "it is told")
    t.figures(with_it, links_made=without.summary["links_made"], bytes_read=without.summary["bytes_read"], errors=0)
    t.equal(with_it.sets, without.sets, "plan")
    look = t.look("other")
    again = t.json("--cache=" + cache, "other")
    t.equal(again.issues, [], "by now it knows this one")
    t.figures(again, links_made=1, skipped_changed=0, errors=0)
    t.same_contents(look)
    t.one_inode("other/f3", "other/f5")


def copied_disk(t, cache):
    """The disk was copied with the cache: same UUID, same inodes. One file was written since, its times set back."""
    image.syncfs(t.path("one"))
    backing = os.path.join(t.scratch, "copied.img")
    shutil.copyfile(os.path.join(t.scratch, "one.img"), backing)
    os.makedirs(t.path("copied"))
    t.sh("mount", "-t", "ext4", "-o", "loop", backing, t.path("copied"))
    t.figures(t.json("-n", "--cache=" + cache, "copied"), bytes_read=0, links_made=2)
    with open(t.path("copied/f2"), "r+b") as file:
        file.write(b"another")
    os.utime(t.path("copied/f2"), ns=(TIME, TIME))
    look = t.look("copied")
    t.figures(t.json("--cache=" + cache, "copied"), links_made=1, skipped_changed=1, errors=0)
    t.same_contents(look)
    t.all_apart("copied/f0", "copied/f2")
    run = t.json("--cache=" + cache, "copied")
    t.figures(run, links_made=0, skipped_changed=0)
    t.check(run.summary["bytes_read"] > 0, "what was not true is read again")


def test(t):
    image.make(t, "ext4", 64, "one")
    plant(t, "one", (1, 2, 1, 2, 5, 6))
    made = os.path.join(t.scratch, "made.sqlite")
    t.figures(t.json("-n", "--cache=" + made, "one"), links_made=2)
    t.figures(t.json("-n", "--cache=" + made, "one"), links_made=2, bytes_read=0)
    for trial in (other_disk, copied_disk):
        copy = os.path.join(t.scratch, trial.__name__ + ".sqlite")
        shutil.copyfile(made, copy)
        trial(t, copy)
