# SPDX-License-Identifier: MIT
"""What a cache cannot know is never linked wrongly, and what it can know is noticed."""
import os


def rewrite(path, content, times=None):
    """In place, of the same length; with `times` the modification time is set back."""
    with open(path, "r+b") as file:
        file.write(content)
    if times is not None:
        os.utime(path, ns=(times, times))


def test(t):
    cache = t.cache()
    for name in ("a", "b", "c"):
        t.write(name, b"1" * 5000)
    t.write("d", b"2" * 5000)
    t.json("-n", cache, ".")
    # Changed as programs do: noticed, and the two are found equal.
    rewrite(t.path("c"), b"2" * 5000)
    run = t.json("-n", cache, ".")
    t.figures(run, links_made=2, sets=2)
    # Changed with its time set back: ctime shows that it was touched, but not how. It is nominated, compared, and left.
    was = os.stat(t.path("b")).st_mtime_ns
    rewrite(t.path("b"), b"3" * 5000, was)
    run = t.json(cache, ".")
    t.figures(run, links_made=1, skipped_changed=1, errors=0)
    t.all_apart("a", "b", "c")
    t.one_inode("c", "d")
    # After that it is read again, and known.
    run = t.json(cache, ".")
    t.figures(run, links_made=0, skipped_changed=0)
    t.check(run.summary["bytes_read"] > 0, "forgotten digests are read again")
    t.figures(t.json(cache, "."), bytes_read=0)
    # Another file under the same name, of the same size and time: another inode.
    was = os.stat(t.path("a")).st_mtime_ns
    os.rename(t.path("a"), t.path("old"))
    t.write("a", b"3" * 5000, mtime=was)
    os.unlink(t.path("old"))
    t.figures(t.json(cache, "."), links_made=1)
    t.one_inode("a", "b")
