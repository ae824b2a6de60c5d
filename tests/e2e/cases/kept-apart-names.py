# SPDX-License-Identifier: MIT
"""-v and --json name each file that is kept apart, with what it differs in and the option that would link it."""
import re

M = 1 << 20


def tree(t):
    small, large = t.random(4096), t.random(2 * M, 1)
    for name in "bc":
        t.write("a/%s" % name, small)
    t.write("a/mode", small, mode=0o600)
    t.write("a/owner", small, owner=(1, 1))
    t.write("a/both 1", small, owner=(1, 1), mode=0o600)
    t.link("a/both 1", "a/both 2")
    # Large files are compared only when they are linked: those of a dry run and of a real one are found elsewhere.
    t.write("b/large", large)
    t.write("b/other", large, owner=(1, 1))
    t.write("c/alone", t.random(8192, 2))


EXPECTED = [(4096, [("a/b", None), ("a/both 1", "owner,mode"), ("a/mode", "mode"), ("a/owner", "owner")]),
            (2 * M, [("b/large", None), ("b/other", "owner")])]


def from_json(report):
    for each in report.json["apart"]:
        for name in each["names"]:
            words = ",".join(name.get("differ", []))
            assert name.get("option") == ("--ignore " + words if words else None), name
    return [(each["size"], [(name["path"], ",".join(name["differ"]) if "differ" in name else None) for name in each["names"]])
            for each in report.json["apart"]]


def from_text(out):
    """The same, of what people read."""
    found = []
    for block in re.findall(r"^\d+ files of .* each, equal but kept apart:\n((?:  .*\n)+)\n", out, re.M):
        lines = re.findall(r"^  (like|apart) +(?:'(.*?)'|(\S+))(?:  \[inode \d+, \d links?, [-0-9 :]+\])?"
                           r"(?:  \(differs in .*: --ignore (\S+)\))?$", block, re.M)
        found.append([(quoted or plain, words or None) for _, quoted, plain, words in lines])
    return found


def test(t):
    t.need_root()
    tree(t)
    names = [each for _, each in EXPECTED]
    for options in (["-n"], ["-n", "-j1"], []):  # the last one links
        report = t.json(*options, "a", "b", "c")
        t.equal(from_json(report), EXPECTED, "named with %r" % options)
        counted = sum(each["files"] for each in report.summary["apart"])
        t.equal(counted, sum(len(each) - 1 for each in names), "as many as are counted")
    for options in (["-n", "-v"], ["-n", "-vv"], ["-v"]):
        t.equal(from_text(t.run(*options, "a", "b", "c").out), names, "named with %r" % options)
    t.check("apart:" not in t.run("-n", "a").out, "named though nobody asked")
    t.equal(t.json("-n", "--ignore", "owner,mode", "a", "b").json["apart"], [], "nothing differs")
