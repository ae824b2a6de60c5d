# SPDX-License-Identifier: MIT
"""The Debian packages build, lintian finds no error, they install and remove without a trace, and the program in them runs."""
import glob
import os
import subprocess

from harness import SLOW, TOP


def test(t):
    if SLOW:
        t.skip("builds the same packages whatever the build: done with gcc")
    t.need_root()
    t.need_tool("dpkg-buildpackage", "dh", "lintian", "meson")
    if subprocess.run(["dpkg-checkbuilddeps", os.path.join(TOP, "tools/dist/debian/control")], check=False,
                      stderr=subprocess.DEVNULL).returncode:
        t.skip("not all build dependencies are installed as packages")
    debs = os.path.join(t.scratch, "debs")
    os.mkdir(debs)
    done = subprocess.run([os.path.join(TOP, "tools/dist/build-deb"), debs], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False, env=dict(os.environ, DEB_BUILD_OPTIONS="nocheck"))
    t.equal(done.returncode, 0, done.stdout.decode(errors="replace")[-1500:])
    changes = glob.glob(debs + "/*.changes")
    t.equal(len(changes), 1, "one .changes")
    said = subprocess.run(["lintian", "--allow-root", "--fail-on", "error", *changes], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False)
    t.equal(said.returncode, 0, said.stdout.decode())

    root = os.path.join(t.scratch, "root")
    for where in ("var/lib/dpkg/info", "var/lib/dpkg/updates"):
        os.makedirs(os.path.join(root, where))
    for name in ("status", "available"):
        open(os.path.join(root, "var/lib/dpkg", name), "w").close()
    before = files(root)
    packages = [deb for deb in sorted(glob.glob(debs + "/*.deb")) if "dbgsym" not in deb]
    t.equal(len(packages), 3, "packages")
    dpkg(t, root, "-i", *packages)
    run = subprocess.run([root + "/usr/bin/dedupe-link", "--version"], stdout=subprocess.PIPE, check=True)
    t.check(run.stdout.startswith(b"dedupe-link "), "the program runs")
    for path in ("usr/share/man/man1/dedupe-link.1.gz", "usr/share/bash-completion/completions/dedupe-link",
                 "usr/lib/systemd/system/dedupe-link@.timer", "usr/include/dedupe-link.h"):
        t.check(os.path.exists(os.path.join(root, path)), path)
    dpkg(t, root, "-P", "dedupe-link", "libdedupe-link-dev", "libdedupe-link0")
    t.equal(files(root) - before, set(), "left behind")


def files(root):
    return {os.path.join(where, name) for where, _, names in os.walk(root) for name in names
            if "/var/lib/dpkg" not in where and "/var/log" not in where}


def dpkg(t, root, *arguments):
    done = subprocess.run(["dpkg", "--root=" + root, "--force-depends", "--force-script-chrootless", "--log=/dev/null", *arguments],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    t.equal(done.returncode, 0, done.stdout.decode(errors="replace"))
