# SPDX-License-Identifier: MIT
"""Directories of several projects: the kernel makes no link between them; one line says so, and all else is done."""
from harness import PROGRAM, Skipped
import image


def one(t, where):
    for number, project in enumerate((7, 8)):
        top = "%s/tree/p%d" % (where, project)
        t.write(top + "/first", b"")
        t.sh("chattr", "+P", "-p", str(project), t.path(top))
        for which in range(6):
            t.write("%s/f%d" % (top, which), t.random(5000, which // 2))
        for which in range(4):
            t.write("%s/own%d" % (top, which), t.random(6000, 100 + number))
    t.equal(t.sh("lsattr", "-p", t.path(where, "tree/p7/f0")).split()[0], b"7", "project of a file")
    for which in range(4):
        t.write("%s/tree/plain/f%d" % (where, which), t.random(8000, 200))
    before = t.look(where)
    done = t.json(where + "/tree")
    t.same_contents(before)
    image.no_temps(t, where)
    # In p8 each of three contents keeps one more inode than it would in one project with p7.
    t.figures(done, links_made=3 * 2 + 6 + 3, skipped_refused=3, errors=0, skipped_in_use=0, weaker=0)
    for project in (7, 8):
        top = "%s/tree/p%d" % (where, project)
        t.one_inode(*("%s/own%d" % (top, which) for which in range(4)))
        for which in (0, 2, 4):
            t.one_inode("%s/f%d" % (top, which), "%s/f%d" % (top, which + 1))
    t.one_inode(*("%s/tree/plain/f%d" % (where, which) for which in range(4)))
    t.all_apart(where + "/tree/p7/f0", where + "/tree/p8/f0")
    told = t.run(where + "/tree")
    lines = [line for line in (told.out + told.err).splitlines() if "no hard link" in line]
    t.equal([line.split()[0] for line in lines], ["Refused", "Note"], "lines that say so: " + told.about())
    t.same_contents(before)
    t.figures(t.json(where + "/tree"), links_made=0, errors=0)
    # In one directory of each project all by itself: nothing is crossed there.
    t.figures(t.json(where + "/tree/p8"), links_made=0, skipped_refused=0)


def many(t, where):
    """Anybody may give each directory a project of its own: links are tried in proportion all the same."""
    projects = 100
    for number in range(projects):
        top = "%s/many/%03d" % (where, number)
        t.write(top + "/first", b"")
        t.sh("chattr", "+P", "-p", str(1000 + number // 2), t.path(top))  # two directories each
        t.write(top + "/f", b"alike")
    t.sh("env", "ASAN_OPTIONS=detect_leaks=0", "strace", "-f", "-qq", "-e", "trace=linkat", "-o", t.path("calls"),
         PROGRAM, t.path(where, "many"))
    t.one_inode(where + "/many/042/f", where + "/many/043/f")
    t.all_apart(where + "/many/042/f", where + "/many/044/f")
    with open(t.path("calls"), encoding="utf-8") as calls:
        tried = sum("linkat(" in line for line in calls)
    t.check(tried < 3 * projects, "%d links tried for %d files" % (tried, projects))


def test(t):
    t.need_tool("chattr", "lsattr", "strace")
    image.make(t, "xfs", 300, "xfs")  # which has project ids without any quota
    one(t, "xfs")
    many(t, "xfs")
    try:
        image.make(t, "ext4", 64, "ext4", ["-O", "project,quota"], "prjquota")
    except Skipped as reason:
        print("not on ext4, which needs quota support in the kernel: %s" % str(reason)[:60])
        return
    one(t, "ext4")
