# SPDX-License-Identifier: MIT
"""Killed at any moment, no name is a link that the journal does not tell of, and --undo brings all back."""
import json
import os
import shutil
import signal
import subprocess
import time

from harness import PROGRAM, SLOW, named

COUNT = 60 if SLOW else 200


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
    killed = 0
    for turn in range(3 if SLOW else 8):
        top = "t%d" % turn
        make(t, top)
        before = {path: (content, status.st_mtime_ns) for path, (status, content, _) in t.look(top).entries.items()
                  if "/" in path}
        journal = t.path("journal-%d" % turn)
        child = subprocess.Popen([PROGRAM, "-q", "--journal", journal, t.path(top)])
        # Wait for the first lines, then a little longer each turn.
        for _ in range(2000):
            if child.poll() is not None or (os.path.exists(journal) and os.path.getsize(journal)):
                break
            time.sleep(0.0005)
        time.sleep(0.003 * turn)
        child.send_signal(signal.SIGKILL)
        killed += child.wait() == -signal.SIGKILL
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
    t.check(killed > 1, "some runs were killed in the midst: %d" % killed)
