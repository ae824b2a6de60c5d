# SPDX-License-Identifier: MIT
"""The program as it ships, with faults and signals that strace injects. See tests/README.md.

Each case builds a small tree, runs the program under `strace -e inject=...` and asks strace's own log whether the fault
fired. Call n fails, n = 1, 2, ... until a run makes fewer calls. After each: every name with its bytes and metadata, the exit
status tells of trouble, and a second run without faults links everything and leaves no temporary name.
"""
import json
import os
import shutil
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "e2e"))
import harness  # noqa: E402
from harness import Failed, Skipped  # noqa: E402

PROGRAM = harness.PROGRAM
SECONDS = 60

# Call, errnos, and every how many-th call is tried (the rest are like their neighbours).
FAULTS = [
    ("linkat", "EMLINK ENOSPC EDQUOT EROFS EPERM EIO EXDEV ENOENT ENOMEM", 1),
    ("renameat2", "EINVAL ENOSYS EIO ENOSPC EROFS ENOENT", 1),
    ("unlinkat", "EIO EROFS EACCES", 1),
    ("fdatasync", "EIO ENOSPC EROFS", 1),
    ("pread64", "EIO ESTALE", 3),
    ("statx", "ESTALE EIO", 7),
    ("fcntl", "EAGAIN EINVAL", 7),
    ("getdents64", "EIO", 1),
    ("openat2", "ENOSYS EIO", 2),
    ("flistxattr", "EIO EOPNOTSUPP", 2),
    ("flock", "EAGAIN ENOLCK", 1),
]
MODIFYING = ("linkat", "renameat2", "unlinkat", "fdatasync")


def why_not():
    """Why strace cannot be used here, or None."""
    if not shutil.which("strace"):
        return "strace is not installed"
    try:
        done = subprocess.run(["strace", "-f", "-o", "/dev/null", "-e", "inject=close:delay_exit=1:when=1", "true"],
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=20)
    except subprocess.TimeoutExpired:
        return "strace does not come back"
    if done.returncode:
        return "ptrace is not allowed: " + done.stderr.decode(errors="replace").strip()[:100]
    return None


class Tree:
    """Three sets and a file that is like one of them but for a byte deep inside."""

    def __init__(self, scratch):
        self.scratch = scratch
        self.top = os.path.join(scratch, "tree")
        self.log = os.path.join(scratch, "log")
        shutil.rmtree(self.top, ignore_errors=True)
        os.makedirs(os.path.join(self.top, "a", "deep"))
        os.makedirs(os.path.join(self.top, "b"))
        body = bytes(range(251)) * 600
        other = body[:140000] + b"!" + body[140001:]
        self.groups = {}
        self.add("small", b"some content", "a/s1", "a/deep/s2", "b/s3")
        self.add("large", body, "a/l1", "b/l2")
        self.add("other", other, "b/l3")
        self.add("links", b"x" * 5000, "a/k1", "b/t1")
        os.link(self.at("a/k1"), self.at("b/k2"))
        os.link(self.at("a/k1"), self.at("b/k3"))
        os.link(self.at("b/t1"), self.at("a/t2"))
        self.groups["links"] += ["b/k2", "b/k3", "a/t2"]
        self.before = harness.Look(self.top)

    def at(self, path):
        return os.path.join(self.top, path)

    def add(self, group, content, *paths):
        for path in paths:
            with open(self.at(path), "xb") as out:
                out.write(content)
        self.groups[group] = list(paths)

    def temps(self):
        return [path for path in harness.Look(self.top).entries if os.path.basename(path).startswith(".dedupe-link-")]

    def linked(self, group):
        return len({os.lstat(self.at(path)).st_ino for path in self.groups[group]}) == 1

    def check_names(self, what):
        """Every name is there with its bytes, type, mode and owner; others are temporary ones."""
        after = harness.Look(self.top)
        for path, (status, content, _) in self.before.entries.items():
            now = after.entries.get(path)
            if now is None:
                raise Failed("%s: %s is gone" % (what, path))
            if now[1] != content or (now[0].st_mode, now[0].st_uid) != (status.st_mode, status.st_uid):
                raise Failed("%s: %s has other content or metadata" % (what, path))
        strangers = [path for path in after.entries if path not in self.before.entries and
                     ".dedupe-link-" not in path]
        if strangers:
            raise Failed("%s: %r" % (what, strangers))

    def run(self, inject, *options, trace=None, rooted=True, **how):
        """The program under strace; its status, output and strace's log."""
        if os.path.exists(self.log):
            os.unlink(self.log)
        command = ["strace", "-f", "-qq", "-o", self.log, "-e", "trace=" + (trace or inject.split(":")[0]), "-e",
                   "inject=" + inject, PROGRAM, *(["-j", "1"] if rooted else []), *options,
                   *([self.top] if rooted else [])]
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                 env=dict(os.environ, ASAN_OPTIONS="detect_leaks=0"), **how)
        try:
            out, err = child.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.communicate()
            raise Failed("%s: did not end" % inject)
        with open(self.log, errors="replace") as lines:
            log = lines.read()
        done = harness.Run(command, child.returncode, out, err)
        for alarm in harness.ALARMS:
            if alarm in done.err:
                raise Failed("%s: %s" % (inject, done.about()))
        return done, log

    def finish(self, what):
        """A second run, without faults, makes all well."""
        done = subprocess.run([PROGRAM, "-j", "1", self.top], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=SECONDS)
        if done.returncode:
            raise Failed("%s: the second run: exit %d\n%s" % (what, done.returncode, done.stderr.decode()))
        self.check_names(what + ", second run")
        if self.temps():
            raise Failed("%s: left after the second run: %r" % (what, self.temps()))
        for group in self.groups:
            if not self.linked(group):
                raise Failed("%s: %s is not linked after the second run" % (what, group))


