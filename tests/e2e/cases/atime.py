# SPDX-License-Identifier: MIT
"""The access time of files that were only read is as before."""
import os


def test(t):
    long_ago = 10**18
    for number in range(12):
        path = t.write("f%d" % number, t.random(9000 + 100000 * (number % 2), number // 2))
        os.utime(path, ns=(long_ago, 2 * long_ago))
    t.write("equal-head", t.random(9000, 0)[:8000] + bytes(1000))
    os.utime(t.path("equal-head"), ns=(long_ago, 2 * long_ago))
    t.json("-n", ".")
    for name, atime in t.look().atimes().items():
        t.equal(atime, long_ago, "atime after a dry run: " + name)
    t.json(".")
    for name, atime in t.look().atimes().items():
        t.equal(atime, long_ago, "atime after linking: " + name)
