# SPDX-License-Identifier: MIT
"""The units of systemd are valid, hardened (exposure below 2), and run the program with options it has."""
import os
import re
import shutil
import subprocess

from harness import PROGRAM, TOP

DIST = os.path.join(TOP, "tools", "dist")


def test(t):
    t.cache()  # the program without it would say so every night
    t.need_tool("systemd-analyze")
    service = open(os.path.join(DIST, "dedupe-link@.service.in")).read()
    bin_ = os.path.join(t.scratch, "bin")
    os.mkdir(bin_)
    shutil.copy(PROGRAM, bin_)
    units = os.path.join(t.scratch, "units")
    os.mkdir(units)
    with open(os.path.join(units, "dedupe-link@.service"), "w") as out:
        out.write(service.replace("@bindir@", bin_))
    shutil.copy(os.path.join(DIST, "dedupe-link@.timer"), units)
    for kind in ("service", "timer"):
        os.symlink("dedupe-link@." + kind, os.path.join(units, "dedupe-link@srv-backup." + kind))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", "--recursive-errors=no",
                           os.path.join(units, "dedupe-link@srv-backup.service"),
                           os.path.join(units, "dedupe-link@srv-backup.timer")],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=dict(os.environ, SYSTEMD_UNIT_PATH=units + ":"),
                          check=False)
    ours = [line for line in done.stdout.decode().splitlines() if "dedupe" in line]
    t.equal((done.returncode, ours), (0, []), done.stdout.decode())

    done = subprocess.run(["systemd-analyze", "security", "--offline=yes", "--no-pager",
                           os.path.join(units, "dedupe-link@srv-backup.service")], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False)
    said = done.stdout.decode()
    if "offline" in said and done.returncode:
        t.skip("this systemd-analyze judges no units offline")
    level = re.search(r"exposure level for .*: ([0-9.]+)", said)
    t.check(level and float(level[1]) < 2, said[-300:])

    # What the unit says is what the program takes: run it as it stands, on a tree.
    command = re.search(r"^ExecStart=(.*)$", service, re.M)[1].split()
    t.equal(command[0], "@bindir@/dedupe-link", "the program")
    for copy in "ab":
        t.write("volume/" + copy)
    arguments = [t.path("volume") if word == "%f" else word for word in command[1:] if not word.startswith("$")]
    run = t.run(*arguments, env={"XDG_CACHE_HOME": t.scratch, "HOME": t.scratch, "CACHE_DIRECTORY": t.scratch}, exit=0)
    t.equal((run.out, run.err), ("", ""), "silent")
    t.one_inode("volume/a", "volume/b")
