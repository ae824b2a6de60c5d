# SPDX-License-Identifier: MIT
"""Each run that links with a cache leaves a row, and their sum is what statfs shows; on snapshots only what is new is read."""
import json
import os
import shutil

from harness import settle

NIGHTS, KEPT, FILES, SIZE = 14, 20, 400, 6000
COPIED, CHANGED = FILES * 2 // 100, FILES * 5 // 1000 # a night


def free(path):
    settle(path)
    status = os.statvfs(path)
    return status.f_bfree * status.f_frsize


def of_directories(path):
    """Bytes that directories take: one that was full grows by a block for a temporary name."""
    return sum(os.stat(top).st_blocks * 512 for top, _, _ in os.walk(path))


def write(path, content):
    """As another inode."""
    if os.path.exists(path):
        os.unlink(path)
    with open(path, "wb") as out:
        out.write(content)


def one_night(t, where, night, contents):
    """A snapshot of the one before; the oldest goes. Of the files some are copied again, and some changed."""
    t.sh("cp", "-al", where + "/%d" % (night - 1), where + "/%d" % night)
    shutil.rmtree(where + "/%d" % (night - KEPT))
    first = night * (COPIED + CHANGED) # other files each night
    for number in range(first, first + COPIED + CHANGED):
        if number >= first + COPIED:
            contents[number % FILES] = 100000 + number
        write("%s/%d/f%d" % (where, night, number % FILES), t.random(SIZE, contents[number % FILES]))


def test(t):
    cache = t.cache()
    where = t.image("ext4", 64) if t.root and os.environ.get("DEDUPE_OWN_MOUNTS") == "1" else t.path("image")
    os.makedirs(os.path.join(where, "0"))
    saved, contents = 0, list(range(FILES))
    for number in range(FILES):
        write("%s/0/f%d" % (where, number), t.random(SIZE, number))
    for night in range(1, KEPT):
        t.sh("cp", "-al", where + "/%d" % (night - 1), where + "/%d" % night)
    t.json("-n", cache, where)
    for night in range(KEPT, KEPT + NIGHTS):
        one_night(t, where, night, contents)
        before = free(where) + of_directories(where)
        run = t.json(cache, where)
        after = free(where) + of_directories(where)
        t.figures(run, links_made=COPIED, errors=0)
        # each new file for its digest, then those copied again and their partners to be compared
        t.check(run.summary["bytes_read"] <= SIZE * (3 * COPIED + CHANGED), "bytes read in night %d: %d"
                % (night, run.summary["bytes_read"]))
        saved += run.summary["bytes_saved"]
        if where != t.path("image") or t.root:
            t.equal(after - before, run.summary["bytes_saved"], "statfs")
    rows = json.loads(t.run("--history", "--json", cache).out)
    t.equal(len(rows), NIGHTS, "rows")
    t.equal(sum(row["bytes_saved"] for row in rows), saved, "sum of the rows")
    for row in rows:
        t.equal(row["roots"], [where], "roots")
        t.check(set(row) >= {"started", "roots", "links_made", "bytes_saved", "errors", "seconds"}, "keys of a row")
    t.check(rows == sorted(rows, key=lambda row: row["started"]), "oldest first")
    table = t.run("--history", cache).out
    t.equal(sum(where in line for line in table.split("\n")), NIGHTS, "lines of the table")
    t.check("#" in table and "%d runs" % NIGHTS in table, "a chart: " + table)
    t.check(max(len(line) for line in table.split("\n") if where not in line) <= 80, "80 columns")
    # A stdout that fails is no fault of the cache.
    full = os.open("/dev/full", os.O_WRONLY)
    for form in ([], ["--json"]):
        err = t.run("--history", *form, cache, exit=1, stdout=full).err
        t.equal(err, "dedupe-link: write error: No space left on device\n", "a full stdout")
    os.close(full)
    # Nothing yet, and dry runs, leave none.
    none = t.cache("none.db")
    t.equal(json.loads(t.run("--history", "--json", none).out), [], "no runs")
    t.json("-n", none, where)
    t.equal(json.loads(t.run("--history", "--json", none).out), [], "dry runs")
    current = os.path.join(where, str(KEPT + NIGHTS - 1))
    t.run("--history", "--cache=" + current, exit=1)
    odd = os.fsencode(t.path("odd")) + b"\xff\n"
    os.mkdir(odd)
    t.json(none, os.fsdecode(odd))
    row = json.loads(t.run("--history", "--json", none).out)[0]
    t.check("roots_b64" in row and len(row["roots"]) == 1, "a name that is no UTF-8")
