# SPDX-License-Identifier: MIT
"""PATHs on two file systems: links are made within each, never between, and one line says so."""


def test(t):
    t.need_mounts()
    t.tmpfs("other")
    for place in ("here", "other"):
        for number in range(3):
            t.write("%s/f%d" % (place, number), "same content")
    before = t.look()
    dry = t.json("-n", "here", "other")
    t.figures(dry, sets=2, links_made=4)
    told = t.run("here", "other")
    lines = [line for line in (told.out + told.err).splitlines() if "file system" in line]
    t.equal(len(lines), 1, "lines about file systems: " + told.about())
    t.same_contents(before)
    t.one_inode("here/f0", "here/f1", "here/f2")
    t.one_inode("other/f0", "other/f1", "other/f2")
    t.check("file system" not in t.run("here").out, "said although there is only one")
