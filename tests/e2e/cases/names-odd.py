# SPDX-License-Identifier: MIT
"""Names of any bytes are linked, told exactly in JSON, and never reach a terminal as raw escapes."""
import os
import re

from harness import Failed, load, named, TOP

maketree = load(os.path.join(TOP, "tools", "maketree"))


def test(t):
    names = []
    for odd in maketree.ODD_NAMES:
        for directory in (b"d", b"sub " + odd[:200]):
            path = os.path.join(os.fsencode(t.top), directory, odd)
            try:
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, "wb") as file:
                    file.write(b"same content")
            except OSError:
                continue
            names.append(os.path.join(".", os.fsdecode(directory), os.fsdecode(odd)))
    t.check(len(names) > 30, "this file system takes hardly any odd name")
    before = t.look()
    for arguments in (["-n", "-v", "."], ["-n", "-vv", "."], ["-n", "-v", "./" + names[0], "./none\x1b[1m\xff\n"]):
        told = t.run(*arguments, exit=None)
        raw = re.findall(rb"[\x00-\x08\x0b-\x1f\x7f]", told.raw + told.err.encode(errors="surrogateescape"))
        t.check(not raw, "control characters in the text: %r" % told.about())
        (told.raw + told.err.encode(errors="surrogateescape")).decode("utf-8")
        t.check("\u202e" not in told.out + told.err, "a bidirectional override in the text")
    verbose = t.run("-n", "-v", ".")
    t.check(verbose.out.count("\n") < len(names) + 60, "a name is spread over lines")
    dry = t.json("-n", ".")
    listed = sorted(named(name) for name in dry.sets[0]["names"])
    t.equal(listed, sorted(name[2:] if not listed[0].startswith("./") else name for name in names), "names in JSON")
    t.check(b"\x1b" not in dry.raw and b"\x7f" not in dry.raw, "raw escapes in JSON")
    for name in dry.sets[0]["names"]:
        try:
            os.fsencode(named(name)).decode()
        except UnicodeDecodeError:
            t.check("path_b64" in name and "\ufffd" in name["path"], "invalid UTF-8 told as %r" % name)
        else:
            t.check("path_b64" not in name, "path_b64 where it is not needed: %r" % name)
    done = t.json(".")
    t.figures(done, sets=1, links_made=len(names) - 1, errors=0)
    t.same_contents(before)
    t.one_inode(*names)
    # Names that look like options, as PATHs.
    t.write("opt/-n", "x", mtime=1)
    t.write("opt/--json", "x")
    t.json("--", "-n", "--json", cwd=t.path("opt"))
    t.one_inode("opt/-n", "opt/--json")
