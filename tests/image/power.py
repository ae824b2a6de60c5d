# SPDX-License-Identifier: MIT
"""
Power cuts. A file system of its own lies on a loop device whose backing file is in memory. The program's test variant
(cut.c) stops before each call that modifies something; then the backing file is copied as it is, without any sync: that
is what a disk has after the power went at this moment. Each copy is mounted, which replays the journal, and looked at.

At each stop another program (Neighbour) may make the file system write its journal, as programs that call fsync do all
the time: it makes the program's renames durable, but not the data of other files. Without it hardly any copy would
differ from the first.
"""
import fcntl
import os
import subprocess
import time

import harness
import image

CUT = os.path.join(os.environ.get("DEDUPE_BUILD", os.path.dirname(os.path.dirname(harness.PROGRAM))), "tests",
                   "dedupe-link-cut")
FULL = os.environ.get("DEDUPE_FULL", "") != ""
BTRFS_IOC_START_SYNC, BTRFS_IOC_WAIT_SYNC = 0x80089418, 0x40089416

# How each kind is made, mounted for the run (no commit but those that are asked for), mounted as a copy, and checked.
KINDS = {
    "ext4": (64, ["-b", "4096"], "commit=1000", "", ["e2fsck", "-f", "-n"]),
    "xfs": (300, ["-m", "reflink=1"], "", "nouuid", ["xfs_repair", "-n"]),
    # Smaller ones write data out early, for want of room: nothing would be lost without syncs.
    "btrfs": (600, [], "commit=1000", "", ["btrfs", "check", "--readonly"]),
}
TOOLS = {"ext4": "e2fsck", "xfs": "xfs_repair", "btrfs": "btrfs"}


class Disk:
    """A file system on a loop device, its backing file in memory, that can be copied while it is in use."""

    def __init__(self, t, kind):
        self.t, self.kind = t, kind
        self.megabytes, options, mount, self.copy_mount, self.checker = KINDS[kind]
        t.need_tool("mkfs." + kind, TOOLS[kind], "losetup")
        if not os.access(CUT, os.X_OK):
            t.skip("%s is not there: set DEDUPE_BUILD" % CUT)
        memory = "memory-" + kind
        self.memory = t.path(memory)
        if not os.path.isdir(self.memory):
            t.tmpfs(memory, "size=3g")
        self.where = "disk-" + kind
        self.place = image.make(t, kind, self.megabytes, self.where, options, mount, home=self.memory)
        self.backing = os.path.join(self.memory, self.where + ".img")
        self.copies, self.written = [], None

    def counters(self):
        """How many writes the loop device has carried out, and how many are under way."""
        device = os.stat(self.place).st_dev
        if self.kind == "btrfs":  # which has device numbers of its own
            source = self.t.sh("findmnt", "-n", "-o", "SOURCE", self.place).decode().strip()
            device = os.stat(source).st_rdev
        with open("/sys/dev/block/%d:%d/stat" % (os.major(device), os.minor(device)), encoding="ascii") as file:
            numbers = file.read().split()
        return numbers[4], numbers[8]

    def copy(self, name):
        """The backing file as of now; the path of a copy, or None when nothing was written since the last."""
        for _ in range(100):
            before = self.counters()
            if before[1] != "0":
                time.sleep(0.005)
                continue
            if before == self.written:
                return None
            path = os.path.join(self.memory, name)
            self.t.sh("cp", "--sparse=always", "--reflink=never", self.backing, path)
            if self.counters() == before:
                self.written = before
                return path
        raise harness.Failed("the device never came to rest")

    def end(self):
        self.t.sh("umount", self.place)
        os.unlink(self.backing)


