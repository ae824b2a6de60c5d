# SPDX-License-Identifier: MIT
"""--idle: nice 19, I/O class idle, and the page cache is as it was: what was in it still is, what was not is not."""
import ctypes
import mmap
import os
import signal
import subprocess

from harness import PROGRAM, wait_until

PAGE = mmap.PAGESIZE
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
libc.mincore.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p]


def pages(path):
    """Which pages of a file are in the cache."""
    size = os.stat(path).st_size
    fd = os.open(path, os.O_RDONLY)
    at = libc.mmap(None, size, 0, mmap.MAP_PRIVATE, fd, 0)
    os.close(fd)
    found = ctypes.create_string_buffer((size + PAGE - 1) // PAGE)
    libc.mincore(at, size, found)
    libc.munmap(at, size)
    return [byte & 1 for byte in found.raw]


def all_pages(t, names):
    return {name: pages(t.path(name)) for name in names}


def drop(path):
    fd = os.open(path, os.O_RDONLY)
    os.fsync(fd)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(fd)


def warm(path, offset, length):
    fd = os.open(path, os.O_RDONLY)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_RANDOM)
    os.pread(fd, length, offset)
    os.close(fd)


def make(t):
    names = []
    for number, size in enumerate([5000, 60_000, 300_000, 3_000_000, 9_000_001]):
        for copy in "abc":
            names.append("%s/%d" % (copy, number))
            t.write(names[-1], t.random(size, number))
    for number in range(40):
        names.append("single/%d" % number)
        t.write(names[-1], t.random(100_000 + 4096 * (number % 4), 100 + number))
    return names


def half_in_cache(t, names):
    """a/ and every second single file whole, b/ in its first part, c/ not at all."""
    for name in names:
        drop(t.path(name))
    for name in names:
        size = os.stat(t.path(name)).st_size
        if name.startswith("a/") or (name.startswith("single/") and int(name[7:]) % 2):
            warm(t.path(name), 0, size)
        elif name.startswith("b/") and size > 3 * PAGE:
            warm(t.path(name), PAGE, size // 2)


def test(t):
    quietly(t, dry_run, "a dry run")
    quietly(t, linking_run, "a linking run")
    watch(t)


def quietly(t, trial, what):
    """On a busy machine the kernel may take or bring pages of its own accord, but not each time."""
    for _ in range(4):
        t.sh("rm", "-rf", *(t.path(name) for name in ("a", "b", "c", "single")))
        names = make(t)
        half_in_cache(t, names)
        before = all_pages(t, names)
        if any(sum(before[name]) for name in names if name.startswith("c/")):
            t.skip("pages cannot be dropped from the cache here")
        t.check(sum(map(sum, before.values())) > 1000, "half of the tree is in the cache")
        off = trial(t, names, before)
        if not off:
            return
    t.equal(off, 0, "pages that differ after %s, each time" % what)


def dry_run(t, names, before):
    t.figures(t.json("-n", "--idle", "."), links_made=10)
    off = differing(before, all_pages(t, names))
    t.json("-n", ".")
    t.check(differing(before, all_pages(t, names)) > 1000, "without --idle it shows, so the look is worth something")
    return off


def linking_run(t, names, before):
    t.figures(t.json("--idle", "."), links_made=10)
    # What was found through any of the names that are one now is still there, and nothing else.
    want = {name: before[name] if name.startswith("single/") else
            [int(any(p)) for p in zip(*(before[c + name[1:]] for c in "abc"))] for name in names}
    return differing(want, all_pages(t, names))


def differing(before, after):
    return sum(a != b for name in before for a, b in zip(before[name], after[name]))


def watch(t):
    """A run that takes minutes, looked at from outside."""
    for copy in "ab":
        t.write("slow/" + copy, t.random(1_500_000, 7))
    child = subprocess.Popen([PROGRAM, "-n", "--idle", "--bwlimit", "10K", t.path("slow")], stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: status(child)[16] == "19", "nice 19", child)
        # Stopped, so that none of its threads can end between being listed and being asked.
        child.send_signal(signal.SIGSTOP)
        wait_until(lambda: status(child)[0] == "T", "stopped", child)
        for task in os.listdir("/proc/%d/task" % child.pid):
            t.equal(libc.syscall(252 if os.uname().machine == "x86_64" else 31, 1, int(task)) >> 13, 3, "I/O class idle")
    finally:
        child.kill()
        child.wait()


def status(child):
    """The fields of /proc/PID/stat after the name."""
    with open("/proc/%d/stat" % child.pid, encoding="latin-1") as stat:
        return stat.read().rsplit(")", 1)[1].split()
