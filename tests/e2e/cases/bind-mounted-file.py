# SPDX-License-Identifier: MIT
"""A file that something is mounted on is left alone, and the rest is done."""
import os


def test(t):
    t.need_mounts()
    t.write("a", "same content")
    t.write("b", "same content")
    t.write("under", "same content")
    t.write("over", "same content")
    t.sh("mount", "--bind", t.path("over"), t.path("under"))
    before = t.look()
    done = t.json(".", exit=0)
    t.same_contents(before)
    t.figures(done, errors=0)
    t.one_inode("a", "b")
    t.sh("umount", t.path("under"))
    t.equal(open(t.path("under")).read(), "same content", "the file below the mount")
