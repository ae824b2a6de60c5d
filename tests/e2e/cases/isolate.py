# SPDX-License-Identifier: MIT
"""With --isolate only files of different PATHs become one; a second run finds nothing more; the plan of it does the same."""
import os


def plant(t, top):
    for root, count in (("a", 3), ("b", 2), ("c", 1)):
        for number in range(count):
            t.write("%s/%s/f%d" % (top, root, number), "content", mtime=10**9)


def test(t):
    for top, how in (("direct", "direct"), ("planned", "plan")):
        plant(t, top)
        before = t.look(top)
        where = t.path(top)
        if how == "plan":
            plan = os.path.join(t.scratch, "plan")
            t.run("-q", "--plan", plan, "--isolate", "a", "b", "c", cwd=where)
            done = t.json("--apply", plan)
        else:
            done = t.json("--isolate", "a", "b", "c", cwd=where)
        t.figures(done, links_made=3, sets=2, errors=0)
        t.same_contents(before)
        t.one_inode(top + "/a/f0", top + "/b/f0", top + "/c/f0")
        t.one_inode(top + "/a/f1", top + "/b/f1")
        t.all_apart(top + "/a/f0", top + "/a/f1", top + "/a/f2")
        t.figures(t.json("--isolate", "a", "b", "c", cwd=where), links_made=0)
    # Large ones, which are only compared when they are linked.
    for root in "abc":
        for number in range(2):
            t.write("large/%s/f%d" % (root, number), bytes(300000) + b"x" + bytes(300000), mtime=10**9)
    t.figures(t.json("--isolate", "large/a", "large/b", "large/c"), links_made=4, sets=2)
    t.all_apart("large/a/f0", "large/a/f1")
    # One PATH: nothing to do. Files given by themselves are PATHs each.
    plant(t, "one")
    t.figures(t.json("--isolate", "one/a"), links_made=0)
    t.figures(t.json("--isolate", "one/a/f0", "one/a/f1", "one/a/f2"), links_made=2)
