# SPDX-License-Identifier: MIT
"""-0 prints exactly the names replaced, each ended by NUL, whatever is in them, and nothing else."""
import os


def test(t):
    names = ["keeper", "new\nline", os.fsdecode(b"\xff\x1b[1m"), "-n", "sub/plain"]
    for number, name in enumerate(names):
        t.write(name, "same content", mtime=(number + 1) * 10**9)
    t.write("alone", "other content")
    want = {os.fsencode(name) for name in names[1:]}
    for arguments in (["-n", "-0", "."], ["--print0", "."], ["-0", "."]):
        done = t.run(*arguments)
        if arguments[-2] == "-0" and arguments[0] != "-n":
            want = set()
        t.check(not done.raw or done.raw.endswith(b"\0"), "no NUL at the end: %r" % done.raw)
        got = [name[2:] if name.startswith(b"./") else name for name in done.raw.split(b"\0")[:-1]]
        t.equal(sorted(got), sorted(want), "names with %r" % arguments)
    t.one_inode(*names)
