# SPDX-License-Identifier: MIT
"""All JSON that is printed or kept is as tools/dist/schema.json says, and no member, word or reason is missing there."""
import copy
import errno
import fcntl
import json
import os
import re

import schema
from harness import TOP, Failed, named

KINDS = {"phase", "progress", "error", "skip", "note", "linked", "planned", "restored", "summary"}

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
    t.write("busy/a", "in use")
    with open(t.write("busy/b", "in use"), "ab"):
        busy = schema.parse_lines(t.run("--json-lines", "--cache=" + t.write("no-cache", "text"), "busy").raw)
    journal = os.path.join(t.scratch, "journal-events")
    os.unlink(t.path("two", "a"))
    t.write("two/a", "content")
    t.run("-q", "--journal", journal, "two")
    undone = schema.parse_lines(t.run("--json-lines", "--undo", journal).raw)
    for event in dry + done + busy + undone:
        schema.check("event", event)
    t.equal({event["event"] for event in dry + done + busy + undone}, KINDS, "kinds of events that came")
    t.equal({each["properties"]["event"]["const"] for each in schema.load()["$defs"]["event"]["anyOf"]}, KINDS, "in the schema")
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


def journals(t):
    plant(t, "four")
    os.setxattr(t.path("four", "a"), "user.word", b"\x00\xff")
    journal = os.path.join(t.scratch, "journal")
    t.run("-q", "--ignore", "xattr", "--keep", "newest", "--journal", journal, "four")
    with open(journal, "rb") as file:
        lines = schema.parse_lines(file.read())
    for line in lines:
        schema.check("journal_line", line)
    t.check(any("xattrs" in line.get("old", ()) for line in lines), "attributes are in none")
    t.equal(len(lines), 1 + len(NAMES) - 1 + 2, "a header, and lines for those names and the two others")


def history(t):
    cache = t.cache()
    for top in ("five", os.fsdecode(b"fi\xffth")):
        plant(t, top)
        t.run("-q", cache, top)
    rows = json.loads(t.run("--history", "--json", cache).out)
    schema.check("history", rows)
    t.equal(["roots_b64" in row for row in rows], [False, True], "names in base64")


def words(t):
    """What the program has words for, the schema and the manual have as well, and nothing else."""
    def source(path):
        with open(os.path.join(TOP, path), encoding="utf-8") as file:
            return file.read()

    code, manual = source("src/cli/words.c"), source("src/cli/dedupe-link.1")

    def table(name):
        return set(re.findall(r'=\s*\{?\s*"(\w+)"', re.search(name + r"\[\] = \{(.*?)\n\t?\};", code, re.S)[1]))

    known = schema.load()["$defs"]
    # The first table of phases is that of their names; another has words for people.
    for what, name in (("stage", "stages"), ("reason", "reasons"), ("phase", "phases")):
        want = table(name) - {"none"}
        t.check(len(want) > 5, "%s is not found in words.c" % name)
        t.equal(set(known[what]["enum"]), want, "words of the schema: " + what)
        t.equal({word for word in want if "\\fB%s\\fR" % word not in manual}, set(), "not in the manual: " + what)


def refuses(t):
    """The check itself finds what is wrong."""
    good = t.json("-n", "one").json
    schema.check("report", good)
    for path, value in ((("schema",), 2), (("summary", "links_made"), -1), (("summary", "links_made"), 1.5),
                        (("summary", "dry_run"), 0), (("sets", 0, "names", 0, "fate"), "lost"), (("issues",), {}),
                        (("sets", 0, "names", 0, "path_b64"), "?"), (("summary", "apart"), [{}]), (("more",), 1),
                        (("summary", "more"), 1), (("issues",), [{"kind": "note", "reason": "whim"}]),
                        (("issues",), [{"kind": "note", "reason": "weaker", "more": 1}])):
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


def failures(t):
    """What a run failed of is an issue, with what has no report of its own too, and an event."""
    plant(t, "failed")
    nowhere, missing = os.path.join(t.scratch, "no", "file"), os.path.join(t.scratch, "missing")
    torn = t.write("torn-plan", "no plan\n")
    shared = t.write("journal-of-all", "{}\n")
    os.chmod(shared, 0o666)
    held = os.open(t.path("failed"), os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    for arguments, status, stage, path, number in ((["failed"], 3, "lock", "failed", errno.EAGAIN),
                                                   (["--recover", "failed"], 3, "lock", "failed", errno.EAGAIN),
                                                   (["--plan", nowhere, "failed"], 2, "plan", nowhere, errno.ENOENT),
                                                   (["--plan", "/dev/full", "failed"], 1, "plan", "/dev/full", errno.ENOSPC),
                                                   (["--apply", missing], 2, "plan", missing, errno.ENOENT),
                                                   (["--apply", torn], 2, "plan", "line 1", None),
                                                   (["--journal", nowhere, "failed"], 2, "journal", nowhere, errno.ENOENT),
                                                   (["--undo", missing], 2, "journal", missing, errno.ENOENT),
                                                   (["--undo", shared], 1, "journal", shared, errno.EPERM)):
        run = t.json(*arguments, exit=status)
        t.figures(run, complete=False, exit_status=status, errors=1)
        told = [(issue["kind"], issue["stage"], issue["path"], issue.get("errno")) for issue in run.issues]
        t.equal(told, [("error", stage, path, number)], "issues of %r" % arguments)
        t.check(run.err.startswith("dedupe-link: ") and run.err.count("dedupe-link: ") <= 2, "complaints: " + run.about())
        events = schema.parse_lines(t.run("--json-lines", *arguments, exit=status).raw)
        for event in events:
            schema.check("event", event)
        told = [(event["stage"], event["path"], event.get("errno")) for event in events if event["event"] == "error"]
        t.equal((told, events[-1]["summary"]["errors"]), ([(stage, path, number)], 1), "events of %r" % arguments)
    os.close(held)


def test(t):
    reports(t)
    events(t)
    plans(t)
    journals(t)
    failures(t)
    words(t)
    refuses(t)
    history(t)
