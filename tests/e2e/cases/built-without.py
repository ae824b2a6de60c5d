# SPDX-License-Identifier: MIT
"""A program built without jansson or SQLite says what it cannot, does nothing half, and does all else; with them it never says so."""
import os


def no_jansson(t, plan):
    """What needs JSON to be read."""
    for name in "abc":
        t.write("in/" + name, b"same" * 1000)
    before = t.look()
    t.run("-q", "--plan", plan, "in")
    for arguments in (["--apply", plan], ["-n", "--apply", plan], ["--undo", plan]):
        done = t.run(*arguments, exit=2)
        t.equal(done.err, "dedupe-link: this program was built without jansson, which reads plans and journals\n", arguments)
        t.equal(done.out, "", "a report of nothing")
    t.untouched(before)


def no_sqlite(t, said, cache, journal):
    """What needs the cache."""
    t.equal(said, "dedupe-link: history of %s: this program was built without SQLite\n" % cache, "--history")
    for name in "abc":
        t.write("other/" + name, b"same" * 1000)
    done = t.json("--cache=" + cache, "--journal", journal, "other")
    t.equal(done.err, "dedupe-link: cache %s is not used: this program was built without SQLite\n" % cache, "--cache")
    t.equal([issue["reason"] for issue in done.issues], ["cache_unused"], "in the report, too")
    t.figures(done, links_made=2, errors=0)
    t.one_inode("other/a", "other/b", "other/c")
    t.check(not os.path.exists(cache) and os.path.getsize(journal) > 100, "the journal is written, a cache is not")


def test(t):
    plan, journal, cache = (os.path.join(t.scratch, name) for name in ("plan", "journal", "cache"))
    history = t.run("--history", "--cache=" + cache, exit=None).err
    apply = t.run("--apply", cache, exit=None).err
    if "without SQLite" in history:
        no_sqlite(t, history, cache, journal)
    if "without jansson" in apply:
        no_jansson(t, plan)
    undo = t.run("--undo", cache, exit=None).err
    t.equal("built without" in undo, "without jansson" in apply, "what --undo says")
