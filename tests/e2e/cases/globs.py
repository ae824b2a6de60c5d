# SPDX-License-Identifier: MIT
"""-i and -e: base name without a slash, path with one, directories with a trailing one, **, the first match wins."""
import os

from harness import named

FILES = ["a.jpg", "b.png", "c.txt", "sub/a.jpg", "sub/c.txt", "sub/deep/a.jpg", "sub/deep/b.png", "cache/a.jpg",
         "sub/cache/c.txt", "sub/cachefile", ".git/c.txt", "sub/[x]", "sub/*", "x/y/z/a.jpg"]

CASES = [
    (["-e", "*.jpg"], lambda f: not f.endswith(".jpg")),
    (["-i", "*.jpg"], lambda f: True),
    (["-i", "*.jpg", "-e", "*"], lambda f: f.endswith(".jpg")),
    (["--include", "*.jpg", "--include=*.png", "--exclude", "*"], lambda f: f.endswith((".jpg", ".png"))),
    (["-e", "*", "-i", "*.jpg"], lambda f: False),
    (["-e", "sub/a.jpg"], lambda f: f != "sub/a.jpg"),
    (["-e", "/a.jpg"], lambda f: f != "a.jpg"),
    (["-e", "cache/"], lambda f: "cache/" not in f),
    (["-e", "sub/cache/"], lambda f: not f.startswith("sub/cache/")),
    (["-e", "cache"], lambda f: "cache/" not in f),
    (["-e", "sub/*"], lambda f: not (f.startswith("sub/") and f.count("/") == 1)),
    (["-e", "sub/**"], lambda f: not f.startswith("sub/")),
    (["-e", "**/a.jpg"], lambda f: not f.endswith("a.jpg")),
    (["-e", "**/deep/"], lambda f: "deep/" not in f),
    (["-e", "sub/**/a.jpg"], lambda f: not (f.startswith("sub/") and f.endswith("a.jpg"))),
    (["-e", "?.txt"], lambda f: not f.endswith("c.txt")),
    (["-e", "[ab].*"], lambda f: f.rsplit("/", 1)[-1] not in ("a.jpg", "b.png")),
    (["-e", "\\*"], lambda f: f != "sub/*"),
    (["-e", ".git/"], lambda f: not f.startswith(".git/")),
    (["-i", "sub/a.jpg", "-e", "a.jpg"], lambda f: not f.endswith("a.jpg") or f == "sub/a.jpg"),
    (["-e", "x/*"], lambda f: True),
    (["-e", "nothing"], lambda f: True),
]


def test(t):
    for name in FILES:
        t.write("root/" + name, "same content")
    for arguments, wanted in CASES:
        want = sorted(name for name in FILES if wanted(name))
        dry = t.json("-n", *arguments, "root")
        got = sorted(os.path.relpath(named(name), "root") for each in dry.sets for name in each["names"])
        t.equal(dry.summary["files_seen"], len(want), "files seen with %r" % arguments)
        t.equal(got, want if len(want) > 1 else [], "files with %r" % arguments)
    # Relative to each PATH, and a file that is given is filtered by its own name.
    t.figures(t.json("-n", "-e", "/a.jpg", "root", "root/sub"), files_seen=len(FILES) - 2)
    t.figures(t.json("-n", "-e", "*.jpg", "root/a.jpg", "root/b.png"), files_seen=1)
