# SPDX-License-Identifier: MIT
"""Directories of two projects: the kernel makes no link between them; one line says so, and all else is done."""
import image


def test(t):
    t.need_tool("chattr", "lsattr")
    # XFS has project ids without any quota; ext4 would need quota support in the kernel.
    image.make(t, "xfs", 300, "disk")
    for number, project in enumerate((7, 8)):
        top = "disk/tree/p%d" % project
        t.write(top + "/first", b"")
        t.sh("chattr", "+P", "-p", str(project), t.path(top))
        for which in range(6):
            t.write("%s/f%d" % (top, which), t.random(5000, which // 2))
        for which in range(4):
            t.write("%s/own%d" % (top, which), t.random(6000, 100 + number))
    if b" 7 " not in b" " + t.sh("lsattr", "-p", t.path("disk/tree/p7/f0")).strip():
        t.skip("no project ids here")
    for which in range(4):
        t.write("disk/tree/plain/f%d" % which, t.random(8000, 200))
    before = t.look("disk")
    done = t.json("disk/tree")
    t.same_contents(before)
    image.no_temps(t, "disk")
    # In p8 each of three contents keeps one more inode than it would in one project with p7.
    t.figures(done, links_made=3 * 2 + 6 + 3, skipped_refused=3, errors=0, skipped_in_use=0)
    for project in (7, 8):
        t.one_inode(*("disk/tree/p%d/own%d" % (project, which) for which in range(4)))
        for which in (0, 2, 4):
            t.one_inode("disk/tree/p%d/f%d" % (project, which), "disk/tree/p%d/f%d" % (project, which + 1))
    t.one_inode(*("disk/tree/plain/f%d" % which for which in range(4)))
    t.all_apart("disk/tree/p7/f0", "disk/tree/p8/f0")
    told = t.run("disk/tree")
    lines = [line for line in (told.out + told.err).splitlines() if "no hard link" in line]
    t.equal([line.split()[0] for line in lines], ["Refused", "Note"], "lines that say so: " + told.about())
    t.same_contents(before)
    t.figures(t.json("disk/tree"), links_made=0, errors=0)
    # In one directory of each project all by itself: nothing is crossed there.
    t.figures(t.json("disk/tree/p8"), links_made=0, skipped_refused=0)
