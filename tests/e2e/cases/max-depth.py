# SPDX-License-Identifier: MIT
"""--max-depth: 0 only files given, 1 a PATH's own entries, and so on; a PATH below another keeps its own count."""


def test(t):
    for depth in range(6):
        t.write("r" + "/d" * depth + "/f", "same content")
    for depth in range(6):
        t.figures(t.json("-n", "--max-depth", str(depth), "r"), files_seen=depth)
    t.figures(t.json("-n", "--max-depth=0", "r/f", "r/d/f", "r/d"), files_seen=2)
    for roots in (["r", "r/d/d"], ["r/d/d", "r"]):
        for threads in ("1", "8"):
            t.figures(t.json("-n", "-j", threads, "--max-depth", "1", *roots), files_seen=2)
            t.figures(t.json("-n", "-j", threads, "--max-depth", "2", *roots), files_seen=4)
            t.figures(t.json("-n", "-j", threads, "--max-depth", "3", *roots), files_seen=5)
