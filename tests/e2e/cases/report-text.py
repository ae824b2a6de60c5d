"""The report tells people at a glance what is saved, where it lies, what was left alone; colours only on terminals."""
# SPDX-License-Identifier: MIT
import os
import pty
import re
import subprocess

import harness

K = 1 << 10


def tree(t):
    """Copies of 656 KiB in all: photos 512 KiB, mail 80 KiB, the rest here and there."""
    photo, mail, other = t.random(128 * K, 1), t.random(80 * K, 2), t.random(16 * K, 3)
    t.write("keep/photo.jpg", photo)
    for i in range(4):
        t.write("a/photos/2019/%d.JPG" % i, photo)
    t.write("keep/mail", mail)
    t.write("b/mail", mail)
    t.write("keep/lib.so.1.2", other)
    for name in "cdef":
        t.write("%s/lib.so.1.2" % name, other)
    os.chmod(t.write("g/mail", mail), 0o600)


def where(out):
    """The lines on where it lies, as (label, size, percent, text)."""
    return [match.groups() for match in re.finditer(r"^(By \w+|Largest|) +([\d.]+ \w+) +(\d+)%  (.*)$", out, re.M)]


def terminal(t, *arguments, env):
    """What the program shows when its output is a terminal."""
    master, slave = pty.openpty()
    plain = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
    subprocess.run([harness.PROGRAM, "-n", "--progress=never", "--keep=first-path", *arguments, "keep", "."], stdin=slave,
                   stdout=slave, stderr=slave, cwd=t.top, env=dict(plain, TERM="xterm", **env), check=False)
    os.close(slave)
    said = b""
    try:
        while block := os.read(master, 65536):
            said += block
    except OSError:  # that is how a terminal ends
        pass
    os.close(master)
    return said


def test(t):
    tree(t)
    dry = t.run("-n", "--keep=first-path", "keep", ".").out
    t.equal(where(dry), [
        ("By folder", "512.0 KiB", "78", "./a/photos/2019"),
        ("", "80.0 KiB", "12", "./b"),
        ("", "64.0 KiB", "10", "elsewhere"),
        ("By kind", "512.0 KiB", "78", "*.jpg, 4 names"),
        ("", "80.0 KiB", "12", "without a suffix, 1 name"),
        ("", "64.0 KiB", "10", "*.so, 4 names"),
        ("Largest", "512.0 KiB", "78", "4 copies of keep/photo.jpg"),
        ("", "80.0 KiB", "12", "1 copy of keep/mail"),
        ("", "64.0 KiB", "10", "4 copies of keep/lib.so.1.2"),
    ], "where it lies")
    t.check("Kept apart   1 file, 80.0 KiB, differs in mode only: --ignore mode\n" in dry, "kept apart: " + dry)
    t.check(len(dry.splitlines()) < 24 and all(len(line) <= 80 for line in dry.splitlines()), "a screen: " + dry)
    t.check("\x1b" not in dry, "escapes in a pipe")
    t.check(b"\x1b[1m656.0 KiB" in terminal(t, env={}), "no colour on a terminal: %r" % terminal(t, env={}))
    t.check(b"\x1b" not in terminal(t, env={"NO_COLOR": "1"}), "colour though NO_COLOR is set")
    t.check(b"\x1b" in terminal(t, "--color=always", env={"NO_COLOR": "1"}), "no colour though asked for")
    linked = t.run("--keep=first-path", "keep", ".").out
    t.equal(where(linked), where(dry), "the same after linking")
