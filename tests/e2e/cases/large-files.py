# SPDX-License-Identifier: MIT
"""Many files (a million with DEDUPE_LARGE=1) are looked at in a terminal, a pipe and a browser, planned, stopped by Ctrl-C, and linked."""
import os

import large


def test(t):
    facts = large.make(t, "tiny", 1 if large.LARGE else 0.003)
    links = facts["inodes"] - facts["contents"]
    # So that there are more sets than a page lists: some folders once more.
    tiny = t.path("tree", "tiny")
    for name in sorted(os.listdir(tiny))[:3]:
        t.sh("cp", "-a", os.path.join(tiny, name), t.path("tree", "again-" + name))
    copied = sum(len(files) for name in os.listdir(t.path("tree")) if name.startswith("again-")
                 for _, _, files in os.walk(t.path("tree", name)))
    large.whole_story(t, links + copied, None if large.LARGE else facts["inodes"] + copied, None if large.LARGE else links + copied)
