# SPDX-License-Identifier: MIT
"""Runs at the same time share a cache; a cache below a PATH is neither linked nor disturbed; --no-cache makes none."""
import os
import shutil
import subprocess


def test(t):
    cache = t.cache()
    for tree in range(4):
        for number in range(400):
            t.write("t%d/f%d" % (tree, number), t.random(1500, tree * 1000 + number % 300))
    runs = [subprocess.Popen([t.program_for(None), "--json", cache, "t%d" % tree], cwd=t.top, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE) for tree in range(4)]
    for run in runs:
        out, err = run.communicate()
        t.equal((run.returncode, err), (0, b""), "a run beside others")
        t.check(b'"links_made": 100' in out, "links made beside others")
    t.figures(t.json(cache, "."), links_made=0, bytes_read=0)
    history = t.run("--history", "--json", cache).out
    t.equal(history.count('"links_made": 100'), 4, "rows of history")

    inside = t.path("t0/inside.db")
    t.json("-n", "--cache=" + inside, "t0", "t1")
    shutil.copy(inside, t.path("t0/copy"))
    for _ in range(3):
        run = t.json("--cache=" + inside, "t0", "t1")
        t.figures(run, errors=0, bytes_read=0)
    t.equal(os.stat(inside).st_nlink, 1, "links of the cache")
    t.check("t0" in t.run("--history", "--cache=" + inside).out, "the cache still serves")

    place = os.path.join(t.scratch, "xdg")
    home = {"XDG_CACHE_HOME": place, "HOME": t.scratch}
    if t.root:
        os.chmod(t.scratch, 0o755)
        os.mkdir(place)
        os.chown(place, 65534, 65534)
        t.run("-n", "--cache", "t1", user=65534, env=home)
        t.run("-n", "--cache", "--no-cache", "t1", user=65534, env=dict(home, XDG_CACHE_HOME=place + "/not"))
    else:
        t.run("-n", "--cache", "t0", env=home)
        t.run("-n", "--cache", "--no-cache", "t0", env=dict(home, XDG_CACHE_HOME=place + "/not"))
    t.check(os.path.exists(place + "/dedupe-link/digests.db"), "the usual place")
    t.check(not os.path.exists(place + "/not"), "no cache was wanted")
