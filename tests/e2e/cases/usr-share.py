# SPDX-License-Identifier: MIT
"""A copy of real files next to a copy of itself: every duplicate is linked, diff -r finds nothing, df agrees."""
import os
import shutil
import stat

from harness import SLOW, settle


def gather(top, limit):
    """Real files of this machine, up to `limit` bytes, with their folders."""
    size = 0
    for where, names, files in os.walk("/usr/share"):
        names.sort()
        for name in sorted(files):
            path = os.path.join(where, name)
            status = os.lstat(path)
            if os.path.islink(path) or not os.path.isfile(path) or status.st_size > 4 << 20:
                continue
            size += status.st_size + 4096
            if size > limit:
                return
            to = os.path.join(top, os.path.relpath(path, "/usr/share"))
            os.makedirs(os.path.dirname(to), exist_ok=True)
            shutil.copy2(path, to)


def free_bytes(path):
    settle(path)
    found = os.statvfs(path)
    return found.f_bfree * found.f_frsize


def directory_bytes(look):
    """What the directories themselves occupy: one that is full grows for a temporary name, and ext4 never shrinks it."""
    return sum(status.st_blocks * 512 for status, _, _ in look.entries.values() if stat.S_ISDIR(status.st_mode))


def test(t):
    place = t.image("ext4", 1500)
    gather(t.path("image/one"), (10 if SLOW else 50) << 20)
    t.sh("cp", "-a", t.path("image/one"), t.path("image/two"))
    t.sh("cp", "-a", t.path("image/one"), t.path("untouched"))
    before = free_bytes(place)
    look = t.look("image")
    done = t.json("image/one", "image/two")
    t.figures(done, errors=0)
    grown = directory_bytes(t.same_contents(look)) - directory_bytes(look)
    t.equal(free_bytes(place) - before + grown, done.summary["bytes_saved"], "df")
    alone = [sorted(names) for names in t.look("image").shared() if len(names) == 1
             and look.entries[next(iter(names))][0].st_size > 0]
    t.equal(alone, [], "files without a partner")
    found = t.sh("diff", "-r", "--no-dereference", t.path("image/two"), t.path("untouched"), check=False)
    t.equal(found, b"", "diff -r")
    t.figures(t.json("image/one", "image/two"), links_made=0, sets=0)
