# SPDX-License-Identifier: MIT
"""CVE-2011-3630, CVE-2011-3631: a path of 6,000 characters, deep or of long names, is walked and its files linked."""
import os

from harness import named


def nest(top, name, times):
    """Makes name/name/... below top, step by step since no call takes such a path; returns the last one's fd."""
    here = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
    for _ in range(times):
        os.mkdir(name, dir_fd=here)
        there = os.open(name, os.O_RDONLY | os.O_DIRECTORY, dir_fd=here)
        os.close(here)
        here = there
    return here


def put(fd, name, content):
    file = os.open(name, os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=fd)
    os.write(file, content)
    os.close(file)


def test(t):
    content = t.random(10000)
    t.write("keeper", content, mtime=10**18)
    deep, long = nest(t.top, "d", 3000), nest(t.top, "n" * 250, 24)
    put(deep, "at the end", content)
    put(long, "at the end too", content)
    before = os.stat("at the end", dir_fd=deep).st_blocks * 512
    dry = t.json("-n", ".")
    t.figures(dry, links_made=2)
    done = t.json(".")
    t.figures(done, files_seen=3, sets=1, links_made=2, inodes_freed=2, bytes_saved=2 * before, errors=0)
    inode = os.lstat(t.path("keeper")).st_ino
    t.equal(os.stat("at the end", dir_fd=deep).st_ino, inode, "inode in the depth")
    t.equal(os.stat("at the end too", dir_fd=long).st_ino, inode, "inode below long names")
    t.equal(sorted(os.listdir(deep)), ["at the end"], "names in the depth")
    lengths = sorted(len(named(name)) for name in done.sets[0]["names"])
    t.check(lengths[-2] > 6000, "the paths told are cut: %r" % lengths)
