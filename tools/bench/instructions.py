# SPDX-License-Identifier: MIT
"""
Fixed work, counted: what does not depend on how busy the machine is.

Small seeded trees, one thread, and two counters: instructions in user space (valgrind's callgrind) and calls into the
kernel (strace), since a warm run is made of calls. `bounds` holds what was counted when it was last written; more than
SLACK times that fails. Compilers and processors differ by a few percent, a needless second look at every file by more.

    tools/bench/bench instructions             compare with the bounds
    tools/bench/bench instructions --update    write what is counted now
"""

import collections
import os
import re
import shutil
import subprocess
import tempfile

import measure
import trees
from measure import HERE, Trouble

BOUNDS = os.path.join(HERE, "bounds")
SLACK = {"instructions": 1.3, "calls": 1.15}

# Name, tree, scale, linking or not.
WORK = [
    ("dry-source", "source", 0.02, False),
    ("dry-npm", "npm", 0.05, False),
    ("dry-snapshots", "snapshots", 0.005, False),
    ("dry-oneclass", "oneclass", 0.02, False),
    ("dry-tiny", "tiny", 0.003, False),
    ("link-npm", "npm", 0.05, True),
    ("link-manylinks", "manylinks", 0.02, True),
]


class Skipped(Exception):
    pass


def need(program, package):
    if not shutil.which(program):
        raise Skipped(f"{program} is not installed (Debian: {package})")


def words_for(path, linking):
    return ["-j1", *([] if linking else ["-n"]), path]


def by_object(callgrind):
    """Instructions of each program and library in the text that callgrind writes (valgrind's manual, Callgrind Format)."""
    names, sums, at, called = {}, collections.Counter(), "", False
    for line in callgrind.splitlines():
        if found := re.match(r"ob=\((\d+)\)(?: (.*))?", line):
            names[found.group(1)] = found.group(2) or names[found.group(1)]
            at = names[found.group(1)]
        elif found := re.match(r"cob=\((\d+)\) (.*)", line):
            names[found.group(1)] = found.group(2)
        elif line.startswith("calls="):
            called = True  # the next line says what the callee cost
        elif re.match(r"[+*\d-]", line):
            sums[at] += 0 if called else int(line.split()[1])
            called = False
    return sums


def count_instructions(program, words, options=(), **how):
    """
    With these options of callgrind. `how` may give the program another standard error, and whatever else subprocess.run takes.
    Hashing is left out: how many instructions it takes depends on what the processor has.
    """
    need("valgrind", "valgrind")
    with tempfile.TemporaryDirectory() as place:
        wrote, told = os.path.join(place, "callgrind"), os.path.join(place, "log")
        done = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=" + wrote, "--error-exitcode=99",
                               "--log-file=" + told, *options, program, *words],
                              **{"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True, "check": False, **how})
        parts = sorted(name for name in os.listdir(place) if name.startswith("callgrind"))
        sums = collections.Counter()
        for part in parts:
            with open(os.path.join(place, part), encoding="utf-8", errors="replace") as file:
                sums += by_object(file.read())
        with open(told, encoding="utf-8", errors="replace") as file:
            log = file.read()
    if done.returncode or not sums:
        raise Trouble(f"{program} under valgrind: exit {done.returncode}\n{log[-1000:]}\n{(done.stderr or '')[-1000:]}")
    return sum(count for name, count in sums.items() if "xxhash" not in name)


def count_calls(program, words, **how):
    """A dict: calls by name, of all threads."""
    need("strace", "strace")
    with tempfile.NamedTemporaryFile("r", encoding="utf-8") as out:
        done = subprocess.run(["strace", "-f", "-c", "-U", "calls,name", "-o", out.name, program, *words],
                              **{"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True, "check": False, **how})
        rows = re.findall(r"^\s*(\d+)\s+([a-z_0-9]+)$", out.read(), re.M)
    if done.returncode or not rows:
        raise Trouble(f"{program} under strace: exit {done.returncode}\n{(done.stderr or '')[-2000:]}")
    return {name: int(calls) for calls, name in rows if name != "total"}


def count(programs, program, work, figure, scratch):
    _name, kind, scale, linking = work
    tree = trees.make(programs, scratch, kind, 1, scale)
    path = tree.path
    if linking:
        path = os.path.join(scratch, "linked")
        trees.copy(tree, path)
    try:
        if figure == "instructions":
            return count_instructions(program, words_for(path, linking))
        return sum(count_calls(program, words_for(path, linking)).values())
    finally:
        if linking:
            trees.remove(path)


def read_bounds():
    if not os.path.exists(BOUNDS):
        return {}
    with open(BOUNDS, encoding="utf-8") as file:
        rows = [line.split() for line in file if line.strip() and not line.startswith("#")]
    return {(name, figure): int(value) for name, figure, value in rows}


def write_bounds(counted):
    with open(BOUNDS, "w", encoding="utf-8") as file:
        file.write("# SPDX-License-Identifier: MIT\n"
                   "# What tools/bench/bench instructions --update counted: work, figure, number.\n")
        for (name, figure), value in counted.items():
            file.write(f"{name} {figure} {value}\n")


def check(name, figure, counted, bounds):
    """Says how it went, gives 'passed' or 'failed'."""
    bound = bounds.get((name, figure))
    if bound is None:
        print(f"failed {name}: {figure} {counted:,}, and no bound is written: run with --update")
        return "failed"
    verdict = "failed" if counted > bound * SLACK[figure] else "passed"
    hint = "; write better bounds with --update" if counted < bound * 0.8 else ""
    print(f"{verdict} {name}: {figure} {counted:,}, {counted / bound:.3f} of the bound, {SLACK[figure]} allowed{hint}")
    return verdict


def watch(programs, program, scratch, update=False):
    """Counts all the work; gives how many passed, failed, were skipped, and what was counted."""
    bounds, counted = read_bounds(), {}
    tally = {"passed": 0, "failed": 0, "skipped": 0}
    for figure in SLACK:
        for work in WORK:
            try:
                value = count(programs, program, work, figure, scratch)
            except Skipped as reason:
                print(f"skipped {work[0]}: {figure}: {reason}")
                tally["skipped"] += 1
                continue
            counted[(work[0], figure)] = value
            tally["passed" if update else check(work[0], figure, value, bounds)] += 1
    return tally, counted


def add_arguments(parser):
    parser.add_argument("--binary", help="our program ($DEDUPE_LINK; else built from this checkout)")
    parser.add_argument("--update", action="store_true", help="write the bounds anew")


def command(args):
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR", "/var/tmp")) as scratch:
        programs = measure.Programs(scratch)
        program = args.binary or os.environ.get("DEDUPE_LINK") or \
            measure.build_project(measure.PROJECT, os.path.join(scratch, "build"))
        tally, counted = watch(programs, os.path.realpath(program), scratch, args.update)
    if args.update and not tally["skipped"]:
        write_bounds(counted)
    print(f"bench: {tally['passed']} passed, {tally['failed']} failed, {tally['skipped']} skipped")
    return 1 if tally["failed"] else 0
