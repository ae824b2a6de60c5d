# SPDX-License-Identifier: MIT
"""rsnapshot-dedupe links across snapshots only, under rsnapshot's lock, and leaves the work to the next time when it is held."""
import os
import subprocess

from harness import PROGRAM, TOP

SCRIPT = os.path.join(TOP, "tools", "dist", "rsnapshot-dedupe")


def run(t, lock, before=None):
    env = dict(os.environ, DEDUPE_LINK=PROGRAM, HOME=t.scratch, XDG_CACHE_HOME=t.scratch)
    command = ["sh", SCRIPT, t.path("snapshots"), lock]
    if before:
        command = ["sh", "-c", before + '; "$@"; exit $?', "sh", *command]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def make(t, name):
    for snapshot in ("daily.0", "daily.1", "weekly.0"):
        for copy in ("one", "two"):
            t.write("snapshots/%s/%s-%s" % (snapshot, name, copy), name.encode() * 100, mtime=10**18)
    t.write("snapshots/elsewhere/" + name, name.encode() * 100, mtime=10**18)


def linked(t, name):
    look = t.look("snapshots").entries
    return [look["%s/%s-%s" % (snapshot, name, copy)][0].st_ino
            for snapshot in ("daily.0", "daily.1", "weekly.0") for copy in ("one", "two")]


def test(t):
    t.cache()  # the program without it would say so every night
    t.spare_cache()
    lock = os.path.join(t.scratch, "rsnapshot.pid")
    make(t, "free")
    t.equal(run(t, lock), (0, "", ""), "nobody holds the lock")
    t.check(not os.path.exists(lock), "the lock was given back")
    inodes = linked(t, "free")
    t.check(len(set(inodes)) < 6, "linked across snapshots: %r" % inodes)
    t.equal(t.look("snapshots").entries["elsewhere/free"][0].st_nlink, 1, "what is no snapshot is left alone")

    make(t, "held")
    holder = subprocess.Popen(["sleep", "60"])
    with open(lock, "w") as out:
        out.write("%d\n" % holder.pid)
    t.equal(run(t, lock), (0, "", ""), "held by another: left for the next time")
    holder.kill()
    holder.wait()
    t.equal(len(set(linked(t, "held"))), 6, "nothing was linked")
    status, out, err = run(t, lock)
    t.equal((status, out, len(err.splitlines())), (1, "", 1), "a stale lock is told: " + err)
    t.check(os.path.exists(lock), "and left")
    os.unlink(lock)

    # As cmd_postexec: the lock holds the number of the process that started us.
    t.equal(run(t, lock, before="echo $$ >" + lock), (0, "", ""), "under rsnapshot's own lock")
    t.check(len(set(linked(t, "held"))) < 6, "linked")
    t.check(os.path.exists(lock), "rsnapshot's lock is rsnapshot's to remove")
