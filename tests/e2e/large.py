# SPDX-License-Identifier: MIT
"""What a person does with a large tree, from a look at it to the last link: in a terminal, a pipe and a browser.

With DEDUPE_LARGE=1 trees are as large as people have them, else small ones, with the program held up by strace so that there is
something to see. The cases large-* say which trees.
"""
import json
import os
import re
import subprocess
import sys
import time

import browser
import harness
import schema

LARGE = os.environ.get("DEDUPE_LARGE", "") not in ("", "0")
PATIENCE = 3000 if LARGE else 120
LINE = re.compile(rb"^(Walking|Reading(?: (\d)/3)?|Linking) +(?:(\d+)%)? +([\d.]+)([kMG]?)(?:/[\d.]+[kMG]?)? files")
FOUND = re.compile(rb" ([\d.]+)([BKMGT]) (?:found|freed)$")
UNITS = {b"": 1, b"k": 10**3, b"M": 10**6, b"G": 10**9}
BYTES = {b"B": 1, b"K": 2**10, b"M": 2**20, b"G": 2**30, b"T": 2**40}
FILES_END = 33  # where the field of files ends on a line, whatever is in it

cases = os.path.join(harness.HERE, "cases")
progress = harness.load(os.path.join(cases, "progress.py"))
sys.path.insert(0, os.path.join(harness.TOP, "tools", "bench"))
import measure  # noqa: E402
import trees  # noqa: E402


def make(t, kind, scale):
    """The tree below t.top/tree, and what is known of it."""
    try:
        tree = trees.make(measure.Programs(t.scratch), t.scratch, kind, 1, scale)
    except measure.Trouble as trouble:
        t.skip(str(trouble))
    os.rename(tree.path, t.path("tree"))
    return tree.facts


def held_up(t, calls, seconds, count):
    """Before the program's name: each of these calls comes late, `count` of them by so many seconds in all."""
    t.need_tool("strace")
    if subprocess.run(["strace", "-o", "/dev/null", "true"], stderr=subprocess.DEVNULL).returncode:
        t.skip("ptrace is not allowed here")
    return ["env", "ASAN_OPTIONS=detect_leaks=0", "strace", "-f", "-o", "/dev/null", "-e", "trace=" + calls,
            "-e", "inject=%s:delay_enter=%d" % (calls, seconds * 1e6 / count)]


# ---- a terminal


def forward(t, lines):
    """Phases in their order; within each no figure ever goes back, and all stand where they stood."""
    last = ()
    found = 0
    for line in lines:
        match = LINE.match(line)
        t.check(match, "drawn: %r" % line)
        phase = (match[1][:1] == b"L", int(match[2] or 0) if match[1][:1] != b"W" else -1)
        now = (phase, int(match[3] or 0), float(match[4]) * UNITS[match[5]])
        t.check(now[0] != phase or not last or now[0] >= last[0], "a phase again: %r" % lines)
        if last and last[0] == now[0]:
            t.check(now[1] >= last[1] and now[2] >= last[2], "backwards at %r in\n%s" % (line, b"\n".join(lines).decode()))
        last = now
        t.equal(line.index(b" files") + len(" files"), FILES_END, "where files stand in %r" % line)
        saved = FOUND.search(line)
        if saved and saved[0].endswith(b"found"):
            now_found = float(saved[1]) * BYTES[saved[2]]
            t.check(now_found >= found, "less found at %r" % line)
            found = now_found


def terminal(t, links, before):
    """A dry run (of one reader, if held up: many would not mind) in 80 columns, for a while in 60: one line, never wider, only forward, gone at the end. Nothing was touched."""
    window = progress.Terminal([*before, harness.PROGRAM, *(["-j1"] if before else []), "-n", t.path("tree")], 80)
    widths = []  # the number of lines drawn at each change
    while window.child.poll() is None:
        window.read(0.1)
        drawn = len(progress.lines_drawn(window.said))
        if len(widths) < 2 and drawn >= 4 * (len(widths) + 1):
            window.resize((60, 80)[len(widths)])
            widths.append(drawn)
    t.equal(window.end(PATIENCE), 0, "exit status")
    lines = progress.lines_drawn(window.said)
    t.check(len(lines) > 8, "only %d lines drawn: %r" % (len(lines), window.said))
    t.equal(lines[-1], b"", "what is left on the terminal")
    # One may have been on its way when the window changed.
    for at, columns in ((0, 80), (widths[0] + 1, 60), (widths[1] + 1, 80)):
        until = next((w for w in widths if w > at), len(lines))
        for line in lines[at:until]:
            t.check(len(line) < columns, "%d columns on a terminal of %d: %r" % (len(line), columns, line))
    t.check(any(len(line) >= 60 for line in lines) or not LARGE, "80 columns are not used: %r" % lines)
    forward(t, lines[:-1])
    t.check("Would link   {:,} names".format(links).encode() in window.out, "report: %r" % window.out)
    return len(lines)


# ---- a pipe


def pipe(t, links):
    """Quiet but for what was asked for; JSON as its schema says; every way of telling tells the same."""
    run = t.json("-n", "tree", timeout=PATIENCE)
    t.equal(run.err, "", "said in a pipe")
    t.figures(run, links_made=links, errors=0)
    t.equal(sum(name["fate"] == "planned" for each in run.sets for name in each["names"]), links, "names in all sets")
    events = schema.parse_lines(t.run("-n", "--json-lines", "tree", timeout=PATIENCE).raw)
    for event in events:
        schema.check("event", event)
    t.equal(sum(event["event"] == "planned" for event in events), links, "events of names")
    t.equal(t.run("-n", "-0", "tree", timeout=PATIENCE).raw.count(b"\0"), links, "names with -0")
    t.equal(t.run("-n", "-q", "tree", timeout=PATIENCE).raw, b"", "said with -q")
    return run.summary


