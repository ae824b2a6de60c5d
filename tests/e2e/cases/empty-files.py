# SPDX-License-Identifier: MIT
"""Empty files are left alone unless -s 0 asks for them."""


def test(t):
    for name in ("a", "b", "c"):
        t.write(name, "")
    done = t.json(".")
    t.figures(done, files_seen=0, links_made=0, sets=0)
    t.all_apart("a", "b", "c")
    done = t.json("-s", "0", ".")
    t.figures(done, files_seen=3, links_made=2, inodes_freed=2, sets=1, bytes_saved=0)
    t.one_inode("a", "b", "c")