def check_report(tree, what, done):
    """The figures are those of the tree, and what is not linked was told of."""
    if done.status == 2 and "cannot open " + tree.top in done.err:
        return
    if done.status not in (0, 1, 3):
        raise Failed("%s: %s" % (what, done.about()))
    if done.status and not done.err:
        raise Failed("%s: exit %d, and not a word: %s" % (what, done.status, done.about()))
    if not done.raw:
        raise Failed("%s: no report: %s" % (what, done.about()))
    summary = json.loads(done.raw)["summary"]
    after = harness.Look(tree.top)
    left = {now[0].st_ino for now in after.entries.values()}
    temps = {after.entries[path][0].st_ino for path in tree.temps()}
    links = half = freed = allocated = 0
    gone = {}
    for path, (status, _, _) in tree.before.entries.items():
        moved = after.entries[path][0].st_ino != status.st_ino
        links += moved
        half += moved and status.st_ino in temps  # the old file is still there: told as an error
        if status.st_ino not in left:
            gone[status.st_ino] = status.st_blocks * 512
    freed, allocated = len(gone), sum(gone.values())
    if not links - half <= summary["links_made"] <= links or (half and not summary["errors"]):
        raise Failed("%s: %d links, of which %d half done: %s" % (what, links, half, done.about()))
    if (summary["inodes_freed"], summary["bytes_saved"]) != (freed, allocated):
        raise Failed("%s: %d inodes and %d bytes went: %s" % (what, freed, allocated, done.about()))
    told = summary["errors"] + sum(summary["skipped_" + why] for why in ("in_use", "changed", "refused"))
    # A name that the walk is told does not exist is no trouble.
    unseen = summary["files_seen"] < sum(map(len, tree.groups.values()))
    if not all(map(tree.linked, tree.groups)) and not told and not unseen and done.status == 0:
        raise Failed("%s: not all is linked, and nothing was said: %s" % (what, done.about()))
    if bool(summary["errors"]) != (done.status == 1) and summary["complete"]:
        raise Failed("%s: %d errors, but exit %d" % (what, summary["errors"], done.status))


def sweep(call, error, stride, when):
    """Call n of a kind fails, once or from then on."""
    def case(scratch):
        fired, n = 0, 1
        while True:
            tree = Tree(scratch)
            what = "%s:error=%s:when=%d%s" % (call, error, n, when)
            done, log = tree.run(what, "--json")
            if "(INJECTED)" not in log:
                break
            fired += 1
            tree.check_names(what)
            if done.status != 127 or not early(call):  # 127: the loader could not load it
                check_report(tree, what, done)
            tree.finish(what)
            n += stride
        if not fired:
            raise Failed("no fault fired")
        return "%d faults fired" % fired
    return case


