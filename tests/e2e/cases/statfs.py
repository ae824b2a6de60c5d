# SPDX-License-Identifier: MIT
"""bytes_saved is what statfs shows, to the byte, on a fresh ext4."""
import os

from harness import settle


def free_bytes(path):
    settle(path)
    found = os.statvfs(path)
    return found.f_bfree * found.f_frsize


def test(t):
    place = t.image("ext4", 256)
    for number in range(120):
        size = [1, 700, 4096, 40000, 300000][number % 5]
        t.write("image/d%d/f%d" % (number % 6, number), t.random(size, number % 11))
    for number in range(3):
        with open(t.path("image/sparse%d" % number), "wb") as file:
            file.seek(1 << 20)
            file.write(b"end")
    os.makedirs(t.path("image/out"))
    t.link("image/d0/f0", "image/out/held")
    before = free_bytes(place)
    roots = [os.path.join("image", name) for name in os.listdir(place) if name not in ("out", "lost+found")]
    dry = t.json("-n", *roots)
    t.equal(free_bytes(place), before, "free space after the dry run")
    done = t.json(*roots)
    t.equal(done.summary["bytes_saved"], dry.summary["bytes_saved"], "dry and real")
    t.check(done.summary["bytes_saved"] > 1 << 20, "too little saved to tell")
    t.equal(free_bytes(place) - before, done.summary["bytes_saved"], "what statfs shows")
