# SPDX-License-Identifier: MIT
"""--method reflink: equal files share blocks, stay what they are, statfs shows what is told; elsewhere nothing is done."""
import os

import image
from harness import settle

MIB = 1 << 20
# What trees of extents and directories weigh.
TOLERANCE = 384 << 10


def facts(look):
    """All but ctime and the device's own bookkeeping: nothing of a file may change."""
    return {path: (status.st_ino, status.st_nlink, status.st_mode, status.st_uid, status.st_gid, status.st_size,
                   status.st_mtime_ns, content, xattrs) for path, (status, content, xattrs) in look.entries.items()}


def plant(t, where):
    """Returns the bytes that sharing frees."""
    big = t.random(20 * MIB + 12345)  # more than one call shares, and no whole number of blocks
    for number, name in enumerate(("a", "b", "c")):
        t.write("%s/big/%s" % (where, name), big, mtime=10**18 + number, mode=0o600 + number)
    os.chown(t.path(where, "big/c"), 1234, 1234)
    os.setxattr(t.path(where, "big/b"), "user.word", b"kept apart")
    t.link(where + "/big/c", where + "/big/linked")
    t.write(where + "/big/other-middle", big[:MIB] + b"?" + big[MIB + 1:])
    t.sh("cp", "--reflink=always", t.path(where, "big/a"), t.path(where, "big/shares-already"))
    for name in "ab":
        t.write("%s/one-block/%s" % (where, name), t.random(4096, 7))
        t.write("%s/tiny/%s" % (where, name), b"tiny")
        with open(t.path(where, "sparse-" + name), "wb") as file:
            file.seek(64 * MIB)
            file.write(t.random(MIB, 8))
            file.seek(160 * MIB)
            file.truncate()
    rounded = (len(big) + 4095) // 4096 * 4096
    return 2 * rounded + 4096 + MIB


def works(t, kind):
    place = image.make(t, kind, 600, kind)
    saved = plant(t, kind)
    settle(place)
    free = image.free_bytes(place)
    before = facts(t.look(kind))
    dry = t.json("-n", "--method", "reflink", kind)
    plan = os.path.join(t.scratch, kind + ".plan")
    t.run("-q", "--method", "reflink", "--plan", plan, kind)
    t.equal(facts(t.look(kind)), before, "a dry run changes nothing")
    t.equal(image.free_bytes(place), free, "a dry run frees nothing")
    # xfs keeps tiny files in blocks of their own, btrfs among its metadata.
    saved += 4096 if kind == "xfs" else 0
    t.figures(dry, errors=0, bytes_saved=saved, inodes_freed=0, sets=4 if kind == "xfs" else 3)
    done = t.json("--method", "reflink", kind)
    t.equal(facts(t.look(kind)), before, "files stay what they are")
    for name in ("sets", "links_made", "bytes_saved", "inodes_freed", "errors", "skipped_changed"):
        t.equal(done.summary[name], dry.summary[name], "real and dry run: " + name)
    freed = image.free_bytes(place) - free
    t.check(abs(freed - saved) < TOLERANCE, "%s: statfs shows %d, told %d" % (kind, freed, saved))
    settle(place)
    again = t.json("--method", "reflink", kind)
    t.figures(again, sets=0, links_made=0, bytes_saved=0, errors=0)
    # The plan finds all shared already.
    t.figures(t.json("--apply", plan), links_made=0, errors=0, skipped_changed=0)
    # What must agree is what was asked for.
    for name in "xy":
        t.write("%s/asked/%s" % (kind, name), t.random(3 * MIB, 9), mode=0o600 if name == "x" else 0o644)
    settle(place)
    t.figures(t.json("--method", "reflink", "--respect", "mode", kind), links_made=0)
    # By way of a plan; a write in between is seen.
    for name in "pqr":
        t.write("%s/planned/%s" % (kind, name), t.random(2 * MIB, 10), mtime=10**18)
    settle(place)
    t.run("-q", "--method", "reflink", "--plan", plan, kind + "/planned")
    t.check("Would share  2 names" in t.run("-n", "--apply", plan).out, "the report says what the plan's method does")
    with open(t.path(kind, "planned/q"), "r+b") as file:
        file.write(b"!")
    os.utime(t.path(kind, "planned/q"), ns=(10**18, 10**18))
    before = facts(t.look(kind))
    t.figures(t.json("--apply", plan), links_made=1, skipped_changed=1, bytes_saved=2 * MIB, errors=0)
    t.equal(facts(t.look(kind)), before, "a file changed meanwhile")
    # A file that is open for writing can share: the kernel holds writers off.
    with open(t.path(kind, "asked/y"), "r+b") as file:
        t.figures(t.json("--method", "reflink", kind + "/asked"), links_made=1, skipped_in_use=0)
        file.write(b"written after")
    with open(t.path(kind, "asked/x"), "rb") as file:
        t.check(file.read() == t.random(3 * MIB, 9), "a write to one file does not show in the other")
    # As somebody who owns the files.
    if kind == "btrfs":
        for name in "uv":
            t.write("%s/theirs/%s" % (kind, name), t.random(MIB, 11), owner=(1000, 1000))
        os.chown(t.path(kind, "theirs"), 1000, 1000)
        settle(place)
        t.figures(t.json("--method", "reflink", t.path(kind, "theirs"), user=1000, cwd="/"), links_made=1, bytes_saved=MIB)
    t.sh("umount", place)


