# SPDX-License-Identifier: MIT
"""--undo gives a file back with the ACL it had: none that its directory or another owner hands down, and the one it had itself."""
import json
import os

from harness import NOBODY


def acl(t, name):
    return t.sh("getfacl", "-cpE", t.path(name))


def test(t):
    t.need_tool("setfacl")
    t.need_tool("getfacl")
    for name in ("plain", "named"):
        for copy in ("a", "b"):
            t.write("in/%s-%s" % (name, copy), name * 1000, mode=0o660)
    t.sh("setfacl", "-m", "u:12:r", t.path("in/named-a"), t.path("in/named-b"))
    t.sh("setfacl", "-d", "-m", "u:34:rw", t.path("in"))
    before = {name: (acl(t, "in/" + name), os.stat(t.path("in", name)).st_mode) for name in os.listdir(t.path("in"))}
    journal = t.path("journal")
    t.figures(t.json("--journal", journal, "in"), links_made=2)
    t.figures(t.json("--undo", journal), restored=2, errors=0)
    t.all_apart("in/plain-a", "in/plain-b", "in/named-a", "in/named-b")
    t.equal({name: (acl(t, "in/" + name), os.stat(t.path("in", name)).st_mode) for name in os.listdir(t.path("in"))}, before,
            "nobody else is let in, and nobody is kept out")
    of_another_owner(t)


def of_another_owner(t):
    """With owners ignored the file that is kept may be somebody else's: who may read and write the other's is not for them to say."""
    if not t.root:
        return
    os.chmod(t.top, 0o755)
    for name in ("plain", "named"):
        t.write("owners/%s-a" % name, name, mode=0o660, owner=(NOBODY, 0), mtime=10**18)
        t.write("owners/%s-b" % name, name, mode=0o660, owner=(12, 0))
    t.sh("setfacl", "-m", "u:34:r", t.path("owners/named-a"), t.path("owners/named-b"))
    before = {name: (acl(t, "owners/" + name), os.stat(t.path("owners", name)).st_uid) for name in os.listdir(t.path("owners"))}
    journal = t.path("journal-owners")
    how = ("--ignore", "owner", "--keep", "first-path", "--journal", journal, "owners")
    t.figures(t.json(*how), links_made=2)
    if not os.fork():
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        os.execvp("setfacl", ["setfacl", "-m", "u:%d:rw" % NOBODY, t.path("owners/plain-a"), t.path("owners/named-a")])
    t.equal(os.wait()[1], 0, "the keeper's owner lets in whom they like")
    with open(journal, encoding="utf-8") as notes, open(t.path("journal-older"), "w", encoding="utf-8") as older:
        os.fchmod(older.fileno(), 0o600)
        for note in map(json.loads, notes):  # as those were that did not say what attributes there had been
            note.get("old", {}).pop("xattrs", None)
            older.write(json.dumps(note) + "\n")
    t.figures(t.json("--undo", t.path("journal-older"), exit=1), restored=0, errors=2)
    t.figures(t.json("--undo", journal), restored=2, errors=0)
    for name in ("plain-b", "named-b"):
        t.equal((acl(t, "owners/" + name), os.stat(t.path("owners", name)).st_uid), before[name], name)
