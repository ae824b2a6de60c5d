# SPDX-License-Identifier: MIT
"""The trees the bench runs on: made once, kept with their description, copied for every run that changes them."""

import json
import os
import shutil
import subprocess

from measure import Trouble, make_clean, run_checked, say

# What each kind is for, and its size at scale 1 in GiB on a file system with blocks of 4 KiB.
KINDS = {
    "source": ("two versions of a source tree, 80,000 files", 1.4),
    "npm": ("two projects with nearly the same node_modules, 32,000 files", 0.3),
    "photos": ("camera folders, copies, retouched pictures, 1,540 files", 5.5),
    "snapshots": ("20 snapshots as by cp -al: 1,400,000 names of 104,000 inodes", 2.2),
    "oneclass": ("100,000 different files of one size", 0.5),
    "manylinks": ("65,010 identical files", 0.3),
    "onelink": ("one inode with 64,000 names and ten copies of it", 0.1),
    "tiny": ("1,000,000 tiny files", 4.3),
    "tiny10": ("10,000,000 tiny files", 43.0),
    "bigdir": ("one directory of 1,000,000 names", 0.1),
    "huge": ("three pairs of 512 MiB: equal, different at the end, at the start", 3.0),
    "mixed": ("photos, sources, modules and videos as in a home directory", 4.5),
}


def describe(kind):
    return KINDS[kind][0]


class Tree:
    def __init__(self, path, facts):
        self.path, self.facts = path, facts

    @property
    def kind(self):
        return self.facts["tree"]


def make(programs, work, kind, seed, scale):
    """The tree of that kind, made now or found as an earlier call with the same values left it."""
    if kind not in KINDS:
        raise Trouble(f"no tree called {kind}; there are: {', '.join(KINDS)}")
    path = os.path.join(work, "trees", f"{kind}-{seed}-{scale:g}")
    facts_path = path + ".json"
    if os.path.exists(facts_path):
        with open(facts_path, encoding="utf-8") as file:
            return Tree(path, json.load(file))
    shutil.rmtree(path, ignore_errors=True)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    need = KINDS[kind][1] * scale * (1 << 30)
    if kind.startswith("tiny"):  # each has a block and an inode
        need *= min(os.statvfs(os.path.dirname(path)).f_frsize + 256, 4352) / 4352
    if shutil.disk_usage(os.path.dirname(path)).free < need * 1.1:
        raise Trouble(f"{kind} needs {need / (1 << 30):.1f} GiB below {work}; use --scale or --dir")
    say(f"making {kind}: {describe(kind)}, seed {seed}, scale {scale:g}")
    real, factor = (kind, 1) if kind != "tiny10" else ("tiny", 10)
    options = ["-s", str(seed), "-x", repr(scale * factor)]
    facts = json.loads(run_checked([programs.path("maketrees"), *options, real, path]))
    facts.update(tree=kind, scale=scale)
    with open(facts_path, "w", encoding="utf-8") as file:
        json.dump(facts, file)
    return Tree(path, facts)


def copy(tree, to):
    shutil.rmtree(to, ignore_errors=True)
    run_checked(["cp", "-a", tree.path, to])
    make_clean(to)


def remove(path):
    subprocess.run(["rm", "-rf", path], check=True)


def inodes_below(path):
    seen, stack = set(), [path]
    while stack:
        with os.scandir(stack.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    stack.append(entry.path)
                else:
                    seen.add(entry.inode())
    return len(seen)


class Image:
    """A file system of its own in a file, so that xfs and btrfs can be measured on an ext4 machine."""

    MAKERS = {
        "ext4": ["mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0"],
        "ext4-1k": ["mkfs.ext4", "-q", "-F", "-b", "1024", "-i", "1024", "-E", "lazy_itable_init=0"],
        "xfs": ["mkfs.xfs", "-q", "-f"],
        "btrfs": ["mkfs.btrfs", "-q", "-f"],
    }

    def __init__(self, work, name, gib):
        if os.geteuid():
            raise Trouble("--fs needs root, to mount")
        if name not in self.MAKERS or not shutil.which(self.MAKERS[name][0]):
            raise Trouble(f"--fs {name}: not known, or {self.MAKERS.get(name, ['mkfs'])[0]} is not installed")
        self.name = name
        self.file = os.path.join(work, f"image.{name}")
        self.mount = os.path.join(work, f"mount.{name}")
        self.gib = gib

    def __enter__(self):
        os.makedirs(self.mount, exist_ok=True)
        with open(self.file, "wb") as file:
            file.truncate(int(self.gib * (1 << 30)))
        run_checked([*self.MAKERS[self.name], self.file])
        run_checked(["mount", "-o", "loop,noatime", self.file, self.mount])
        return self.mount

    def __exit__(self, *_error):
        subprocess.run(["umount", self.mount], check=False)
        os.unlink(self.file)
        os.rmdir(self.mount)
