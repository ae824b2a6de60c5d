# SPDX-License-Identifier: MIT
"""What the cases of image/ share: file systems of their own, a mixed tree, and what every file system must show."""
import ctypes
import os
import random
import stat
import time

from harness import Skipped, differences

# Figures in which the dry run and the real run must agree to the byte.
FIGURES = ("files_seen", "inodes_seen", "bytes_seen", "sets", "links_made", "inodes_freed", "bytes_saved",
           "bytes_held_elsewhere", "skipped_in_use", "skipped_changed", "skipped_refused", "errors", "domains", "apart")

LIBC = ctypes.CDLL(None, use_errno=True)


def syncfs(path):
    """The sync of one file system: other cases' file systems are not to be written out by us."""
    fd = os.open(path, os.O_RDONLY)
    try:
        if LIBC.syncfs(fd):
            raise OSError(ctypes.get_errno(), "syncfs")
    finally:
        os.close(fd)


def punch_hole(fd, size):
    keep_size, punch = 1, 2
    if LIBC.fallocate(fd, keep_size | punch, ctypes.c_long(0), ctypes.c_long(size)):
        raise OSError(ctypes.get_errno(), "fallocate")


def free_bytes(path):
    """What statfs says once the file system has come to rest: inodes are freed in the background on some."""
    last = -1
    for _ in range(50):
        syncfs(path)
        found = os.statvfs(path)
        if found.f_bfree * found.f_frsize == last:
            return last
        last = found.f_bfree * found.f_frsize
        time.sleep(0.1)
    return last


def bytes_of_directories(path):
    """They may grow for temporary names, and do not shrink again: the one thing that bytes_saved leaves out."""
    return sum(os.lstat(top).st_blocks * 512 for top, _, _ in os.walk(path))


def make(t, kind, megabytes, where, options=(), mount="", driver=None, home=None):
    """A fresh file system on a loop device at t.top/WHERE. The device goes with the mount, that with the namespace."""
    t.need_mounts()
    t.need_tool("mkfs." + kind, "losetup")
    backing = os.path.join(home or t.scratch, where.replace("/", "-") + ".img")
    with open(backing, "wb") as out:
        out.truncate(megabytes << 20)
    t.sh("mkfs." + kind, "-q", *options, backing)
    os.makedirs(t.path(where), exist_ok=True)
    t.sh("mount", "-t", driver or kind, "-o", ",".join(filter(None, ["loop", mount])), backing, t.path(where))
    return t.path(where)


# ---- a mixed tree


