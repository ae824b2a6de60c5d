# SPDX-License-Identifier: MIT
"""The examples are stopped by another thread while files are read, and while they are linked: no name is lost, and figures are true."""
import os
import re
import subprocess
import sys

import harness

NAMES = 1200  # far more than are in line at a time


def held_up(calls, delay):
    return ["strace", "-f", "-o", "/dev/null", "--seccomp-bpf", "-e", "trace=" + calls, "-e", "inject=%s:delay_enter=%d" % (calls, delay)]


def enter_after(t, command, env, look):
    """Presses Enter once `look` says so of a line that was said, or once large/ is read; what was said until the end."""
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=t.top,
                             env=dict(os.environ, **env))
    said, pressed = [], look is None
    if pressed:
        harness.wait_until(lambda: harness.has_open(child.pid, t.path("large/a")), "reads", child)
        child.stdin.write("\n")
        child.stdin.flush()
    for line in child.stdout:
        said.append(line)
        if not pressed and look(line):
            child.stdin.write("\n")
            child.stdin.flush()
            pressed = True
    err = child.stderr.read()
    t.equal((child.wait(), err), (1, "largest-set: stopped\n"), "what it says")
    return "".join(said)


def plant(t, top):
    content = t.random(20000)
    for number in range(NAMES):
        t.write("%s/%d/%04d" % (top, number % 10, number), content, mtime=10**18 + number)


def half_done(t, top, before, said):
    """Some names are linked, those that were told; all are there with their bytes; the next run links the rest."""
    links = re.findall(r"^linked %s/(\S+) -> " % top, said, re.M)
    t.check(0 < len(links) < NAMES - 1, "%d links, none or all" % len(links))
    t.equal(len(set(links)), len(links), "links told twice")
    after = t.same_contents(before)
    large = [group for group in after.shared() if len(group) > 1]
    t.equal([sorted(group) for group in large], [sorted(links + ["0/0000"])], "names linked, and told")
    run = t.json(top)
    t.figures(run, links_made=NAMES - 1 - len(links), errors=0, recovered=0)
    t.equal(len(t.same_contents(before).shared()), 1, "files left")
    return len(links)


def test(t):
    library = harness.load(os.path.join(os.path.dirname(os.path.abspath(__file__)), "library.py"))
    example, env = library.build(t)
    # In Python, from within the event of the first link: the other thread has set the flag before the next one.
    plant(t, "python")
    before = t.look("python")
    where = dict(env, DEDUPE_LINK_SO=library.SO, DEDUPE_LINK_HEADER=os.path.join(harness.TOP, "include", "dedupe-link.h"))
    script = os.path.join(harness.TOP, "tools", "examples", "largest_set.py")
    done = library.told(t, [sys.executable, script, "--stop-linking", "python"], where, exit=1)
    t.equal(done.stderr, "stopped\n", "what it says")
    half_done(t, "python", before, done.stdout)

    t.need_tool("strace")
    if subprocess.run(["strace", "-o", "/dev/null", "true"], stderr=subprocess.DEVNULL).returncode:
        t.skip("ptrace is not allowed here: only the example in Python was stopped")
    plant(t, "c")
    before = t.look("c")
    said = enter_after(t, held_up("renameat2", 5000) + [example, "--enter", "c"], env, lambda line: line.startswith("linked "))
    links = half_done(t, "c", before, said)
    t.check(re.search(r"^%d links, %d bytes$" % (links, links * 20480), said, re.M), "figures: %r" % said[-200:])
    # Each read takes half a second: the files would take a quarter of a minute at least.
    content = t.random(8 << 20)
    for name in "abc":
        t.write("large/" + name, content)
    before = t.look("large")
    said = enter_after(t, held_up("pread64,preadv", 500000) + [example, "--enter", "large"], env, None)
    t.equal(said, "", "what it says")
    t.untouched(before)
