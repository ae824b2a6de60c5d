# SPDX-License-Identifier: MIT
"""Who is compared, and with which words each does the same job: content alone decides, hidden files included."""

import os
import re
import shutil
import subprocess

NPROC = os.cpu_count() or 1


class Tool:
    """
    dry, link, cached and nightly (link with a cache) are command lines where {} is the tree and {cache} a directory for what
    is to be remembered; None where the tool cannot do it.
    """

    def __init__(self, name, dry, link=None, cached=None, nightly=None, program=None, version=("--version",), note=""):
        self.name, self.dry, self.link, self.cached, self.note = name, dry, link, cached, note
        self.nightly = nightly or link
        self.program = program or (dry or link)[0]
        self._version = version

    def command(self, mode, tree, cache=""):
        """mode is dry, link, second or night; a second run of a tool that remembers nothing is its dry run."""
        line = {"link": self.link, "night": self.nightly, "second": self.cached or self.dry, "dry": self.dry}[mode]
        return [word.replace("{cache}", cache).replace("{}", tree) for word in line] if line else None

    def installed(self):
        return bool(shutil.which(self.program))

    def version(self):
        """The first thing in its answer that looks like a version; running it also pages the program in."""
        if not self._version:
            return ""
        done = subprocess.run([self.program, *self._version], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, check=False, stdin=subprocess.DEVNULL)
        found = re.search(r"\d+\.\d+(\.\d+)?", done.stdout)
        return found.group(0) if found else "?"


def ours(program, name="dedupe-link", extra=()):
    return Tool(name, [program, "-n", *extra, "{}"], [program, *extra, "{}"],
                [program, "-n", "--cache={cache}/digests", *extra, "{}"],
                [program, "--cache={cache}/digests", *extra, "{}"])


def floors(programs, trust=False):
    path = programs.path("floor")
    tools = [
        Tool("floor", [path, "{}"], version=None, note=f"floor.c, {NPROC} threads: walk, statx, open, read, close"),
        Tool("floor-64", [path, "-j64", "{}"], version=None, note="floor.c with 64 threads"),
        Tool("walk", [path, "-w", "{}"], version=None, note="floor.c -w: walk and statx only"),
    ]
    if trust:
        tools.append(Tool("walk-i", [path, "-w", "-i", "{}"], version=None,
                          note="floor.c -w -i: no statx for an inode number that was seen"))
    return tools


def peers():
    """
    fclones reads with one thread, in physical order, where the kernel calls the disk rotating, as it does with many
    virtual disks; so it runs as it comes and with as many readers as we may use, and so does yadf.
    """
    fclones, many = "fclones group --hidden --no-ignore", " -t default:64"
    remember = ["env", "XDG_CACHE_HOME={cache}"]
    return [
        Tool("hardlink", ["hardlink", "-n", "-c", "{}"], ["hardlink", "-c", "{}"]),
        Tool("jdupes", ["jdupes", "-rq", "{}"], ["jdupes", "-rqL", "{}"]),
        Tool("rdfind", ["rdfind", "-dryrun", "true", "-makeresultsfile", "false", "{}"],
             ["rdfind", "-makehardlinks", "true", "-makeresultsfile", "false", "{}"]),
        Tool("rmlint", ["rmlint", "-r", "-T", "df", "-o", "summary:stdout", "{}"],
             shell("rmlint -r -T df -o sh:rmlint.sh -c sh:hardlink {} && sh rmlint.sh -d -x -q"),
             program="rmlint", note="links by a shell script that it writes"),
        Tool("fdupes", ["fdupes", "-rq", "{}"], note="makes no hard links"),
        Tool("hadori", ["hadori", "-n", "-t", "{}"], ["hadori", "-t", "{}"]),
        Tool("fclones", [*fclones.split(), "{}"], shell(fclones + " {} -o report && fclones link <report"),
             [*remember, *fclones.split(), "--cache", "{}"],
             [*remember, *shell(fclones + " --cache {} -o report && fclones link <report")],
             program="fclones", note="digests alone; links: group, then link"),
        Tool("fclones-64", [*(fclones + many).split(), "{}"],
             shell(fclones + many + " {} -o report && fclones link <report"),
             [*remember, *(fclones + many).split(), "--cache", "{}"],
             [*remember, *shell(fclones + many + " --cache {} -o report && fclones link <report")],
             program="fclones", note="fclones with -t default:64"),
        Tool("yadf", ["yadf", "-q", "{}"], note="digests alone; makes no hard links"),
        Tool("yadf-64", ["yadf", "-q", "--io-threads", "64", "{}"], note="yadf with --io-threads 64"),
        Tool("dupe-krill", ["dupe-krill", "-d", "-s", "-q", "{}"], ["dupe-krill", "-s", "-q", "{}"], version=("-h",)),
    ]


def shell(line):
    return ["sh", "-c", line]
