# SPDX-License-Identifier: MIT
"""At a limit of links a second keeper takes the rest; no inode gets more; a second run finds nothing to move."""
import os


def test(t):
    for number in range(23):
        t.write("f%02d" % number, "same content", mtime=10**9 * (number + 1))
    t.link("f22", "f22b")
    before = t.look()
    dry = t.json("-n", "--max-links", "5", ".")
    done = t.json("--max-links", "5", ".")
    t.same_contents(before)
    for run in (dry, done):
        # f22 stays with its two links and takes three, then 20 single files: 5 inodes for 24 names.
        t.figures(run, sets=5, links_made=18, inodes_freed=18, errors=0)
    links = sorted(os.lstat(t.path(name)).st_nlink for name in os.listdir(t.top))
    t.equal(links, sorted([5] * 20 + [4] * 4), "link counts")
    again = t.json("--max-links", "5", ".")
    t.figures(again, links_made=0, sets=0)
    t.run("--max-links", "1", ".", exit=2)
    t.json("--max-links", "0", ".")
    t.equal(os.lstat(t.path("f00")).st_nlink, 24, "links without a limit")
