# SPDX-License-Identifier: MIT
"""-n --undo says what --undo would do, name by name and byte by byte, and changes nothing."""
import fcntl
import json
import os
import shutil

import schema
from harness import NOBODY, named, settle

SAME = ("complete", "exit_status", "restored", "copies", "bytes_copied", "skipped_in_use", "skipped_changed", "skipped_refused", "errors")


def issues(run):
    return sorted(json.dumps(issue, sort_keys=True) for issue in run.issues)


def foresee(t, journal, where, **how):
    """A dry run, then the real one: they tell the same. Returns the dry one."""
    before = t.look(where)
    dry = t.json("-n", "--undo", journal, **how)
    t.equal(t.look(where).everything(), before.everything(), "the dry run changes nothing")
    t.equal(dry.summary["dry_run"], True, "it says so")
    done = t.json("--undo", journal, **how)
    t.equal(done.summary["dry_run"], False, "so does the real one")
    t.equal([(key, dry.summary[key]) for key in SAME], [(key, done.summary[key]) for key in SAME], "figures")
    t.equal([named(each) for each in dry.json["restored"]], [named(each) for each in done.json["restored"]], "names")
    t.equal(len(dry.json["restored"]), dry.summary["restored"], "how many names")
    t.equal(issues(dry), issues(done), "issues")
    return dry


def plant(t, top, sizes=(70_000, 1, 5000)):
    for number, size in enumerate(sizes):
        for name in "abc":
            t.write("%s/%s%d" % (top, name, number), t.random(size, number), mtime=10**18 + ord(name))
    t.link(top + "/c0", top + "/d0")


