"""In a real terminal the line stays one line, also when the window changes, and is gone before the report."""
# SPDX-License-Identifier: MIT
import os
import re
import shlex
import subprocess

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

    def wait_for(self, pattern):
        harness.wait_until(lambda: any(re.search(pattern, line) for line in self.screen()),
                           lambda: "%s\n%s" % (pattern, "\n".join(self.screen())))
        return self.screen()

    def resize(self, t, columns):
        """What is half drawn then is whole soon; whatever the old line left behind would stay."""
        drawn = self.screen()[-1]
        self.tmux("resize-window", "-x", str(columns), "-y", "24")
        screen = []

        def is_whole():
            screen[:] = self.screen()
            return screen[-1] not in (drawn, "") and is_one_line(screen) or any("Would free" in line for line in screen)

        harness.wait_until(is_whole, lambda: "one line of progress, with nothing below:\n" + "\n".join(screen))
        one_line(t, screen)


def is_one_line(screen):
    return bool(LINE.search(screen[-1])) and sum(bool(LINE.search(line)) for line in screen) == 1


def one_line(t, screen):
    t.check(is_one_line(screen), "not one line of progress, with nothing below:\n" + "\n".join(screen))


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
        window.wait_for("ready")
        window.tmux("send-keys", "strace -f -o /dev/null -e trace=pread64,preadv "
                    "-e inject=pread64,preadv:delay_enter=25000 %s -j1 -n %s" % (shlex.quote(harness.PROGRAM), t.top),
                    "Enter")
        one_line(t, window.wait_for(r"^Reading 3/3 +\d+% .*M/s .*left"))
        window.resize(t, 45)
        window.resize(t, 100)
        screen = window.wait_for("^Would free")
        t.check(not any(LINE.search(line) for line in screen), "left behind:\n" + "\n".join(screen))
        t.check(any("Looked at" in line and line.startswith("Looked at") for line in screen), "\n".join(screen))
    finally:
        subprocess.run(window.command + ["kill-server"], stderr=subprocess.DEVNULL)
