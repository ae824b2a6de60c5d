# SPDX-License-Identifier: MIT
"""Holes as large as a file may be are linked at once, and the sum of their sizes does not come round."""


def test(t):
    t.need_mounts()
    t.tmpfs("fs")
    for name in ("a", "b", "c"):
        with open(t.path("fs", name), "xb") as out:
            out.truncate(2**63 - 1)
    t.figures(t.json("-n", "fs"), bytes_seen=2**64 - 1, links_made=2, bytes_saved=0)
    t.run("-q", "--plan", t.path("plan"), "fs")
    t.figures(t.json("--apply", t.path("plan")), bytes_seen=2**64 - 1, links_made=2, bytes_saved=0, errors=0)
    t.one_inode("fs/a", "fs/b", "fs/c")
