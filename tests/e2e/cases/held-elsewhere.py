# SPDX-License-Identifier: MIT
"""Space that names outside the PATHs still hold is told as held, never as saved, and those names stay as they are."""
import os

from harness import settle


def test(t):
    t.write("in/keep", t.random(20000), mtime=10**18)
    t.write("in/held", t.random(20000), mtime=2 * 10**18)
    t.write("in/free", t.random(20000), mtime=3 * 10**18)
    t.link("in/keep", "in/second")
    t.link("in/held", "out/name")
    settle(t.top)
    blocks = {name: os.lstat(t.path("in", name)).st_blocks * 512 for name in ("held", "free")}
    outside = os.lstat(t.path("out/name")).st_ino
    done = t.json("in")
    t.figures(done, links_made=2, inodes_freed=1, bytes_saved=blocks["free"], bytes_held_elsewhere=blocks["held"])
    t.one_inode("in/keep", "in/second", "in/held", "in/free")
    t.equal(os.lstat(t.path("out/name")).st_ino, outside, "inode outside")
    t.equal(os.lstat(t.path("out/name")).st_nlink, 1, "links outside")
