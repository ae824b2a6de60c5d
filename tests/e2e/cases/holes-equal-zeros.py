# SPDX-License-Identifier: MIT
"""A hole and written zeros are equal content: such files are linked, and the space of the one that goes is counted."""
import os

from harness import settle


def test(t):
    data = t.random(50000)
    t.write("written", data + bytes(400000) + data, mtime=2 * 10**18)
    with open(t.path("sparse"), "wb") as file:
        file.write(data)
        file.seek(450000)
        file.write(data)
    os.utime(t.path("sparse"), ns=(10**18, 10**18))
    with open(t.path("only-hole"), "wb") as file:
        file.truncate(100000)
    t.write("only-zeros", bytes(100000))
    t.write("one-bit", bytes(99999) + b"\1")
    settle(t.top)
    size = os.lstat(t.path("written")).st_blocks * 512
    before = t.look()
    done = t.json(".", "-s", "200000")
    t.figures(done, links_made=1, bytes_saved=size)
    t.json(".")
    t.same_contents(before)
    t.one_inode("written", "sparse")
    t.one_inode("only-hole", "only-zeros")
    t.all_apart("only-hole", "one-bit")