class Neighbour:
    """Another program on the same file system, which makes its journal durable in the ways there are."""

    def __init__(self, disk):
        self.disk = disk
        self.turn = 0
        self.files = []
        self.dirs = []
        for name in ("a", "b"):
            top = os.path.join(disk.place, "tree", name)
            self.files.append(os.open(os.path.join(top, "neighbour"), os.O_RDWR | os.O_APPEND))
            self.dirs.append(os.open(top, os.O_RDONLY))

    def act(self):
        ways = [self.sync_file, self.sync_dir] + ([self.commit] if self.disk.kind == "btrfs" else [])
        ways[self.turn % len(ways)](self.turn // len(ways) % 2)
        self.turn += 1

    def sync_file(self, which):
        os.write(self.files[which], b"more")
        os.fsync(self.files[which])

    def sync_dir(self, which):
        os.fsync(self.dirs[which])

    def commit(self, _which):
        """As btrfs does every 30 s: the trees, not the data that waits to be written."""
        transaction = bytearray(fcntl.ioctl(self.dirs[0], BTRFS_IOC_START_SYNC, bytes(8)))
        fcntl.ioctl(self.dirs[0], BTRFS_IOC_WAIT_SYNC, bytes(transaction))

    def end(self):
        for fd in self.files + self.dirs:
            os.close(fd)


# ---- the tree


class Plant:
    """A tree on the disk, and what of it was durable before the run."""

    def __init__(self, disk):
        self.t, self.disk = disk.t, disk
        self.durable = {}    # path below tree: content, mode, owner
        self.number = 0

    def content(self):
        self.number += 1
        return self.t.random(9000 + 37 * self.number, 7000 + self.number)

    def add(self, name, content, mtime, mode=0o644, owner=0):
        path = self.t.write("%s/tree/%s" % (self.disk.where, name), content, mode=mode, owner=(owner, owner),
                            mtime=mtime * 10**9)
        self.durable[name] = (content, mode, owner)
        return path

    def old(self, sets):
        """Sets of durable files, one target with two names, one set of another owner and mode; a neighbour's files."""
        for number in range(sets):
            content = self.content()
            for copy, where in enumerate(("a", "b", "a/deep")):
                self.add("%s/old%d-%d" % (where, number, copy), content, 10**9 + copy + number,
                         *((0o640, 1000) if number == 1 else ()))
        for copy, name in enumerate(("a/old0-linked", "b/old0-kept", "b/old0-kept-too")):
            old = ("b/old0-1", "a/old0-0", "a/old0-0")[copy]
            self.t.link("%s/tree/%s" % (self.disk.where, old), "%s/tree/%s" % (self.disk.where, name))
            self.durable[name] = self.durable[old]
        for where in ("a", "b"):
            self.add(where + "/neighbour", self.content(), 10**9)
            del self.durable[where + "/neighbour"]

    def unsynced_keepers(self, sets, first=0):
        """
        To be called before and after the sync (twice, with the same figures): targets are durable; keepers, which are to
        stay since they look older, are written after it. Every second one is a durable file that was overwritten.
        """
        for number in range(first, first + sets):
            content = self.t.random(20000 + number, 9000 + number)
            keeper, target = "a/new%d" % number, "b/target%d" % number
            if target not in self.durable:
                self.add(target, content, 10**9 + 5000)
                if number % 2:
                    self.add(keeper, self.t.random(len(content), 20000 + number), 10**9)
                continue
            path = self.t.path(self.disk.where, "tree", keeper)
            with open(path, "r+b" if number % 2 else "xb") as out:
                out.write(content)
            os.utime(path, ns=(10**18, 10**18))
            self.durable.pop(keeper, None)

    def rewrite(self, number):
        """A keeper is written anew, with the same bytes and times: only its ctime tells that it is on disk no more."""
        path = self.t.path(self.disk.where, "tree/a/new%d" % number)
        content = self.t.random(20000 + number, 9000 + number)
        with open(path, "r+b") as out:
            # A hole first, so that the blocks on disk are not those any more. Not by truncating: ext4 writes out what
            # comes after that when the file is closed.
            image.punch_hole(out.fileno(), len(content))
            out.write(content)
        os.utime(path, ns=(10**18, 10**18))


# ---- the run


def stopping(t, stop, *arguments, without="", threads="1"):
    """Runs the variant, with stop(CALL) before each call that modifies something. Returns exit status and output."""
    if not os.access(CUT, os.X_OK):
        t.skip("%s is not there: set DEDUPE_BUILD" % CUT)
    tell, told = os.pipe()
    go, goes = os.pipe()
    environment = dict(os.environ, DEDUPE_CUT_TELL=str(told), DEDUPE_CUT_GO=str(go), DEDUPE_CUT_WITHOUT=without)
    with open(os.path.join(t.scratch, "output"), "w+b") as output:
        child = subprocess.Popen([CUT, "-j", threads, *arguments], env=environment, stdin=subprocess.DEVNULL, cwd=t.top,
                                 stdout=output, stderr=subprocess.STDOUT, pass_fds=(told, go))
        os.close(told)
        os.close(go)
        try:
            with os.fdopen(tell, encoding="ascii") as lines:
                for line in lines:
                    stop(line.strip())
                    os.write(goes, b"g")
        finally:
            os.close(goes)  # a program that waits at a stop ends then
            child.wait()
        output.seek(0)
        return child.returncode, output.read().decode(errors="replace")


class Cuts:
    """Runs the variant on the disk's tree, or with other arguments, cutting the power at its calls."""

    def __init__(self, disk, neighbour=True, without="", every=1, rewrite=None, arguments=None):
        self.disk, self.t, self.every, self.rewrite = disk, disk.t, every, rewrite
        self.calls, self.copies = [], []  # copies: (stop, call, path)
        self.neighbour = Neighbour(disk) if neighbour else None
        arguments = arguments or [os.path.join(disk.place, "tree")]
        status, output = stopping(self.t, self.stop, "-q", *arguments, without=without)
        self.stop("end", True)
        if self.neighbour:
            self.neighbour.end()
        if status:
            raise harness.Failed("exit %d: %s" % (status, output))

    def stop(self, call, last=False):
        number = len(self.calls)
        self.calls.append(call)
        if self.rewrite and self.calls == ["syncfs", "linkat"]:
            self.rewrite()
        if self.neighbour:
            self.neighbour.act()
        if number % self.every == 0 or last:
            path = self.disk.copy("cut-%d.img" % number)
            if path:
                self.copies.append((number, call, path))


# ---- looking at a copy


class Cut:
    """One copy: what a machine finds when it starts again."""

    def __init__(self, disk, plant, number, call, path):
        self.disk, self.t, self.plant, self.path = disk, disk.t, plant, path
        self.name = "%s, power cut at stop %d, before %s" % (disk.kind, number, call)
        self.where = "restarted-" + disk.kind
        self.place = self.t.path(self.where)
        os.makedirs(self.place, exist_ok=True)

    def mount(self):
        if self.disk.kind == "btrfs":  # it remembers devices by the identity that all copies share
            self.t.sh("btrfs", "device", "scan", "--forget", check=False)
        done = subprocess.run(["mount", "-t", self.disk.kind, "-o", ",".join(filter(None, ["loop", self.disk.copy_mount])),
                               self.path, self.place], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        if done.returncode:
            raise harness.Failed("%s: cannot be mounted: %s" % (self.name, done.stdout.decode(errors="replace")))

    def unmount(self):
        self.t.sh("umount", self.place)

    def losses(self):
        """Names that were durable and are not as they were: a list of sentences."""
        found = []
        for name, (content, mode, owner) in self.plant.durable.items():
            path = os.path.join(self.place, "tree", name)
            try:
                with open(path, "rb") as file:
                    now, status = file.read(), os.fstat(file.fileno())
            except OSError as error:
                found.append("%s: %s" % (name, error))
                continue
            if now != content:
                found.append("%s: %d bytes, not the %d it had" % (name, len(now), len(content)))
            elif (status.st_mode & 0o7777, status.st_uid) != (mode, owner):
                found.append("%s: another mode or owner" % name)
        return found

    def fsck(self, when):
        done = subprocess.run([*self.disk.checker, self.path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              env=dict(os.environ, PATH=os.environ.get("PATH", "") + ":/usr/sbin:/sbin"), check=False)
        if done.returncode:
            raise harness.Failed("%s: fsck %s: %s" % (self.name, when, done.stdout.decode(errors="replace")[-1500:]))

    def want_no_loss(self, when):
        lost = self.losses()
        if lost:
            raise harness.Failed("%s: %s:\n  %s" % (self.name, when, "\n  ".join(lost[:8])))

    def whole(self):
        """All that is promised of a cut. Returns how many leftovers the next run found."""
        self.mount()
        self.want_no_loss("lost")
        self.unmount()
        self.fsck("after the journal was replayed")
        self.mount()
        left = len(image.temps(self.t, self.where))
        done = self.t.json(self.where + "/tree")
        self.t.figures(done, errors=0, skipped_in_use=0, skipped_changed=0, skipped_refused=0)
        self.t.equal(done.summary["recovered"], left, self.name + ": leftovers recovered")
        image.no_temps(self.t, self.where)
        self.want_no_loss("lost by the run after it")
        self.linked()
        self.unmount()
        self.fsck("after the run")
        return left

    def linked(self):
        """Every set of durable equals is one inode now."""
        inodes = {}
        for name, (content, mode, owner) in self.plant.durable.items():
            inodes.setdefault((content, mode, owner), set()).add(os.stat(os.path.join(self.place, "tree", name)).st_ino)
        apart = sum(len(found) > 1 for found in inodes.values())
        self.t.equal(apart, 0, self.name + ": sets not linked by the run after it")


def look_at(disk, plant, cuts):
    """Every copy of the cuts, once the disk itself is gone. Returns how many leftovers were found in all."""
    disk.end()
    left = 0
    for number, call, path in cuts.copies:
        left += Cut(disk, plant, number, call, path).whole()
        os.unlink(path)
    return left


def losses_at_the_end(disk, plant, cuts):
    """Losses in the last copy alone."""
    disk.end()
    number, call, path = cuts.copies[-1]
    cut = Cut(disk, plant, number, call, path)
    cut.mount()
    lost = cut.losses()
    cut.unmount()
    for _, _, path in cuts.copies:
        os.unlink(path)
    return lost


def every_call(t, kind, every=1):
    """
    The power is cut at every call (or every so many): with a neighbour who syncs, with syncs of our own alone, and with so
    many sets that the file system is synced as a whole; after which a keeper is written anew.
    """
    stops = copies = left = 0
    every = 1 if FULL else every
    for neighbour, sets, age in ((True, 4, 0), (False, 4, 0), (True, 40, 0.3)):
        disk = Disk(t, kind)
        plant = Plant(disk)
        plant.old(6)
        plant.unsynced_keepers(sets)
        image.syncfs(disk.place)
        plant.unsynced_keepers(sets)
        time.sleep(age)
        whole = sets > 32
        cuts = Cuts(disk, neighbour, every=every * (4 if whole and every > 1 else 1),
                    rewrite=whole and (lambda: plant.rewrite(9)))
        t.equal(cuts.calls.count("syncfs"), 1 if whole else 0, "file systems synced as a whole")
        t.equal(cuts.calls.count("fdatasync") > 1, not whole, "keepers synced one by one")
        for call in ("linkat", "renameat2", "unlinkat"):
            t.equal(cuts.calls.count(call), 13 + sets, "calls of " + call)
        stops += len(cuts.calls)
        copies += len(cuts.copies)
        left += look_at(disk, plant, cuts)
    t.check(left > 10, "hardly any leftover was met")
    print("%d stops, %d different images, %d leftovers recovered" % (stops, copies, left))


def linked_before(t, kind, sets):
    """A disk whose durable files were linked, durably, with a journal. What they were is what they are."""
    disk = Disk(t, kind)
    plant = Plant(disk)
    plant.old(sets)
    journal = t.path("journal-%s-%d" % (kind, sets))
    t.run("-q", "--journal", journal, disk.where + "/tree")
    image.syncfs(disk.place)
    return disk, plant, ["--undo", journal]


def every_call_of_undo(t, kind):
    """The power is cut while a journal is followed backwards: copies are synced one by one, and with the whole file system."""
    copies = 0
    for sets in (2, 16):
        disk, plant, arguments = linked_before(t, kind, sets)
        cuts = Cuts(disk, every=1 if FULL or sets < 16 else 4, arguments=arguments)
        t.equal(cuts.calls.count("syncfs"), 1 if sets == 16 else 0, "file systems synced as a whole")
        t.equal(cuts.calls.count("renameat2"), 2 * sets + 1, "names that got files of their own")
        copies += len(cuts.copies)
        look_at(disk, plant, cuts)
    print("%s: %d different images" % (kind, copies))


def undo_needs_sync(t, kind):
    """Without the sync of copies something is lost: else every_call_of_undo() shows nothing."""
    for _ in range(4):  # somebody else may sync the whole machine just then
        disk, plant, arguments = linked_before(t, kind, 2)
        lost = losses_at_the_end(disk, plant, Cuts(disk, without="fdatasync", every=1 << 30, arguments=arguments))
        if lost:
            break
        os.unlink(arguments[1])
    t.check(lost, "%s: nothing was lost without fdatasync: this case shows nothing" % kind)


def needs_sync(t, kind):
    """Without fdatasync, or without syncfs where that is used, something is lost: else every_call() shows nothing."""
    for without, sets, age in (("fdatasync", 4, 0), ("syncfs", 40, 0.3)):
        for _ in range(4):  # somebody else may sync the whole machine just then
            disk = Disk(t, kind)
            plant = Plant(disk)
            plant.old(1)
            plant.unsynced_keepers(sets)
            image.syncfs(disk.place)
            plant.unsynced_keepers(sets)
            time.sleep(age)
            lost = losses_at_the_end(disk, plant, Cuts(disk, True, without, every=1 << 30))
            if lost:
                break
        t.check(lost, "%s: nothing was lost without %s: these tests show nothing" % (kind, without))
        print("%s without %s: lost %d names" % (kind, without, len(lost)))
