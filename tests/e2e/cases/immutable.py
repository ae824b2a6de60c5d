# SPDX-License-Identifier: MIT
"""Immutable and append-only files and directories stay as they are, the dry run knows it, and the rest is done."""
import os


def test(t):
    t.need_root()
    t.need_tool("chattr")
    for name in ("a", "b", "still", "grows", "shut/c", "shut/d", "log/e", "log/f"):
        t.write(name, "same content")
    flags = [("+i", "still"), ("+a", "grows"), ("+i", "shut"), ("+a", "log")]
    for flag, name in flags:
        t.sh("chattr", flag, t.path(name))
    try:
        before = t.look()
        dry = t.json("-n", ".", exit=None)
        t.untouched(before)
        done = t.json(".", exit=None)
        t.same_contents(before)
        t.one_inode("a", "b")
        t.all_apart("a", "still", "grows", "shut/c", "shut/d", "log/e", "log/f")
        t.figures(done, links_made=1, inodes_freed=1)
        t.check(done.issues, "not told in the issues")
        for name in ("links_made", "inodes_freed", "bytes_saved", "sets"):
            t.equal(dry.summary[name], done.summary[name], "dry and real: " + name)
    finally:
        for flag, name in flags:
            t.sh("chattr", flag.replace("+", "-"), t.path(name))
    t.json(".")
    t.one_inode("a", "b", "still", "grows", "shut/c", "shut/d", "log/e", "log/f")
