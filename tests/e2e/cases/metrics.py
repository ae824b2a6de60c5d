# SPDX-License-Identifier: MIT
"""--metrics: figures in the text format of Prometheus, replaced as a whole, with the last success kept over failures."""
import glob
import os
import re
import signal
import subprocess
import time

from harness import has_open, wait_until


def parse(text):
    """Strictly: HELP, TYPE, sample, for each metric; names once each."""
    found = {}
    lines = text.splitlines()
    for help_, type_, sample in zip(lines[::3], lines[1::3], lines[2::3], strict=True):
        name = re.fullmatch(r"# HELP ([a-z_]+) .*\.", help_)[1]
        assert type_ == "# TYPE %s gauge" % name, type_
        match = re.fullmatch(re.escape(name) + r'\{roots="((?:[^"\\\n]|\\[\\"n])*)"\} ([0-9]+(?:\.[0-9]+)?)', sample)
        assert match and name not in found, sample
        found[name] = (match[1], float(match[2]))
    return found


def test(t):
    for copy in "ab":
        t.write("in/" + copy, t.random(100_000))
    file = t.path("figures.prom")
    begun = time.time()
    t.run("-q", "--metrics", file, "in")
    figures = parse(open(file).read())
    t.equal({roots for roots, _ in figures.values()}, {"in"}, "label")
    value = {name.removeprefix("dedupe_link_"): number for name, (_, number) in figures.items()}
    for name, want in dict(links=1, files=2, errors=0, exit_status=0, bytes_saved=102400, inodes_freed=1, sets=1,
                           dry_run=0, skipped_refused=0).items():
        t.equal(value[name], want, name)
    success = value["last_success_timestamp_seconds"]
    t.check(begun - 1 <= success <= time.time(), "last success")
    t.check(0 < value["duration_seconds"] < 60, "duration")
    t.equal(os.stat(file).st_mode & 0o777, 0o644 & ~umask(), "others may read it")
    t.equal(sorted(os.listdir(t.top)), ["figures.prom", "in"], "nothing is left beside it")

    wait_until(lambda: time.time() > success + 1.1, "another second than that of the figures")
    inode = os.stat(file).st_ino
    t.run("-q", "--metrics", file, "in", "missing", exit=1)
    value = {name.removeprefix("dedupe_link_"): number for name, (_, number) in parse(open(file).read()).items()}
    t.equal((value["errors"], value["exit_status"]), (1, 1), "a failure shows")
    t.equal(value["last_success_timestamp_seconds"], success, "the last success stays")
    t.check(value["last_run_timestamp_seconds"] > success, "the last run moves")
    t.check(os.stat(file).st_ino != inode, "renamed over, not written in place")
    t.run("-q", "--metrics", file, "in")
    t.check(parse(open(file).read())["dedupe_link_last_success_timestamp_seconds"][1] > success, "success again")

    odd = t.write('a "b\\c\nd\udcff/x', b"x")
    t.run("-q", "--metrics", file, odd)
    t.check(parse(open(file, encoding="utf-8").read())["dedupe_link_files"][0].endswith('a \\"b\\\\c\\nd?/x'), "escaped")

    refused_first(t, file)
    killed(t, file)


def refused_first(t, file):
    """What cannot be written is told before anything is linked, and leaves no page either."""
    t.write("more/a", t.random(5000))
    t.write("more/b", t.random(5000))
    old, before = open(file).read(), t.look("more")
    run = t.run("-q", "--html", t.path("page"), "--metrics", t.path("no/such/dir"), "more", exit=2)
    t.check("cannot write" in run.err and len(run.err.splitlines()) == 1, run.err)
    t.untouched(before)
    t.check(not [name for name in os.listdir(t.top) if "page" in name], "a page of no run")
    t.equal(open(file).read(), old, "another file is not touched")


def killed(t, file):
    """A run that dies leaves the old figures as they were."""
    for copy in "ab":
        t.write("slow/" + copy, t.random(1_000_000))
    old = open(file).read()
    child = subprocess.Popen([t.program_for(None), "-q", "--bwlimit", "1K", "--metrics", file, "slow"], cwd=t.top)
    wait_until(lambda: has_open(child.pid, t.path("slow")), "reads", child)
    t.check(glob.glob(file + ".new-*"), "new figures are begun before")
    child.kill()
    t.equal(child.wait(), -signal.SIGKILL, "killed at work")
    t.equal(open(file).read(), old, "the old figures")
    t.all_apart("slow/a", "slow/b")


def umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask
