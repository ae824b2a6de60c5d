# SPDX-License-Identifier: MIT
"""On a full disk, or without inodes, links are made still; where one cannot be, that is told and nothing is lost."""
import errno
import os

import image


def fill(t, where):
    """Writes until not a byte is free. Large pieces first, then blocks."""
    os.makedirs(t.path(where, "ballast"))
    path = t.path(where, "ballast/file")
    with open(path, "wb", buffering=0) as file:
        for piece in (1 << 20, 4096, 512):
            try:
                while True:
                    file.write(bytes(piece))
            except OSError as error:
                t.equal(error.errno, errno.ENOSPC, "filling up")
            try:
                os.fsync(file.fileno())
            except OSError:
                pass


def use_up_inodes(t, where):
    number = 0
    try:
        while True:
            t.write("%s/ballast/%d" % (where, number), b"")
            number += 1
    except OSError as error:
        t.equal(error.errno, errno.ENOSPC, "using up inodes")


def links_all(t, where, files, sets):
    before = t.look(where + "/tree")
    done = t.json(where + "/tree", exit=None)
    t.same_contents(before)
    t.figures(done, errors=0, links_made=files - sets, skipped_refused=0)
    image.no_temps(t, where)
    t.figures(t.json(where + "/tree"), links_made=0)


def test(t):
    for kind, megabytes, options in (("ext4", 32, ["-b", "1024", "-m", "0"]), ("xfs", 300, []), ("btrfs", 300, [])):
        image.make(t, kind, megabytes, kind, options)
        # More in a directory than it has room for, if each had its temporary name at the same time.
        for number in range(120):
            t.write("%s/tree/d%d/f%d" % (kind, number % 2, number), t.random(6000, number % 10))
        image.syncfs(t.path(kind))
        fill(t, kind)
        left = os.statvfs(t.path(kind))
        # btrfs shows free what it keeps for metadata.
        t.check(kind == "btrfs" or left.f_bavail * left.f_frsize < 128 << 10, kind + " is not full")
        links_all(t, kind, 120, 10)

    image.make(t, "ext4", 32, "inodes", ["-b", "1024", "-N", "256"])
    for number in range(60):
        t.write("inodes/tree/f%d" % number, t.random(3000, number % 10))
    use_up_inodes(t, "inodes")
    links_all(t, "inodes", 60, 10)

    t.tmpfs("memory", "size=1m")
    for number in range(40):
        t.write("memory/tree/f%d" % number, t.random(9000, number % 10))
    fill(t, "memory")
    links_all(t, "memory", 40, 10)

    # tmpfs counts links as inodes: there not one can be made.
    t.tmpfs("names", "size=16m,nr_inodes=64")
    for number in range(40):
        t.write("names/tree/f%d" % number, t.random(9000, number % 10))
    use_up_inodes(t, "names")
    cannot(t, "names", 30)

    # Data and metadata in the same place, all taken: btrfs then makes no link.
    image.make(t, "btrfs", 128, "mixed", ["-M"])
    for number in range(40):
        t.write("mixed/tree/f%d" % number, t.random(9000, number % 10))
    image.syncfs(t.path("mixed"))
    fill(t, "mixed")
    cannot(t, "mixed", 30)

    full_directory(t)


def cannot(t, where, names):
    """No link can be made at all: an error for each, one line for all, nothing touched; with room again it works."""
    before = t.look(where)
    done = t.json(where + "/tree", exit=1)
    t.figures(done, links_made=0, errors=names, bytes_saved=0)
    t.equal({issue.get("errno") for issue in done.issues}, {errno.ENOSPC}, "errors")
    after = t.same_contents(before)
    t.equal((after.shared(), image.metadata(after)), (before.shared(), image.metadata(before)), "links and metadata")
    told = t.run(where + "/tree", exit=1)
    t.equal(sum("No space left" in line for line in (told.out + told.err).splitlines()), 1, "lines: " + told.about())
    image.no_temps(t, where)
    t.sh("rm", "-r", t.path(where, "ballast"))
    # With one thread: two may take the little room there is from each other, and leave the rest to the next run.
    t.figures(t.json("-j", "1", where + "/tree"), links_made=names, errors=0)


def full_directory(t):
    """A directory whose blocks are full to the last entry."""
    image.make(t, "ext4", 32, "tight", ["-b", "1024", "-m", "0"])
    os.makedirs(t.path("tight/tree/probe"))
    number = 0
    while os.stat(t.path("tight/tree/probe")).st_size == 1024:
        t.write("tight/tree/probe/name%04d" % number, b"")
        number += 1
    t.sh("rm", "-r", t.path("tight/tree/probe"))
    for which in range(number - 1):
        t.write("tight/tree/name%04d" % which, t.random(2000, which % 7))
    t.equal(os.stat(t.path("tight/tree")).st_size, 1024, "size of the directory")
    image.syncfs(t.path("tight"))
    fill(t, "tight")
    cannot(t, "tight", number - 1 - 7)
