# SPDX-License-Identifier: MIT
"""A second run finds nothing to do, changes nothing and exits 0."""


def test(t):
    for number in range(30):
        t.write("d%d/file%d" % (number % 4, number), t.random(5000, number % 7))
    t.json(".")
    before = t.look()
    again = t.json(".")
    t.figures(again, sets=0, links_made=0, inodes_freed=0, bytes_saved=0, bytes_held_elsewhere=0, errors=0)
    t.untouched(before)
    t.equal(again.sets, [], "sets")
    for arguments in ([], ["-n"]):
        t.check("Duplicates   none left to link\n" in t.run(*arguments, ".").out, "said to a person")
    # Unless something is: what keeps it is told below.
    t.write("other", t.random(5000, 1), mode=0o600)
    t.check("Duplicates   none that were linked\n" in t.run(".").out, "said when something is left")
