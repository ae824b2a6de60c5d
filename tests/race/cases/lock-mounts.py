# SPDX-License-Identifier: MIT
"""Two runs over overlapping trees never meet through mounts either: those they come by, and those they enter."""
import os
import resource
import shutil

from harness import load


def test(t):
    t.need_mounts()
    lock = load(os.path.join(os.path.dirname(os.path.abspath(__file__)), "lock.py"))
    os.makedirs(t.path("outer/inner"))
    # The directory that is mounted elsewhere stays; meets() would remove it with all below.
    t.tmpfs("area")
    for held, asked in ((["area/outer"], ["again"]), (["again"], ["area/outer"]), (["area/outer"], ["again/inner"]),
                        (["again/inner"], ["area/outer"]), (["inside"], ["area/outer"]), (["area/outer"], ["inside"]),
                        (["inside"], ["again"]), (["again"], ["inside"])):
        lock.make(t, "area/outer")
        t.bind("area/outer", "again")
        t.bind("area/outer/inner", "inside")
        first = lock.begin(t, *held)
        try:
            before = t.look("area")
            done = t.run(*asked, exit=3)
            t.check("another run holds the lock on " in done.err, "no clear line: " + done.about())
            t.untouched(before)
        finally:
            lock.finish(t, first)
        t.sh("umount", t.path("inside"))
        t.sh("umount", t.path("again"))
        shutil.rmtree(t.path("area/outer"))
    entered(t, lock)
    locked_as_one(t, lock)


def entered(t, lock):
    """A tree that is mounted below the PATH of one run, and is, or is a part of, or holds the PATH of another."""
    for held, asked, refused in (("area/one", "area/two", True), ("area/two", "area/one", True),
                                 ("area/one", "area/two/inner", True), ("area/two/inner", "area/one", True),
                                 ("area/two", "-x area/one", False)):
        lock.make(t, "area/two")
        t.write("area/one/alone", b"alone")
        t.bind("area/two", "area/one/way")
        first = lock.begin(t, held)
        try:
            before = t.look("area")
            done = t.run(*asked.split(), exit=3 if refused else 0)
            t.check(not refused or "another run holds the lock on " in done.err, "no clear line: " + done.about())
            t.untouched(before)
        finally:
            lock.finish(t, first)
        t.sh("umount", t.path("area/one/way"))
        shutil.rmtree(t.path("area/one"))
        shutil.rmtree(t.path("area/two"))


def locked_as_one(t, lock):
    """Where there are too few descriptors for a lock on each of many PATHs, all of their mount is locked."""
    paths = ["area/many/%d" % number for number in range(30)]
    for path in paths:
        t.write(path + "/1", b"the same")
    few = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    for held, asked in ((["area/many"], paths), (paths, ["area/many"]), (paths, ["area/many/7"])):
        for path in paths:  # something to do for each first run
            t.write(path + "/new", b"the same")
            os.rename(t.path(path, "new"), t.path(path, "1"))
        first = lock.begin(t, *held, preexec_fn=few)
        try:
            before = t.look("area")
            done = t.run(*asked, exit=3, files=64)
            t.check("another run holds the lock on " in done.err, "no clear line: " + done.about())
            t.untouched(before)
        finally:
            lock.finish(t, first)
