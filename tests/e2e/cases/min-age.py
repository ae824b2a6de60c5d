# SPDX-License-Identifier: MIT
"""--min-age: files changed more recently, or in the future, are left alone as if they were not there."""
import time


def test(t):
    now = time.time_ns()
    for name, age in [("old-a", 7200), ("old-b", 7300), ("young-a", 60), ("young-b", 3500), ("future", -86400)]:
        t.write(name, b"the same", mtime=now - age * 10**9)
    run = t.json("-n", "--min-age", "1h", ".")
    t.figures(run, files_seen=2, links_made=1)
    run = t.json("-n", "--min-age", "30", ".")
    t.figures(run, files_seen=4, links_made=3)
    run = t.json("-n", "--min-age", "0", ".")
    t.figures(run, files_seen=5, links_made=4)
    run = t.json("--min-age", "1h", "old-a", "young-a", "old-b")
    t.figures(run, files_seen=2, links_made=1)
    t.one_inode("old-a", "old-b")
    t.all_apart("young-a", "young-b", "future", "old-a")
    t.run("--min-age", "soon", ".", exit=2)
