# SPDX-License-Identifier: MIT
"""With a cache, a run over an unchanged tree reads no content: dry or not, after linking, and after cp -al."""
import os
import subprocess


def grow(t):
    for number in range(200):
        t.write("small/%d/f%d" % (number % 9, number), t.random(3000 + number % 70 % 3, number % 70))
    for number in range(9):
        t.write("tagged/f%d" % number, b"tagged" * 100, xattrs={"user.n": b"%d" % (number % 3)})
    for number in range(4):
        t.write("modes/f%d" % number, b"modes" * 300, mode=0o600 + 4 * (number % 2))
    # Large files: two equal, three that differ in the middle only, two that differ at the end.
    for number, middle in enumerate((b"a", b"a", b"b", b"c")):
        t.write("large/m%d" % number, b"x" * 100000 + middle + b"x" * 100000)
    for number in range(3):
        t.write("large/t%d" % number, b"y" * 200000 + b"%d" % (number % 2))
    t.write("holes/a", bytes(300000))
    t.write("holes/b", bytes(300000))


def reads_nothing(t, *options):
    before = t.look()
    run = t.json(*options, ".")
    t.figures(run, bytes_read=0, links_made=0, errors=0)
    t.untouched(before)
    return run


def names_opened(t, *options):
    """Names of the tree's files that a run opened for reading (directories and the cache left out)."""
    log = os.path.join(t.scratch, "strace")
    t.need_tool("strace")
    done = subprocess.run(["strace", "-f", "-qq", "-y", "-e", "trace=openat,openat2,pread64", "-o", log, t.program_for(None),
                           *options, "."], cwd=t.top, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                          env=dict(os.environ, ASAN_OPTIONS="detect_leaks=0"))
    if done.returncode:
        t.skip("no strace here: %s" % done.stderr[-200:])
    with open(log, errors="surrogateescape") as lines:
        return [line for line in lines if "pread64" in line and t.top + "/" in line]


def test(t):
    cache = t.cache()
    grow(t)
    first = t.json(cache, ".")
    t.check(first.summary["links_made"] > 100 and first.summary["bytes_read"] > 0, "the first run reads and links")
    reads_nothing(t, cache)
    reads_nothing(t, cache, "-n")
    t.equal(names_opened(t, "-n", cache), [], "content read")
    t.equal(names_opened(t, cache), [], "content read")
    # The ctime of every file is moved, as it is each night; attributes are looked at again, content is not.
    t.sh("cp", "-al", t.path("small"), t.path("snapshot"))
    t.sh("cp", "-al", t.path("large"), t.path("large-snapshot"))
    t.sh("cp", "-al", t.path("tagged"), t.path("tagged-snapshot"))
    reads_nothing(t, cache)
    reads_nothing(t, cache, "-n")
    t.sh("rm", "-r", t.path("snapshot"))
    reads_nothing(t, cache)
    # A new copy is linked; only it and its partner are read.
    t.write("new/f", t.random(3000 + 1, 1))
    run = t.json(cache, ".")
    t.figures(run, links_made=1)
    t.check(run.summary["bytes_read"] <= 4 * 3003, "only the new file and its partner are read: %r" % run.summary)
    reads_nothing(t, cache)
    # What was dry before is linked without reading for digests: the comparison reads each file once.
    t.write("new/g", b"x" * 100000 + b"b" + b"x" * 100000)
    t.json("-n", cache, ".")
    run = t.json("-n", cache, ".")
    t.figures(run, links_made=1, bytes_read=0)
    run = t.json(cache, ".")
    t.figures(run, links_made=1, bytes_read=2 * 200001)
    reads_nothing(t, cache)
    # Attributes changed: ctime alone shows it, and what is equal is another.
    os.setxattr(t.path("tagged/f0"), "user.n", b"2")
    run = t.json("-n", cache, ".")
    t.figures(run, bytes_read=0)
    t.equal(run.summary["links_made"], t.json("-n", ".").summary["links_made"], "links as without a cache")
