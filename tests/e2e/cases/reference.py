# SPDX-License-Identifier: MIT
"""Nothing below a --reference is replaced, whatever the policy and the PATHs; its files stay, others become links to them."""
import os


def plant(t, top):
    t.write(top + "/master/a", "content", mtime=9 * 10**9)
    t.write(top + "/master/sub/b", "content", mtime=8 * 10**9)
    t.write(top + "/copy/a", "content", mtime=10**9)
    t.link(top + "/copy/a", top + "/copy/more")
    t.write(top + "/copy/c", "content", mtime=2 * 10**9)


def below(look, where):
    return {path: entry[0].st_ino for path, entry in look.entries.items() if path.startswith(where)}


def test(t):
    for number, (arguments, from_master) in enumerate([
            (["--reference", "master", "copy"], True),
            (["--reference", "master", "."], True),
            (["--reference", "master", "--keep", "oldest", "copy", "master"], True),
            (["--reference", "master/sub", "master", "copy"], None),
            (["--reference", "master", "master/sub", "copy"], True),
            (["--reference", "./copy/../master/", "copy/a", "copy/more", "copy/c", "master/sub/b"], True)]):
        top = "t%d" % number
        plant(t, top)
        before = t.look(top)
        dry = t.json("-n", *arguments, cwd=t.path(top))
        done = t.json(*arguments, cwd=t.path(top))
        after = t.same_contents(before)
        for name in ("sets", "links_made", "bytes_saved", "inodes_freed"):
            t.equal(done.summary[name], dry.summary[name], name)
        protected = "master/sub" if from_master is None else "master"
        t.equal(below(after, protected), below(before, protected), "names below the reference, %r" % arguments)
        if from_master:
            t.one_inode(*["%s/%s" % (top, name) for name in ("copy/a", "copy/more", "copy/c")])
            t.check(os.lstat(t.path(top, "copy/a")).st_ino in below(before, "master").values(), "a file of master stays")
            t.all_apart(top + "/master/a", top + "/master/sub/b")
        else:
            t.one_inode(*["%s/%s" % (top, name) for name in ("master/a", "master/sub/b", "copy/a", "copy/more", "copy/c")])
        t.figures(t.json(*arguments, cwd=t.path(top)), links_made=0, sets=0)
    # All below a reference, a reference that is not there, a file: nothing is done.
    plant(t, "all")
    before = t.look("all")
    t.figures(t.json("--reference", "all", "all/copy"), links_made=0, errors=0)
    for reference in ("not-there", "all/copy/a"):
        done = t.run("--reference", reference, "all/copy", exit=2)
        t.check(reference in done.err, "not told: " + done.about())
    t.untouched(before)
    # A plan keeps to it, though somebody edits it.
    plan = os.path.join(t.scratch, "plan")
    t.run("-q", "--plan", plan, "--reference", "all/master", "all/copy")
    with open(plan, encoding="utf-8") as file:
        text = file.read()
    t.check('"reference": true' in text, "the header says what is a reference")
    with open(plan, "w", encoding="utf-8") as file:
        file.write(text.replace('"keeper"', '"x"').replace('"duplicate"', '"keeper"').replace('"x"', '"duplicate"'))
    t.figures(t.json("--apply", plan, exit=1), links_made=0, errors=3)
    t.untouched(before)
    with open(plan, "w", encoding="utf-8") as file:
        file.write(text)
    t.figures(t.json("--apply", plan), links_made=3, errors=0)
