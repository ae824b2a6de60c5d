# SPDX-License-Identifier: MIT
"""Equal files that the policy keeps apart are told with files, bytes and the option that would link them."""
import os
import re

from harness import settle


def test(t):
    t.need_root()
    content = t.random(8192)
    t.write("owner/a", content)
    t.write("owner/b", content, owner=(1, 0))
    t.write("mode/a", t.random(4096, 1))
    t.write("mode/b", t.random(4096, 1), mode=0o600)
    t.write("mode/c", t.random(4096, 1), mode=0o400)
    t.write("both/a", t.random(12288, 2))
    t.write("both/b", t.random(12288, 2), mode=0o600, owner=(1, 0))
    t.write("time/a", t.random(4096, 3), mtime=10**18)
    t.write("time/b", t.random(4096, 3), mtime=2 * 10**18)
    t.write("xattr/a", t.random(4096, 4))
    t.write("xattr/b", t.random(4096, 4), xattrs={"user.a": b"1"})
    settle(t.top)
    size = {name: os.lstat(t.path(name)).st_blocks * 512 for name in ("owner/b", "mode/b", "mode/c", "both/b", "time/b",
                                                                      "xattr/b")}
    before = t.look()
    for options, words, files, total in [
            (["owner"], "owner", 1, size["owner/b"]), (["mode"], "mode", 2, size["mode/b"] + size["mode/c"]),
            (["both"], "owner,mode", 1, size["both/b"]), (["xattr"], "xattr", 1, size["xattr/b"]),
            (["--respect", "time", "time"], "time", 1, size["time/b"])]:
        dry = t.json("-n", *options)
        t.figures(dry, links_made=0, sets=0)
        found = {",".join(each["differ"]): (each["files"], each["bytes"]) for each in dry.summary["apart"]}
        t.equal(found, {words: (files, total)}, "kept apart in %r" % options)
        told = t.run("-n", *options)
        t.check("--ignore " + words in told.out, "the option is not told: " + told.about())
        # And it would: with the words ignored exactly that many go.
        t.figures(t.json("-n", *options, "--ignore", words), inodes_freed=files, bytes_saved=total)
    t.untouched(before)
    told = t.run("-n", "mode")
    t.check(re.search(r"\b2 files\b", told.out), "the number is not told: " + told.about())
    t.check("--ignore" not in t.run("-n", "time").out, "told although nothing is kept apart")
