# SPDX-License-Identifier: MIT
"""--undo gives a file back with the ACL it had: none that its directory hands down to new files, and the one it had itself."""
import os


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
