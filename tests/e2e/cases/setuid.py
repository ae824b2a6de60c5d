# SPDX-License-Identifier: MIT
"""Setuid, setgid and sticky files count as any other: linked with their like, and the bits stay."""
import os
import stat


def test(t):
    for name in ("a", "b", "c/d"):
        t.write(name, "same content", mode=0o4755)
    for name in ("e", "f"):
        t.write(name, "same content", mode=0o2755)
    t.write("plain", "same content", mode=0o755)
    t.write("sticky", "same content", mode=0o1755)
    t.json(".")
    t.one_inode("a", "b", "c/d")
    t.one_inode("e", "f")
    t.all_apart("a", "e", "plain", "sticky")
    for name, mode in (("a", 0o4755), ("e", 0o2755), ("plain", 0o755), ("sticky", 0o1755)):
        t.equal(stat.S_IMODE(os.lstat(t.path(name)).st_mode), mode, name)
