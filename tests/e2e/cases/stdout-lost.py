# SPDX-License-Identifier: MIT
"""A closed or full stdout is an error that is told, while the links already made are true and every file is whole."""
import os


def make(t, name):
    for number in range(4):
        t.write("%s/f%d" % (name, number), "same content")


def test(t):
    full = os.open("/dev/full", os.O_WRONLY)
    for name, options in (("text", ["-v"]), ("json", ["--json"]), ("quiet-not", [])):
        make(t, name)
        before = t.look(name)
        done = t.run(*options, name, exit=1, stdout=full)
        t.check("space" in done.err, "the cause is not told: " + done.about())
        t.same_contents(before)
        t.one_inode(*["%s/f%d" % (name, number) for number in range(4)])
    make(t, "closed")
    before = t.look("closed")
    done = t.run("-v", "closed", exit=1, stdout=full, before=lambda: os.close(1))
    t.check(done.err.strip(), "a closed stdout is not told")
    t.same_contents(before)
    t.one_inode(*["closed/f%d" % number for number in range(4)])
    make(t, "all-closed")
    before = t.look("all-closed")
    t.run("-v", "all-closed", exit=1, before=lambda: (os.close(0), os.close(1), os.close(2)))
    t.same_contents(before)
    # A reader that went away: a write error, not a death by SIGPIPE before the files are in order.
    make(t, "pipe")
    before = t.look("pipe")
    reading, writing = os.pipe()
    os.close(reading)
    done = t.run("-n", "-v", "pipe", exit=1, stdout=writing)
    t.equal(done.err, "", "said of a dry run whose reader has seen enough")
    done = t.run("-v", "pipe", exit=1, stdout=writing)
    t.check("Broken pipe" in done.err, "not told: " + done.about())
    t.same_contents(before)
    t.one_inode(*["pipe/f%d" % number for number in range(4)])
