# SPDX-License-Identifier: MIT
"""What the end-to-end cases share: a scratch place, the program run and its report read, trees looked at.

A case is a file in cases/ with a function test(t). Its first line says the promise it holds the program to.
It gets a fresh directory (t.top) and ends by returning (passed), by t.skip() or by a failed check. Paths are str;
bytes that are no UTF-8 are carried as Python carries them (surrogateescape).

Run as a program, this file runs one case: harness.py CASE.PY SCRATCH. Exit 0 passed, 77 skipped (the last line says
why), all else failed. tests/e2e/run does so for each case, in a mount namespace of its own when it may, so that
whatever a case mounts is gone with it.
"""
import base64
import ctypes
import hashlib
import importlib.machinery
import importlib.util
import json
import os
import resource
import shutil
import signal
import stat
import subprocess
import sys
import time
import traceback

SKIPPED = 77
HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
PROGRAM = os.path.abspath(os.environ.get("DEDUPE_LINK", os.path.join(TOP, "build", "src", "dedupe-link")))
# Sanitizers make everything slower; cases that have a choice of how much to do ask this.
SLOW = os.environ.get("DEDUPE_SLOW", "") != ""
NOBODY = 65534
# Seconds until something is there that another process does: far more than it takes on a busy machine.
PATIENCE = 600 if SLOW else 120
# What sanitizers write when they found something; a run that says so never passes.
ALARMS = ("Sanitizer", "runtime error:", "Assertion")


class Failed(Exception):
    pass


class Skipped(Exception):
    pass


def load(path):
    """A Python file as a module, whatever it is called (tools have no .py)."""
    name = os.path.basename(path).replace("-", "_").replace(".py", "")
    loader = importlib.machinery.SourceFileLoader(name, path)
    spec = importlib.util.spec_from_loader(name, loader)
    module = importlib.util.module_from_spec(spec)
    sys.dont_write_bytecode = True
    loader.exec_module(module)
    return module


def named(entry):
    """The exact name of something the program's JSON names, as str with surrogateescape."""
    if "path_b64" in entry:
        return os.fsdecode(base64.b64decode(entry["path_b64"], validate=True))
    return entry["path"]


class Run:
    """What one run of the program gave."""

    def __init__(self, command, status, out, err):
        self.command = command
        self.status = status
        self.raw = out
        self.out = out.decode(errors="surrogateescape")
        self.err = err.decode(errors="surrogateescape")
        self.json = None

    @property
    def summary(self):
        return self.json["summary"]

    @property
    def sets(self):
        return self.json["sets"]

    @property
    def issues(self):
        return self.json["issues"]

    def about(self):
        return "%r\nexit %d\n--- out\n%s\n--- err\n%s" % (self.command, self.status, short(self.out), short(self.err))


def short(text):
    return text if len(text) < 2000 else text[:1200] + "\n[...]\n" + text[-600:]


def settle(path):
    """Waits until space is allocated and given back on the file system of path; on others nothing is waited for."""
    fd = os.open(path, os.O_RDONLY)
    if ctypes.CDLL(None, use_errno=True).syncfs(fd) != 0:
        os.sync()
    os.close(fd)


def wait_until(true, what, child=None):
    """
    Looks again and again until true() is, and returns that. A failure when it takes too long, or when `child` has ended: then it
    cannot come any more. `what`: what never came, in words or a function that finds them.
    """
    until = time.monotonic() + PATIENCE
    while True:
        ended = child is not None and child.poll() is not None
        found = true()
        if found:
            return found
        if ended or time.monotonic() > until:
            raise Failed("%s: %s" % ("ended before" if ended else "never came", what() if callable(what) else what))
        time.sleep(0.005)


def has_open(pid, path):
    """Whether a process, or one that it started (strace does), has a file at or below `path` open."""
    path = os.path.realpath(path)
    try:
        for fd in os.listdir("/proc/%d/fd" % pid):
            if (os.readlink("/proc/%d/fd/%s" % (pid, fd)) + "/").startswith(path + "/"):
                return True
        with open("/proc/%d/task/%d/children" % (pid, pid), encoding="ascii") as children:
            return any(has_open(int(child), path) for child in children.read().split())
    except OSError:  # what was listed is gone
        return False


