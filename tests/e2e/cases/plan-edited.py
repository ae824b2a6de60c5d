# SPDX-License-Identifier: MIT
"""A plan may be edited, torn, reordered, hostile or old: what was not proven, or lies outside its roots, is left alone."""
import json
import os
import random
import re
import shutil

COUNT = 6


def plant(t, top):
    for number in range(COUNT):
        for name in "abc":
            t.write("%s/%s%d" % (top, name, number), "content %d" % number, mtime=10**18)


def make(t, top, *options):
    plant(t, top)
    path = os.path.join(t.scratch, top + ".plan")
    t.run("-q", *options, "--plan", path, top)
    with open(path, encoding="utf-8") as file:
        return path, [json.loads(line) for line in file]


def write(path, lines):
    with open(path, "w", encoding="utf-8") as file:
        for line in lines:
            file.write(json.dumps(line) + "\n")


def apply(t, path, **how):
    return t.json("--apply", path, **how)


def torn(t):
    path, _ = make(t, "torn")
    whole = open(path, "rb").read()
    last = whole.rindex(b"\n", 0, len(whole) - 1) + 1
    before = t.look("torn")
    dice = random.Random(1)
    cuts = [0, 1, last - 1, last, last + 1, len(whole) - 3] + [dice.randrange(len(whole)) for _ in range(20)]
    for cut in cuts:
        with open(path, "wb") as file:
            file.write(whole[:cut])
        done = t.run("--apply", path, exit=2)
        t.check(re.match("dedupe-link: cannot follow the plan at line [0-9]+ of %s: .*plan" % re.escape(path), done.err),
                "a torn plan is told, and which: " + done.about())
        t.untouched(before)
    # The newline at the very end is no content.
    with open(path, "wb") as file:
        file.write(whole[:-1])
    t.figures(apply(t, path), links_made=2 * COUNT)


def no_plans(t):
    path, lines = make(t, "none")
    before = t.look("none")
    step = lines[1]
    bad = [b"", b"\n\n", b"not JSON\n", b"[]\n", b"{}\n", b"\0\0\0", b'{"schema": 1}\n', b"\xff\xfe\n", b"{" * 100000]
    bad += [json.dumps(dict(lines[0], **change)).encode() + b"\n" + json.dumps(lines[-1]).encode() + b"\n" for change in (
        {"schema": 2}, {"schema": "x"}, {"kind": "journal"}, {"roots": "/"}, {"roots": [1]}, {"roots": [{"path": "rel"}]},
        {"options": {"respect": ["everything"], "max_links": 0}}, {"options": {"respect": 5, "max_links": 0}})]
    for change in ({"keeper": None}, {"keeper": {}}, {"duplicate": dict(step["duplicate"], inode=-1)},
                   {"duplicate": dict(step["duplicate"], mode="rwx")}, {"duplicate": dict(step["duplicate"], path="")},
                   {"duplicate": dict(step["duplicate"], path_b64="AA==")},
                   {"duplicate": dict(step["duplicate"], size=1 << 70)}):
        bad.append(b"".join(json.dumps(line).encode() + b"\n" for line in [lines[0], dict(step, **change), lines[-1]]))
    for after_the_end in (step, lines[0], lines[-1]):
        bad.append(b"".join(json.dumps(line).encode() + b"\n" for line in lines + [after_the_end]))
    for content in bad:
        with open(path, "wb") as file:
            file.write(content)
        done = t.run("--apply", path, exit=2)
        t.check(done.err, "said nothing of %r" % content[:200])
        t.untouched(before)
    t.run("--apply", os.path.join(t.scratch, "not-there"), exit=2)
    t.run("--apply", t.path("none"), exit=2)


