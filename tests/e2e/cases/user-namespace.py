# SPDX-License-Identifier: MIT
"""In a user namespace files of owners it hides stay apart, though all of them look like one's; its own are linked."""
import ctypes
import json
import os

CLONE_NEWUSER = 0x10000000
LIBC = ctypes.CDLL(None, use_errno=True)


def enter():
    """As unshare -Ur does it: only root has a number inside."""
    if LIBC.unshare(CLONE_NEWUSER):
        raise OSError(ctypes.get_errno(), "unshare")
    for name, text in (("setgroups", "deny"), ("uid_map", "0 0 1"), ("gid_map", "0 0 1")):
        with open("/proc/self/" + name, "w", encoding="ascii") as file:
            file.write(text)


def can_enter():
    child = os.fork()
    if not child:
        try:
            enter()
        except OSError:
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


def inside(t, *arguments, **how):
    return t.json(*arguments, before=enter, **how)


def test(t):
    t.need_root()
    if not can_enter():
        t.skip("no user namespace can be made")
    content = t.random(5000)
    own = {"un/a": (2000, 0), "un/b": (3000, 0), "un/c": (0, 2000), "un/d": (0, 3000), "un/e": (0, 0), "un/f": (0, 0)}
    for name, owner in own.items():
        t.write(name, content, mode=0o666, owner=owner, mtime=10**18)
    before = t.look("un")
    plan = os.path.join(t.scratch, "un.plan")
    inside(t, "-n", "--ignore", "owner", "--plan", plan, "un")
    dry = inside(t, "-n", "un")
    t.untouched(before)
    t.figures(dry, links_made=1, errors=0)
    t.equal([(each["differ"], each["files"]) for each in dry.summary["apart"]], [(["owner"], 4)], "kept apart")
    # A plan that was made without owners, and asks for them now.
    with open(plan, encoding="utf-8") as file:
        lines = [json.loads(line) for line in file]
    t.equal(len(lines), 7, "lines of the plan")
    lines[0]["options"]["respect"] = ["owner", "mode", "xattr"]
    with open(plan, "w", encoding="utf-8") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)
    t.figures(inside(t, "-n", "--apply", plan), links_made=0, skipped_refused=5, errors=0)
    t.figures(inside(t, "--apply", plan), links_made=0, skipped_refused=5, errors=0)
    t.untouched(before)
    done = inside(t, "un")
    t.figures(done, links_made=1, errors=0)
    t.equal(done.summary["apart"], dry.summary["apart"], "kept apart, dry and real")
    after = t.same_contents(before)
    t.one_inode("un/e", "un/f")
    t.all_apart("un/a", "un/b", "un/c", "un/d", "un/e")
    for name in ("a", "b", "c", "d"):
        t.equal((after.entries[name][0].st_uid, after.entries[name][0].st_gid), own["un/" + name], "owner of " + name)
    inside(t, "--ignore", "owner", "un")
    t.one_inode("un/a", "un/b", "un/c", "un/d", "un/e")