# ---- trees looked at


class Look:
    """Everything lstat and read tell about a tree, by path relative to its top."""

    def __init__(self, top):
        self.top = top
        self.entries = {}
        self.add(top, "")
        waiting = [""]
        while waiting:
            where = waiting.pop()
            for entry in os.scandir(os.path.join(top, where) if where else top):
                relative = os.path.join(where, entry.name) if where else entry.name
                self.add(entry.path, relative)
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(relative)

    def add(self, path, relative):
        status = os.lstat(path)
        kind = stat.S_IFMT(status.st_mode)
        content = None
        if kind == stat.S_IFREG:
            content = digest(path, status)
        elif kind == stat.S_IFLNK:
            content = os.readlink(path)
        elif kind in (stat.S_IFCHR, stat.S_IFBLK):
            content = status.st_rdev
        self.entries[relative] = (status, content, attributes(path))

    def contents(self):
        """Names, types and contents: what no run may ever change."""
        return {path: (stat.S_IFMT(status.st_mode), content) for path, (status, content, _) in self.entries.items()}

    def everything(self):
        """All that can be seen, inode, link count, ctime: equal when nothing at all was done to the tree."""
        return {path: (status.st_ino, status.st_dev, status.st_nlink, status.st_mode, status.st_uid, status.st_gid,
                       status.st_mtime_ns, status.st_ctime_ns, status.st_size, content, xattrs)
                for path, (status, content, xattrs) in self.entries.items()}

    def atimes(self):
        return {path: status.st_atime_ns for path, (status, _, _) in self.entries.items()
                if stat.S_ISREG(status.st_mode)}

    def shared(self):
        """Which names of regular files share an inode: a set of frozensets of paths, singles included."""
        groups = {}
        for path, (status, _, _) in self.entries.items():
            if stat.S_ISREG(status.st_mode):
                groups.setdefault((status.st_dev, status.st_ino), []).append(path)
        return {frozenset(paths) for paths in groups.values()}


def digest(path, status):
    if status.st_blocks == 0 and status.st_size > 1 << 30:
        return "a hole of %d" % status.st_size
    found = hashlib.blake2b()
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NOATIME)
    except PermissionError:
        try:
            fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        except PermissionError:
            return "unreadable"
    with os.fdopen(fd, "rb", buffering=0) as file:
        while block := file.read(1 << 20):
            found.update(block)
    return found.hexdigest()


def attributes(path):
    try:
        names = os.listxattr(path, follow_symlinks=False)
        return tuple(sorted((name, os.getxattr(path, name, follow_symlinks=False)) for name in names))
    except OSError:
        return ()


def differences(before, after):
    """A few lines on how two dicts differ."""
    lines = []
    for key in sorted(set(before) | set(after)):
        if before.get(key) != after.get(key):
            lines.append("  %r: %r -> %r" % (key, before.get(key), after.get(key)))
    return "\n".join(lines[:12])


# ---- what a case gets


