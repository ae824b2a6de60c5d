# SPDX-License-Identifier: MIT
"""A dry run touches nothing and gives the figures of the real run that follows, to the byte."""
import os

from harness import settle

VARYING = ("seconds", "duration_ns", "bytes_read", "dry_run")


def test(t):
    for number in range(40):
        t.write("in/d%d/file%d" % (number % 4, number), t.random(1 + 3000 * (number % 3), number % 6),
                mode=0o600 if number == 7 else 0o644)
    t.link("in/d0/file0", "in/d1/more")
    t.link("in/d1/file1", "out/held")
    t.link("in/d2/file10", "out/also-held")
    hole = t.path("in/hole1")
    with open(hole, "wb") as file:
        file.truncate(1 << 20)
    with open(t.path("in/hole2"), "wb") as file:
        file.write(bytes(1 << 20))
    settle(t.top)
    before = t.look()
    dry = t.json("-n", "in")
    t.untouched(before)
    t.equal(t.json("--dry-run", "in").sets, dry.sets, "sets of two dry runs")
    done = t.json("in")
    t.same_contents(before)
    t.check(dry.summary["links_made"] > 20, "too little to do")
    t.check(dry.summary["dry_run"] is True and done.summary["dry_run"] is False, "dry_run")
    for name in dry.summary:
        if name not in VARYING:
            t.equal(done.summary[name], dry.summary[name], name)
