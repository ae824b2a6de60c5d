# SPDX-License-Identifier: MIT
"""Two file systems on which the same files have the same inode numbers: --undo does not take one's copies for the other's."""
import os


def test(t):
    t.image("ext4", 16, "one", ["-m", "0"])
    t.write("one/a", b"twin")
    t.write("one/b", b"twin")
    t.link("one/b", "one/b2")
    t.sh("umount", t.path("one"))
    image = os.path.join(t.scratch, "one.img")
    t.sh("cp", image, os.path.join(t.scratch, "two.img"))
    os.makedirs(t.path("two"))
    for name in ("one", "two"):
        t.sh("mount", "-o", "loop", os.path.join(t.scratch, name + ".img"), t.path(name))
    t.equal(os.stat(t.path("one/b")).st_ino, os.stat(t.path("two/b")).st_ino, "the same numbers")
    journal = t.path("journal-two")
    for order in (("one", "two"), ("two", "one")):
        t.figures(t.json("-j1", "--keep", "first-path", "--journal", journal, *order), links_made=4)
        t.figures(t.json("--undo", journal), restored=4, errors=0)
        for name in order:
            t.all_apart(name + "/a", name + "/b")
            t.one_inode(name + "/b", name + "/b2")
        os.unlink(journal)
