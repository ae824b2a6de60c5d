# SPDX-License-Identifier: MIT
"""--journal notes each name before its old file goes; --undo gives each its own file, metadata and links of old again."""
import json
import os
import stat
import struct

from harness import NOBODY, named


def state(t, where="in"):
    """By name: content, mtime, mode, owner, attributes; and which names are one file."""
    look = t.look(where)
    return {path: (content, status.st_mtime_ns, status.st_mode, status.st_uid, status.st_gid, xattrs)
            for path, (status, content, xattrs) in look.entries.items() if stat.S_ISREG(status.st_mode)}, look.shared()


def lines(path):
    return [json.loads(line) for line in open(path, "rb").read().splitlines()]


def make(t):
    t.write("in/a", b"one" * 5000, mtime=10**18 + 1)
    t.write("in/b", b"one" * 5000, mtime=10**18 + 123456789)
    t.write("in/sub dir/c", b"one" * 5000, mtime=2 * 10**18)
    t.link("in/sub dir/c", "in/sub dir/c2")
    t.link("in/sub dir/c", "in/d")
    for copy in "xy":
        t.write(os.path.join("in", os.fsdecode(b"odd\n\xff" + copy.encode())), t.random(300_000))
    with open(t.path("in/holes"), "wb") as out:
        out.truncate(3_000_000)
        out.seek(1_000_000)
        out.write(b"data")
    t.sh("cp", "--sparse=always", t.path("in/holes"), t.path("in/holes2"))
    t.write("in/alone", b"alone")


def test(t):
    make(t)
    journal = t.path("journal")
    before, shared = state(t)
    run = t.json("--keep", "oldest", "--journal", journal, "in")
    t.figures(run, links_made=6)
    linked, _ = state(t)
    t.check(linked != before, "times have changed")
    notes = lines(journal)
    t.equal((notes[0]["kind"], notes[0]["schema"], len(notes)), ("journal", 1, 7), "a header, a line for each link")
    t.equal([root["path"] for root in notes[0]["roots"]], [os.path.realpath(t.path("in"))], "roots are real paths")
    for note in notes[1:]:
        name = os.path.relpath(named(note), os.path.realpath(t.path("in")))
        t.equal((int(note["old"]["mtime"]), int(note["old"]["mode"], 8)), (before[name][1], before[name][2] & 0o7777), name)
    t.equal(os.stat(journal).st_mode & 0o777, 0o600, "for its owner's eyes")

    for mode in (0o602, 0o620):
        os.chmod(journal, mode)
        said = t.run("--undo", journal, exit=1).err
        t.check("others may write it" in said, "a journal that others could have written: %r" % said)
        t.equal(state(t)[0], linked, "nothing was undone by it")
    os.chmod(journal, 0o600)

    blocks = os.stat(t.path("in/holes2")).st_blocks
    back = t.json("--undo", journal, cwd="/")
    t.figures(back, restored=6, errors=0, skipped_changed=0)
    t.equal(state(t), (before, shared), "all as it was, links of old included")
    t.check(os.stat(t.path("in/holes2")).st_blocks <= blocks, "holes stay holes")
    t.equal([n for n in os.listdir(t.path("in")) if n.startswith(".dedupe")], [], "nothing is left")
    again = t.json("--undo", journal)
    t.figures(again, restored=0, errors=0, skipped_changed=6)
    t.equal(state(t), (before, shared), "a second time does nothing")

    two_runs(t, journal, before, shared)
    changed(t)
    torn(t, journal)
    refused(t)
    full(t)
    policies(t)
    privileges(t)
    read_only(t)


def two_runs(t, journal, before, shared):
    """Two nights in one journal: what the first kept the second replaced."""
    os.unlink(journal)
    t.run("-q", "--keep", "oldest", "--journal", journal, "in/a", "in/b")
    t.run("-q", "--keep", "newest", "--journal", journal, "in")
    t.one_inode("in/a", "in/b", "in/d")
    t.equal(len([n for n in lines(journal) if "kind" in n]), 2, "two headers")
    back = t.run("--undo", journal)
    t.check("files of their own" in back.out, back.out)
    t.equal(state(t), (before, shared), "both nights are undone")


