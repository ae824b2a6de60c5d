# SPDX-License-Identifier: MIT
"""Names in a directory that may not be written stay as they are, and the run does not pretend otherwise: exit 1."""
import os

from harness import NOBODY


def test(t):
    user = NOBODY if t.root else None
    t.write("mine/a", "same content", mtime=10**18)
    t.write("mine/b", "same content")
    t.write("shut/c", "same content")
    if t.root:
        os.chown(t.top, NOBODY, NOBODY)
        for name in ("mine", "mine/a", "mine/b", "shut", "shut/c"):
            os.chown(t.path(name), NOBODY, NOBODY)
    os.chmod(t.path("shut"), 0o555)
    before = t.look()
    done = t.json(".", user=user, exit=1)
    t.same_contents(before)
    t.one_inode("mine/a", "mine/b")
    t.all_apart("mine/a", "shut/c")
    t.figures(done, links_made=1, inodes_freed=1)
    t.check(done.issues, "not told in the issues")
    os.chmod(t.path("shut"), 0o755)
