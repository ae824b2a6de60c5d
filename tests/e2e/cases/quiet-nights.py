# SPDX-License-Identifier: MIT
"""The nightly command line with all its options: unchanged nights send no mail, an unreadable directory sends one line and status 1."""
import ctypes
import json
import os
import stat

from harness import NOBODY

PR_CAPBSET_DROP, DAC_OVERRIDE, DAC_READ_SEARCH = 24, 1, 2


def bound():
    """In the child: root, without the right to read what its mode forbids, as on a volume whose server squashes root."""
    libc = ctypes.CDLL(None, use_errno=True)
    for capability in (DAC_OVERRIDE, DAC_READ_SEARCH):
        if libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0):
            raise OSError(ctypes.get_errno(), "prctl")


class Volume:
    """A volume, and what a user keeps beside it."""

    def __init__(self, t, name, user, before=None):
        self.t, self.name, self.user, self.before = t, name, user, before
        self.beside = t.path(name + "-beside")
        os.mkdir(self.beside)
        for night in range(2):
            for copy in "ab":
                t.write("%s/%d/%s/file" % (name, night, copy), t.random(9000, night), mtime=10**18)
                t.write("%s/%d/%s/other" % (name, night, copy), t.random(70_000, 100 + night), mtime=10**18)
        self.own()

    def own(self):
        if self.user is None:
            return
        for where in (self.t.path(self.name), self.beside):
            for path, _, files in os.walk(where):
                for name in ["."] + files:
                    os.chown(os.path.join(path, name), self.user, self.user)

    def night(self, exit=0):
        """One night; what cron would send."""
        own = lambda name: os.path.join(self.beside, name)
        run = self.t.run("-q", "--cache=" + own("cache"), "--idle", "--metrics", own("figures.prom"), "--journal", own("journal"),
                         "--keep-dir-times", "--max-time", "5h", self.name, user=self.user, before=self.before, exit=exit)
        return run.out + run.err

    def state(self):
        """Names with their inodes, contents and times, directories' times among them."""
        return {path: (status.st_ino, content, status.st_mtime_ns)
                for path, (status, content, _) in self.t.look(self.name).entries.items()}

    def figure(self, name):
        for line in open(os.path.join(self.beside, "figures.prom")):
            if line.startswith("dedupe_link_%s{" % name):
                return float(line.split()[-1])
        return None

    def history(self):
        done = self.t.run("--history", "--json", "--cache=" + os.path.join(self.beside, "cache"), user=self.user)
        return json.loads(done.out)


def nights(volume):
    t = volume.t
    before = volume.state()
    t.equal(volume.night(), "", "the first night links, and says nothing")
    after = volume.state()
    t.equal({path: entry[2] for path, entry in after.items() if stat.S_ISDIR(os.stat(t.path(volume.name, path)).st_mode)},
            {path: entry[2] for path, entry in before.items() if stat.S_ISDIR(os.stat(t.path(volume.name, path)).st_mode)},
            "times of directories")
    t.check(after != before and volume.figure("links") == 4, "four links: %r" % volume.figure("links"))
    success = volume.figure("last_success_timestamp_seconds")
    journal = open(os.path.join(volume.beside, "journal"), "rb").read()
    t.equal(volume.night(), "", "an unchanged night")
    t.equal(volume.state(), after, "nothing was touched")
    t.equal(open(os.path.join(volume.beside, "journal"), "rb").read(), journal, "nothing was noted")
    t.equal([(run["links_made"], run["bytes_read"] > 0, run["errors"]) for run in volume.history()],
            [(4, True, 0), (0, False, 0)], "nothing was read")

    os.chmod(t.path(volume.name, "0/a"), 0)
    said = volume.night(exit=1)
    t.equal(len(said.splitlines()), 1, "one line: %r" % said)
    t.check("/0/a" in said and "Permission denied" in said and said.startswith("dedupe-link: cannot "), said)
    t.equal((volume.figure("errors"), volume.figure("exit_status")), (1, 1), "figures")
    t.check(volume.figure("last_success_timestamp_seconds") >= success, "the last success stays")
    t.equal(volume.history()[-1]["errors"], 1, "history")
    os.chmod(t.path(volume.name, "0/a"), 0o755)
    t.equal(volume.night(), "", "mended")
    t.equal(volume.state(), after, "as before")
    t.equal(volume.history()[-1]["bytes_read"], 0, "what was not seen for a night is remembered")


def test(t):
    t.cache()
    nights(Volume(t, "mine", None, bound if t.root else None))
    if t.root:
        nights(Volume(t, "theirs", NOBODY))
