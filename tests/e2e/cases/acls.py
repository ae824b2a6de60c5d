# SPDX-License-Identifier: MIT
"""Files whose ACLs differ are not linked, those whose ACLs agree are."""


def test(t):
    t.need_tool("setfacl")
    for name in ("plain", "acl1", "acl2", "acl3", "plain2"):
        t.write(name, "same content")
    for name, entry in (("acl1", "u:1:r"), ("acl2", "u:1:r"), ("acl3", "u:2:r")):
        t.sh("setfacl", "-m", entry, t.path(name))
    # The mask shows as group mode: make the modes agree, so that only the ACL tells them apart.
    t.sh("setfacl", "-m", "m::r", t.path("acl1"), t.path("acl2"), t.path("acl3"))
    done = t.json(".")
    t.figures(done, sets=2, links_made=2, errors=0)
    t.one_inode("plain", "plain2")
    t.one_inode("acl1", "acl2")
    t.all_apart("plain", "acl1", "acl3")
