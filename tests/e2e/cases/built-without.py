# SPDX-License-Identifier: MIT
"""A program built without jansson or SQLite says what it cannot, does nothing half, and does all else; with them it never says so."""
import os


def test(t):
    plan, journal, cache = (os.path.join(t.scratch, name) for name in ("plan", "journal", "cache"))
    without = t.run("--history", "--cache=" + cache, exit=None).err
    if "without SQLite" not in without:
        for arguments in (["--apply", cache], ["--undo", cache], ["--history", "--cache=" + cache]):
            t.check("built without" not in t.run(*arguments, exit=None).err, arguments)
        return
    for name in "abc":
        t.write("in/" + name, b"same" * 1000)
    before = t.look()
    t.run("-q", "--plan", plan, "in")
    # What needs JSON to be read.
    for arguments in (["--apply", plan], ["-n", "--apply", plan], ["--undo", plan]):
        done = t.run(*arguments, exit=2)
        t.equal(done.err, "dedupe-link: this program was built without jansson, which reads plans and journals\n", arguments)
        t.equal(done.out, "", "a report of nothing")
    t.untouched(before)
    # What needs the cache.
    t.equal(without, "dedupe-link: history of %s: this program was built without SQLite\n" % cache, "--history")
    done = t.json("--cache=" + cache, "--journal", journal, "in")
    t.equal(done.err, "dedupe-link: cache %s is not used: this program was built without SQLite\n" % cache, "--cache")
    t.equal([issue["reason"] for issue in done.issues], ["cache_unused"], "in the report, too")
    t.figures(done, links_made=2, errors=0)
    t.one_inode("in/a", "in/b", "in/c")
    t.check(not os.path.exists(cache) and os.path.getsize(journal) > 100, "the journal is written, a cache is not")
