# SPDX-License-Identifier: MIT
"""The units of systemd are valid, hardened (exposure below 2), run the program with options it has, and leave it all it needs."""
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
    t.spare_cache()
    run = t.run(*arguments, env={"XDG_CACHE_HOME": t.scratch, "HOME": t.scratch, "CACHE_DIRECTORY": t.scratch}, exit=0)
    t.equal((run.out, run.err), ("", ""), "silent")
    t.one_inode("volume/a", "volume/b")
    if t.root:
        confined(t, service, arguments)


def calls(name):
    """The system calls of a set of systemd's, those of its sets included."""
    said = subprocess.run(["systemd-analyze", "syscall-filter", "--no-pager", name], stdout=subprocess.PIPE, check=True).stdout.decode()
    words = [line.split()[0] for line in said.splitlines()[1:] if line.strip() and not line.strip().startswith("#")]
    return {call for word in words for call in (calls(word) if word.startswith("@") else {word})}


def confined(t, service, arguments):
    """PID 1 of systemd is seldom here, so by hand: only the unit's capabilities, no network, nothing to be written but the
    volume and the cache; and each system call that is made is one that its filter lets through."""
    t.need_tool("setpriv", "unshare", "strace")
    for number in range(3):
        for copy in "xy":
            t.write("volume/private/%s%d" % (copy, number), t.random(50_000, number), mode=0o600)
            os.chown(t.path("volume/private/%s%d" % (copy, number)), 1234, 1234)
    os.chown(t.path("volume/private"), 1234, 1234)
    os.chmod(t.path("volume/private"), 0o700)
    wanted = re.search(r"^CapabilityBoundingSet=(.*)$", service, re.M)[1].lower().replace("cap_", "+").split()
    filters = re.findall(r"^SystemCallFilter=(.*)$", service, re.M)
    t.equal((len(filters), filters[1]), (2, "~@privileged"), "filters")
    allowed = set().union(*(calls(word) if word.startswith("@") else {word} for word in filters[0].split())) - calls("@privileged")
    t.check(len(allowed) > 200 and "fchown" not in allowed, "the filter was read: %d" % len(allowed))
    log = t.path("calls")
    t.check("mincore" in allowed, "--idle asks mincore where the filter does not know cachestat")
    # strace stands outside, so that its own calls need nothing of what is taken away.
    script = 'mount --bind "$1" "$1" && mount -t tmpfs none /var/cache && mkdir /var/cache/dedupe-link && ' \
             'mount -o remount,bind,ro / && shift && ! touch /var/lib/x 2>/dev/null && exec "$@"'
    done = subprocess.run(["strace", "-f", "-qq", "-o", log, "-e", "inject=fchown:error=EPERM", "unshare", "-mn", "sh", "-c", script, "sh", t.path("volume"),
                           "setpriv", "--no-new-privs", "--inh-caps=-all", "--bounding-set=-all," + ",".join(wanted),
                           PROGRAM, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False,
                          env=dict(os.environ, ASAN_OPTIONS="detect_leaks=0"))
    t.equal((done.returncode, done.stdout, done.stderr), (0, b"", b""), "silent and content")
    for number in range(3):
        t.one_inode("volume/private/x%d" % number, "volume/private/y%d" % number)
    lines = open(log, errors="replace").read().splitlines()
    begun = [i for i, line in enumerate(lines) if "execve(" in line and os.path.basename(PROGRAM) in line and line.endswith("= 0")][-1]
    made = set(re.findall(r"^[0-9]+ +([a-z0-9_]+)\(", "\n".join(lines[begun:]), re.M))
    t.check({"renameat2", "pwrite64"} <= made, "it linked, and wrote its cache: %r" % sorted(made))
    # Refused and done without: SQLite gives its files to their owner, which they have.
    t.equal(made - allowed - {"fchown", "cachestat", "syscall_0x1c3"}, set(), "calls that the unit forbids")