def changed(t):
    """A name saved anew, one removed, a keeper written to: they keep what they have."""
    for name in "pqr":
        t.write("ch1/" + name, b"same")
    for name in "st":
        t.write("ch2/" + name, b"same too")
    journal = t.path("journal-changed")
    t.run("-q", "--journal", journal, "ch1", "ch2")
    t.write("ch1/new", b"mine")
    os.rename(t.path("ch1/new"), t.path("ch1/q"))
    os.unlink(t.path("ch1/r"))
    with open(t.path("ch2/s"), "wb") as out:
        out.write(b"written in place")
    back = t.json("--undo", journal)
    t.figures(back, restored=0, errors=0, skipped_changed=3)
    t.equal(open(t.path("ch1/q")).read(), "mine", "a save stays")
    t.check(not os.path.exists(t.path("ch1/r")), "what is gone stays gone")
    t.one_inode("ch2/s", "ch2/t")
    t.write("held/a", b"held")
    t.write("held/b", b"held")
    journal = t.path("journal-held")
    t.run("-q", "--journal", journal, "held")
    with open(t.path("held/a"), "ab"):
        t.figures(t.json("--undo", journal), restored=0, skipped_in_use=1)
    t.figures(t.json("--undo", journal), restored=1)
    t.all_apart("held/a", "held/b")


def torn(t, journal):
    """A journal that was being written when the power went: cut anywhere, it is read as far as it goes."""
    whole = open(journal, "rb").read()
    ends = [i + 1 for i, byte in enumerate(whole) if byte == 10]
    file = t.path("torn")
    for cut in sorted({ends[1] - 1, ends[1] + 1, ends[1] + 40, len(whole) - 1, ends[0], ends[0] - 3, 5, 0}):
        with open(file, "wb") as out:
            out.write(whole[:cut])
        t.figures(t.json("--undo", file), restored=0, errors=0)
    for tail in (b'{"path": "/x', b"\0" * 4096):
        for name in "kl":
            if os.path.exists(t.path("torn2", name)):
                os.unlink(t.path("torn2", name))
            t.write("torn2/" + name, b"torn")
        with open(file, "wb") as out:
            out.write(whole[:ends[1]] + tail)
        t.run("-q", "--journal", file, "torn2")
        t.figures(t.json("--undo", file), restored=1, errors=0)
        t.all_apart("torn2/k", "torn2/l")
        said = t.run("-v", "--undo", file).out
        t.equal("Note         line 3 of the journal is torn, and passed over\n" in said, tail[0] != 0, said)  # zeros end the line before


def refused(t):
    for text, why in ((b"hello\n", "no line of a journal"),
                      (b'{"schema": 99, "kind": "journal", "roots": []}\n', "the journal was written by a newer version"),
                      (b'{"schema": 1, "kind": "plan", "roots": []}\n', "no line of a journal")):
        with open(t.path("no-journal"), "wb") as out:
            out.write(text)
        said = t.run("--undo", "no-journal", exit=2).err
        t.equal(said, "dedupe-link: cannot use the journal no-journal, line 1: %s\n"
                "dedupe-link: nothing was undone\n" % why, "why it is none")
    t.run("--undo", t.path("missing"), exit=2)
    t.equal(t.run("--undo", "in", exit=2).err, "dedupe-link: cannot open in: Is a directory\n", "a directory")
    t.run("--undo", t.path("journal"), "in", exit=2)
    t.run("--undo", t.path("journal"), "--plan", "plan", exit=2)
    t.run("--journal", t.path("no/where"), "in", exit=2)
    for name in "mn":
        t.write("out/" + name, b"outside")
    t.run("-q", "--journal", t.path("journal-out"), "out")
    notes = lines(t.path("journal-out"))
    notes[0]["roots"] = [{"path": t.path("in")}]
    for path in (notes[1]["path"], t.path("in/../out/n"), "out/n"):
        notes[1]["path"] = path
        with open(t.path("journal-out"), "w") as out:
            out.writelines(json.dumps(note) + "\n" for note in notes)
        run = t.json("--undo", t.path("journal-out"), exit=None)
        t.figures(run, restored=0)
        t.one_inode("out/m", "out/n")
    # Through a symlink put in the way nothing is reached.
    t.run("-q", "--journal", t.path("journal-link"), "out")
    os.rename(t.path("out"), t.path("moved"))
    os.symlink("moved", t.path("out"))
    t.run("--undo", t.path("journal-link"), exit=None)
    t.one_inode("moved/m", "moved/n")


def full(t):
    """A journal that cannot be written: nothing is linked without one, and one line says why."""
    if not os.path.exists("/dev/full"):
        return
    for name in "vw":
        t.write("full/" + name, b"full")
    said = t.run("-q", "--journal", "/dev/full", "full", exit=1).err
    t.equal(said, "dedupe-link: cannot use the journal /dev/full: No space left on device\n", "one line")
    t.all_apart("full/v", "full/w")


