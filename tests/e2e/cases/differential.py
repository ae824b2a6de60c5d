# SPDX-License-Identifier: MIT
"""On random trees and options, what is linked and every figure agree with the oracle, and with 1, 2 and 8 threads."""
import os
import random
import shutil
import stat

from harness import SLOW, TOP, Failed, Look, differences, load, named, settle

maketree = load(os.path.join(TOP, "tools", "maketree"))
oracle = load(os.path.join(TOP, "tools", "oracle"))

# What the run itself decides, not the tree.
VARYING = ("seconds", "duration_ns", "bytes_read")


def choose(rng):
    """Options of one run, as (arguments, policy for the oracle)."""
    arguments, policy = [], {}
    ignore = [word for word in ("owner", "mode", "xattr") if rng.random() < 0.25]
    respect = [word for word in ("time",) if rng.random() < 0.15]
    respect += [word for word in ("name", "dir") if rng.random() < 0.06]
    for option, words in (("ignore", ignore), ("respect", respect)):
        if words:
            arguments += ["--" + option, ",".join(words)]
            policy[option] = words
    if rng.random() < 0.5:
        policy["keep"] = rng.choice(["most-links", "oldest", "newest", "first-path"])
        arguments += ["--keep", policy["keep"]]
    if rng.random() < 0.3:
        policy["min_size"] = rng.choice([0, 1, 2, 4096, 65537])
        arguments += ["-s", str(policy["min_size"])]
    if rng.random() < 0.2:
        policy["max_size"] = max(policy.get("min_size", 1), rng.choice([1, 4096, 65536, 1 << 20]))
        arguments += ["-S", str(policy["max_size"])]
    if rng.random() < 0.15:
        policy["max_depth"] = rng.randrange(0, 4)
        arguments += ["--max-depth", str(policy["max_depth"])]
    if rng.random() < 0.15:
        policy["max_links"] = rng.randrange(2, 7)
        arguments += ["--max-links", str(policy["max_links"])]
    if rng.random() < 0.15:
        policy["references"] = rng.sample(["in/a", "in/b", "in/b/..", "in/c"], rng.choice([1, 1, 2]))
        for reference in policy["references"]:
            arguments += ["--reference", reference]
    if rng.random() < 0.15:
        policy["isolate"] = True
        arguments += ["--isolate"]
    if rng.random() < 0.1:
        policy["one_file_system"] = True
        arguments += ["-x"]
    return arguments, policy


def choose_roots(rng, top):
    """PATHs, in several spellings; they overlap more often than not."""
    kinds = [["in"], ["in"], ["in"], ["in/a", "in/b", "in/c"], ["in/c", "in/a"], ["in", "in/a"], ["in/a", "in"],
             ["in/b", "in/b"], ["in/", "./in/b/.."], [os.path.join(top, "in")], ["link-to-in", "in/a"],
             ["in/a/.", "in/b"], ["in/c/", "in/b"]]
    roots = list(rng.choice(kinds))
    if rng.random() < 0.2:
        files = [os.path.join(where, name) for where, _, names in sorted(os.walk(os.path.join(top, "in")))
                 for name in sorted(names) if stat.S_ISREG(os.lstat(os.path.join(where, name)).st_mode)]
        roots += [os.path.relpath(path, top) for path in rng.sample(files, min(3, len(files)))]
        rng.shuffle(roots)
    return roots


def real(path):
    """One spelling for each name: the symlinks of its directory resolved, not its own."""
    path = os.fsdecode(path)
    return os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))


def expected(before, top, sets):
    """What each name must be afterwards, from what it was and what the oracle said."""
    after = {path: facts(status, content, xattrs) for path, (status, content, xattrs) in before.entries.items()}
    for keeper, others in sets:
        kept = after[os.path.relpath(real(keeper.names[0].path), top)]
        for other in others:
            for name in other.names:
                after[os.path.relpath(real(name.path), top)] = kept
    return after


