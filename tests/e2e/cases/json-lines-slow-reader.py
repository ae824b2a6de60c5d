# SPDX-License-Identifier: MIT
"""A reader of --json-lines that does not read holds up neither the run nor others; later it gets every line, in order."""
import fcntl
import os
import subprocess
import time

import schema
from harness import PROGRAM, SLOW, wait_until

FILES = 600 if SLOW else 4000
LONG = "n" * 200


def test(t):
    for number in range(FILES):
        t.write("%s/%s%05d" % ("d%d" % (number % 7), LONG, number), "same", mtime=10**18)
    last = t.path("d%d" % ((FILES - 1) % 7), "%s%05d" % (LONG, FILES - 1))
    child = subprocess.Popen([PROGRAM, "--json-lines", "-j2", "."], cwd=t.top, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             env=dict(os.environ, TMPDIR=t.scratch))
    room = fcntl.fcntl(child.stdout, fcntl.F_GETPIPE_SZ)
    # All is linked while nobody reads, which is more than a pipe and the memory set aside hold.
    wait_until(lambda: os.lstat(last).st_nlink == FILES, "all linked without a reader", child)
    # And nobody who wants to write waits until somebody reads.
    begun = time.monotonic()
    with open(last, "ab"):
        pass
    t.check(time.monotonic() - begun < 20, "a writer had to wait")
    t.equal([name for name in os.listdir(t.scratch) if name.startswith("dedupe-link")], [], "the spool has no name")
    out, err = child.communicate(timeout=600 if SLOW else 60)
    t.equal((child.returncode, err), (0, b""), "exit and stderr")
    events = schema.parse_lines(out)
    t.check(len(out) > room + (0 if SLOW else 1 << 20), "%d bytes are too few to tell" % len(out))
    linked = [event["path"] for event in events if event["event"] == "linked"]
    t.equal((len(linked), len(set(linked))), (FILES - 1, FILES - 1), "a line for each name")
    phases = [event["phase"] for event in events if event["event"] == "phase"]
    t.equal(phases, ["walk", "hash", "link", "done"], "phases in order")
    t.equal(events[-1]["event"], "summary", "the last line")
    # A reader that goes away is a write error; the work is done all the same.
    for number in range(50):
        t.write("more/%d" % number, "more", mtime=10**18)
    read, write = os.pipe()
    os.close(read)
    t.run("--json-lines", "more", stdout=write, exit=1)
    os.close(write)
    t.equal(os.lstat(t.path("more/0")).st_nlink, 50, "links made though nobody read of them")
