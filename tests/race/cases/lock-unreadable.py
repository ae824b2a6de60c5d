# SPDX-License-Identifier: MIT
"""Files that are named in a directory that may be searched but not read: what is above it is locked all the same."""
import os
import shutil

from harness import load

NOBODY = 65534


def test(t):
    t.need_root()
    lock = load(os.path.join(os.path.dirname(os.path.abspath(__file__)), "lock.py"))
    slow = shutil.copy(lock.SLOWED, t.path("slow"))
    os.chmod(slow, 0o755)
    for name in ("1", "2", "3"):
        t.write("tree/blind/" + name, b"the same in all of them" * 100, mtime=10**18)
        os.chown(t.path("tree/blind", name), NOBODY, NOBODY)
    os.chown(t.path("tree/blind"), NOBODY, NOBODY)
    os.chmod(t.path("tree/blind"), 0o311)
    names = ["tree/blind/1", "tree/blind/2", "tree/blind/3"]
    first = lock.begin(t, *names, program=slow, user=NOBODY, group=NOBODY, extra_groups=[])
    try:
        t.check(lock.temps(t), "set-up: the first run has no temporary names out")
        before = t.look()
        done = t.run("tree", exit=3)
        t.check("another run holds the lock on " in done.err, "no clear line: " + done.about())
        t.untouched(before)
    finally:
        lock.finish(t, first)
    for name in names[1:]:
        os.unlink(t.path(name))
        t.write(name, b"the same in all of them" * 100, mtime=10**18)
        os.chown(t.path(name), NOBODY, NOBODY)
    first = lock.begin(t, "tree")
    try:
        done = t.run(*names, user=NOBODY, exit=3)
        t.check("another run holds the lock on " in done.err, "no clear line: " + done.about())
    finally:
        lock.finish(t, first)
    t.equal(lock.temps(t), [], "temporary names left")
    t.one_inode(*names)
    goes_on(t)


def goes_on(t):
    """A PATH that cannot even be searched is an error, and no reason to leave the others."""
    for name in ("open/1", "open/2", "closed/3", "listed/4"):
        t.write(name, b"the same in all of them" * 100, mtime=10**18)
        os.chown(t.path(name), NOBODY, NOBODY)
        os.chown(t.path(os.path.dirname(name)), NOBODY, NOBODY)
    os.chmod(t.path("closed"), 0o000)
    os.chmod(t.path("listed"), 0o600)
    t.run("closed", "listed", "open", user=NOBODY, exit=1)
    t.one_inode("open/1", "open/2")
