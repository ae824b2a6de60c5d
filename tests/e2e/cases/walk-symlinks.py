# SPDX-License-Identifier: MIT
"""CVE-2011-3632: symlinks below a PATH are never followed, neither to files nor to directories, and stay symlinks."""
import os


def test(t):
    t.write("outside/file", "same content")
    t.write("in/file", "same content")
    t.write("in/other", "same content")
    for name, target in [("file-link", "file"), ("out-file", "../outside/file"), ("out-dir", "../outside"),
                         ("loop", "."), ("up", ".."), ("gone", "nowhere"), ("self", "self")]:
        os.symlink(target, t.path("in", name))
    before = t.look()
    done = t.json("in")
    t.figures(done, files_seen=2, links_made=1, errors=0)
    t.same_contents(before)
    t.all_apart("in/file", "outside/file")
    t.equal(os.lstat(t.path("outside/file")).st_nlink, 1, "links of the file outside")
