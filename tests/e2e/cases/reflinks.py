# SPDX-License-Identifier: MIT
"""Extents that files already share by reflink are not counted as saved: the figure is what statfs shows."""
import os
import shutil

from harness import Skipped, settle, wait_until


def free_bytes(path):
    settle(path)
    found = os.statvfs(path)
    return found.f_bfree * found.f_frsize


def wait_until_freed(path, before, want):
    """Until statfs shows as much more than before; XFS gives space back in the background, soon after the unlink."""
    wait_until(lambda: abs(free_bytes(path) - before - want) < want // 8,
               lambda: "statfs moved by %d instead of %d" % (free_bytes(path) - before, want))


def one(t, kind, options):
    place = t.image(kind, 512, kind, options)
    size = 4 << 20
    t.write(kind + "/a", t.random(size))
    t.sh("cp", "--reflink=always", t.path(kind, "a"), t.path(kind, "shares-all-with-a"))
    settle(place)
    before = free_bytes(place)
    done = t.json(kind)
    t.one_inode(kind + "/a", kind + "/shares-all-with-a")
    t.figures(done, links_made=1, inodes_freed=1, bytes_saved=0, errors=0)
    # The inode itself may come back; no data does.
    moved = free_bytes(place) - before
    t.check(abs(moved) < size // 8, "%s: statfs moved by %d" % (kind, moved))
    t.write(kind + "/plain", t.random(size))
    before = free_bytes(place)
    done = t.json(kind)
    t.figures(done, links_made=1, inodes_freed=1, bytes_saved=size, errors=0)
    wait_until_freed(place, before, size)


def test(t):
    t.need_mounts()
    tried = 0
    for kind, options in (("btrfs", ()), ("xfs", ("-m", "reflink=1"))):
        if shutil.which("mkfs." + kind):
            tried += 1
            one(t, kind, options)
    if not tried:
        raise Skipped("neither mkfs.btrfs nor mkfs.xfs is installed")
