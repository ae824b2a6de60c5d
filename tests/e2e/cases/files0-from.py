# SPDX-License-Identifier: MIT
"""--files0-from takes NUL-separated PATHs, with any bytes in them, from a file or stdin."""
import os


def test(t):
    t.write("a", "same content")
    t.write("new\nline", "same content")
    t.write("dir/b", "same content")
    t.write("not-listed", "same content")
    listing = b"./a\0new\nline\0dir\0"
    t.write("list", listing)
    t.figures(t.json("-n", "--files0-from", "list"), files_seen=3, links_made=2)
    t.figures(t.json("-n", "--files0-from=-", stdin=listing), files_seen=3, links_made=2)
    t.figures(t.json("-n", "--files0-from=-", stdin=listing[:-1]), files_seen=3)
    t.write("-dash", "same content")
    t.figures(t.json("-n", "--files0-from=-", stdin=b"-dash\0a\0"), files_seen=2)
    many = b"".join(b"./" * number + b"a\0" for number in range(1, 500)) + b"dir\0"
    t.figures(t.json("-n", "--files0-from=-", stdin=many), files_seen=2)
    # A list of nothing, as find may give, is nothing to do.
    t.figures(t.json("--files0-from=-", stdin=b""), files_seen=0, links_made=0)
    # But no plan is made of it, and one of before must not be taken for it.
    t.write("plan", "of before")
    before = t.look()
    t.run("--files0-from=-", "--plan", "plan", stdin=b"", exit=2)
    t.equal(t.look().contents(), before.contents(), "nothing half written, and the plan of before")
    t.run("--files0-from", "missing", exit=2)
    done = t.json("-n", "--files0-from=-", stdin=b"a\0missing\0dir\0", exit=1)
    t.figures(done, files_seen=2, errors=1)
