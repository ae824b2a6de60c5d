# SPDX-License-Identifier: MIT
"""Two sparse files of 1 TiB are compared in seconds by skipping their holes; what is saved is what they occupy."""
import os
import subprocess
import time

from harness import settle


def sparse(path, size, pieces):
    with open(path, "xb") as file:
        for at, content in pieces:
            file.seek(at)
            file.write(content)
        file.truncate(size)


def test(t):
    size = 1 << 40
    pieces = [(0, b"begin"), (1 << 39, t.random(70000)), (size - 5, b"end..")]
    try:
        sparse(t.path("one"), size, pieces)
    except OSError as error:
        t.skip("no file of 1 TiB here: %s" % error)
    sparse(t.path("two"), size, pieces)
    sparse(t.path("near"), size, pieces[:1] + [(1 << 39, b"\1")] + pieces[2:])
    sparse(t.path("hole1"), size, [])
    sparse(t.path("hole2"), size, [])
    settle(t.top)
    if os.lstat(t.path("one")).st_blocks * 512 > 1 << 20:
        t.skip("no holes on this file system")
    kind = subprocess.run(["stat", "-f", "-c", "%T", t.top], stdout=subprocess.PIPE, check=True).stdout.decode().strip()
    if kind not in ("ext2/ext3", "xfs", "btrfs", "tmpfs", "f2fs"):
        t.skip("what %s says of holes is not believed: all is read" % kind)
    saved = sum(os.lstat(t.path(name)).st_blocks * 512 for name in ("two", "hole2"))
    begun = time.monotonic()
    dry = t.json("-n", ".", timeout=60)
    done = t.json(".", timeout=60)
    t.check(time.monotonic() - begun < 60, "took too long")
    t.figures(dry, links_made=2, bytes_saved=saved)
    t.figures(done, links_made=2, bytes_saved=saved, errors=0)
    t.one_inode("one", "two")
    t.one_inode("hole1", "hole2")
    t.all_apart("one", "near", "hole1")
    with open(t.path("two"), "rb") as file:
        file.seek(1 << 39)
        t.equal(file.read(70000), pieces[1][1], "the data in the middle")
