# SPDX-License-Identifier: MIT
"""What the kernel would refuse, a sticky directory or a protected file of others, is refused before anything is made, and foreseen."""
import ctypes
import errno
import os

from harness import NOBODY


PR_CAPBSET_DROP, CAP_FOWNER = 24, 3


def drop_fowner():
    if ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_FOWNER, 0, 0, 0):
        raise OSError("prctl")


def plant(t, name, owner, mode, dir_owner, dir_mode):
    for number in range(3):
        t.write("%s/%d" % (name, number), "same content of " + name, owner=owner, mode=mode)
    os.chown(t.path(name), *dir_owner)
    os.chmod(t.path(name), dir_mode)


def left(t, name):
    """Dry and real say the same, and nothing is left behind, however often it is tried."""
    before = t.look(name)
    for options in (["-n"], [], []):
        run = t.json(*options, name, user=NOBODY, exit=1)
        t.figures(run, links_made=0, bytes_saved=0, errors=2)
        t.equal({(issue["stage"], issue["errno"]) for issue in run.issues}, {("link", errno.EPERM)}, "told of " + name)
    t.untouched(before)


def linked(t, name):
    dry, real = (t.json(*options, name, user=NOBODY) for options in (["-n"], []))
    for run in (dry, real):
        t.figures(run, links_made=2, errors=0)
    t.one_inode(*["%s/%d" % (name, number) for number in range(3)])


def test(t):
    if not t.root:
        t.skip("needs root")
    os.chmod(t.top, 0o755)
    root, nobody = (0, 0), (NOBODY, NOBODY)
    plant(t, "theirs", root, 0o666, root, 0o1777)
    left(t, "theirs")
    plant(t, "mine", nobody, 0o644, root, 0o1777)
    linked(t, "mine")
    plant(t, "my-directory", root, 0o666, nobody, 0o1755)
    linked(t, "my-directory")
    with open("/proc/sys/fs/protected_hardlinks", encoding="ascii") as file:
        protected = file.read().strip() == "1"
    for name, mode in (("unwritable", 0o644), ("setuid", 0o4777), ("setgid", 0o2777)):
        plant(t, name, root, mode, nobody, 0o755)
        (left if protected else linked)(t, name)
    # Theirs is kept for mine.
    plant(t, "mixed", nobody, 0o666, root, 0o1777)
    os.chown(t.path("mixed/0"), *root)
    os.utime(t.path("mixed/0"), (1, 1))
    before = t.look("mixed")
    for options in (["-n"], []):
        run = t.json("--ignore=owner", "--keep=oldest", *options, "mixed", user=NOBODY, exit=1)
        t.figures(run, links_made=0, errors=2)
    t.untouched(before)
    # Root who is not quite: nothing is foreseen, and nothing made that could not be taken away.
    plant(t, "container", nobody, 0o644, nobody, 0o1777)
    before = t.look("container")
    t.figures(t.json("container", before=drop_fowner, exit=1), links_made=0, errors=2)
    t.untouched(before)
