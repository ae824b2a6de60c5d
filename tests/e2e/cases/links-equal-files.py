# SPDX-License-Identifier: MIT
"""Files with equal content become links of one inode; all others, and every name and byte, stay as they were."""


def test(t):
    same = t.random(100000)
    t.write("a/one", same)
    t.write("a/two", same)
    t.write("b/c/three", same)
    t.write("b/other", t.random(100000, 1))
    t.write("b/last-byte", same[:-1] + bytes([same[-1] ^ 1]))
    t.write("b/shorter", same[:-1])
    t.write("b/longer", same + b"\0")
    before = t.look()
    done = t.json(".")
    after = t.same_contents(before)
    t.one_inode("a/one", "a/two", "b/c/three")
    t.all_apart("a/one", "b/other", "b/last-byte", "b/shorter", "b/longer")
    t.equal(after.entries["a/one"][0].st_nlink, 3, "links")
    t.figures(done, files_seen=7, inodes_seen=7, sets=1, links_made=2, inodes_freed=2, errors=0, dry_run=False)
