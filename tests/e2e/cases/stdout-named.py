# SPDX-License-Identifier: MIT
"""--plan, --html and --metrics may be given what stdout is called: its reader gets all, and nothing is put in its place."""
import os

BEGINNINGS = (("--plan", b'{"schema"'), ("--html", b"<!DOCTYPE html>"), ("--metrics", b"# HELP"))


def into_a_file(t, name, option):
    """What the option wrote there, behind what was there; the file is the one it was."""
    path = os.path.join(t.scratch, "out" + option)
    out = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    os.write(out, b"before\n")
    t.run("-q", "-n", option, name, "tree", stdout=out)
    os.write(out, b"\nafter\n")
    t.equal(os.fstat(out).st_ino, os.stat(path).st_ino, "the file of stdout with " + option)
    os.close(out)
    with open(path, "rb") as file:
        content = file.read()
    t.check(content.startswith(b"before\n") and content.endswith(b"\nafter\n"), "%s wrote over others: %r" % (option, content))
    return content[len(b"before\n"):]


def test(t):
    t.write("tree/a", "equal")
    t.write("tree/b", "equal")
    link = os.path.join(t.scratch, "stdout")
    os.symlink("/proc/self/fd/1", link)
    for name in (link, "/proc/self/fd/1"):
        for option, begins in BEGINNINGS:
            said = t.run("-q", "-n", option, name, "tree").raw
            t.check(said.startswith(begins), "%s %s in a pipe: %r" % (option, name, said[:60]))
            t.equal(os.readlink(link), "/proc/self/fd/1", "the link after " + option)
    for option, begins in BEGINNINGS:
        said = into_a_file(t, link, option)
        t.check(said.startswith(begins), "%s in a file: %r" % (option, said[:60]))
        t.equal(os.readlink(link), "/proc/self/fd/1", "the link after " + option)
    plan = t.run("-q", "--plan", link, "tree").raw
    t.figures(t.json("--apply", "-", stdin=plan), links_made=1)
