# SPDX-License-Identifier: MIT
"""Each run that links with a cache leaves a row, and their sum is what statfs shows; on snapshots only what is new is read."""
import json
import os
import shutil

from harness import settle

NIGHTS, KEPT, FILES = 14, 5, 400


def free(path):
    settle(path)
    status = os.statvfs(path)
    return status.f_bfree * status.f_frsize


def of_directories(path):
    """Bytes that directories take: one that was full grows by a block for a temporary name."""
    return sum(os.stat(top).st_blocks * 512 for top, _, _ in os.walk(path))


def test(t):
    cache = t.cache()
    where = t.image("ext4", 64) if t.root and os.environ.get("DEDUPE_OWN_MOUNTS") == "1" else t.path("image")
    current = os.path.join(where, "0")
    os.makedirs(current)
    size = 6000
    for number in range(FILES):
        with open("%s/f%d" % (current, number), "wb") as out:
            out.write(t.random(size, number))
    t.json(cache, where)
    saved, contents = 0, list(range(FILES))
    for night in range(1, NIGHTS):
        t.sh("cp", "-al", where + "/%d" % (night - 1), where + "/%d" % night)
        if night >= KEPT:
            shutil.rmtree(where + "/%d" % (night - KEPT))
        for number in range(night, FILES, FILES // 8):       # copied again: the same bytes, another inode
            os.unlink("%s/%d/f%d" % (where, night, number))
            with open("%s/%d/f%d" % (where, night, number), "wb") as out:
                out.write(t.random(size, contents[number]))
        contents[3 * night] = 100000 + night
        changed = "%s/%d/f%d" % (where, night, 3 * night)
        os.unlink(changed)
        with open(changed, "wb") as out:
            out.write(t.random(size, contents[3 * night]))
        copied = len(range(night, FILES, FILES // 8)) - (3 * night in range(night, FILES, FILES // 8))
        before = free(where) + of_directories(where)
        run = t.json(cache, where)
        after = free(where) + of_directories(where)
        t.figures(run, links_made=copied, errors=0)
        # each new file for its digest, then it and its partner to be compared; the changed one for its digest
        t.check(run.summary["bytes_read"] <= size * (3 * copied + 1 + 2 * night), "bytes read in night %d: %d"
                % (night, run.summary["bytes_read"]))
        t.check(run.summary["bytes_read"] <= size * FILES / 8, "bytes read in night %d" % night)
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
    # Nothing yet, and dry runs, leave none.
    none = t.cache("none.db")
    t.equal(json.loads(t.run("--history", "--json", none).out), [], "no runs")
    t.json("-n", none, where)
    t.equal(json.loads(t.run("--history", "--json", none).out), [], "dry runs")
    current = os.path.join(where, str(NIGHTS - 1))
    t.run("--history", "--cache=" + current, exit=1)
    odd = os.fsencode(t.path("odd")) + b"\xff\n"
    os.mkdir(odd)
    t.json(none, os.fsdecode(odd))
    row = json.loads(t.run("--history", "--json", none).out)[0]
    t.check("roots_b64" in row and len(row["roots"]) == 1, "a name that is no UTF-8")
