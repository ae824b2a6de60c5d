# SPDX-License-Identifier: MIT
"""What must agree besides content is as --respect, --ignore and hardlink's letters say; what it keeps apart is told."""
import itertools
import os

DAY = 86400 * 10**9


def build(t, top):
    """Files of one content, each unlike `base` in one thing, or in none."""
    base = {"mode": 0o644, "mtime": DAY}
    t.write(top + "/d/base", "same content", **base)
    t.write(top + "/d/time", "same content", mode=0o644, mtime=2 * DAY)
    t.write(top + "/d/mode", "same content", mode=0o600, mtime=DAY)
    t.write(top + "/d/xattr", "same content", xattrs={"user.x": b"1"}, **base)
    t.write(top + "/e/base", "same content", **base)
    names = ["d/base", "d/time", "d/mode", "d/xattr", "e/base"]
    if t.root:
        t.write(top + "/d/owner", "same content", owner=(1, 0), **base)
        t.write(top + "/d/group", "same content", owner=(0, 1), **base)
        names += ["d/owner", "d/group"]
    return names


def key(name, words):
    """What of the file must agree, given the words."""
    directory, base = name.split("/")
    unlike = {"owner": base if base in ("owner", "group") else "", "mode": base == "mode", "xattr": base == "xattr",
              "time": base == "time", "name": base, "dir": directory}
    return tuple(unlike[word] for word in sorted(words))


def holds(t, number, arguments, words):
    top = "tree%d" % number
    names = build(t, top)
    before = t.look(top)
    want = {}
    for name in names:
        want.setdefault(key(name, words), set()).add(name)
    want = {frozenset(group) for group in want.values()}
    done = t.json(*arguments, top)
    after = t.same_contents(before)
    t.equal(after.shared(), want, "who shares an inode with %r" % arguments)
    t.figures(done, links_made=len(names) - len(want), sets=sum(1 for group in want if len(group) > 1), errors=0)


def test(t):
    default = {"owner", "mode", "xattr"}
    cases = [([], default), (["-c"], {"xattr"}), (["-o"], default - {"owner"}), (["-p"], default - {"mode"}),
             (["-t"], default), (["-f"], default | {"name"}), (["-d"], default | {"dir"}), (["-X"], default),
             (["--ignore", "xattr", "-X"], default), (["-opt"], {"xattr"}), (["-cfd"], {"xattr", "name", "dir"}),
             (["--ignore=owner,mode,xattr"], set()), (["--respect=time", "--ignore", "time"], default),
             (["--ignore", "time", "--respect", "time"], default | {"time"}),
             (["--ignore", "owner", "--ignore", "mode", "--respect", "owner"], default - {"mode"})]
    for word in ("owner", "mode", "xattr"):
        cases.append((["--ignore", word], default - {word}))
    for word in ("time", "name", "dir"):
        cases.append((["--respect", word], default | {word}))
    for pair in itertools.combinations(("time", "name", "dir"), 2):
        cases.append((["--respect", ",".join(pair)], default | set(pair)))
    for number, (arguments, words) in enumerate(cases):
        holds(t, number, arguments, words)
    # The directory counts from each PATH, however that is spelled.
    for number, roots in enumerate([("p", "q"), ("p/", "q"), ("p/.", "q//"), ("p", "./q/")]):
        for name in ("p/d/f", "p/e/f", "q/d/f"):
            t.write("roots%d/%s" % (number, name), "same content")
        t.json("-d", *roots, cwd=t.path("roots%d" % number))
        t.one_inode("roots%d/p/d/f" % number, "roots%d/q/d/f" % number)
        t.all_apart("roots%d/p/d/f" % number, "roots%d/p/e/f" % number)
