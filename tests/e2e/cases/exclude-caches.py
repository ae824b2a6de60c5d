# SPDX-License-Identifier: MIT
"""--exclude-caches leaves directories alone that hold a CACHEDIR.TAG with the signature, and only those."""
import os

TAG = b"Signature: 8a477f597d28d172789f06886806bc55"


def test(t):
    for where in ("plain", "cache", "cache/deep", "short", "other", "linked", "pipe", "named"):
        t.write(where + "/f", "content", mtime=10**9)
    t.write("cache/CACHEDIR.TAG", TAG + b"\n# by some program\n")
    t.write("short/CACHEDIR.TAG", TAG[:-1])
    t.write("other/CACHEDIR.TAG", b"x" + TAG)
    os.symlink("../cache/CACHEDIR.TAG", t.path("linked/CACHEDIR.TAG"))
    os.mkfifo(t.path("pipe/CACHEDIR.TAG"))
    t.write("named/cachedir.tag", TAG)
    seen = t.json("-n", ".")
    t.figures(seen, files_seen=12)
    t.figures(t.json("-n", "--exclude-caches", "."), files_seen=9)
    t.figures(t.json("-n", "--exclude-caches", "cache"), files_seen=0)
    t.figures(t.json("--exclude-caches", "."), links_made=5)
    t.one_inode(*[where + "/f" for where in ("plain", "short", "other", "linked", "pipe", "named")])
    t.all_apart("plain/f", "cache/f", "cache/deep/f")
