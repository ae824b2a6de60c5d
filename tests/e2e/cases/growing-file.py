# SPDX-License-Identifier: MIT
"""A file that grows while it is read ends the reading all the same, is not linked, and keeps every byte written."""
import os
import subprocess
import sys

# Appends a block some thousand times a second until its input ends, then says how many; says so when it has begun.
WRITER = """
import os, select, sys
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND)
count = 0
while count < 20000 and not select.select([0], [], [], 0.0005)[0]:
    os.write(fd, b"x" * 16384)
    count += 1
    if count == 1:
        print("begun", flush=True)
print(count)
"""


def test(t):
    base = b"x" * (1 << 20)
    t.write("d/growing", base)
    t.write("d/like-it-at-first", base)
    t.write("d/a", t.random(30000))
    t.write("d/b", t.random(30000))
    with subprocess.Popen([sys.executable, "-c", WRITER, t.path("d/growing")], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        t.equal(writer.stdout.readline(), b"begun\n", "the writer")
        for _ in range(3):
            t.json("d", timeout=60)
        t.check(writer.poll() is None, "it wrote to the end")
        count = int(writer.communicate()[0])
    t.one_inode("d/a", "d/b")
    t.all_apart("d/growing", "d/like-it-at-first")
    t.equal(os.lstat(t.path("d/growing")).st_size, len(base) + count * 16384, "size")
    t.equal(sorted(os.listdir(t.path("d"))), ["a", "b", "growing", "like-it-at-first"], "names")
