# SPDX-License-Identifier: MIT
"""--max-time: the run ends by then, what was found is linked, what frees most first, and the rest is left without an error."""
import time


def test(t):
    sizes = {"small": 2_000_000, "large": 3_000_000, "medium": 2_500_000}
    for number, (name, size) in enumerate(sorted(sizes.items())):
        for copy in "ab":
            t.write(copy + "/" + name, t.random(size, number))
    before = t.look()

    # 15 MB at this rate are 3 s; heads and tails take no time.
    begun = time.monotonic()
    run = t.json("--max-time", "20", "--bwlimit", "5MB", "-j1", ".")
    taken = time.monotonic() - begun
    t.check(2.8 < taken < 15, "all in good time, but at the rate: %.1f s" % taken)
    t.figures(run, links_made=3, complete=True, errors=0)
    t.same_contents(before)

    t.sh("rm", "-r", t.path("b"))
    for number, (name, size) in enumerate(sorted(sizes.items())):
        t.write("b/" + name, t.random(size, number))
    # The large pair takes 5.7 s of the 7.5 s for reading, and then time is left for a part of the next only, which takes 4.8 s.
    run = t.json("-v", "--max-time", "10", "--bwlimit", "1M", "-j1", ".")
    t.figures(run, links_made=1, complete=False, errors=0, skipped_changed=0, bytes_saved=t_allocated(3_000_000))
    t.one_inode("a/large", "b/large")
    t.all_apart("a/small", "b/small", "a/medium", "b/medium")
    t.equal([i["reason"] for i in run.issues], ["out_of_time"], "it is told")
    fates = sorted(n["fate"] for s in run.sets for n in s["names"])
    t.check("linked" in fates and "planned" not in fates, "what was not begun is left: %r" % fates)
    t.same_contents(before)

    text = t.run("--max-time", "1", "--bwlimit", "10K", ".")
    t.check("Out of time" in text.out, text.out)
    quiet = t.run("-q", "--max-time", "1", "--bwlimit", "10K", ".")
    t.equal((quiet.out, quiet.err), ("", ""), "nothing to mail")
    t.same_contents(before)
    t.figures(t.json("--max-time", "0", "--bwlimit", "0", "."), links_made=2, complete=True)
    for wrong in ("", "x", "-1", "1y"):
        t.run("--max-time", wrong, ".", exit=2)


def t_allocated(size):
    return (size + 4095) // 4096 * 4096
