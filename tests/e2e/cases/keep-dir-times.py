# SPDX-License-Identifier: MIT
"""--keep-dir-times: directories have their times of before, but for those that somebody else changed meanwhile."""
import os
import subprocess

from harness import PROGRAM, wait_until

OLD = 10**18 + 123456789


def times(t, *names):
    return {name: os.stat(t.path(name)).st_mtime_ns for name in names}


def age(t, *names):
    for name in names:
        os.utime(t.path(name), ns=(OLD, OLD))


def plain(t):
    dirs = ["plain", "plain/b", "plain/b/deep", "plain/c"]
    for number in range(40):
        for where in ("b", "b/deep", "c"):
            t.write("plain/%s/%d" % (where, number), b"x%d" % number)
    t.link("plain/c/1", "plain/c/1-too")
    age(t, *dirs)
    t.figures(t.json("-n", "--keep-dir-times", "plain"), links_made=80)
    t.figures(t.json("--keep-dir-times", "plain"), links_made=80, errors=0)
    t.equal(times(t, *dirs), dict.fromkeys(dirs, OLD), "all as before")
    for name in ("a", "b"):
        t.write("without/" + name, b"without")
    age(t, "without")
    t.run("-q", "without")
    t.check(times(t, "without")["without"] != OLD, "without the option it shows")


def busy(t):
    """Others create, remove, rename and touch in directories while the run works in them."""
    deeds = {
        "create": lambda top: open(top + "/new", "x").close(),
        "remove": lambda top: os.unlink(top + "/victim"),
        "rename": lambda top: os.rename(top + "/victim", top + "/renamed"),
        "in": lambda top: os.rename(t.path("outside"), top + "/came"),
        "out": lambda top: os.rename(top + "/victim", t.path("gone")),
        "save": lambda top: (open(top + "/tmp", "x").close(), os.rename(top + "/tmp", top + "/victim")),
        "touch": lambda top: os.utime(top, ns=(OLD + 1, OLD + 1)),
        "undone": lambda top: (open(top + "/tmp", "x").close(), os.unlink(top + "/tmp")),
    }
    quiet = {"nothing": lambda top: None, "read": os.listdir, "write": lambda top: open(top + "/victim", "a").write("x"),
             "chmod-file": lambda top: os.chmod(top + "/victim", 0o600)}
    t.write("outside", b"")
    for number, name in enumerate([*deeds, *quiet]):
        for size in (1, 2):
            for copy in "ab":
                t.write("busy/%s/%s%d" % (name, copy, size), t.random(size * 30_000, number * 2 + size))
        t.write("busy/%s/victim" % name, name)
    for name in [*deeds, *quiet]:
        age(t, "busy/" + name)
    child = subprocess.Popen([PROGRAM, "-q", "--keep-dir-times", "--bwlimit", "300K", "-j1", t.path("busy")])
    waiting = {**deeds, **quiet}

    def do_what_is_due():
        for name in list(waiting) if child.poll() is None else []:  # later it would show nothing
            top = t.path("busy", name)
            if any(os.stat(top + "/a%d" % size).st_nlink == 2 for size in (1, 2)):
                waiting.pop(name)(top)
        return not waiting

    # In each directory something is done after the first of its two pairs was linked, at the soonest. The large pairs come first, in
    # four seconds, then the small ones, in two: time enough for it on a busy machine.
    wait_until(do_what_is_due, lambda: "the first links in %s" % list(waiting), child)
    t.equal(child.wait(), 0, "exit status")
    for name in quiet:
        t.equal(times(t, "busy/" + name)["busy/" + name], OLD, "put back: " + name)
    for name in deeds:
        t.check(times(t, "busy/" + name)["busy/" + name] != OLD, "not put back: " + name)


def test(t):
    plain(t)
    busy(t)
