# SPDX-License-Identifier: MIT
"""65,010 equal files on ext4, whose inodes have at most 65,000 links: two stay, in linear time; then nothing is left to do."""
import os
import resource

import image

LIMIT, FILES, FEW = 65000, 65010, 13000


def timed(t, *arguments):
    """The run, and the processor time it took: the machine may be busy with other things."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = t.json(*arguments, timeout=300)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return done, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def plant(t, where, count):
    os.makedirs(t.path(where))
    directory = os.open(t.path(where), os.O_RDONLY)
    for number in range(count):
        fd = os.open("f%05d" % number, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644, dir_fd=directory)
        os.write(fd, b"x")
        os.close(fd)
    os.close(directory)


def links(t, where):
    """How many links each inode has."""
    found = {}
    for entry in os.scandir(t.path(where)):
        status = entry.stat(follow_symlinks=False)
        found[status.st_ino] = status.st_nlink
        t.equal(status.st_size, 1, "size of " + entry.path)
    return sorted(found.values())


def test(t):
    # Inline data: such files take no block.
    place = image.make(t, "ext4", 128, "disk", ["-b", "4096", "-N", "90000", "-O", "inline_data"])
    plant(t, "disk/few", FEW)
    plant(t, "disk/many", FILES)
    image.syncfs(place)
    few, time_few = timed(t, "disk/few")
    t.figures(few, sets=1, links_made=FEW - 1, inodes_freed=FEW - 1, errors=0, skipped_in_use=0, skipped_changed=0)
    dry = t.json("-n", "disk/many")
    done, time_many = timed(t, "disk/many")
    image.same_figures(t, dry, done)
    t.figures(done, sets=2, links_made=FILES - 2, inodes_freed=FILES - 2, errors=0, skipped_in_use=0, skipped_changed=0)
    t.equal(links(t, "disk/many"), [FILES - LIMIT, LIMIT], "links of what is left")
    t.equal(len(os.listdir(t.path("disk/many"))), FILES, "names")
    again, _ = timed(t, "disk/many")
    t.figures(again, links_made=0, sets=0, errors=0)
    t.equal(links(t, "disk/many"), [FILES - LIMIT, LIMIT], "links after the second run")
    ratio = time_many / FILES / (time_few / FEW)
    print("%.1f s, %.2f times as much a file as for %d" % (time_many, ratio, FEW))
    # Quadratic would be 5 times.
    t.check(ratio < 2.5, "%.2f times as much time a file" % ratio)
    # Two that are full and one more file: it stays alone, and is not tried again and again.
    with open(t.path("disk/many/one-more"), "wb") as out:
        out.write(b"x")
    more = t.json("disk/many")
    t.figures(more, links_made=1, errors=0)
    t.equal(links(t, "disk/many"), [FILES - LIMIT + 1, LIMIT], "links with one file more")
