# SPDX-License-Identifier: MIT
"""Killed before any call, no name is a link that the journal does not tell of, and --undo brings all back."""
import json
import os
import shutil
import signal
import subprocess

from harness import PROGRAM, SLOW, named

COUNT = 60 if SLOW else 200
TURNS = 3 if SLOW else 8
SLOWED = os.path.join(os.environ.get("DEDUPE_BUILD") or os.path.dirname(os.path.dirname(PROGRAM)), "tests", "race", "dedupe-link-slow")


def make(t, top):
    for number in range(COUNT):
        for copy in "ab":
            t.write("%s/%s/%03d" % (top, copy, number), t.random(2000, number), mtime=10**18 + number * 7 + ord(copy))


def told(journal):
    names = set()
    for line in open(journal, "rb").read().split(b"\n"):
        try:
            note = json.loads(line.lstrip(b"\0"))
        except ValueError:
            continue
        if "keeper" in note:
            names.add(named(note))
    return names


def test(t):
    if not os.access(SLOWED, os.X_OK):
        t.skip("%s is not there" % SLOWED)
    for turn in range(TURNS):
        top = "t%d" % turn
        make(t, top)
        before = {path: (content, status.st_mtime_ns) for path, (status, content, _) in t.look(top).entries.items()
                  if "/" in path}
        journal = t.path("journal-%d" % turn)
        # Each name takes a line, a link, an exchange and an unlink: at its n-th such call one thread dies, the others where they are.
        n = 10 + turn * 4 * COUNT // TURNS
        status = subprocess.call([SLOWED, "-q", "--journal", journal, t.path(top)], env=dict(os.environ, DEDUPE_RACE_KILL=str(n)))
        t.equal(status, -signal.SIGKILL, "killed at call %d" % n)
        names = told(journal)
        for number in range(COUNT):
            a, b = (t.path(top, copy, "%03d" % number) for copy in "ab")
            if os.stat(a).st_ino == os.stat(b).st_ino:
                real = os.path.realpath
                t.check(real(a) in names or real(b) in names, "linked and not told: %s" % b)
        # What the killed run left is finished with a line of its own, as any link.
        t.run("-q", "--recover", "--journal", journal, top)
        t.run("-q", "--undo", journal)
        after = {path: (content, status.st_mtime_ns) for path, (status, content, _) in t.look(top).entries.items()
                 if "/" in path}
        t.equal(after, before, "all is as it was")
        t.equal(len({status.st_ino for status, _, _ in t.look(top).entries.values()}), 2 * COUNT + 3, "all apart")
        shutil.rmtree(t.path(top))
