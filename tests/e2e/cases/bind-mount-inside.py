# SPDX-License-Identifier: MIT
"""A bind mount of the same file system inside the tree: no failure, no name lost, links made within each mount."""
import os


def test(t):
    t.need_mounts()
    for number in range(6):
        t.write("tree/real/f%d" % number, t.random(5000, number % 2))
        t.write("tree/more/g%d" % number, t.random(5000, number % 2))
    t.bind("tree/real", "tree/bound")
    before = t.look()
    done = t.json("tree", exit=0)
    t.same_contents(before)
    t.figures(done, errors=0)
    t.one_inode("tree/real/f0", "tree/real/f2", "tree/real/f4")
    t.one_inode("tree/more/g0", "tree/more/g2", "tree/more/g4")
    t.equal(len([name for name in os.listdir(t.path("tree/real"))]), 6, "names, temporary ones included")
    before = t.look()
    t.json("tree", exit=0)
    t.same_contents(before)


