# SPDX-License-Identifier: MIT
"""The example in C is stopped by another thread while files are read: it says so, and nothing was linked."""
import os
import subprocess

from harness import load


def test(t):
    library = load(os.path.join(os.path.dirname(os.path.abspath(__file__)), "library.py"))
    t.need_tool("strace")
    if subprocess.run(["strace", "-o", "/dev/null", "true"], stderr=subprocess.DEVNULL).returncode:
        t.skip("ptrace is not allowed here")
    example, env = library.build(t)
    content = t.random(8 << 20)
    for name in "abc":
        t.write("large/" + name, content)
    before = t.look()
    # Each read takes half a second: the files would take a quarter of a minute at least.
    slow = ["strace", "-f", "-o", "/dev/null", "-e", "trace=pread64,preadv", "-e", "inject=pread64,preadv:delay_enter=500000"]
    done = library.told(t, slow + [example, "--seconds", "1", "large"], env, exit=1)
    t.equal((done.stdout, done.stderr), ("", "largest-set: stopped\n"), "what it says")
    t.untouched(before)
