# SPDX-License-Identifier: MIT
"""A killed run leaves what it had written; the next one finishes the job and reads no more than what was missing."""
import os
import signal
import sqlite3
import subprocess

from harness import wait_until


def rows(path):
    try:
        with sqlite3.connect("file:%s?mode=ro" % path, uri=True, timeout=10) as cache:
            return cache.execute("SELECT count(*) FROM blocks").fetchone()[0]
    except sqlite3.Error:
        return 0


def test(t):
    cache = t.cache()
    path = cache[len("--cache="):]
    for number in range(600):
        t.write("d%d/f%d" % (number % 5, number), t.random(20000, number % 500))
    whole = t.json("-n", ".").summary["bytes_read"]
    # At this rate it would take two minutes, and writes every few seconds.
    run = subprocess.Popen([t.program_for(None), "-q", "--bwlimit", "100K", cache, "."], cwd=t.top, stderr=subprocess.DEVNULL)
    wait_until(lambda: rows(path), "something is written as the run goes", run)
    run.send_signal(signal.SIGKILL)
    t.equal(run.wait(), -signal.SIGKILL, "killed at work")
    t.check(rows(path) > 0, "what was written is there")
    run = t.json("-n", cache, ".")
    t.figures(run, links_made=100, errors=0)
    t.check(0 < run.summary["bytes_read"] < whole, "only what was missing is read: %d of %d"
            % (run.summary["bytes_read"], whole))
    t.figures(t.json("-n", cache, "."), links_made=100, bytes_read=0)
    # Killed at its n-th write, sync or change of a name: always a cache that can be used, and all is linked in the end.
    t.need_tool("strace")
    if subprocess.run(["strace", "-o", "/dev/null", "true"], stderr=subprocess.DEVNULL).returncode:
        t.skip("ptrace is not allowed here")
    calls = "write,pwrite64,fsync,fdatasync,linkat,renameat2,unlink,unlinkat"
    killed = 0
    for n in [1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233]:
        run = subprocess.run(["strace", "-f", "-o", "/dev/null", "-e", "trace=" + calls, "-e", "inject=%s:signal=KILL:when=%d" % (calls, n),
                              t.program_for(None), "-q", "-j1", cache, "."], cwd=t.top, stderr=subprocess.DEVNULL, check=False,
                             env=dict(os.environ, ASAN_OPTIONS="detect_leaks=0"))
        killed += run.returncode == -signal.SIGKILL
        t.check(t.run("-n", cache, ".").err == "", "nothing to tell about the cache")
        t.write("more/%d" % n, t.random(20000, n))
    t.check(killed > 6, "killed only %d times" % killed)
    t.json(cache, ".")
    done = t.json(cache, ".")
    t.figures(done, links_made=0, bytes_read=0, errors=0)
    t.equal(t.json("-n", ".").summary["links_made"], 0, "left to be linked")
    t.equal([name for name in os.listdir(os.path.dirname(path)) if "damaged" in name], [], "set aside")
