# SPDX-License-Identifier: MIT
"""After some nights without equal files records are not even looked up, until a file comes or changes; and then all is found."""
import contextlib
import os
import shutil
import sqlite3

from harness import NOBODY

LISTS = "id < (1 << 49)"


def change(path, statement):
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        return database.execute(statement).fetchall()


def night(t, cache, links):
    """A linking run, which finds what one without a cache finds."""
    t.figures(t.json("-n", "."), links_made=links)
    t.figures(t.json(cache, "."), links_made=links, errors=0)


def looks_nothing_up(t, path):
    """Whoever looked at a record now would find it damaged, and say so."""
    good = os.path.join(t.scratch, "good.db")
    shutil.copy(path, good)
    change(path, "UPDATE blocks SET data = x'00' WHERE NOT " + LISTS)
    run = t.json("--cache=" + path, ".")
    t.figures(run, links_made=0)
    shutil.copy(good, path)
    return "damaged" not in run.err and not run.summary["bytes_read"]


def test(t):
    cache = t.cache()
    path = cache[len("--cache="):]
    for number in range(120):
        t.write("d%d/f%d" % (number % 7, number), t.random(3000 + number % 100 % 40, number % 100))
    t.write("pair/a", b"one" * 1000)
    t.write("pair/b", b"two" * 1000)
    night(t, cache, 20)
    t.check(not looks_nothing_up(t, path), "linking changed what there is: it is looked at once more")
    night(t, cache, 0)
    t.equal(len(change(path, "SELECT id FROM blocks WHERE " + LISTS)), 1, "lists")
    t.check(looks_nothing_up(t, path), "nothing is looked up")
    # Nor with the ctime of every file moved.
    t.sh("cp", "-al", t.path("d1"), t.path("snapshot"))
    t.check(looks_nothing_up(t, path), "nothing is looked up after cp -al")
    t.sh("rm", "-r", t.path("snapshot"))
    # A copy that comes.
    shutil.copy(t.path("pair/a"), t.path("pair/c"))
    night(t, cache, 1)
    t.equal(os.stat(t.path("pair/a")).st_ino, os.stat(t.path("pair/c")).st_ino, "linked")
    # A file that becomes equal to another, in place; one inode less, and no change of size.
    with open(t.path("pair/b"), "r+b") as file:
        file.write(b"one" * 1000)
    night(t, cache, 1)
    # A file that only goes.
    night(t, cache, 0)
    night(t, cache, 0)
    t.check(looks_nothing_up(t, path), "nothing is looked up again")
    os.unlink(t.path("d2/f2"))
    night(t, cache, 0)
    # One that is read and has no equal is known from then on.
    t.write("z/new", t.random(3005, 999))
    night(t, cache, 0)
    t.check(looks_nothing_up(t, path), "nothing is looked up after a file was read")
    # What is found by a dry run is found again by the next.
    t.write("x/a", t.random(7777, 1))
    t.write("x/b", t.random(7777, 1))
    for _ in range(3):
        t.figures(t.json("-n", cache, "."), links_made=1)
    night(t, cache, 1)
    # Attributes keep equal files apart for as long as they are there.
    t.write("y/a", t.random(8888, 2), mode=0o600)
    t.write("y/b", t.random(8888, 2), mode=0o644)
    for _ in range(3):
        night(t, cache, 0)
    os.chmod(t.path("y/a"), 0o644)
    night(t, cache, 1)
    unread(t)


def unread(t):
    """What could not be read is not known to differ from anything."""
    user = NOBODY if t.root else None
    where, beside = t.path("closed"), os.path.join(t.scratch, "beside")
    os.mkdir(beside)
    t.write("closed/a", t.random(9999, 3))
    t.write("closed/b", t.random(9999, 3))
    for path in (where, beside, t.path("closed/a"), t.path("closed/b")):
        os.chown(path, *([user, user] if t.root else [-1, -1]))
    cache = "--cache=" + os.path.join(beside, "cache.db")
    os.chmod(t.path("closed/b"), 0)
    for _ in range(2):
        t.figures(t.json("-n", cache, where, user=user, exit=1), errors=1, links_made=0)
    os.chmod(t.path("closed/b"), 0o644)
    t.figures(t.json("-n", cache, where, user=user), errors=0, links_made=1)