def early(call):
    """Calls that the dynamic loader makes too: the program may not even begin."""
    return call == "pread64"


def kill(call):
    """Killed at call n."""
    def case(scratch):
        fired, n = 0, 1
        while True:
            tree = Tree(scratch)
            what = "%s:signal=KILL:when=%d" % (call, n)
            done, log = tree.run(what)
            if "killed by SIGKILL" not in log:
                break
            fired += 1
            tree.check_names(what)
            tree.finish(what)
            n += 1
        if not fired:
            raise Failed("no fault fired")
        return "%d faults fired" % fired
    return case


def stop(number, call):
    """A signal that asks to stop comes at call n: what is in hand is finished or undone, and the report is there."""
    name = signal.Signals(number).name

    def case(scratch):
        fired, n = 0, 1
        while True:
            tree = Tree(scratch)
            what = "%s:signal=%s:when=%d" % (call, name, n)
            begun = time.monotonic()
            done, log = tree.run(what)
            took = time.monotonic() - begun
            if "--- %s" % name not in log:
                break
            fired += 1
            tree.check_names(what)
            if tree.temps():
                raise Failed("%s: half done: %r" % (what, tree.temps()))
            # Before the program has said what it does with signals, this one ends it; when all is done, it changes nothing.
            unmade = done.status == -number and early(call) and harness.Look(tree.top).everything() == tree.before.everything()
            if unmade:
                n += 1
                continue
            if done.status not in (128 + number, 0) or (done.status == 0 and not all(map(tree.linked, tree.groups))):
                raise Failed("%s: %s" % (what, done.about()))
            if done.status and ("stopped by " + name not in done.err or not done.out):
                raise Failed("%s: no report: %s" % (what, done.about()))
            if took > 10:
                raise Failed("%s: took %.1f s" % (what, took))
            tree.finish(what)
            n += {"pread64": 5}.get(call, 1)
        if not fired:
            raise Failed("no signal came")
        return "%d signals" % fired
    return case


# ---- signals while reading takes long


class Slow:
    """The program on two large equal files, each read of which takes a while."""

    def __init__(self, scratch, *options):
        self.top = os.path.join(scratch, "tree")
        shutil.rmtree(self.top, ignore_errors=True)
        os.makedirs(self.top)
        for name in ("one", "two", "three"):
            with open(os.path.join(self.top, name), "wb") as out:
                for i in range(24):
                    out.write(b"%8d" % i * (1 << 17))
        self.before = harness.Look(self.top)
        self.log = os.path.join(scratch, "log")
        self.child = subprocess.Popen(
            ["strace", "-f", "-qq", "-o", self.log, "-e", "trace=pread64", "-e",
             "inject=pread64:delay_enter=30000", PROGRAM, "-j", "1", *options, self.top],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0,
            env=dict(os.environ, ASAN_OPTIONS="detect_leaks=0"))
        self.pid = self.find()
        harness.wait_until(lambda: len(self.reads(self.logged())) > 10, "large files are read", self.child)

    def logged(self):
        with open(self.log, encoding="ascii", errors="replace") as log:
            return log.read()

    def reads(self, lines):
        """Of large files: the last stage, which takes half a minute."""
        return [line for line in lines.splitlines() if ", 131072, " in line]

    def find(self):
        """strace's child, which is the program."""
        for _ in range(500):
            try:
                with open("/proc/%d/task/%d/children" % (self.child.pid, self.child.pid)) as children:
                    found = children.read().split()
                if found and os.path.realpath("/proc/%s/exe" % found[0]) == os.path.realpath(PROGRAM):
                    return int(found[0])
            except OSError:  # it comes and goes while strace begins
                pass
            time.sleep(0.01)
        self.child.kill()
        raise Skipped("the program does not show below strace")

    def send(self, number):
        os.kill(self.pid, number)

    def end(self, number):
        """A second is thirty reads of one thread; what is counted no other load can change."""
        try:
            out, err = self.child.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            os.kill(self.pid, signal.SIGKILL)
            self.child.communicate()
            raise Failed("did not end")
        _, came, rest = self.logged().partition("--- %s" % signal.Signals(number).name)
        if not came or len(self.reads(rest)) > 10:
            raise Failed("%d reads after the signal" % len(self.reads(rest)))
        after = harness.Look(self.top)
        if self.before.contents() != after.contents():
            raise Failed("contents changed:\n" + harness.differences(self.before.contents(), after.contents()))
        return self.child.returncode, out.decode(), err.decode()


