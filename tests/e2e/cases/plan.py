# SPDX-License-Identifier: MIT
"""--plan writes what a run would do and links nothing; --apply does exactly that, with the same result and figures."""
import json
import os

from harness import named, settle

FIGURES = ("sets", "links_made", "inodes_freed", "bytes_saved", "bytes_held_elsewhere", "skipped_changed",
           "skipped_refused", "errors")


def read(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def plant(t, top):
    for number in range(30):
        t.write("%s/d%d/f%d" % (top, number % 3, number), t.random(10 + number % 5, number % 5), mtime=10**18 + number)
    for name in ("new\nline", "tab\t", os.fsdecode(b"\xff\xfe"), "ü", "-n", '"quoted"', "\\"):
        t.write(top + "/odd/" + name, "odd names")
    # Large and alike at both ends: a scan that goes on to link leaves the middle to the comparison.
    for number, middle in enumerate((b"x", b"x", b"y", b"x")):
        t.write("%s/large/%d" % (top, number), bytes(200000) + middle + bytes(200000))
    t.link(top + "/d0/f0", top + "/d1/linked")
    t.link(top + "/d0/f3", "out/held-" + top)
    t.write(top + "/owned/a", "owners", owner=(1000, 1000) if t.root else None)
    t.write(top + "/owned/b", "owners", mode=0o600)


def test(t):
    plant(t, "one")
    plant(t, "two")
    settle(t.top)
    before = t.look()
    plan = os.path.join(t.scratch, "plan")
    made = t.json("--plan", plan, "one")
    t.untouched(before)
    t.check(made.summary["dry_run"], "a run with --plan links nothing, so it is a dry run")
    lines = read(plan)
    t.equal(lines[0]["schema"], 1, "schema")
    t.equal([named(root) for root in lines[0]["roots"]], [os.path.realpath(t.path("one"))], "roots")
    t.equal(lines[-1]["counts"]["steps"], len(lines) - 2, "steps counted")
    t.equal(len(lines) - 2, made.summary["links_made"], "a step for each name")
    planned = {named(member) for each in made.sets for member in each["names"] if member["fate"] == "planned"}
    steps = [(named(line["keeper"]), named(line["duplicate"])) for line in lines[1:-1]]
    t.equal({os.path.relpath(duplicate, t.top) for _, duplicate in steps}, planned, "names to be replaced")
    for line in lines[1:-1]:
        for side in ("keeper", "duplicate"):
            seen = os.lstat(named(line[side]))
            t.equal((int(line[side]["inode"]), line[side]["size"], int(line[side]["mtime"]), line[side]["uid"]),
                    (seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_uid), "stamps")
            for key, value in line[side].items():
                t.check(not isinstance(value, int) or abs(value) <= 1 << 53, "jq would round %s" % key)
    # Another directory, other threads: the same.
    again = os.path.join(t.scratch, "again")
    t.run("-q", "-j1", "--plan", again, "../one", cwd=t.path("out"))
    t.equal(open(again, "rb").read(), open(plan, "rb").read(), "the plan made from elsewhere by one thread")
    # A dry run of it, then it, from yet another directory; the twin tree is linked the ordinary way.
    dry = t.json("-n", "--apply", plan, cwd="/")
    t.untouched(before)
    done = t.json("--apply", plan, cwd="/")
    t.same_contents(before)
    direct = t.json("two")
    for name in FIGURES:
        t.equal(dry.summary[name], made.summary[name], "dry run of the plan: " + name)
        t.equal(done.summary[name], made.summary[name], "applied: " + name)
        t.equal(direct.summary[name], made.summary[name], "without a plan: " + name)
    groups = t.look("one").shared()
    t.equal(groups, t.look("two").shared(), "which names are one file, with and without a plan")
    for keeper, duplicate in steps:
        t.equal(os.lstat(duplicate).st_ino, os.lstat(keeper).st_ino, "step done")
    # Once more: all files are others now.
    after = t.look()
    once_more = t.json("--apply", plan)
    t.untouched(after)
    t.figures(once_more, links_made=0, errors=0, skipped_changed=len(steps))
    # A plan from a pipe; none to do.
    t.run("-q", "--plan", plan, "one")
    t.equal(len(read(plan)), 2, "nothing left to do")
    with open(plan, "rb") as file:
        t.run("--apply", "-", stdin=file.read())
    t.untouched(after)
