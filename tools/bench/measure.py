# SPDX-License-Identifier: MIT
"""Builds the bench's own programs and runs commands under `measure`."""

import json
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.realpath(__file__))
PROJECT = os.path.dirname(os.path.dirname(HERE))
C_FLAGS = ["-std=gnu17", "-O2", "-Wall", "-Wextra", "-pthread"]


class Trouble(Exception):
    """Something the bench cannot go on without; told in one line."""


def say(text):
    print(text, file=sys.stderr, flush=True)


def run_checked(command, **options):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    if done.returncode:
        raise Trouble(f"{' '.join(command)}: exit {done.returncode}\n{done.stdout[-4000:]}")
    return done.stdout


class Programs:
    """maketrees, floor and measure, compiled into a directory of the bench's work."""

    def __init__(self, work):
        self.dir = os.path.join(work, "programs")
        os.makedirs(self.dir, exist_ok=True)
        compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
        if not compiler:
            raise Trouble("no C compiler found (Debian: apt-get install gcc libc6-dev)")
        for name in ("maketrees", "floor", "measure"):
            self._build(compiler, name)

    def _build(self, compiler, name):
        source, target = os.path.join(HERE, name + ".c"), self.path(name)
        if os.path.exists(target) and os.path.getmtime(target) >= os.path.getmtime(source):
            return
        run_checked([*compiler.split(), *C_FLAGS, source, "-o", target])

    def path(self, name):
        return os.path.join(self.dir, name)


def measure(programs, command, limit, output=None):
    """Runs the command, gives a dict of what it cost; output (a path) gets its stdout, else nobody does."""
    with tempfile.TemporaryDirectory() as scratch:
        result, errors = os.path.join(scratch, "result"), os.path.join(scratch, "errors")
        with open(output or os.devnull, "wb") as out, open(errors, "wb") as err:
            subprocess.run([programs.path("measure"), result, str(limit), *command], cwd=scratch,
                           stdin=subprocess.DEVNULL, stdout=out, stderr=err, check=False)
        with open(result, encoding="utf-8") as file:
            text = file.read()
        with open(errors, encoding="utf-8", errors="replace") as file:
            said = file.read()[-2000:]
    if not text:
        raise Trouble(f"{command[0]} could not be started: {said}")
    cost = json.loads(text)
    cost["cpu"] = cost["user"] + cost["sys"]
    cost["said"] = said
    return cost


def make_clean(below):
    """What was written below is on disk: whoever syncs a byte next does not wait for all of it."""
    run_checked(["sync", "-f", below])


def drop_caches(below):
    """All that is clean goes."""
    make_clean(below)
    with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as file:
        file.write("3\n")


def may_drop_caches():
    return os.access("/proc/sys/vm/drop_caches", os.W_OK) and os.geteuid() == 0


def build_project(source, build):
    """Builds a checkout as users get it, gives the program's path."""
    if not os.path.exists(os.path.join(build, "build.ninja")):
        run_checked(["meson", "setup", "--buildtype=release", build, source])
    run_checked(["ninja", "-C", build])
    for root, _dirs, files in os.walk(build):
        if "dedupe-link" in files:
            return os.path.join(root, "dedupe-link")
    raise Trouble(f"{build}: no dedupe-link was built")


def build_commit(commit, work):
    """Builds a commit of this repository from a fresh export, gives (short name, program)."""
    short = run_checked(["git", "-C", PROJECT, "rev-parse", "--short", commit]).strip()
    source, build = os.path.join(work, "commit-" + short), os.path.join(work, "build-" + short)
    if not os.path.isdir(source):
        os.makedirs(source)
        archive = subprocess.run(["git", "-C", PROJECT, "archive", short], stdout=subprocess.PIPE, check=True)
        subprocess.run(["tar", "-x", "-C", source], input=archive.stdout, check=True)
    return short, build_project(source, build)