def policies(t):
    """With owner, mode and attributes ignored the journal has the old ones, and they come back."""
    t.write("po/a", b"policy", mode=0o644, xattrs={"user.a": b"\0\1keeper"})
    t.write("po/b", b"policy", mode=0o600, xattrs={"user.a": b"old\0\xff", "user.b": b""}, mtime=12345)
    t.write("po/c", b"policy", mode=0o4755, mtime=77)
    if t.root:
        os.chown(t.path("po/b"), 12, 34)
        os.chown(t.path("po/c"), 0, 0)
        os.chmod(t.path("po/c"), 0o4755)  # chown takes it away
    before = state(t, "po")
    journal = t.path("journal-policy")
    t.figures(t.json("-c", "--ignore", "xattr", "--keep", "first-path", "--journal", journal, "po"), links_made=2)
    t.one_inode("po/a", "po/b", "po/c")
    t.figures(t.json("--undo", journal), restored=2, errors=0)
    t.equal(state(t, "po"), before, "all metadata as it was")
    if not t.root:
        return
    t.run("-q", "-c", "--ignore", "xattr", "--keep", "first-path", "--journal", journal, "po")
    os.chown(t.path("po/a"), 99, 99)
    os.utime(t.path("po/a"), ns=(0, before[0]["a"][1]))
    run = t.json("--undo", journal, exit=1)
    t.one_inode("po/a", "po/c")
    t.check(not os.stat(t.path("po/c")).st_mode & 0o7000, "no setuid file is made of what another owner could write")
    t.check(any(issue.get("errno") == 1 for issue in run.issues), run.about())


CAPABILITY = struct.pack("<5I", 0x02000001, 1 << 13, 0, 0, 0)  # cap_net_raw, effective: capabilities(7)


def privileges(t):
    """What its owner could not give it comes back with bytes that the owner did not write since, and only with them."""
    if not t.root:
        return
    os.chmod(t.top, 0o755)
    for name in ("group", "cap", "other"):
        for copy in "ab":
            path = t.write("pr/%s/%s" % (name, copy), name + " of root", owner=(NOBODY, 42), mode=0o755, mtime=10**18)
            if name == "cap":
                os.setxattr(path, "security.capability", CAPABILITY)
            elif name == "group" or copy == "b":
                os.chmod(path, 0o2755)
    journal = t.path("journal-privileges")
    how = ("-q", "--ignore", "mode,xattr", "--keep", "first-path", "--journal", journal, "pr")
    before = state(t, "pr")[0]
    t.run(*how)
    t.figures(t.json("--undo", journal, exit=1), restored=2, errors=1)
    t.one_inode("pr/other/a", "pr/other/b")  # nothing proves whose bytes these are
    after = state(t, "pr")[0]
    t.equal({name: after[name] for name in before if name != "other/b"},
            {name: before[name] for name in before if name != "other/b"}, "the others are as they were")
    os.unlink(journal)
    t.run(*how)
    if not os.fork():
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        for name in ("group", "cap"):
            with open(t.path("pr", name, "a"), "r+b") as out:
                out.write(b"MINE")
            os.utime(t.path("pr", name, "a"), ns=(0, 10**18))
        os._exit(0)
    t.equal(os.wait()[1], 0, "the owner wrote, and set the time back")
    t.figures(t.json("--undo", journal, exit=1), restored=0, errors=2)
    for name in ("group", "cap"):
        t.one_inode("pr/%s/a" % name, "pr/%s/b" % name)
        t.equal(os.stat(t.path("pr", name, "b")).st_mode & 0o7000, 0, "no privilege for the owner's bytes")
        t.equal(os.listxattr(t.path("pr", name, "b")), [], "no capability either")


def read_only(t):
    """Attributes of files that their owner may not write, who is not root."""
    user = 65534 if t.root else None
    for name in "ab":
        t.write("ro/" + name, b"read only", mode=0o444, mtime=12345, xattrs={"user.a": b"v"})
    if t.root:
        for name in ("ro", "ro/a", "ro/b"):
            os.chown(t.path(name), user, user)
    before = state(t, "ro")
    journal = t.path("ro/journal")
    t.figures(t.json("--journal", journal, "ro/a", "ro/b", user=user), links_made=1)
    t.figures(t.json("--undo", journal, user=user), restored=1, errors=0)
    os.unlink(journal)
    t.equal(state(t, "ro"), before, "as it was")
