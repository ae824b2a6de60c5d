# SPDX-License-Identifier: MIT
"""A plan applied with a cache leaves its row of history, and the cache stays as true as after a run that links by itself."""
import json
import os


def test(t):
    cache = t.cache()
    plan = os.path.join(t.scratch, "plan")
    for number in range(60):
        t.write("d%d/f%d" % (number % 3, number), t.random(5000, number % 40))
    t.json("-n", cache, "--plan", plan, ".")
    t.equal(json.loads(t.run("--history", "--json", cache).out), [], "only planned")
    t.json("-n", cache, "--apply", plan)
    t.equal(json.loads(t.run("--history", "--json", cache).out), [], "only tried")
    done = t.json(cache, "--apply", plan)
    t.figures(done, links_made=20, errors=0)
    rows = json.loads(t.run("--history", "--json", cache).out)
    t.equal([(row["roots"], row["links_made"], row["bytes_saved"]) for row in rows],
            [([t.top], 20, done.summary["bytes_saved"])], "the row")
    t.figures(t.json("-n", cache, "."), links_made=0, bytes_read=0)
    # Nothing left to do: a run all the same.
    t.figures(t.json(cache, "--apply", plan), links_made=0, errors=0)
    t.equal(len(json.loads(t.run("--history", "--json", cache).out)), 2, "rows")
    # Bytes that are not what the digests said are found, and forgotten.
    t.write("new", t.random(5000, 1))
    t.json("-n", cache, "--plan", plan, ".")
    status = os.stat(t.path("new"))
    with open(t.path("new"), "r+b") as file:
        file.write(b"another")
    os.utime(t.path("new"), ns=(status.st_atime_ns, status.st_mtime_ns))
    t.figures(t.json("-n", cache, "."), links_made=1)
    with open(plan, encoding="utf-8") as file:
        steps = file.read()
    with open(plan, "w", encoding="utf-8") as file:
        file.write(steps.replace(str(status.st_ctime_ns), str(os.stat(t.path("new")).st_ctime_ns)))
    look = t.look()
    t.figures(t.json(cache, "--apply", plan, exit=None), links_made=0)
    t.same_contents(look)
    # A cache that cannot be used is told, and not in the way.
    t.write("last", t.random(5000, 2))
    t.json("-n", "--plan", plan, ".")
    broken = os.path.join(t.scratch, "broken")
    with open(broken, "w", encoding="utf-8") as file:
        file.write("shopping list\n" * 100)
    run = t.json("--cache=" + broken, "--apply", plan)
    t.figures(run, links_made=1, errors=0)
    t.check("not a cache of this program" in run.err, run.err)