def across_subvolumes(t):
    """Blocks are shared between subvolumes of one btrfs, by one mount or two; never with another file system, nor by hard links."""
    place = image.make(t, "btrfs", 300, "whole")
    other = image.make(t, "btrfs", 300, "other")
    for name in ("home", "tree"):
        t.sh("btrfs", "subvolume", "create", os.path.join(place, name))
    content = t.random(5 * MIB)
    for name in ("whole/a", "whole/home/b", "whole/tree/c", "other/d"):
        t.write(name, content, mtime=10**18)
    os.makedirs(t.path("second"))
    device = t.sh("findmnt", "-no", "SOURCE", place).decode().strip().split("[")[0]
    t.sh("mount", "-o", "subvol=tree", device, t.path("second"))
    for where in (place, other):
        settle(where)
    before, free = facts(t.look()), image.free_bytes(place)
    t.figures(t.json("-n", "."), links_made=0, errors=0)
    plan = os.path.join(t.scratch, "across.plan")
    t.run("-q", "--method", "reflink", "--plan", plan, "whole/home", "second")
    t.figures(t.json("-n", "--method", "reflink", "."), links_made=2, bytes_saved=10 * MIB, errors=0)
    t.figures(t.json("--apply", plan), links_made=1, bytes_saved=5 * MIB, errors=0, skipped_changed=0)
    t.figures(t.json("--method", "reflink", "whole", "second", "other"), links_made=1, bytes_saved=5 * MIB, errors=0)
    freed = image.free_bytes(place) - free
    t.check(abs(freed - 10 * MIB) < TOLERANCE, "statfs shows %d" % freed)
    again = t.json("--method", "reflink", ".")
    t.figures(again, links_made=0, bytes_saved=0, errors=0)
    t.equal(facts(t.look()), before, "files stay what they are")
    t.check("blocks are shared only within a file system" in t.run("-n", "--method", "reflink", ".").out, "said")
    t.sh("umount", t.path("second"))


def refused(t, where, make):
    make()
    for name in "ab":
        t.write("%s/%s" % (where, name), t.random(100000))
    settle(t.path(where))
    before = t.look(where)
    for arguments in (["-n"], []):
        done = t.json("--method", "reflink", *arguments, where, exit=1)
        t.figures(done, links_made=0, bytes_saved=0, sets=0, errors=1)
        t.check("cannot share the blocks of " in done.err and "as btrfs and newer XFS can" in done.err, "a clear message: " + done.about())
    t.untouched(before)


def test(t):
    works(t, "xfs")
    works(t, "btrfs")
    across_subvolumes(t)
    refused(t, "ext4", lambda: image.make(t, "ext4", 64, "ext4"))
    refused(t, "old", lambda: image.make(t, "xfs", 320, "old", ["-m", "reflink=0"]))
    refused(t, "memory", lambda: t.tmpfs("memory"))
