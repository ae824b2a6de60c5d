# SPDX-License-Identifier: MIT
"""The same PATH twice, overlapping PATHs, a PATH through a symlink, a file as a PATH: each name counts once."""
import os


def test(t):
    t.write("top/a/one", "same content", mtime=10**18)
    t.write("top/a/b/two", "same content", mtime=2 * 10**18)
    t.write("top/three", "same content", mtime=3 * 10**18)
    os.symlink("top/a", t.path("to-a"))
    os.symlink("top/three", t.path("to-three"))
    all_three = {"files_seen": 3, "inodes_seen": 3, "links_made": 2}
    two = {"files_seen": 2, "inodes_seen": 2, "links_made": 1}
    absolute = t.path("top")
    for roots, want in [
            (["top"], all_three), (["top/"], all_three), (["top//"], all_three), ([absolute], all_three),
            (["top", "top"], all_three), (["top", "./top/", absolute], all_three), (["top/a/.."], all_three),
            (["top", "top/a"], all_three), (["top/a", "top"], all_three), (["top/a/b", "top", "top/a"], all_three),
            (["to-a"], two), (["to-a/"], two), (["to-a", "top/a"], two), (["to-a", "top"], all_three),
            (["top", "to-a"], all_three), (["top/three", "top"], all_three), (["top", "top/three"], all_three),
            (["top/three", "top/a/one"], two), (["top/three", "top/three", "./top/three", "top/a/one"], two),
            (["to-three", "top/a/one"], two), (["to-three", "top/three", "top"], all_three),
            (["top/three"], {"files_seen": 1, "inodes_seen": 1, "links_made": 0}),
    ]:
        for threads in ("1", "4"):
            dry = t.json("-n", "-j", threads, *roots)
            wrong = {name: dry.summary[name] for name in want if dry.summary[name] != want[name]}
            t.check(not wrong, "%r: %r, want %r" % (roots, wrong, want))
            t.figures(dry, errors=0)
    t.json("to-three", "top/three", "top", "to-a")
    t.one_inode("top/a/one", "top/a/b/two", "top/three")
    t.check(os.path.islink(t.path("to-three")), "the symlink was replaced")
    t.equal(os.lstat(t.path("top/a/one")).st_mtime_ns, 10**18, "mtime of the oldest, who stays")
