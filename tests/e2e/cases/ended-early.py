# SPDX-License-Identifier: MIT
"""A run that ends before its time counts and shows what it did, and nothing that it only had in mind, in every form of the report."""
import json
import os
import re
import signal
import subprocess

import harness
import schema

SETS, COPIES = 100, 3  # small enough to be decided before anything is linked


def plant(t, top):
    for number in range(SETS):
        content = t.random(12_000, number)
        for copy in range(COPIES):
            t.write("%s/%d/%02d.raw" % (top, copy, number), content)


def page_of(path):
    """The figures and the sets of a page."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    return [json.loads(re.search(r'id="data-%s">(.*?)</script>' % name, text, re.S)[1]) for name in ("summary", "sets")]


def no_journal(t):
    if not os.path.exists("/dev/full"):
        return
    plant(t, "unwritten")
    before = t.look("unwritten")
    page = os.path.join(t.scratch, "unwritten.html")
    cache = t.cache()
    run = t.json("--journal", "/dev/full", "--html", page, cache, "unwritten", exit=1)
    t.figures(run, dry_run=False, complete=False, links_made=0, sets=0, bytes_saved=0, errors=1)
    t.equal({name["fate"] for each in run.sets for name in each["names"]}, {"keeper", "left"}, "fates of JSON")
    t.equal([past["complete"] for past in json.loads(t.run("--history", "--json", cache).out)], [False], "history")
    summary, sets = page_of(page)
    t.equal((summary["complete"], summary["folders"], summary["kinds"]), (False, [], []), "the page's figures")
    t.equal(sum(each[1] for each in sets), 0, "bytes of the page's sets")
    text = t.run("-v", "--journal", "/dev/full", "unwritten", exit=1).out
    t.check("none that were linked" in text and "  left " in text, text)
    for wrong in ("  link ", "By folder", "By kind", "Largest"):
        t.check(wrong not in text, "%r: %s" % (wrong, text))
    t.equal(t.run("-0", "--journal", "/dev/full", "unwritten", exit=1).out, "", "names that were replaced")
    t.equal(t.same_contents(before).shared(), before.shared(), "who is linked")


def stopped(t):
    """By a signal at the first link: the events, the page and the tree tell of the same links."""
    plant(t, "stopped")
    page = os.path.join(t.scratch, "stopped.html")
    child = subprocess.Popen([harness.PROGRAM, "--json-lines", "--html", page, "-j1", "--bwlimit", "3M", "stopped"],
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=t.top)
    events = []
    for line in child.stdout:
        events.append(schema.parse_lines(line)[0])
        if events[-1]["event"] == "linked" and child.poll() is None:
            child.send_signal(signal.SIGTERM)
    err = child.stderr.read().decode()
    t.equal(child.wait(), 128 + signal.SIGTERM, "exit status: " + err)
    links = sum(event["event"] == "linked" for event in events)
    t.check(0 < links < SETS * (COPIES - 1), "%d links, none or all" % links)
    told = events[-1]["summary"]
    t.equal((told["complete"], told["links_made"]), (False, links), "the summary")
    summary, sets = page_of(page)
    t.equal((summary["complete"], summary["links_made"]), (False, links), "the page's figures")
    t.equal(sum(names for _, names in summary["sizes"]), links, "names by size")
    t.equal(sum(each[1] for each in sets), told["bytes_saved"], "bytes of the page's sets")
    t.equal({fate for each in sets for fate in each[5::4]}, {0, 2, 3}, "kept, linked and left")


def stopped_reading(t):
    """By a signal while files are read: what was found and read until then is counted."""
    size = 4 << 20
    for name in "abcd":
        t.write("large/" + name, t.random(size))
    for arguments in (["-n"], []):
        child = subprocess.Popen([harness.PROGRAM, "--json-lines", "--bwlimit", "2M", *arguments, "large"],
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=t.top)
        events, read = [], 0
        for line in child.stdout:
            events.append(schema.parse_lines(line)[0])
            if events[-1].get("phase") == "hash" and events[-1].get("bytes") and not read:
                read = events[-1]["bytes"]
                child.send_signal(signal.SIGTERM)
        err = child.stderr.read().decode()
        t.equal(child.wait(), 128 + signal.SIGTERM, "exit status: " + err)
        told = events[-1]["summary"]
        got = [told[key] for key in ("complete", "files_seen", "inodes_seen", "dirs_seen", "bytes_seen", "domains")]
        t.equal(got, [False, 4, 4, 1, 4 * size, 1], "what was found")
        t.check(read <= told["bytes_read"] < 4 * size, "%d bytes read, %d told before" % (told["bytes_read"], read))
        t.equal((told["links_made"], told["sets"], told["bytes_saved"]), (0, 0, 0), "nothing was linked")


def test(t):
    no_journal(t)
    stopped(t)
    stopped_reading(t)
