"""On a terminal one line tells how far the run is; a stopped terminal or a full pipe never holds it up."""
# SPDX-License-Identifier: MIT
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

import harness

SIZE = 4 << 20
FIGURES = re.compile(rb"Reading 3/3 +\d+% +\d/6 files +[\d.]+M/24M +[\d.]+M/s")
DRAWN = re.compile(rb"^(Walking|Reading \d/3|Linking) +\d")


def tree(t):
    for i in range(3):
        content = t.random(SIZE, i)
        t.write("a%d" % i, content)
        t.write("b%d" % i, content)


def slow(t, *arguments, delay=20000):
    """The program with each read held up, so that there is something to see. strace's own words go to a file."""
    t.need_tool("strace")
    # LeakSanitizer cannot work under ptrace.
    command = ["env", "ASAN_OPTIONS=detect_leaks=0", "strace", "-f", "-o", "/dev/null", "-e", "trace=pread64,preadv", "-e",
               "inject=pread64,preadv:delay_enter=%d" % delay]
    if subprocess.run(["strace", "-o", "/dev/null", "true"], stderr=subprocess.DEVNULL).returncode:
        t.skip("ptrace is not allowed here")
    return command + [harness.PROGRAM, "-j", "1", *arguments, t.top]


class Terminal:
    """A terminal of our own with the program in it; its report goes to a pipe, or to a file if it may be long."""

    def __init__(self, command, columns, env=None, stdout=subprocess.PIPE):
        self.master, self.slave = pty.openpty()
        self.resize(columns)
        self.said = b""
        self.child = subprocess.Popen(command, stdin=self.slave, stdout=stdout, stderr=self.slave,
                                      start_new_session=True, preexec_fn=self.control, env=dict(os.environ, **{"TERM": "xterm", **(env or {})}))

    def control(self):
        """Ctrl-C and the like are for the program."""
        fcntl.ioctl(2, termios.TIOCSCTTY, 0)

    def resize(self, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

    def read(self, seconds):
        """What is shown within so many seconds, or until the program ends."""
        begun, end = len(self.said), time.monotonic() + seconds
        while time.monotonic() < end:
            if select.select([self.master], [], [], 0.05)[0]:
                self.said += os.read(self.master, 65536)
            elif self.child.poll() is not None:
                break
        return self.said[begun:]

    def read_until(self, t, shown, seconds=30):
        end = time.monotonic() + seconds
        while shown not in self.said:
            t.check(time.monotonic() < end and self.child.poll() is None, "never shown: %r in %r" % (shown, self.said))
            self.read(0.1)

    def read_lines(self, t, drawn, what):
        """Reads until one of the lines drawn meanwhile is as `drawn` says; gives these lines, the last of which may be half there."""
        begun, end = len(self.said), time.monotonic() + harness.PATIENCE
        while True:
            self.read(0.1)
            lines = lines_drawn(self.said[begun:])
            if any(map(drawn, lines[:-1])):
                return lines
            t.check(time.monotonic() < end and self.child.poll() is None, "%s never drawn: %r" % (what, self.said))

    def end(self, seconds=60):
        """Its exit status and report."""
        self.read(seconds)
        self.out = self.child.stdout.read() if self.child.stdout else None
        status = self.child.wait(60)
        os.close(self.slave)
        os.close(self.master)
        return status


def lines_drawn(said):
    """Each line as it was drawn; that nothing else was sent is checked on the way."""
    lines = []
    for piece in re.split(rb"(?:\x1b\[\d+A)?\r\x1b\[[JK]", said)[1:]:
        lines.append(piece)
    return lines


def on_a_terminal(t):
    begun = time.monotonic()
    terminal = Terminal(slow(t, "-n"), 80)
    terminal.read_lines(t, FIGURES.search, "all figures, as wide as the terminal")
    terminal.resize(40)
    terminal.read_lines(t, lambda line: len(line) < 40, "as narrow as the terminal")
    narrow = terminal.read_lines(t, lambda line: True, "one more")
    t.equal(terminal.end(), 0, "exit status")
    took = time.monotonic() - begun
    lines = lines_drawn(terminal.said)
    t.check(len(lines) > 5, "nothing was drawn: %r" % terminal.said)
    t.check(len(lines) <= 10 * took + 1, "%d draws in %.1f s" % (len(lines), took))
    t.equal(lines[-1], b"", "what is left on the terminal")
    for line in lines[:-1]:
        t.check(DRAWN.match(line) and len(line) < 80, "drawn: %r" % line)
    t.check(all(len(line) < 40 for line in narrow), "not as narrow as the terminal: %r" % narrow)
    t.check(b"Would link   3 names" in terminal.out, "report: %r" % terminal.out)


def not_asked_for(t):
    """Nothing is drawn with -q, with never, on a terminal that can do nothing, or where it is none."""
    for arguments, env in ((["-q"], {}), (["--progress=never"], {}), ([], {"TERM": "dumb"})):
        terminal = Terminal(slow(t, "-n", *arguments, delay=4000), 80, env)
        t.equal(terminal.end(), 0, "exit status")
        t.equal(terminal.said, b"", "shown with %r %r" % (arguments, env))
    t.equal(t.run("-n", ".").err, "", "said in a pipe")


def lines_for_logs(t):
    run = t.run("-n", "--progress=always", ".")
    said = run.err.splitlines()
    t.equal(said[0], "dedupe-link: walking: 6 files, 24.0 MiB", "first line")
    t.check(said[-1].startswith("dedupe-link: reading 3/3: 6 of 6 files, 24.0 MiB of 24.0 MiB, "), "last: %r" % said)
    t.check("12.0 MiB found" in said[-1], "what was found: %r" % said)
    t.check("\x1b" not in run.err, "escapes in a log: %r" % said)


def waits_for_another(t):
    """With --wait the line says why nothing moves, until the other run is over."""
    held = os.open(t.top, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    terminal = Terminal([harness.PROGRAM, "--wait", t.top], 80)
    log = subprocess.Popen([harness.PROGRAM, "--wait", "--progress=always", "--json-lines", t.path("a0")], stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE)
    waits = b"aiting for another run, which holds the lock on these files"
    try:
        terminal.read_until(t, b"\r\x1b[KW" + waits)
        event = json.loads(log.stdout.readline())
        t.equal((event["event"], event["phase"]), ("phase", "wait"), "first event")
        t.check(os.path.samefile(event["path"], t.top), "who is waited for: %r" % event)
    finally:
        os.close(held)
    t.equal(terminal.end(), 0, "exit status")
    t.check(b"Linked       3 names" in terminal.out, "report: %r" % terminal.out)
    out, err = log.communicate(timeout=60)
    t.equal(log.returncode, 0, "exit status: %r" % err)
    t.check(err.startswith(b"dedupe-link: w" + waits + b"\n"), "in a log: %r" % err)
    t.check(b'"phase": "walk"' in out, "no walk after it: %r" % out)
    for i in range(3):
        os.unlink(t.path("b%d" % i))
        t.write("b%d" % i, t.random(SIZE, i))


def terminal_stopped(t):
    """Somebody typed ^S: the work goes on to its end. Its program waits for nobody."""
    terminal = Terminal(slow(t, "--progress", delay=8000), 80)
    terminal.read_lines(t, lambda line: True, "a line")
    termios.tcflow(terminal.slave, termios.TCOOFF)
    out = terminal.child.communicate(timeout=60)[0]
    t.equal(terminal.child.returncode, 0, "exit status")
    t.check(b"Linked       3 names" in out, "report: %r" % out)
    for i in range(3):
        t.one_inode("a%d" % i, "b%d" % i)
    os.close(terminal.slave)
    os.close(terminal.master)


def pipe_full(t):
    """SIGUSR1 into a pipe that nobody reads."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    try:
        while True:
            os.write(writer, b"x" * 4096)
    except BlockingIOError:
        os.set_blocking(writer, True)
    child = subprocess.Popen(slow(t, "-n", delay=8000), stdout=subprocess.PIPE, stderr=writer, start_new_session=True)
    harness.wait_until(lambda: harness.has_open(child.pid, t.path("a0")), "reads", child)
    with open("/proc/%d/task/%d/children" % (child.pid, child.pid)) as children:
        os.kill(int(children.read().split()[0]), signal.SIGUSR1)
    out = child.communicate(timeout=60)[0]
    t.equal(child.returncode, 0, "exit status")
    t.check(b"Would link   3 names" in out, "report: %r" % out)
    os.close(reader)
    os.close(writer)


def test(t):
    tree(t)
    lines_for_logs(t)
    waits_for_another(t)
    on_a_terminal(t)
    not_asked_for(t)
    pipe_full(t)
    terminal_stopped(t)
