# SPDX-License-Identifier: MIT
"""--keep and hardlink's letters choose who stays; ties go to the oldest, the first argument, the first path."""
import os

SECOND = 10**9


def build(t, name):
    """One set: z has most links, m is oldest, b is newest, a is first by path."""
    t.write(name + "/a", "same content", mtime=5 * SECOND)
    t.write(name + "/b", "same content", mtime=9 * SECOND)
    t.write(name + "/m", "same content", mtime=1 * SECOND)
    t.write(name + "/z", "same content", mtime=6 * SECOND)
    t.link(name + "/z", name + "/z2")
    return {each: os.lstat(t.path(name, each)).st_ino for each in ("a", "b", "m", "z")}


def stays(t, name, arguments, want):
    inodes = build(t, name)
    t.json(*arguments, name)
    t.one_inode(*[name + "/" + each for each in ("a", "b", "m", "z", "z2")])
    left = os.lstat(t.path(name, "a")).st_ino
    t.equal([each for each in inodes if inodes[each] == left], [want], "who stays with %r" % arguments)


def test(t):
    for number, (arguments, want) in enumerate([
            ([], "z"), (["--keep", "most-links"], "z"), (["--keep=oldest"], "m"), (["--keep", "newest"], "b"),
            (["--keep", "first-path"], "a"), (["-m"], "z"), (["-O"], "m"), (["-F"], "a")]):
        stays(t, "set%d" % number, arguments, want)
    # -M, fewest links: not z; the oldest of the others.
    stays(t, "fewest", ["-M"], "m")
    # Ties, down to the last: mtime to the nanosecond, then arguments, then paths component by component.
    t.write("ns/a", "x", mtime=SECOND + 1)
    t.write("ns/b", "x", mtime=SECOND)
    oldest = os.lstat(t.path("ns/b")).st_ino
    t.json("ns")
    t.equal(os.lstat(t.path("ns/a")).st_ino, oldest, "older by a nanosecond")
    for order, want in ((["p", "q"], "p"), (["q", "p"], "q")):
        top = "arguments-" + want
        for root in "pq":
            t.write("%s/%s/f" % (top, root), "y", mtime=SECOND)
        inode = os.lstat(t.path(top, want, "f")).st_ino
        t.json(*[os.path.join(top, root) for root in order])
        t.equal(os.lstat(t.path(top, "p/f")).st_ino, inode, "first argument of %r" % order)
    # The same with files as arguments.
    t.write("files/1", "y", mtime=SECOND)
    t.write("files/2", "y", mtime=SECOND)
    inode = os.lstat(t.path("files/2")).st_ino
    t.json("files/2", "files/1")
    t.equal(os.lstat(t.path("files/1")).st_ino, inode, "first of the files given")
    # "a" comes before "a-b" component by component, though "a-b/f" is smaller than "a/f" as a string.
    for name in ("a/f", "a-b/f", "a.c/f"):
        t.write("components/" + name, "z", mtime=SECOND)
    inode = os.lstat(t.path("components/a/f")).st_ino
    t.json("components")
    t.equal(os.lstat(t.path("components/a.c/f")).st_ino, inode, "first path by components")
