# SPDX-License-Identifier: MIT
"""No quadratic work: many files of one size, all different or all the same, take time in proportion."""
import os
import time

from harness import SLOW


def spread(t, name, count, content):
    for number in range(count):
        if number % 500 == 0:
            os.makedirs(t.path(name, "d%d" % (number // 500)))
        with open(t.path(name, "d%d" % (number // 500), "f%d" % number), "wb") as file:
            file.write(content(number))


def timed(t, *arguments):
    begun = time.monotonic()
    done = t.json(*arguments, timeout=120)
    return done, time.monotonic() - begun


def test(t):
    few, count = (300, 3000) if SLOW else (2000, 20000)
    if os.environ.get("DEDUPE_OWN_MOUNTS") == "1":
        t.tmpfs(".", "size=1g")
    different = lambda number: b"%d" % (10**9 + number) + bytes(90)
    same = lambda number: bytes(99)
    for kind, content in (("different", different), ("same", same)):
        spread(t, kind + "-few", few, content)
        spread(t, kind, count, content)
        _, short = timed(t, "-n", kind + "-few")
        dry, long = timed(t, "-n", kind)
        # Ten times the work; quadratic would be a hundred. Room for a busy machine.
        t.check(long < 30 * max(short, 0.05), "%s: %d files %.2f s, %d files %.2f s" % (kind, few, short, count, long))
        t.figures(dry, links_made=0 if kind == "different" else count - 1)
    done, _ = timed(t, "-j", "8", "same")
    t.figures(done, links_made=count - 1, inodes_freed=count - 1, errors=0)
    t.equal(os.lstat(t.path("same/d0/f0")).st_nlink, count, "links")
