# SPDX-License-Identifier: MIT
"""Times beyond what nanoseconds since 1970 can tell are the oldest and the newest there are."""
import json
import os


def test(t):
    t.need_mounts()
    t.tmpfs("fs")
    for name, seconds in (("past", -10**11), ("past too", -10**11), ("future", 10**11), ("future too", 10**11)):
        path = t.write("fs/" + name, name.split()[0])
        os.utime(path, (0, seconds))
        if os.stat(path).st_mtime != seconds:
            t.skip("no such times here")
    dry = t.json("-n", "--html", t.path("page"), "fs")
    t.figures(dry, links_made=2, errors=0)
    with open(t.path("page"), encoding="utf-8") as page:
        summary = page.read().partition('id="data-summary">')[2].partition("</script>")[0]
    ages = [names for _bytes, names in json.loads(summary)["ages"]]
    t.equal((ages[0], ages[-1], sum(ages)), (1, 1, 2), "of each age: %r" % ages)
    t.figures(t.json("--keep", "oldest", "--journal", t.path("journal"), "fs"), links_made=2, errors=0)
    t.figures(t.json("--undo", t.path("journal")), restored=2, errors=0)
