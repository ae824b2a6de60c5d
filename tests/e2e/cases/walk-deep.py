# SPDX-License-Identifier: MIT
"""CVE-2011-3630, CVE-2011-3631: a path of 6,000 characters, deep or of long names, is walked and its files linked."""
import os

from harness import named


def nest(t, name, times):
    """Makes name/name/... below the top; returns the last one's fd."""
    here = os.open(t.top, os.O_RDONLY | os.O_DIRECTORY)
    for _ in range(times):
        here = t.descend(here, name)
    return here


def test(t):
    content = t.random(10000)
    t.write("keeper", content, mtime=10**18)
    deep, long = nest(t, "d", 3000), nest(t, "n" * 250, 24)
    t.put(deep, "at the end", content)
    t.put(long, "at the end too", content)
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