# ---- a browser


def page(t, summary):
    """The page opens, sorts and searches within seconds, holds few elements at a time, and says what it does not list."""
    path = os.path.join(t.scratch, "page.html")
    t.run("-n", "-q", "--html", path, "tree", timeout=PATIENCE)
    with browser.Browser(t) as window:
        begun = time.monotonic()
        window.open(path)
        opened = time.monotonic() - begun
        listed = min(summary["sets"], 100000)
        shown = window.run("found.textContent")
        t.check(shown.startswith("{:,} set".format(listed)), "sets: %r" % shown)
        t.equal("not listed" in shown, summary["sets"] > listed, "what is not listed: %r" % shown)
        took = window.run("""(async () => {
            const times = [];
            for (const key of ["path", "size", "names", "freed"]) {
                const begun = performance.now();
                document.querySelector(`[data-key=${key}]`).click();
                document.body.offsetHeight;
                times.push(performance.now() - begun);
            }
            const begun = performance.now(), before = found.textContent;
            const name = document.querySelector("#table tbody bdi").textContent;
            search.value = name; search.dispatchEvent(new Event("input"));
            while (found.textContent === before)
                await new Promise(done => setTimeout(done, 5));
            times.push(performance.now() - begun);
            return times;
        })()""") if listed > 1 else [0]
        elements = window.run("document.querySelectorAll('*').length")
        t.check(elements < 5000, "%d elements" % elements)
        t.check(max(took) < 3000 and opened < 20, "opened in %.1f s, sorted and searched in %r ms" % (opened, took))
        t.equal(window.told, [], "errors of the page, and requests")
    return "page of %d sets, %.0f MB: opened in %.1f s, slowest sort %.0f ms, search %.0f ms, %d elements" % (
        listed, os.path.getsize(path) / 1e6, opened, max(took[:-1] or [0]), took[-1], elements)


# ---- a plan


def inode(path):
    status = os.lstat(path)
    return status.st_dev, status.st_ino


def edited(t):
    """Half of a plan is dropped, in some sets the other file is kept: that is done, and nothing else. Gives how much."""
    path = os.path.join(t.scratch, "plan")
    t.run("-q", "--plan", path, "tree", timeout=PATIENCE)
    with open(path, encoding="utf-8") as file:
        lines = [json.loads(line) for line in file]
    of = {}
    for step in lines[1:-1]:
        of.setdefault(harness.named(step["keeper"]), []).append(step)
    kept, dropped = [], []
    for number, steps in enumerate(of.values()):
        if number % 2:
            dropped += steps
        elif len(steps) == 1 and number % 4:
            kept.append({"keeper": steps[0]["duplicate"], "duplicate": steps[0]["keeper"]})
        else:
            kept += steps
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(json.dumps(line) + "\n" for line in [lines[0], *reversed(kept), lines[-1]])
    keepers = [inode(harness.named(step["keeper"])) for step in kept]
    t.figures(t.json("--apply", path, timeout=PATIENCE), links_made=len(kept), errors=0, skipped_changed=0)
    for step, keeper in zip(kept, keepers):
        t.check(inode(harness.named(step["keeper"])) == inode(harness.named(step["duplicate"])) == keeper, "not as the plan says: %r" % step)
    for step in dropped:
        t.check(inode(harness.named(step["keeper"])) != inode(harness.named(step["duplicate"])), "linked although dropped: %r" % step)
    return len(kept)


# ---- Ctrl-C


def interrupted(t, before):
    """Ctrl-C while it links: the run ends in good order and says how far it came. Gives how far."""
    out = os.path.join(t.scratch, "report")
    with open(out, "wb") as file:
        window = progress.Terminal([*before, harness.PROGRAM, "--json", t.path("tree")], 80, stdout=file)
    end = time.monotonic() + PATIENCE
    while not re.search(rb"Linking[^\r]* freed", window.said):
        t.check(time.monotonic() < end and window.child.poll() is None, "never links: %r" % window.said[-500:])
        window.read(0.05)
    os.write(window.master, b"\x03")
    pressed = time.monotonic()
    status = window.end(PATIENCE)
    took = time.monotonic() - pressed
    t.check(status in (130, -2), "exit status %d: %r" % (status, window.said[-500:]))
    t.check(took < 10, "%.1f s from Ctrl-C to the end" % took)
    with open(out, encoding="utf-8") as file:
        report = json.load(file)
    schema.check("report", report)
    lines = progress.lines_drawn(window.said.replace(b"^C", b""))
    forward(t, [line for line in lines if LINE.match(line)])
    return report["summary"]["links_made"], took


def whole_story(t, links, reads, renames):
    """`reads`, `renames`: how many of these calls there are about, to hold them up; None: there is enough to do."""
    told = ["%d links" % links]
    hold_reads = held_up(t, "read,pread64,preadv", 5, reads) if reads else []
    before = t.look("tree")
    told.append("%d lines drawn" % terminal(t, links, hold_reads))
    summary = pipe(t, links)
    told.append(page(t, summary))
    t.untouched(before)
    applied = edited(t)
    made, took = interrupted(t, held_up(t, "renameat2", 6, renames) if renames else [])
    rest = links - applied
    t.check(0 < made < rest, "%d of %d links made before Ctrl-C" % (made, rest))
    told.append("ended %.1f s after Ctrl-C, %d of %d links made" % (took, made, rest))
    t.same_contents(before)
    t.figures(t.json("tree", timeout=PATIENCE), links_made=rest - made, errors=0, recovered=0)
    t.same_contents(before)
    t.figures(t.json("-n", "tree", timeout=PATIENCE), links_made=0)
    if LARGE:
        print("; ".join(told))
