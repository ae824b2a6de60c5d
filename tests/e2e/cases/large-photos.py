# SPDX-License-Identifier: MIT
"""A photo folder (5 GB with DEDUPE_LARGE=1) is looked at in a terminal, a pipe and a browser, planned, stopped by Ctrl-C, and linked."""
import large


def test(t):
    facts = large.make(t, "photos", 1 if large.LARGE else 0.06)
    links = facts["inodes"] - facts["contents"]
    # From the page cache 5 GB are read in little more than a second: they are held up as well.
    large.whole_story(t, links, 4 * facts["inodes"] + facts["bytes"] // (1 << 20), links)
