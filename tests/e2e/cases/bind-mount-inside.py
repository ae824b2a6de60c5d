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
    # A name seen through both mounts is one entry: the half of the run that comes second finds it changed, which is no
    # error, and leaves what hangs on it for the next run.
    for _ in range(2):
        done = t.json("tree", exit=0)
        t.same_contents(before)
        t.figures(done, errors=0)
    t.one_inode("tree/real/f0", "tree/real/f2", "tree/real/f4", "tree/more/g0", "tree/more/g2", "tree/more/g4")
    t.one_inode("tree/real/f1", "tree/real/f3", "tree/real/f5", "tree/more/g1", "tree/more/g3", "tree/more/g5")
    t.equal(len(os.listdir(t.path("tree/real"))), 6, "names, temporary ones included")
    t.figures(t.json("tree"), links_made=0, sets=0)