class Case:
    def __init__(self, scratch):
        self.scratch = scratch
        self.top = os.path.join(scratch, "tree")
        self.root = os.geteuid() == 0
        os.mkdir(self.top)

    # ---- making trees

    def path(self, *parts):
        return os.path.join(self.top, *parts)

    def write(self, path, content=b"same", mode=None, mtime=None, owner=None, xattrs=None):
        """Writes a file below t.top, parents made as needed; returns its absolute path."""
        path = self.path(path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "xb") as out:
            out.write(content if isinstance(content, bytes) else content.encode())
        for name, value in (xattrs or {}).items():
            try:
                os.setxattr(path, name, value)
            except OSError as error:
                self.skip("no extended attributes here: %s" % error)
        if owner is not None:
            os.chown(path, *owner)
        if mode is not None:
            os.chmod(path, mode)
        if mtime is not None:
            os.utime(path, ns=(mtime, mtime))
        return path

    def descend(self, fd, name):
        """Makes a directory in an open one, closes that, and returns the new one open: for paths that no call takes whole."""
        os.mkdir(name, dir_fd=fd)
        below = os.open(name, os.O_RDONLY | os.O_DIRECTORY, dir_fd=fd)
        os.close(fd)
        return below

    def put(self, fd, name, content):
        """Writes a file into an open directory."""
        file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644, dir_fd=fd)
        os.write(file, content)
        os.close(file)

    def link(self, old, new):
        new = self.path(new)
        os.makedirs(os.path.dirname(new), exist_ok=True)
        os.link(self.path(old), new)
        return new

    def random(self, size, seed=0):
        """`size` bytes that nothing else has, the same for the same seed."""
        return hashlib.shake_128(b"%d" % seed).digest(size)

    # ---- what the machine must have

    def skip(self, reason):
        raise Skipped(reason)

    def need_root(self):
        if not self.root:
            self.skip("needs root")

    def need_tool(self, *names):
        for name in names:
            if not shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin"):
                self.skip("%s is not installed" % name)

    def cache(self, name="cache.db"):
        """An option for a cache beside the tree; skips where the program was built without."""
        if "without SQLite" in self.run("--history", "--cache=" + os.path.join(self.scratch, "none"), exit=None).err:
            self.skip("the program was built without SQLite")
        return "--cache=" + os.path.join(self.scratch, name)

    def need_mounts(self):
        if os.environ.get("DEDUPE_OWN_MOUNTS") != "1":
            self.skip("no mount namespace of our own can be had (needs root, CAP_SYS_ADMIN, no chroot)")

    def spare_cache(self):
        """Root's default cache is the machine's: another place stands there while the case runs."""
        if self.root:
            self.need_mounts()
            self.sh("mount", "-t", "tmpfs", "tmpfs", "/var/cache")

    def sh(self, *command, check=True):
        """Runs another program; its failure is set-up trouble and skips the case."""
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                              env=dict(os.environ, PATH=os.environ.get("PATH", "") + ":/usr/sbin:/sbin"))
        if check and done.returncode:
            said = done.stdout.decode(errors="replace").strip()[-300:]
            self.skip("set-up: %s: %s" % (" ".join(map(str, command)), said))
        return done.stdout

    def image(self, kind, megabytes, where="image", options=()):
        """A fresh file system of its own on a loop device, mounted at t.top/WHERE; returns that path."""
        self.need_mounts()
        self.need_tool("mkfs." + kind, "losetup")
        backing = os.path.join(self.scratch, where.replace("/", "-") + ".img")
        with open(backing, "wb") as out:
            out.truncate(megabytes << 20)
        quiet = ["-F", "-q"] if kind == "ext4" else ["-q"]
        self.sh("mkfs." + kind, *quiet, *options, backing)
        path = self.path(where)
        os.makedirs(path, exist_ok=True)
        self.sh("mount", "-t", kind, "-o", "loop", backing, path)
        return path

    def tmpfs(self, where, options="size=64m"):
        self.need_mounts()
        path = self.path(where)
        os.makedirs(path, exist_ok=True)
        self.sh("mount", "-t", "tmpfs", "-o", options, "tmpfs", path)
        return path

    def bind(self, old, new):
        self.need_mounts()
        new = self.path(new)
        os.makedirs(new, exist_ok=True)
        self.sh("mount", "--bind", self.path(old), new)
        return new

    # ---- running the program

    def run(self, *arguments, exit=0, user=None, files=None, stdin=None, stdout=None, cwd=None, timeout=60, env=None,
            before=None):
        """
        Runs the program; checks its exit status (None: any) and that no sanitizer cried. `user` runs it as
        that uid, `files` with so few descriptors, `stdin` gives it bytes, `stdout` a descriptor, `before` is called
        in the child.
        """
        command = [self.program_for(user)] + [os.fspath(argument) for argument in arguments]

        def prepare():
            if files is not None:
                resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
            if before is not None:
                before()

        who = {} if user is None else {"user": user, "group": user, "extra_groups": []}
        child = subprocess.Popen(command, stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
                                 stdout=subprocess.PIPE if stdout is None else stdout, stderr=subprocess.PIPE,
                                 cwd=cwd or self.top, preexec_fn=prepare, env=dict(os.environ, **(env or {})), **who)
        try:
            out, err = child.communicate(stdin, timeout * (10 if SLOW else 1))
        except subprocess.TimeoutExpired:
            child.kill()
            out, err = child.communicate()
            raise Failed("did not end within %d s: %s" % (timeout, Run(command, -9, out or b"", err).about()))
        done = Run(command, child.returncode, out or b"", err)
        for alarm in ALARMS:
            if alarm in done.err:
                raise Failed("%s: %s" % (alarm, done.about()))
        if exit not in (None, done.status) and "this program was built without jansson" in done.err:
            self.skip("the program was built without jansson")
        if exit is not None and done.status != exit:
            raise Failed("exit %d expected: %s" % (exit, done.about()))
        return done

    def json(self, *arguments, **how):
        """run() with --json, its report parsed strictly and held to the schema."""
        done = self.run("--json", *arguments, **how)
        try:
            done.json = json.loads(done.raw.decode("utf-8"), parse_float=refuse_number, parse_constant=refuse_number)
        except ValueError as error:
            raise Failed("no valid JSON (%s): %s" % (error, done.about()))
        if "--history" not in arguments:
            load(os.path.join(HERE, "schema.py")).check_report(done.json)
        return done

    def program_for(self, user):
        """The program at a place that the user can reach."""
        if user is None:
            return PROGRAM
        copy = os.path.join(self.scratch, "dedupe-link")
        if not os.path.exists(copy):
            shutil.copyfile(PROGRAM, copy)
            os.chmod(copy, 0o755)
        return copy

    # ---- checking

    def check(self, true, what):
        if not true:
            raise Failed(what)

    def equal(self, got, want, what):
        if got != want:
            raise Failed("%s: got %r, want %r" % (what, got, want))

    def one_inode(self, *paths):
        """All these names are links of one file."""
        found = {(os.lstat(self.path(path)).st_dev, os.lstat(self.path(path)).st_ino) for path in paths}
        if len(found) != 1:
            raise Failed("not one inode: %r" % (paths,))

    def all_apart(self, *paths):
        """No two of these names are links of one file."""
        found = {(os.lstat(self.path(path)).st_dev, os.lstat(self.path(path)).st_ino) for path in paths}
        if len(found) != len(paths):
            raise Failed("linked although they must not be: %r" % (paths,))

    def figures(self, run, **want):
        """Figures of the summary, exactly."""
        wrong = {name: (run.summary.get(name), value) for name, value in want.items() if run.summary.get(name) != value}
        if wrong:
            raise Failed("figures (got, want): %r\n%s" % (wrong, run.about()))

    def look(self, where=""):
        return Look(self.path(where) if where else self.top)

    def same_contents(self, before, after=None):
        after = after or Look(before.top)
        if before.contents() != after.contents():
            raise Failed("contents changed:\n" + differences(before.contents(), after.contents()))
        return after

    def untouched(self, before, after=None):
        after = after or Look(before.top)
        if before.everything() != after.everything():
            raise Failed("the tree was touched:\n" + differences(before.everything(), after.everything()))
        return after


