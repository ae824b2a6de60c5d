# SPDX-License-Identifier: MIT
"""-x stays on the file system and the mount of each PATH; a mount given as a PATH is entered."""


def test(t):
    t.need_mounts()
    t.tmpfs("tree/mounted")
    for name in ("tree/a", "tree/b", "tree/mounted/c", "tree/mounted/d", "elsewhere/e", "elsewhere/f"):
        t.write(name, "same content")
    t.bind("elsewhere", "tree/bound")
    t.figures(t.json("-n", "tree"), files_seen=6)
    t.figures(t.json("-n", "-x", "tree"), files_seen=2)
    t.figures(t.json("-n", "--one-file-system", "tree", "tree/mounted"), files_seen=4)
    t.figures(t.json("-n", "-x", "tree/mounted", "tree/bound"), files_seen=4)
    t.json("-x", "tree")
    t.one_inode("tree/a", "tree/b")
    t.all_apart("tree/mounted/c", "tree/mounted/d")
    t.all_apart("elsewhere/e", "elsewhere/f")
