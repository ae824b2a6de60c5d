# SPDX-License-Identifier: MIT
"""With a cold cache, a warm one and none, the same is found and done, byte for byte."""
import os
import re
import shutil


def plain(run):
    """The report without what it cost."""
    return re.sub(r'"(bytes_read|seconds|duration_ns)": \d+', r'"\1": 0', run.out)


def test(t):
    cache = t.cache()
    maker = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))),
                         "tools", "maketree")
    for seed in range(4 if not os.environ.get("DEDUPE_SLOW") else 1):
        tree = t.path("tree%d" % seed)
        t.sh(maker, "--seed", str(seed), tree)
        none = t.json("-n", tree, exit=None)
        runs = {"cold": t.json("-n", cache, tree, exit=None), "warm": t.json("-n", cache, tree, exit=None)}
        for name, run in runs.items():
            t.equal(plain(run), plain(none), name + " dry run of tree %d" % seed)
        t.figures(runs["warm"], bytes_read=0)
        # Three copies of the tree, linked in the three ways, end up the same.
        looks = {}
        for name, options in (("none", []), ("cold", [t.cache("cold%d.db" % seed)]), ("warm", [cache])):
            shutil.rmtree(t.path("work"), ignore_errors=True)
            t.sh("cp", "-a", tree, t.path("work"))
            if name == "warm":
                t.json("-n", *options, t.path("work"), exit=None)
            t.json(*options, t.path("work"), exit=None)
            looks[name] = t.look("work").shared()
        t.equal(looks["cold"], looks["none"], "links with a cold cache, tree %d" % seed)
        t.equal(looks["warm"], looks["none"], "links with a warm cache, tree %d" % seed)