def refuse_number(text):
    # Every number of the report is an integer, `seconds` included.
    raise ValueError("not an integer: " + text)


def mount_is_ours():
    """Leaves the mount namespace of others, so that nothing stays mounted. True when that worked."""
    if os.geteuid() != 0:
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    new_namespace, private, recursive = 0x00020000, 1 << 18, 1 << 14
    if libc.unshare(new_namespace) != 0:
        return False
    return libc.mount(b"none", b"/", None, private | recursive, None) == 0


def main():
    case_path, scratch = sys.argv[1:]
    sys.path.insert(0, HERE)
    os.environ["DEDUPE_OWN_MOUNTS"] = "1" if mount_is_ours() else "0"
    os.umask(0o022)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored by what a shell runs in the background: cases press Ctrl-C
    try:
        case = Case(scratch)
        load(case_path).test(case)
    except Skipped as reason:
        print(str(reason).replace("\n", " "))
        sys.exit(SKIPPED)
    except Failed as failure:
        where = [line for line in traceback.extract_tb(failure.__traceback__) if line.filename == case_path]
        print("%s:%d: %s" % (os.path.relpath(case_path, TOP), where[-1].lineno if where else 0, failure))
        sys.exit(1)


if __name__ == "__main__":
    # Cases import this file by name; the exceptions they raise must be the ones caught here.
    sys.modules["harness"] = sys.modules["__main__"]
    main()
