# SPDX-License-Identifier: MIT
"""On a read-only mount nothing is tried in vain: no name is lost, the figures promise nothing, and it is told."""


def test(t):
    t.tmpfs("frozen")
    t.write("frozen/a", "same content")
    t.write("frozen/b", "same content")
    t.write("open/a", "same content")
    t.write("open/b", "same content")
    t.sh("mount", "-o", "remount,ro,bind", t.path("frozen"))
    before = t.look()
    dry = t.json("-n", "frozen", "open", exit=None)
    t.untouched(before)
    done = t.json("frozen", "open", exit=None)
    t.same_contents(before)
    t.one_inode("open/a", "open/b")
    t.all_apart("frozen/a", "frozen/b")
    t.figures(done, links_made=1, inodes_freed=1)
    t.equal(dry.summary["links_made"], 1, "the dry run's promise")
    t.equal(dry.status, done.status, "exit status of dry and real run")
    told = t.run("frozen", exit=None)
    t.check("read-only" in (told.out + told.err).lower(), "not told: " + told.about())
