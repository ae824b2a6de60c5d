# SPDX-License-Identifier: MIT
"""A killed run leaves what it had written; the next one finishes the job and reads no more than what was missing."""
import os
import signal
import sqlite3
import subprocess
import time


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
    run = subprocess.Popen([t.program_for(None), "-q", "--bwlimit", "2M", cache, "."], cwd=t.top, stderr=subprocess.DEVNULL)
    for _ in range(600):
        if rows(path) or run.poll() is not None:
            break
        time.sleep(0.02)
    t.check(run.poll() is None, "the run was slow enough to be killed")
    run.send_signal(signal.SIGKILL)
    run.wait()
    kept = rows(path)
    t.check(kept > 0, "something was written as the run went")
    run = t.json("-n", cache, ".")
    t.figures(run, links_made=100, errors=0)
    t.check(0 < run.summary["bytes_read"] < whole, "only what was missing is read: %d of %d"
            % (run.summary["bytes_read"], whole))
    t.figures(t.json("-n", cache, "."), links_made=100, bytes_read=0)
    # Killed at many moments while it links and writes: always a cache that can be used, and all is linked in the end.
    for wait in range(12):
        run = subprocess.Popen([t.program_for(None), "-q", cache, "."], cwd=t.top, stderr=subprocess.DEVNULL)
        time.sleep(wait * 0.004)
        run.send_signal(signal.SIGKILL)
        run.wait()
        t.check(t.run("-n", cache, ".").err == "", "nothing to tell about the cache")
        if wait % 4 == 3:
            t.write("more/%d" % wait, t.random(20000, wait))
    t.json(cache, ".")
    done = t.json(cache, ".")
    t.figures(done, links_made=0, bytes_read=0, errors=0)
    t.equal(t.json("-n", ".").summary["links_made"], 0, "left to be linked")
    t.equal([name for name in os.listdir(os.path.dirname(path)) if "damaged" in name], [], "set aside")
