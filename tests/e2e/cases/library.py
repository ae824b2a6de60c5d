# SPDX-License-Identifier: MIT
"""The examples in C and Python use the shared library: look at sets, apply one, see events, stop from another thread."""
import os
import re
import shutil
import subprocess
import sys

from harness import PROGRAM, TOP, Failed

SO = os.path.join(os.path.dirname(PROGRAM), "libdedupe-link.so.0")
ALLOWED = re.compile(r"dlk_[a-z_]+$|_init$|_fini$")


def plant(t, top):
    for number in range(3):
        t.write("%s/small/%d" % (top, number), b"small", mtime=10**18)
    for number in range(3):
        t.write("%s/large/%d" % (top, number), bytes(200000) + b"x" + bytes(200000), mtime=10**18 + number)
    t.write(top + "/alone", b"alone")


def told(t, command, env, exit=0):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=t.top, timeout=300,
                          env=dict(os.environ, **env))
    if done.returncode != exit:
        raise Failed("%r: exit %d\n%s%s" % (command, done.returncode, done.stdout, done.stderr))
    return done


def only_the_largest(t, name, command, env):
    plant(t, name)
    before = t.look(name)
    done = told(t, command + [name], env)
    t.same_contents(before)
    t.one_inode(*["%s/large/%d" % (name, number) for number in range(3)])
    t.all_apart(*["%s/small/%d" % (name, number) for number in range(3)])
    t.equal(len(re.findall(r"^set \d+: 3 names of (?:5|400001) bytes$", done.stdout, re.M)), 2, "sets looked at")
    t.equal(sorted(re.findall(r"^linked (\S+) -> ", done.stdout, re.M)), [name + "/large/1", name + "/large/2"], "events")


def exports(t):
    t.need_tool("nm", "readelf")
    names = [line.split()[-1] for line in t.sh("nm", "-D", "--defined-only", SO).decode().splitlines()]
    t.equal([name for name in names if not ALLOWED.match(name.split("@")[0])], [], "names that are not dlk_")
    with open(os.path.join(TOP, "include", "dedupe-link.h"), encoding="utf-8") as file:
        declared = set(re.findall(r"^DLK_API[^;(]*?(dlk_\w+)\(", file.read(), re.M))
    t.equal({name for name in names if name.startswith("dlk_")}, declared, "what the header declares is what is there")
    package = os.path.join(os.path.dirname(os.path.dirname(SO)), "meson-private")
    if shutil.which("pkg-config") and os.path.exists(os.path.join(package, "dedupe-link.pc")):
        os.environ["PKG_CONFIG_PATH"] = package
        t.check(b"-ldedupe-link" in t.sh("pkg-config", "--libs", "dedupe-link"), "pkg-config knows the library")
    t.check(b"soname: [libdedupe-link.so.0]" in t.sh("readelf", "-d", SO), "soname")


def build(t):
    """The example in C, and what its environment needs."""
    if not os.path.exists(SO):
        t.skip("no shared library beside the program")
    if b"asan" in t.sh("readelf", "-d", SO) or b"tsan" in t.sh("readelf", "-d", SO):
        t.skip("a sanitizer's library cannot be loaded by others")
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if not compiler:
        t.skip("no C compiler")
    example = os.path.join(t.scratch, "largest-set")
    told(t, [compiler, "-Wall", "-Wextra", "-Werror", "-I" + os.path.join(TOP, "include"),
             os.path.join(TOP, "tools", "examples", "largest-set.c"), SO, "-pthread", "-o", example], {})
    return example, {"LD_LIBRARY_PATH": os.path.dirname(SO)}


def test(t):
    example, path = build(t)
    exports(t)
    only_the_largest(t, "in-c", [example], path)
    only_the_largest(t, "in-time", [example, "--enter"], path)  # which nobody presses
    # Stopped before it can be done: nothing was linked.
    plant(t, "stopped")
    before = t.look("stopped")
    script = [sys.executable, os.path.join(TOP, "tools", "examples", "largest_set.py")]
    where = dict(path, DEDUPE_LINK_SO=SO, DEDUPE_LINK_HEADER=os.path.join(TOP, "include", "dedupe-link.h"))
    only_the_largest(t, "in-python", script, where)
    done = told(t, script + ["--stop-reading", "stopped"], where, exit=1)
    t.check("stopped" in done.stderr, "stopped from another thread: " + done.stderr)
    t.untouched(before)