def edited(t):
    # Lines dropped, in any order, keeper and duplicate exchanged, an unknown member added.
    path, lines = make(t, "edited")
    steps = lines[1:-1]
    random.Random(2).shuffle(steps)
    kept = [dict(keeper=step["duplicate"], duplicate=step["keeper"], note="mine") for step in steps
            if step["duplicate"]["path"].endswith(("b0", "b1", "b2"))]
    write(path, [lines[0]] + kept + [lines[-1]])
    inodes = {number: os.lstat(t.path("edited", "b%d" % number)).st_ino for number in range(3)}
    before = t.look("edited")
    t.figures(apply(t, path), links_made=3, errors=0, skipped_changed=0)
    t.same_contents(before)
    for number in range(3):
        t.equal(os.lstat(t.path("edited", "a%d" % number)).st_ino, inodes[number], "the other file stays")
        t.all_apart("edited/a%d" % number, "edited/c%d" % number)
    t.all_apart(*["edited/%s%d" % (name, number) for name in "abc" for number in range(3, COUNT)])


def contradicting(t):
    """Lines that go against each other: the first counts, the others find their files changed."""
    path, lines = make(t, "against")
    steps = lines[1:-1]
    before = t.look("against")
    mess = steps + steps + [dict(keeper=step["duplicate"], duplicate=step["keeper"]) for step in steps]
    mess += [dict(keeper=step["keeper"], duplicate=step["keeper"]) for step in steps]
    write(path, [lines[0]] + mess + [lines[-1]])
    t.figures(apply(t, path), links_made=len(steps), errors=0, skipped_changed=3 * len(steps))
    t.same_contents(before)
    # A ring: a over b, b over c, c over a.
    path, lines = make(t, "ring")
    by_name = {os.path.basename(side["path"]): side for step in lines[1:-1] for side in (step["keeper"], step["duplicate"])}
    ring = [dict(keeper=by_name[one + "0"], duplicate=by_name[two + "0"]) for one, two in ("ab", "bc", "ca")]
    write(path, [lines[0]] + ring + [lines[-1]])
    before = t.look("ring")
    t.figures(apply(t, path), links_made=1, errors=0, skipped_changed=2)
    t.same_contents(before)


def changed(t):
    """Years later: what is not as it was is left, and that is no error."""
    path, lines = make(t, "old")
    t.write("elsewhere", "content 3", mtime=10**18)
    os.utime(t.path("old/b0"), ns=(5, 5))
    os.chmod(t.path("old/b1"), 0o600)
    os.unlink(t.path("old/b2"))
    os.rename(t.path("elsewhere"), t.path("old/b3"))
    os.unlink(t.path("old/b4"))
    os.mkdir(t.path("old/b4"))
    with open(t.path("old/a5"), "ab") as file:  # a keeper: both of its steps
        file.write(b"more")
    before = t.look("old")
    t.figures(apply(t, path), links_made=5, errors=0, skipped_changed=7)
    t.same_contents(before)
    t.one_inode(*["old/%s%d" % (name, number) for name in "ac" for number in (0,)])
    t.all_apart("old/b5", "old/c5", "old/a5")
    # Bytes changed, all that a stamp shows put back.
    path, lines = make(t, "forged")
    with open(t.path("forged/b0"), "r+b") as file:
        file.write(b"CONTENT")
    os.utime(t.path("forged/b0"), ns=(10**18, 10**18))
    before = t.look("forged")
    t.figures(apply(t, path), links_made=2 * COUNT - 1, errors=0, skipped_changed=1)
    t.same_contents(before)
    # The tree is gone.
    os.rename(t.path("forged"), t.path("moved"))
    t.run("--apply", path, exit=2)


def headers(t):
    """What a header still says counts, whatever was taken out of it."""
    for gone, options, links in (("max_links", {"method": "reflink"}, None), ("respect", {"method": "reflink"}, None),
                                 ("max_links", {"respect": ["time"]}, 0), ("respect", {"max_links": 2}, COUNT),
                                 ("method", {}, 2 * COUNT)):
        plant(t, "headless")
        for number in range(COUNT):
            os.utime(t.path("headless/a%d" % number), ns=(10**18, 10**18 - 1))
        path = os.path.join(t.scratch, "headless.plan")
        t.run("-q", "--plan", path, "headless")
        with open(path, encoding="utf-8") as file:
            lines = [json.loads(line) for line in file]
        del lines[0]["options"][gone]
        lines[0]["options"].update(options)
        write(path, lines)
        done = apply(t, path, exit=None)
        if links is None:
            t.all_apart("headless/a0", "headless/b0", "headless/c0")
        else:
            t.figures(done, links_made=links)
        shutil.rmtree(t.path("headless"))


