# SPDX-License-Identifier: MIT
"""Files whose extended attributes differ in a name or a value are not linked, unless --ignore xattr."""


def test(t):
    for name, xattrs in [("none1", {}), ("none2", {}), ("a1", {"user.a": b"1"}), ("a1-too", {"user.a": b"1"}),
                         ("a2", {"user.a": b"2"}), ("a-empty", {"user.a": b""}), ("b1", {"user.b": b"1"}),
                         ("a1b1", {"user.a": b"1", "user.b": b"1"}), ("b1a1", {"user.b": b"1", "user.a": b"1"})]:
        t.write(name, "same content", xattrs=xattrs)
    before = t.look()
    done = t.json(".")
    t.figures(done, sets=3, links_made=3, errors=0)
    t.one_inode("none1", "none2")
    t.one_inode("a1", "a1-too")
    t.one_inode("a1b1", "b1a1")
    t.all_apart("none1", "a1", "a2", "a-empty", "b1", "a1b1")
    t.same_contents(before)
    for name in ("none1", "none2", "a1", "a1-too", "a2", "a-empty", "b1", "a1b1", "b1a1"):
        t.equal(t.look().entries[name][2], before.entries[name][2], "attributes of " + name)
    done = t.json("--ignore", "xattr", ".")
    t.figures(done, sets=1)
    t.one_inode("none1", "a1", "a2", "a-empty", "b1", "a1b1")
