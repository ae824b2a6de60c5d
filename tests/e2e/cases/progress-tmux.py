"""In a real terminal the line stays one line, also when the window changes, and is gone before the report."""
# SPDX-License-Identifier: MIT
import os
import re
import shlex
import subprocess
import time

import harness

LINE = re.compile(r"^(Walking|Reading|Linking)")


class Window:
    def __init__(self, t, columns):
        self.command = ["tmux", "-f", "/dev/null", "-S", os.path.join(t.scratch, "tmux")]
        self.tmux("new-session", "-d", "-x", str(columns), "-y", "24", "env", "-i", "PATH=" + os.environ["PATH"],
                  "TERM=screen", "PS1=ready ", "HOME=/", "/bin/sh", "-i")

    def tmux(self, *arguments):
        return subprocess.run(self.command + list(arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              stdin=subprocess.DEVNULL, check=True).stdout.decode(errors="replace")

    def screen(self):
        return [line.rstrip() for line in self.tmux("capture-pane", "-p").splitlines() if line.strip()]

    def wait_for(self, t, pattern, seconds=30):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if any(re.search(pattern, line) for line in self.screen()):
                return self.screen()
            time.sleep(0.05)
        t.check(False, "never shown: %s\n%s" % (pattern, "\n".join(self.screen())))


def one_line(t, screen):
    t.equal(len([line for line in screen if LINE.search(line)]), 1, "lines of progress in\n" + "\n".join(screen))
    t.check(LINE.search(screen[-1]), "something below the line:\n" + "\n".join(screen))


def test(t):
    t.need_tool("tmux", "strace")
    if subprocess.run(["strace", "-o", "/dev/null", "true"], stderr=subprocess.DEVNULL).returncode:
        t.skip("ptrace is not allowed here")
    for i in range(2):
        content = t.random(8 << 20, i)
        t.write("a%d" % i, content)
        t.write("b%d" % i, content)
    window = Window(t, 80)
    try:
        window.wait_for(t, "ready")
        window.tmux("send-keys", "strace -f -o /dev/null -e trace=pread64,preadv "
                    "-e inject=pread64,preadv:delay_enter=25000 %s -j1 -n %s" % (shlex.quote(harness.PROGRAM), t.top),
                    "Enter")
        one_line(t, window.wait_for(t, r"^Reading 3/3 +\d+% .*M/s .*left"))
        window.tmux("resize-window", "-x", "45", "-y", "24")
        time.sleep(0.6)
        one_line(t, window.screen())
        window.tmux("resize-window", "-x", "100", "-y", "24")
        time.sleep(0.6)
        one_line(t, window.screen())
        screen = window.wait_for(t, "^Would free")
        t.check(not any(LINE.search(line) for line in screen), "left behind:\n" + "\n".join(screen))
        t.check(any("Looked at" in line and line.startswith("Looked at") for line in screen), "\n".join(screen))
    finally:
        subprocess.run(window.command + ["kill-server"], stderr=subprocess.DEVNULL)