def outside(t):
    """Names that are not below the roots are refused and counted, whatever way they are written."""
    path, lines = make(t, "in")
    plant(t, "out")
    top = os.path.realpath(t.top)
    os.symlink("../out", t.path("in", "way"))
    os.symlink(os.path.join(top, "out", "b0"), t.path("in", "name"))
    before = t.look()
    step = lines[1]
    names = [top + "/out/a0", top + "/in/../out/a0", top + "/in/way/a0", "out/a0", "/", top, top + "/in", top + "/in-and-out",
             "/etc/passwd", top + "/in/./a0", top + "/in/name", top + "/in//../out/a0"]
    refused = [dict(step, **{side: dict(step[side], path=name)}) for name in names for side in ("keeper", "duplicate")]
    write(path, [lines[0]] + refused + [lines[-1]])
    done = apply(t, path, exit=1)
    # Through a symlink or to a directory nothing is found that could have been planned: changed, no error.
    t.figures(done, links_made=0)
    t.check(done.summary["errors"] >= 16 and done.summary["errors"] + done.summary["skipped_changed"] == len(refused),
            "each is told: " + done.about())
    t.untouched(before)
    # The stamps of a file outside, the name inside; and the rest of the plan is done all the same.
    other = os.lstat(t.path("out", "a0"))
    hostile = dict(step, keeper=dict(step["keeper"], path=top + "/in/way/a0", inode=other.st_ino))
    write(path, [lines[0], hostile, refused[0]] + lines[2:])
    done = apply(t, path, exit=1)
    t.figures(done, links_made=2 * COUNT - 1, errors=1, skipped_changed=1)
    t.untouched(before_of(before, "out"), t.look("out"))
    # A root that is one file bounds just that.
    t.write("files/x", "pair")
    t.write("files/y", "pair")
    t.write("files/z", "pair")
    path = os.path.join(t.scratch, "files.plan")
    t.run("-q", "--plan", path, "files/x", "files/y")
    with open(path, encoding="utf-8") as file:
        lines = [json.loads(line) for line in file]
    t.equal(len(lines[0]["roots"]), 2, "roots that are files")
    z = os.lstat(t.path("files/z"))
    more = dict(lines[1], duplicate=dict(lines[1]["duplicate"], path=top + "/files/z", inode=z.st_ino, mtime=str(z.st_mtime_ns)))
    write(path, [lines[0], more] + lines[1:])
    t.figures(apply(t, path, exit=1), links_made=1, errors=1)
    t.one_inode("files/x", "files/y")
    t.all_apart("files/x", "files/z")


def before_of(look, where):
    look.entries = {os.path.relpath(path, where) if path != where else "": entry for path, entry in look.entries.items()
                    if path == where or path.startswith(where + "/")}
    return look


def apart(t):
    """A plan may not make less agree than its header says, nor a stranger's plan less than by default."""
    t.need_root()
    path, lines = make(t, "apart", "--ignore", "mode")
    t.equal(lines[0]["options"]["respect"], ["owner", "xattr"], "what must agree")
    os.chown(t.path("apart/b0"), 1000, 1000)
    os.chmod(t.path("apart/b1"), 0o600)
    for step in lines[1:-1]:
        for side in step.values():
            status = os.lstat(side["path"])
            side.update(uid=status.st_uid, gid=status.st_gid, mode="%04o" % (status.st_mode & 0o7777))
    write(path, lines)
    os.chown(path, 1000, 1000)
    before = t.look("apart")
    t.figures(t.json("-n", "--apply", path), links_made=2 * COUNT - 2, skipped_refused=2, errors=0)
    os.chown(path, 0, 0)
    t.figures(apply(t, path), links_made=2 * COUNT - 1, skipped_refused=1, errors=0)
    t.same_contents(before)
    t.all_apart("apart/a0", "apart/b0")


def test(t):
    torn(t)
    no_plans(t)
    edited(t)
    contradicting(t)
    changed(t)
    headers(t)
    outside(t)
    if t.root:
        apart(t)
