# SPDX-License-Identifier: MIT
"""Exit status: 0 done or nothing to do, 1 something could not be read, 2 usage or no PATH at all."""


def test(t):
    t.write("a/f", "same content")
    t.write("b/f", "same content")
    t.write("c/f", "other content")
    t.run("-n", "a", "b", exit=0)
    t.run("c", exit=0)
    t.run("a", "b", exit=0)
    t.run("a", "b", exit=0)
    done = t.run("a", "missing", exit=1)
    t.check("missing" in done.err and "No such file" in done.err, done.about())
    t.run("missing", "also-missing", exit=2)
    for usage in ([], ["--no-such-option", "a"], ["-Z", "a"], ["--max-depth", "x", "a"], ["--keep", "best", "a"],
                  ["--respect", "size", "a"], ["--ignore", "owner,colour", "a"], ["-j", "none", "a"], ["-s"],
                  ["--files0-from", "/does/not/exist"], ["--json=5", "a"], [""]):
        done = t.run(*usage, exit=2)
        t.check(done.err.startswith("dedupe-link: "), "no message for %r: %s" % (usage, done.about()))
        t.equal(done.out, "", "stdout for %r" % usage)
    for option in ("--help", "-h", "--version", "-V"):
        done = t.run(option, exit=0)
        t.check("dedupe-link" in done.out and not done.err, done.about())
    t.equal(t.run("-q", "a", "b").out, "", "quiet")
    t.equal(t.run("-q", "a", "b").err, "", "quiet")
