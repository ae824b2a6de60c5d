# SPDX-License-Identifier: MIT
"""--bwlimit: content is read no faster than that on the whole, by all threads together, and the result is the same."""
import time


def test(t):
    for number in range(6):
        for copy in "ab":
            t.write(copy + "/%d" % number, t.random(200_000, number))
    free = t.json("-n", ".")
    begun = time.monotonic()
    slow = t.json("-n", "--bwlimit", "1M", "-j4", ".")
    taken = time.monotonic() - begun
    least = slow.summary["bytes_read"] / 2**20
    t.check(least > 2, "all was read: %r" % least)
    t.check(least - 0.7 < taken < 4 * least + 2, "%.1f s for %.1f MiB" % (taken, least))
    t.equal(slow.sets, free.sets, "the plan")
    begun = time.monotonic()
    run = t.json("--bwlimit", "1M", "-j4", ".")
    taken = time.monotonic() - begun
    t.check(taken > run.summary["bytes_read"] / 2**20 - 0.7, "%.1f s" % taken)
    t.figures(run, links_made=6)
    t.run("--bwlimit", "fast", ".", exit=2)
