# SPDX-License-Identifier: MIT
"""-q says nothing when nothing is wrong, one line a cause when something is; lines to the journal have priorities."""
import os

from harness import NOBODY


def test(t):
    for copy in "ab":
        t.write("in/" + copy)
    for arguments in (["-qn"], ["-q"], ["-q"]):
        run = t.run(*arguments, "in")
        t.equal((run.out, run.err), ("", ""), "nothing to say")
    if t.root:
        for name in "xyz":
            os.makedirs(t.path("locked", name), 0)
        run = t.run("-qn", t.path("locked"), user=NOBODY, exit=1)
        t.equal((run.out, len(run.err.splitlines())), ("", 1), "one line for three directories: " + run.err)
    run = t.run("-q", "in", "missing-1", "missing-2", exit=1)
    t.equal((run.out, len(run.err.splitlines())), ("", 1), "one line a cause: " + run.err)
    t.check(run.err.startswith("dedupe-link: "), run.err)

    # JOURNAL_STREAM is device:inode of what systemd connected; only then are there priorities.
    reading, writing = os.pipe()
    status = os.fstat(writing)
    for stream, prefix in (("%d:%d" % (status.st_dev, status.st_ino), "<3>dedupe-link: "),
                           ("%d:%d" % (status.st_dev, status.st_ino + 1), "dedupe-link: "), ("nonsense", "dedupe-link: ")):
        t.run("-q", "in", "missing", exit=1, env={"JOURNAL_STREAM": stream}, before=lambda: os.dup2(writing, 2))
        line = os.read(reading, 4096).decode()
        t.check(line.startswith(prefix) and line.count("\n") == 1, "%s: %r" % (stream, line))
    t.run("--no-such", exit=2, env={"JOURNAL_STREAM": "%d:%d" % (status.st_dev, status.st_ino)},
          before=lambda: os.dup2(writing, 2))
    lines = os.read(reading, 4096).decode().splitlines()
    t.check(len(lines) > 1 and all(line.startswith("<3>") for line in lines), "each line: %r" % lines)
