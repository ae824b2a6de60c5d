# SPDX-License-Identifier: MIT
"""What is mounted on one link of a file is not taken for another link of it: a dry run tells the figures of the real one."""


def test(t):
    t.tmpfs("m") # lists the newest name first
    t.write("m/other", "other content")
    covered = t.write("m/t/x_b", t.random(8192), mtime=10**18)
    for number in range(700): # so many that what was read before them is known when x_b is read
        t.write("m/t/f%d" % number, "f%d" % number)
    t.link("m/t/x_b", "m/t/x_a")
    t.write("m/t/k", t.random(8192), mtime=10**18)
    t.link("m/t/k", "m/t/k2")
    t.link("m/t/k", "m/t/k3")
    t.sh("mount", "--bind", t.path("m/other"), covered)
    before = t.look()
    for threads in ("1", "4"):
        dry = t.json("-n", "-j", threads, "m/t")
        t.figures(dry, errors=0, links_made=1, inodes_freed=0, files_seen=704)
    t.figures(t.json("m/t"), errors=0, links_made=1, inodes_freed=0, files_seen=704)
    t.same_contents(before)
