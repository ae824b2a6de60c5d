# SPDX-License-Identifier: MIT
"""The program's night under faults: --journal with all its company, and --undo. See tests/README.md.

Calls fail, or the process is killed at them, n = 1, 2, ... Then every name has its bytes, what is linked stands in the journal,
and recovery and --undo bring the tree back as it was: bytes, times and which names are one file.
"""
import os
import subprocess

import strace
from harness import Failed, Look

# Call, errno, and every how many-th call is tried.
NIGHT = [("write", "ENOSPC", 2), ("fdatasync", "EIO", 1), ("inotify_add_watch", "ENOSPC", 1), ("utimensat", "EPERM", 1),
         ("fadvise64", "EINVAL", 3), ("renameat2", "EIO", 1), ("linkat", "ENOSPC", 1),
         ("unlinkat", "EIO", 1), ("ioprio_set", "EPERM", 1), ("rename", "EIO", 1)]
UNDO = [("fdatasync", "EIO", 1), ("linkat", "ENOSPC", 1), ("renameat2", "EIO", 1), ("unlinkat", "EIO", 1),
        ("copy_file_range", "EIO", 1), ("ftruncate", "ENOSPC", 1), ("fchown", "EPERM", 1), ("fchmod", "EPERM", 1),
        ("utimensat", "EPERM", 1), ("read", "EIO", 2), ("pread64", "EIO", 1)]
KILLS = ("write", "fdatasync", "linkat", "renameat2", "unlinkat")


class Night(strace.Tree):
    def __init__(self, scratch):
        super().__init__(scratch)
        self.files = {name: os.path.join(scratch, name) for name in ("journal", "cache", "metrics")}
        for path in self.files.values():
            if os.path.exists(path):
                os.unlink(path)
        self.own = state(self.top)
        self.options = ["--journal", self.files["journal"], "--cache=" + self.files["cache"], "--metrics",
                        self.files["metrics"], "--idle", "--keep-dir-times"]

    def plainly(self, what, *arguments, statuses=(0,)):
        done = subprocess.run([strace.PROGRAM, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=strace.SECONDS)
        if done.returncode not in statuses:
            raise Failed("%s: %r: exit %d\n%s" % (what, arguments, done.returncode, done.stderr.decode()))

    def night(self, inject):
        return self.run(inject, *self.options, "--json")

    def undo(self, inject):
        return self.run(inject, "--undo", self.files["journal"], rooted=False)

    def restore(self, what, noted):
        """Recovery, with the journal or without, and --undo: all is as it was before the night."""
        journal = self.files["journal"]
        self.plainly(what, "-q", "--recover", *(["--journal", journal] if noted else []), self.top)
        if self.temps():
            raise Failed("%s: left after recovery: %r" % (what, self.temps()))
        if os.path.exists(journal):
            self.plainly(what, "-q", "--undo", journal)
        self.check_names(what + ", undone")
        now = state(self.top)
        for path, was in self.own.items():
            if now[path][0] != was[0]:
                raise Failed("%s: %s has not its time of old after --undo" % (what, path))
        apart(what, self.own, now)


def state(top):
    return {path: (status.st_mtime_ns, status.st_ino) for path, (status, _, _) in Look(top).entries.items()
            if not os.path.isdir(os.path.join(top, path))}


def apart(what, before, now):
    """No two names that were two files are one."""
    owner = {}
    for path, (_, ino) in now.items():
        if owner.setdefault(ino, before[path][1]) != before[path][1]:
            raise Failed("%s: %s is still a link of another file after --undo" % (what, path))


def each(scratch, inject, stride, act, begin, noted=True):
    """Plays call n, 1, 1 + stride, ...; begin() before, act() under strace, and all restored after."""
    fired, n = 0, 1
    while True:
        tree = Night(scratch)
        begin(tree)
        what = inject + ":when=%d" % n
        done, log = act(tree, what)
        if "(INJECTED)" not in log and "killed by SIGKILL" not in log:
            break
        fired += 1
        tree.check_names(what)
        if "signal" not in inject:
            judge(tree, what, done)
        tree.restore(what, noted)
        n += stride
    if not fired:
        raise strace.Skipped("no such call is made here")
    return "%d faults fired" % fired


def judge(tree, what, done):
    if done.status == 127:  # the loader could not load it
        return
    if done.status not in (0, 1, 2):
        raise Failed("%s: %s" % (what, done.about()))
    if done.status and not done.err:
        raise Failed("%s: exit %d, and not a word" % (what, done.status))
    if "--json" not in done.command or what.split(":")[0] in ("write", "rename"):
        return  # the report itself, or the file of metrics, was lost: the exit status says so
    strace.check_report(tree, what, done)


def linked(tree):
    tree.plainly("before --undo", "-q", *tree.options, tree.top)


def cases():
    found = []
    for call, error, stride in NIGHT:
        found.append(("night:%s:%s" % (call, error), lambda scratch, call=call, error=error, stride=stride: each(
            scratch, "%s:error=%s" % (call, error), stride, Night.night, lambda tree: None)))
    for call, error, stride in UNDO:
        if call == "read" and os.environ.get("DEDUPE_SLOW"):
            continue  # a sanitizer reads its own options
        found.append(("undo:%s:%s" % (call, error), lambda scratch, call=call, error=error, stride=stride: each(
            scratch, "%s:error=%s" % (call, error), stride, Night.undo, linked)))
    for call in KILLS:
        # A line is written before its name is taken: after a kill, recovery need not know of the journal.
        for noted in (True, False):
            word = "kill:" if noted else "kill-unnoted:"
            found.append(("night:" + word + call, lambda scratch, call=call, noted=noted: each(
                scratch, call + ":signal=KILL", 1, Night.night, lambda tree: None, noted)))
            if call != "write":
                found.append(("undo:" + word + call, lambda scratch, call=call, noted=noted: each(
                    scratch, call + ":signal=KILL", 1, Night.undo, linked, noted)))
    return found