def facts(status, content, xattrs):
    if stat.S_ISDIR(status.st_mode):
        return (status.st_ino, status.st_mode, status.st_uid, status.st_gid)
    return (status.st_ino, status.st_mode, status.st_uid, status.st_gid, status.st_mtime_ns, content, xattrs)


def steady(run):
    """The report without what may vary from run to run."""
    report = dict(run.json)
    report["summary"] = {name: value for name, value in run.summary.items() if name not in VARYING}
    return report


def one_tree(t, seed):
    rng = random.Random("options %d" % seed)
    top = os.path.join(os.path.realpath(t.top), "memory" if seed % 2 else "disk", str(seed))
    maketree.make(top, seed, files=rng.choice([10, 40, 60, 90]))
    os.symlink("in", os.path.join(top, "link-to-in"))
    settle(top)
    arguments, options = choose(rng)
    roots = choose_roots(rng, top)
    arguments += ["--"] + roots
    before = Look(top)
    os.chdir(top)
    figures, sets = oracle.judge(options.get("references", []) + roots, oracle.Policy(**options))
    files_apart = figures.pop("files_apart")
    try:
        plans = [t.json("-n", "-j", threads, *arguments, cwd=top) for threads in ("1", "2", "8")]
        t.untouched(before)
        for plan in plans[1:]:
            t.equal(steady(plan), steady(plans[0]), "dry runs with other threads")
        t.figures(plans[0], dry_run=True, errors=0, **figures)
        check_sets(t, plans[0], sets)
        t.equal(sum(each["files"] for each in plans[0].summary["apart"]), files_apart, "files kept apart")
        real_run = t.json("-j", rng.choice("128"), *arguments, cwd=top)
        t.figures(real_run, dry_run=False, errors=0, skipped_in_use=0, skipped_changed=0, **figures)
        after = Look(top)
        want = expected(before, top, sets)
        got = {path: facts(*entry) for path, entry in after.entries.items()}
        t.check(got == want, "not what the oracle wants:\n" + differences(want, got))
        again = t.json(*arguments, cwd=top)
        t.figures(again, links_made=0, bytes_saved=0, inodes_freed=0, sets=0, errors=0)
        t.untouched(after)
    except Failed as failure:
        raise Failed("tests/e2e/run --trees 1 --seed %d differential: %r: %s" % (seed, arguments, failure))
    shutil.rmtree(top)


def check_sets(t, run, sets):
    """The sets listed are the oracle's, in its order, keepers apart from the names to be replaced."""
    got = [({named(member) for member in each["names"] if member["fate"] == "keeper"},
            {named(member) for member in each["names"] if member["fate"] != "keeper"}) for each in run.sets]
    want = [({os.fsdecode(name.path) for name in keeper.names},
             {os.fsdecode(name.path) for other in others for name in other.names}) for keeper, others in sets]
    t.equal(got, want, "sets")


def test(t):
    count = int(os.environ.get("DEDUPE_TREES", "24" if SLOW else "150"))
    first = int(os.environ.get("DEDUPE_SEED", "1"))
    # Half of the trees on the file system at hand, half on tmpfs where one can be had.
    os.mkdir(t.path("disk"))
    os.mkdir(t.path("memory"))
    if os.environ.get("DEDUPE_OWN_MOUNTS") == "1":
        t.tmpfs("memory", "size=256m")
    workers = min(os.cpu_count() or 1, count)
    children = []
    for worker in range(workers):
        child = os.fork()
        if child == 0:
            os._exit(work(t, range(first + worker, first + count, workers)))
        children.append(child)
    failed = [child for child in children if os.waitpid(child, 0)[1] != 0]
    if failed:
        raise Failed("see above")
    print("%d trees" % count, flush=True)


def work(t, seeds):
    for seed in seeds:
        try:
            one_tree(t, seed)
        except Failed as failure:
            print(failure, flush=True)
            return 1
    return 0
