# SPDX-License-Identifier: MIT
"""Immutable and append-only files and directories on each file system: they stay, the dry run knows it, the rest is done."""
import image

FLAGS = (("+i", "still"), ("+a", "grows"), ("+i", "shut"), ("+a", "log"))


def one(t, where):
    for name in ("a", "b", "still", "grows", "shut/c", "shut/d", "log/e", "log/f"):
        t.write("%s/%s" % (where, name), "same content")
    for flag, name in FLAGS:
        t.sh("chattr", flag, t.path(where, name))
    try:
        before = t.look(where)
        dry = t.json("-n", where)
        t.untouched(before)
        done = t.json(where)
        t.same_contents(before)
        image.same_figures(t, dry, done)
        t.figures(done, links_made=1, inodes_freed=1, errors=0)
        t.one_inode(where + "/a", where + "/b")
        t.all_apart(*("%s/%s" % (where, name) for name in ("a", "still", "grows", "shut/c", "shut/d", "log/e", "log/f")))
        image.no_temps(t, where)
    finally:
        for flag, name in FLAGS:
            t.sh("chattr", flag.replace("+", "-"), t.path(where, name))
    t.figures(t.json(where), links_made=6, errors=0)


def test(t):
    t.need_tool("chattr")
    for kind, megabytes in (("ext4", 64), ("xfs", 300), ("btrfs", 128)):
        image.make(t, kind, megabytes, kind)
        one(t, kind)
    t.tmpfs("tmpfs")
    t.write("tmpfs/probe", "")
    if image.refused(t, "chattr", "+i", t.path("tmpfs/probe")):
        print("tmpfs knows no file attributes here")
    else:
        t.sh("chattr", "-i", t.path("tmpfs/probe"))
        one(t, "tmpfs")