def forms(t):
    plant(t, "forms")
    t.write(os.path.join("forms", os.fsdecode(b"odd\n\xff")), t.random(1, 1))
    t.run("-q", "--keep", "oldest", "--journal", "journal-forms", "forms")
    top = os.path.realpath(t.path("forms"))
    want = {os.path.join(top, name) for name in ("b0", "c0", "d0", "b1", "c1", os.fsdecode(b"odd\n\xff"), "b2", "c2")}
    before = t.look("forms").everything()
    text = t.run("-n", "-v", "--undo", "journal-forms").out
    t.check("Would undo   8 names would have files of their own again\n" in text, text)
    t.check("  undo    %s/d0\n" % top in text and "for 7 files\n" in text, text)
    names = t.run("-n", "-0", "--undo", "journal-forms").out
    t.equal(set(names.split("\0")[:-1]), want, "names")
    events = schema.parse_lines(t.run("-n", "--json-lines", "--undo", "journal-forms").raw)
    for event in events:
        schema.check("event", event)
    t.equal({named(event) for event in events if event["event"] == "restored"}, want, "events")
    t.equal(t.run("-n", "-q", "--undo", "journal-forms").out, "", "-q")
    t.equal({named(each) for each in t.json("-n", "--undo", "journal-forms").json["restored"]}, want, "JSON")
    lock = os.open(t.path("forms"), os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    t.figures(t.json("-n", "--undo", "journal-forms"), restored=8)  # nor does it take a lock
    os.close(lock)
    t.equal(t.look("forms").everything(), before, "nothing is changed")
    text = t.run("-v", "--undo", "journal-forms").out
    t.check("  undone  %s/d0\n" % top in text and "Undone       8 names have" in text, text)


def nights(t):
    """What one night kept another replaced: the earlier lines are about files that are not there yet."""
    plant(t, "nights")
    t.write("nights/more", t.random(70_000, 0))
    t.run("-q", "--keep", "oldest", "--journal", "journal-nights", "nights/a0", "nights/b0", "nights/more")
    t.run("-q", "--keep", "newest", "--journal", "journal-nights", "nights")
    t.one_inode("nights/a0", "nights/b0", "nights/c0", "nights/more")
    dry = foresee(t, "journal-nights", "nights")
    t.figures(dry, errors=0, skipped_changed=0)
    t.all_apart("nights/a0", "nights/b0", "nights/c0", "nights/more")

    # A name that was saved between two nights was another file in each: only the later line is about what stands there.
    t.write("saved/x", "saved")
    for _ in range(2):
        t.write("saved/new", "saved")
        os.rename(t.path("saved/new"), t.path("saved/y"))
        t.run("-q", "--keep", "first-path", "--journal", "journal-saved", "saved/x", "saved/y")
    dry = foresee(t, "journal-saved", "saved")
    t.figures(dry, restored=1, skipped_changed=1)


def changed(t):
    plant(t, "changed")
    t.run("-q", "--keep", "oldest", "--journal", "journal-changed", "changed")
    os.unlink(t.path("changed/b0"))
    t.write("changed/new", "saved")
    os.rename(t.path("changed/new"), t.path("changed/c1"))
    os.unlink(t.path("changed/b1"))
    os.symlink("a1", t.path("changed/b1"))
    with open(t.path("changed/a2"), "r+b") as out:
        out.write(b"written in place")
    t.figures(foresee(t, "journal-changed", "changed"), restored=2, copies=1, errors=0, skipped_changed=5)
    t.check("Changed      7 names since, left as they are\n" in t.run("-n", "--undo", "journal-changed").out, "told")
    t.equal([t.run(*dry, "-0", "--undo", "journal-changed").out for dry in (["-n"], [])], ["", ""], "no names")

    plant(t, "gone/sub")
    plant(t, "gone/left")
    t.run("-q", "--keep", "oldest", "--journal", "journal-gone", "gone/sub")
    t.run("-q", "--keep", "oldest", "--journal", "journal-gone", "gone/left")
    shutil.rmtree(t.path("gone/sub"))
    t.figures(foresee(t, "journal-gone", "gone", exit=1), restored=7, skipped_changed=7, errors=1)


def torn(t):
    plant(t, "torn")
    t.run("-q", "--keep", "oldest", "--journal", "journal-torn", "torn")
    with open(t.path("journal-torn"), "r+b") as file:
        whole = file.read()
        file.truncate(len(whole) - 20)
    dry = foresee(t, "journal-torn", "torn")
    t.figures(dry, restored=6, errors=0)
    t.equal([issue["reason"] for issue in dry.issues], ["torn"], "a torn line is told")
    t.write("no-journal", "hello\n")
    t.equal(t.run("-n", "--undo", "no-journal", exit=2).err, t.run("--undo", "no-journal", exit=2).err, "no journal")
    os.chmod(t.path("journal-torn"), 0o620)
    t.check("others may write it" in t.run("-n", "--undo", "journal-torn", exit=1).err, "a journal of others")
    plain = t.run("-n", "--undo", "missing", exit=2).err
    t.equal(plain, "dedupe-link: cannot open missing: No such file or directory\n", "no such file")


def refused(t):
    """What a user may not write is told as the real run tells it."""
    t.need_root()
    plant(t, "denied/shut")
    plant(t, "denied/open")
    for where, _, names in os.walk(t.path("denied")):
        for name in [".", *names]:
            os.chown(os.path.join(where, name), NOBODY, NOBODY)
    journal = os.path.join(t.scratch, "journal-denied")
    os.chmod(t.scratch, 0o777)
    t.run("-q", "--keep", "oldest", "--journal", journal, "denied", user=NOBODY)
    os.chmod(t.path("denied/shut"), 0o555)
    t.figures(foresee(t, journal, "denied", user=NOBODY, exit=1), restored=7, errors=10)
    os.chmod(t.path("denied/shut"), 0o755)
    os.chmod(t.path("denied/shut/a0"), 0)
    t.figures(foresee(t, journal, "denied", user=NOBODY, exit=1), restored=6, errors=4, skipped_changed=7)


def space(t):
    """The space it says is what it takes; and what does not fit is told before it is tried."""
    top = t.image("ext4", 80, "small", options=["-m", "0"])
    for number in range(4):
        for name in "ab":
            t.write("small/%s%d" % (name, number), t.random(6 << 20, number))
        t.run("-q", "--keep", "oldest", "--journal", "journal-small", "small")
    settle(top)
    free = os.statvfs(top).f_bfree
    dry = t.json("-n", "--undo", "journal-small")
    t.figures(dry, restored=4, copies=4, bytes_copied=4 * (6 << 20))
    with open(t.path("small/ballast"), "wb") as out:
        os.posix_fallocate(out.fileno(), 0, os.statvfs(top).f_bfree * os.statvfs(top).f_bsize - (15 << 20))  # ext4 keeps 2 % for itself
    dry = foresee_full(t, "journal-small")
    t.figures(dry, restored=2, errors=2, copies=4, bytes_copied=4 * (6 << 20))
    os.unlink(t.path("small/ballast"))
    t.json("--undo", "journal-small")
    settle(top)
    took = (free - os.statvfs(top).f_bfree) * os.statvfs(top).f_bsize
    t.check(abs(took - 4 * (6 << 20)) < 1 << 16, "it took %d bytes" % took)


def foresee_full(t, journal):
    dry, done = t.json("-n", "--undo", journal, exit=1), t.json("--undo", journal, exit=1)
    t.equal([dry.summary[key] for key in ("restored", "errors")], [done.summary[key] for key in ("restored", "errors")], "figures")
    t.equal({issue["errno"] for issue in dry.issues + done.issues}, {28}, "no room")
    return dry


def shared(t):
    """Copies that share blocks take no space."""
    plant(t, os.path.relpath(t.image("btrfs", 128, "shares"), t.top))
    t.run("-q", "--keep", "oldest", "--journal", "journal-shares", "shares")
    t.figures(foresee(t, "journal-shares", "shares"), restored=7, copies=6, bytes_copied=0)


def read_only(t):
    plant(t, os.path.relpath(t.tmpfs("fixed"), t.top))
    t.run("-q", "--keep", "oldest", "--journal", "journal-fixed", "fixed")
    t.sh("mount", "-o", "remount,ro", t.path("fixed"))
    t.figures(foresee(t, "journal-fixed", "fixed", exit=1), restored=0, errors=7)


def test(t):
    forms(t)
    nights(t)
    changed(t)
    torn(t)
    refused(t)
    space(t)
    shared(t)
    read_only(t)
