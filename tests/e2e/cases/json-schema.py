# SPDX-License-Identifier: MIT
"""--json, --json-lines and --plan are as tools/dist/schema.json says, whatever the names and whatever goes wrong."""
import copy
import os

import schema
from harness import Failed, named

NAMES = ["a", "new\nline", os.fsdecode(b"\xff\xfe"), os.fsdecode(b"lat\xe9in"), "ü", "\x1b[1m", '"', "\\", "-n", "\u202e"]


def plant(t, top):
    for number, name in enumerate(NAMES):
        t.write("%s/%s" % (top, name), "content", mtime=10**18 + number)
    for number in range(4):
        t.write("%s/other/%d" % (top, number), "others", mode=0o600 + number % 2 * 0o44)


def reports(t):
    plant(t, "one")
    opened = open(t.path("one", NAMES[3]), "ab")
    for arguments, status in ((["-n", "one"], 0), (["one"], 0), (["one", "not-there"], 1), (["not-there"], 2),
                              (["--recover", "one"], 0), (["-n", "--ignore", "mode", "one"], 0)):
        run = t.json(*arguments, exit=status)
        schema.check("report", run.json)
    opened.close()
    if t.root:
        t.write("denied/a", "x")
        t.write("denied/b", "x", mode=0o644)
        os.chmod(t.path("denied"), 0o555)
        schema.check("report", t.json("denied", user=1000, exit=None).json)


def events(t):
    plant(t, "two")
    dry = schema.parse_lines(t.run("-n", "--json-lines", "two").raw)
    done = schema.parse_lines(t.run("--json-lines", "two", "not-there", exit=1).raw)
    for event in dry + done:
        schema.check("event", event)
    t.equal([event["event"] for event in dry + done].count("summary"), 2, "summaries")
    t.check(dry[-1]["event"] == done[-1]["event"] == "summary", "the summary comes last")
    planned = {(exact(event, "keeper"), exact(event, "path")) for event in dry if event["event"] == "planned"}
    linked = {(exact(event, "keeper"), exact(event, "path")) for event in done if event["event"] == "linked"}
    t.equal(linked, planned, "what was linked is what a dry run said")
    t.equal(len(linked), done[-1]["summary"]["links_made"], "an event for each")
    t.equal({os.path.basename(path) for _, path in linked if "other" not in path} | {"a"}, set(NAMES), "names come back")
    errors = [event for event in done if event["event"] == "error"]
    t.equal([(event["stage"], event["path"]) for event in errors], [("root", "not-there")], "errors")
    t.equal(schema.parse_lines(t.run("--json-lines", "not-there", exit=2).raw)[-1]["event"], "summary", "also of a failure")


def exact(event, key):
    renamed = {"path": event[key]}
    if key + "_b64" in event:
        renamed["path_b64"] = event[key + "_b64"]
    return named(renamed)


def plans(t):
    plant(t, "three")
    plan = os.path.join(t.scratch, "plan")
    t.run("-q", "--plan", plan, "--reference", "three/other", "three")
    with open(plan, "rb") as file:
        lines = schema.parse_lines(file.read())
    for line in lines:
        schema.check("plan_line", line)
    t.equal({os.path.basename(named(line["duplicate"])) for line in lines[1:-1]} | {"a"}, set(NAMES), "names come back")


def refuses(t):
    """The check itself finds what is wrong."""
    good = t.json("-n", "one").json
    schema.check("report", good)
    for path, value in ((("schema",), 2), (("summary", "links_made"), -1), (("summary", "links_made"), 1.5),
                        (("summary", "dry_run"), 0), (("sets", 0, "names", 0, "fate"), "lost"), (("issues",), {}),
                        (("sets", 0, "names", 0, "path_b64"), "?"), (("summary", "apart"), [{}])):
        bad = copy.deepcopy(good)
        place = bad
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value
        try:
            schema.check("report", bad)
        except Failed:
            continue
        t.check(False, "the schema does not mind %r" % (path,))


def test(t):
    reports(t)
    events(t)
    plans(t)
    refuses(t)
