# SPDX-License-Identifier: MIT
"""All scanned names of an inode move in one run, so that its space really comes free."""
import os

from harness import settle


def test(t):
    t.write("a/keeper", t.random(50000))
    for number in range(5):
        t.link("a/keeper", "a/more%d" % number)
    t.write("b/other", t.random(50000))
    for number in range(4):
        t.link("b/other", "c/d%d/name" % number)
    settle(t.top)
    size = os.lstat(t.path("b/other")).st_blocks * 512
    done = t.json(".")
    t.figures(done, sets=1, links_made=5, inodes_freed=1, bytes_saved=size)
    t.one_inode("a/keeper", "b/other", *["c/d%d/name" % number for number in range(4)])
    t.equal(os.lstat(t.path("a/keeper")).st_nlink, 11, "links")