def stop_slow(number):
    """TERM and its like end a run at once, however long a file takes to read."""
    def case(scratch):
        slow = Slow(scratch)
        slow.send(number)
        status, out, err = slow.end(number)
        if status != 128 + number or "stopped by " + signal.Signals(number).name not in err or not out:
            raise Failed("exit %d: %r %r" % (status, out, err))
        return "ended in time"
    return case


def usr1(scratch):
    """SIGUSR1 prints one line of progress and stops nothing."""
    slow = Slow(scratch)
    lines = []
    for _ in range(2):
        slow.send(signal.SIGUSR1)
        lines.append(slow.child.stderr.readline())
        if not lines[-1]:
            raise Failed("SIGUSR1 ended it")
    slow.send(signal.SIGTERM)
    status, _, err = slow.end(signal.SIGTERM)
    if status != 128 + signal.SIGTERM or len(err.splitlines()) != 1:
        raise Failed("exit %d, one more line expected: %r" % (status, err))
    return "two lines: %r" % lines[0]


def sigpipe(scratch):
    """A reader that went away is a write error, not a death by SIGPIPE; the links are made."""
    tree = Tree(scratch)
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([PROGRAM, "-j", "1", "-v", tree.top], stdin=subprocess.DEVNULL, stdout=writer,
                          stderr=subprocess.PIPE, restore_signals=True, timeout=SECONDS)
    os.close(writer)
    if done.returncode != 1 or b"write error" not in done.stderr:
        raise Failed("exit %d: %r" % (done.returncode, done.stderr))
    tree.check_names("SIGPIPE")
    if not all(map(tree.linked, tree.groups)):
        raise Failed("not all is linked")
    return "exit 1"


def stop_waiting(scratch):
    """TERM ends a run that waits for the lock."""
    import fcntl
    tree = Tree(scratch)
    fd = os.open(tree.top, os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    child = subprocess.Popen([PROGRAM, "--wait", "--progress=always", tree.top], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, bufsize=0)
    said = child.stderr.readline()
    if b"waiting for another run" not in said:
        raise Failed("did not wait: %r %r" % (said, child.communicate()))
    child.terminate()
    _, err = child.communicate(timeout=SECONDS)
    os.close(fd)
    if child.returncode != 128 + signal.SIGTERM:
        raise Failed("exit %d: %r" % (child.returncode, err))
    tree.check_names("TERM while waiting")
    tree.finish("TERM while waiting")
    return "ended in time"


def different_never_linked(scratch):
    """Two files that differ, whose reads all fail where they do, are not taken for equal (rdfind does)."""
    tree = Tree(scratch)
    fired = 0
    for n in range(1, 60, 2):
        tree = Tree(scratch)
        what = "pread64:error=EIO:when=%d+" % n
        done, log = tree.run(what)
        fired += "(INJECTED)" in log
        tree.check_names(what)
        if os.lstat(tree.at("b/l3")).st_nlink != 1:
            raise Failed("%s: linked with a file that differs" % what)
    if fired < 5:
        raise Failed("no fault fired")
    return "%d runs" % fired


def cases(full):
    """(name, function); the first line of its comment is the promise."""
    found = []
    for call, errors, stride in FAULTS:
        for i, error in enumerate(errors.split()):
            found.append(("strace:%s:%s" % (call, error), sweep(call, error, 1 if full else stride, "")))
            if full or i < 3:
                found.append(("strace:%s:%s+" % (call, error), sweep(call, error, 1 if full else 2 * stride, "+")))
    for call in MODIFYING:
        found.append(("strace:kill:" + call, kill(call)))
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGXCPU):
        calls = ("linkat", "renameat2", "unlinkat", "getdents64", "pread64") if number == signal.SIGTERM or full else ("renameat2",)
        for call in calls:
            found.append(("strace:stop:%s:%s" % (number.name, call), stop(number, call)))
        found.append(("strace:slow:" + number.name, stop_slow(number)))
    found += [
        ("strace:slow:SIGUSR1", usr1),
        ("strace:different", different_never_linked),
        ("signal:SIGPIPE", sigpipe),
        ("signal:waiting", stop_waiting),
    ]
    return found
