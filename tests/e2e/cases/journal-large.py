# SPDX-License-Identifier: MIT
"""--undo goes back by a journal of thousands of lines block by block, from a pipe, with few descriptors, and past lines that are none."""
import json
import os
import random
import stat

SETS = 400  # some 3,000 lines in two nights: several blocks of a journal, several batches of copies


def make(t):
    """Sets of three files with one name to four; the third is in other directories, and the newest."""
    draw = random.Random(5)
    for number in range(SETS):
        for copy in range(3):
            place = "big/%s/d%%d/%04d-%d" % ("new" if copy == 2 else "old", number, copy)
            first = place % draw.randrange(3)
            t.write(first, t.random(300, number), mtime=10**18 + number * 10 + copy)
            for link in range(draw.randrange(4)):
                t.link(first, (place + "-%d") % (draw.randrange(3), link))


def state(t):
    look = t.look("big")
    return {path: (content, status.st_mtime_ns) for path, (status, content, _) in look.entries.items()
            if stat.S_ISREG(status.st_mode)}, look.shared()


def check_state(t, before, what):
    now = state(t)
    differ = [path for path in before[0] if now[0].get(path) != before[0][path]]
    t.check(not differ, "%s: %d names differ: %r" % (what, len(differ), differ[:4]))
    apart = sorted(map(sorted, before[1] - now[1]))
    t.check(not apart, "%s: %d files have other names: %r" % (what, len(apart), apart[:4]))


def two_nights(t, journal):
    """The second night's keepers are others, so that its lines speak of the first one's."""
    t.run("-q", "-j4", "--keep", "oldest", "--journal", journal, "big/old")
    t.run("-q", "-j4", "--keep", "newest", "--journal", journal, "big")
    return sum(b'"keeper"' in line for line in open(journal, "rb"))


def test(t):
    make(t)
    before = state(t)
    journal = t.path("journal")
    for how in ("file", "pipe", "few descriptors"):
        if os.path.exists(journal):
            os.unlink(journal)
        links = two_nights(t, journal)
        t.check(links > 2 * 1024, "more than two blocks: %d lines" % links)
        if how == "pipe":
            # Through cat, so that it cannot be read twice.
            with open(journal, "rb") as text:
                back = t.json("--undo", "/dev/stdin", stdin=text.read())
        else:
            back = t.json("--undo", journal, **({"files": 120} if how != "file" else {}))
        t.figures(back, restored=links, errors=0, skipped_changed=0)
        check_state(t, before, how)
    how_far(t, journal)
    lines_that_are_none(t, journal, before)


def how_far(t, journal):
    """Whoever watches is told how far it is."""
    os.unlink(journal)
    links = two_nights(t, journal)
    told = [json.loads(line) for line in t.run("--json-lines", "--undo", journal).out.splitlines()]
    done = [line["done"] for line in told if line.get("event") == "progress"]
    t.check(len(done) > 1 and done == sorted(done) and done[-1] <= links, "progress: %r of %d" % (done, links))
    t.equal({(line["phase"], line["total"]) for line in told if line.get("event") == "progress"}, {("undo", links)}, "of all lines")


def lines_that_are_none(t, journal, before):
    """Lines that lack a member, or say something else, are passed over like torn ones; the others hold."""
    os.unlink(journal)
    links = two_nights(t, journal)
    lines = open(journal, "rb").read().splitlines(keepends=True)
    for at, spoil in ((1, lambda note: note.pop("old")), (5, lambda note: note["keeper"].pop("inode")),
                      (len(lines) - 2, lambda note: note["old"].update(mode="rwx"))):
        note = json.loads(lines[at])
        spoil(note)
        lines[at] += json.dumps(note).encode() + b"\n"
    lines.insert(3, b"[1, 2]\n")
    with open(journal, "wb") as out:
        out.writelines(lines)
    back = t.json("--undo", journal)
    t.figures(back, restored=links, errors=0)
    t.equal(len([issue for issue in back.issues if issue.get("reason") == "torn"]), 4, "each is told of")
    check_state(t, before, "past lines that are none")
