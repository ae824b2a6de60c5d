# SPDX-License-Identifier: MIT
"""Two runs over overlapping trees never meet: the second exits 3 with a clear line, or waits, and takes nothing of the first.

The first run is a real one, stopped in the middle of its work, between an exchange and the unlink (DEDUPE_RACE_STOP, see
slow.c): its temporary names lie about, and look like leftovers to whoever does not heed the lock. This is row 12 of the
counterexamples.
"""
import fcntl
import os
import shutil
import signal
import subprocess
import time

from harness import PROGRAM, SLOW, Failed, wait_until

PATIENCE = 120 if SLOW else 20


def make(t, where):
    for name in ("inner/1", "inner/2", "inner/deep/3", "4"):
        t.write(os.path.join(where, name), b"the same in all of them" * 100, mtime=10**18)


def temps(t):
    return sorted(path for path in t.look().entries if os.path.basename(path).startswith(".dedupe-link-"))


SLOWED = os.path.join(os.environ["DEDUPE_RACE"], "dedupe-link-slow")


def begin(t, *arguments, stop=1, program=SLOWED, **who):
    """A run that stops itself after its first exchange."""
    child = subprocess.Popen([program, *arguments], cwd=t.top, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             env=dict(os.environ, DEDUPE_RACE_STOP=str(stop)), **who)
    until = time.monotonic() + PATIENCE
    while True:
        with open("/proc/%d/stat" % child.pid, encoding="latin-1") as stat:
            state = stat.read().rpartition(")")[2].split()[0]
        if state == "T":
            return child
        if state == "Z" or time.monotonic() > until:
            child.kill()
            raise Failed("set-up: the first run never stopped itself: %r" % (child.communicate(),))
        time.sleep(0.01)


def finish(t, child):
    os.kill(child.pid, signal.SIGCONT)
    out, err = child.communicate(timeout=PATIENCE)
    t.equal(child.returncode, 0, "status of the first run (%r, %r)" % (out, err))


def meets(t, held, asked, refused=True, cwd=None, extra=()):
    """The second run is refused while the first one works, and the first one's work comes out right."""
    shutil.rmtree(t.path("outer"), ignore_errors=True)
    make(t, "outer")
    make(t, "sibling")
    first = begin(t, *held)
    try:
        left = temps(t)
        t.check(left, "set-up: the first run has no temporary names out")
        before = t.look()
        if refused:
            done = t.run(*extra, *asked, exit=3, cwd=cwd)
            t.check("another run holds the lock on " in done.err, "no clear line: " + done.about())
            t.equal(len(done.err.strip().splitlines()), 1, "lines of complaint: " + done.about())
            t.untouched(before)
        else:
            t.run(*extra, *asked, exit=0, cwd=cwd)
            t.equal(temps(t), left, "temporary names of the live run")
    finally:
        os.kill(first.pid, signal.SIGCONT)
    finish(t, first)
    t.equal(temps(t), [], "temporary names left")
    shutil.rmtree(t.path("sibling"))


def begin_waiting(t, path):
    """A run that says that it waits, and has asked for the lock once more since."""
    child = subprocess.Popen([PROGRAM, "--wait", "--progress=always", path], cwd=t.top, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, bufsize=0)
    said = child.stderr.readline()
    t.check(b"waiting for another run" in said, "--wait did not wait: %r" % said)
    slept = sleeps(child)
    wait_until(lambda: sleeps(child) > slept + 1, "asks again", child)
    return child


def sleeps(child):
    """How often it gave the processor away."""
    with open("/proc/%d/status" % child.pid, encoding="latin-1") as status:
        return int(status.read().split("\nvoluntary_ctxt_switches:")[1].split()[0])


def waits(t):
    make(t, "outer")
    first = begin(t, "outer")
    second = begin_waiting(t, "outer/inner")
    left = temps(t)
    t.check(left, "the second run took what the first one needs")
    finish(t, first)
    out, err = second.communicate(timeout=PATIENCE)
    t.equal(second.returncode, 0, "status of the waiting run (%r, %r)" % (out, err))
    t.one_inode("outer/inner/1", "outer/inner/2", "outer/inner/deep/3", "outer/4")


def waits_until_told(t):
    """A waiting run still hears SIGTERM."""
    first = begin_again(t)
    second = begin_waiting(t, "outer")
    second.send_signal(signal.SIGTERM)
    second.communicate(timeout=PATIENCE)
    t.equal(second.returncode, 128 + signal.SIGTERM, "status of a waiting run that was told to end")
    finish(t, first)


def begin_again(t):
    shutil.rmtree(t.path("outer"))
    make(t, "outer")
    return begin(t, "outer")


def dies(t):
    """A run that is killed holds nothing any more, and the next one clears up."""
    first = begin_again(t)
    first.kill()
    first.communicate()
    t.check(temps(t), "set-up: nothing left by the killed run")
    done = t.json("outer")
    t.figures(done, recovered=1, errors=0)
    t.equal(temps(t), [], "temporary names left")
    t.one_inode("outer/inner/1", "outer/inner/2", "outer/inner/deep/3", "outer/4")


def deep(t):
    """What is above is locked however far up it is: here further than one path can say."""
    os.mkdir(t.path("deep"))
    here = os.open(t.path("deep"), os.O_RDONLY)
    held = os.dup(here)
    for _ in range(4200):
        here = t.descend(here, "d")
    for name in "ab":
        t.put(here, name, b"alike")
    fcntl.flock(held, fcntl.LOCK_EX)
    done = subprocess.run([PROGRAM, "."], capture_output=True, text=True, check=False, preexec_fn=lambda: os.fchdir(here))
    t.equal((done.returncode, len(set(os.stat(name, dir_fd=here).st_ino for name in "ab"))), (3, 2), "a run far below: " + done.stderr)
    os.close(held)
    os.close(here)
    t.sh("rm", "-r", t.path("deep"))


def test(t):
    here = t.top
    meets(t, ["outer"], ["outer/inner"])
    meets(t, ["outer/inner"], ["outer"])
    meets(t, ["outer"], ["outer"])
    meets(t, ["outer"], ["outer"], extra=["--recover"])
    meets(t, ["outer/inner"], ["."], extra=["--recover"])
    for spelling in ("outer/", "./outer", "outer/inner/..", "outer//inner/.", os.path.join(here, "outer")):
        meets(t, ["outer"], [spelling])
        meets(t, [spelling], ["outer"])
    meets(t, ["outer"], ["."], cwd=os.path.join(here, "outer", "inner"))
    meets(t, ["outer"], ["sibling", "outer/inner"])
    meets(t, ["outer"], ["outer/inner/1", "outer/inner/2"])
    meets(t, ["outer/inner/1", "outer/inner/2"], ["outer"])
    os.symlink("outer", t.path("alias"))
    os.symlink("outer/inner", t.path("alias-inside"))
    meets(t, ["outer"], ["alias"])
    meets(t, ["alias-inside"], ["outer"])
    # Trees that only lie side by side do not meet, and a dry run needs no lock.
    meets(t, ["outer"], ["sibling"], refused=False)
    meets(t, ["outer/inner"], ["outer"], refused=False, extra=["-n"])
    shutil.rmtree(t.path("outer"))
    waits(t)
    waits_until_told(t)
    dies(t)
    deep(t)
