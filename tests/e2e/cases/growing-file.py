# SPDX-License-Identifier: MIT
"""A file that grows while it is read ends the reading all the same, is not linked, and keeps every byte written."""
import os
import subprocess
import sys
import time

# Appends blocks until it is told to stop, then says how many.
WRITER = """
import os, sys, time
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND)
count = 0
while not os.path.exists(sys.argv[2]) and count < 20000:
    os.write(fd, b"x" * 16384)
    count += 1
    time.sleep(0.0005)
print(count)
"""


def test(t):
    base = b"x" * (1 << 20)
    t.write("d/growing", base)
    t.write("d/like-it-at-first", base)
    t.write("d/a", t.random(30000))
    t.write("d/b", t.random(30000))
    writer = subprocess.Popen([sys.executable, "-c", WRITER, t.path("d/growing"), t.path("stop")],
                              stdout=subprocess.PIPE)
    try:
        while os.lstat(t.path("d/growing")).st_size == len(base):
            time.sleep(0.01)
        for _ in range(3):
            t.json("d", timeout=60)
    finally:
        open(t.path("stop"), "w").close()
        count = int(writer.communicate()[0])
    t.one_inode("d/a", "d/b")
    t.all_apart("d/growing", "d/like-it-at-first")
    t.equal(os.lstat(t.path("d/growing")).st_size, len(base) + count * 16384, "size")
    t.equal(sorted(os.listdir(t.path("d"))), ["a", "b", "growing", "like-it-at-first"], "names")