def mixed(t, where, seed=1, floor=1):
    """
    Plants below t.top/WHERE: `tree`, which the program is given, and `out`, which holds links to some of it. Equal and
    unequal files of all sizes (none smaller than `floor`), linked ones, sparse ones, others of other owner, mode,
    attributes; names of all kinds; what is no regular file. Directories have room for temporary names.
    """
    dice = random.Random(seed)
    sizes = [max(floor, size) for size in (1, 700, 4096, 5000, 40000, 131072, 131073, 300000)]
    for number in range(160):
        size = sizes[number % len(sizes)]
        t.write("%s/tree/d%d/f%d" % (where, number % 7, number), t.random(size, seed + number % (3 * len(sizes))),
                mtime=10**18 + dice.randrange(10**9) * 10**9 + dice.randrange(10**9))
    for number in range(3):
        with open(t.path(where, "tree", "d%d" % number, "sparse"), "wb") as file:
            file.seek(1 << 20)
            file.write(t.random(floor, seed))
            file.truncate(3 << 20)
    for number in range(4):
        t.write("%s/tree/d%d/large" % (where, number), t.random(2 << 20, seed + number // 2))
    t.write(where + "/tree/d6/large-with-another-end", t.random((2 << 20) - 1, seed) + b"!")
    for number in range(4):
        kept = t.random(floor + 5000, seed + 500)
        t.write("%s/tree/owned/f%d" % (where, number), kept, owner=(1000 + number // 2, 1000))
        t.write("%s/tree/moded/f%d" % (where, number), kept, mode=0o600 + number // 2 * 0o44)
        t.write("%s/tree/empty/f%d" % (where, number), b"")
    for number, name in enumerate(("with space", "with\nnewline", "-n", "'quoted\"", "\udcff\udcfe", "ü" * 100)):
        t.write("%s/tree/names/%s" % (where, name), t.random(floor + 600, seed + 600 + number % 2))
    t.link(where + "/tree/d0/f0", where + "/tree/d1/linked")
    t.link(where + "/tree/d0/f7", where + "/tree/d2/linked")
    t.link(where + "/tree/d3/f31", where + "/out/held")
    t.link(where + "/tree/d4/f32", where + "/out/held-too")
    os.symlink("../d0/f0", t.path(where, "tree", "d1", "symlink"))
    os.mkfifo(t.path(where, "tree", "d1", "fifo"))


def attributes(t, where, floor=1, large=False):
    """
    Files that differ in an extended attribute only, small enough to lie in the inode; and some whose attributes need a
    block, which ext4 shares among equals.
    """
    for number in range(20 if large else 0):
        t.write("%s/tree/attributes/l%d" % (where, number), t.random(floor + 4500, 901 + number // 10),
                xattrs={"user.large": b"much" * 300})
    for number in range(4):
        t.write("%s/tree/attributes/f%d" % (where, number), t.random(floor + 900, 900),
                xattrs={"user.word": b"one" if number < 2 else b"two"})


def same_figures(t, dry, done, but=()):
    for name in FIGURES:
        if name not in but:
            t.equal(done.summary[name], dry.summary[name], "real and dry run: " + name)


def metadata(look):
    """Of each name, what a hard link may not change by default; the times of files go with the file that stays."""
    found = {}
    for path, (status, content, xattrs) in look.entries.items():
        times = None if stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode) else status.st_mtime_ns
        size = None if stat.S_ISDIR(status.st_mode) else status.st_size
        found[path] = (status.st_mode, status.st_uid, status.st_gid, size, content, xattrs, times)
    return found


def like_the_copy(t, copy, place):
    """Names, types, contents and metadata are those of an untouched copy; every file's mtime is one of its set."""
    before, after = metadata(copy), metadata(place)
    if before != after:
        t.check(False, "not as the untouched copy:\n" + differences(before, after))
    times = {}
    for path, (status, content, _) in copy.entries.items():
        if stat.S_ISREG(status.st_mode):
            times.setdefault(content, set()).add(status.st_mtime_ns)
    for path, (status, content, _) in place.entries.items():
        if stat.S_ISREG(status.st_mode):
            t.check(status.st_mtime_ns in times[content], "%r has a time that no equal file had" % path)


def promises(t, where, tolerance=0, weaker=False, saved=None):
    """
    What holds on every file system, for a tree made by mixed(): the dry run touches nothing and foretells the real one;
    statfs shows bytes_saved (within `tolerance` bytes, and but for what directories grew); all is as an untouched copy of the tree; nothing is left to do.
    Returns the real run.
    """
    place = t.path(where)
    t.sh("cp", "-a", t.path(where, "tree"), t.path("untouched-" + where))
    copy = t.look("untouched-" + where)
    before, grown = free_bytes(place), -bytes_of_directories(place)
    seen = t.look(where)
    dry = t.json("-n", where + "/tree")
    t.untouched(seen)
    done = t.json(where + "/tree")
    grown += bytes_of_directories(place)
    freed = free_bytes(place) - before + grown
    t.figures(done, errors=0, skipped_in_use=0, skipped_changed=0)
    t.check(done.summary["links_made"] > 100, "too few links to tell: " + done.about())
    same_figures(t, dry, done)
    t.equal(done.summary["weaker"], done.summary["links_made"] if weaker else 0, "links made without leases")
    off = abs(freed - done.summary["bytes_saved"])
    t.check(grown <= 64 << 10, "directories grew by %d bytes" % grown)
    t.check(off <= tolerance, "statfs shows %d bytes more free, told were %d" % (freed, done.summary["bytes_saved"]))
    t.check(tolerance * 10 < done.summary["bytes_saved"], "too little saved to tell")
    after = t.look(where + "/tree")
    like_the_copy(t, copy, after)
    t.same_contents(seen)
    t.one_inode(where + "/tree/d0/f0", where + "/tree/d1/linked", where + "/tree/d3/f24", where + "/tree/d6/f48")
    t.one_inode(where + "/tree/d0/sparse", where + "/tree/d1/sparse", where + "/tree/d2/sparse")
    t.all_apart(where + "/tree/owned/f0", where + "/tree/owned/f2", where + "/tree/moded/f0", where + "/tree/moded/f2")
    no_temps(t, where)
    again = t.json(where + "/tree")
    t.figures(again, sets=0, links_made=0, inodes_freed=0, bytes_saved=0, errors=0)
    t.untouched(after)
    return done


def temps(t, where):
    """Names of ours below t.top/WHERE: temporary links, files kept aside, copies rescued."""
    return [os.path.join(top, name) for top, _, names in os.walk(t.path(where)) for name in names
            if name.startswith(".dedupe-link.") or ".dedupe-link-" in name]


def without_temps(look):
    """A look without names of ours."""
    look.entries = {path: entry for path, entry in look.entries.items() if ".dedupe-link" not in path}
    return look


def no_temps(t, where):
    t.equal(temps(t, where), [], "names of ours that are left")


def refused(t, *command):
    """Whether a command fails, which others need not."""
    try:
        t.sh(*command)
    except Skipped:
        return True
    return False
