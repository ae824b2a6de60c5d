# SPDX-License-Identifier: MIT
"""A systemd that runs starts the service on a volume, by hand and by its timer: it links under leases, spares the page cache, and fails aloud.

It is process 1 of namespaces of its own, on an overlay of this system's files. What is the kernel's alone it may not touch: /proc/sys
and /sys are read-only, units that load modules, set parameters or wake devices are masked, the capabilities for it are gone.
"""
import json
import os
import re
import shutil
import subprocess

from harness import PROGRAM, SLOW, TOP

DIST = os.path.join(TOP, "tools", "dist")
UNIT = r"dedupe-link@srv-back\x2dup.service"
TIMER = UNIT.replace(".service", ".timer")

# Arguments: the scratch directory, the volume. In mount, PID, IPC, host name, cgroup and network namespaces.
BOOT = r"""
set -e
top=$1 m=$1/root
mount --make-rprivate /
mkdir "$top/up" "$top/work" "$m"
mount -t overlay -o "lowerdir=/,upperdir=$top/up,workdir=$top/work" overlay "$m"
mount -t proc proc "$m/proc"
mount --bind "$m/proc/sys" "$m/proc/sys"
mount -o remount,bind,ro "$m/proc/sys"
mount -t sysfs -o ro sysfs "$m/sys"
mount -t cgroup2 cgroup2 "$m/sys/fs/cgroup"
mount -t tmpfs -o mode=755 tmpfs "$m/run"
mount -t tmpfs tmpfs "$m/tmp"
mount -t tmpfs -o mode=755 tmpfs "$m/dev"
for node in null zero full random urandom tty; do touch "$m/dev/$node"; mount --bind "/dev/$node" "$m/dev/$node"; done
mkdir "$m/dev/shm" "$m/dev/pts" "$m/dev/mqueue"
mount -t devpts -o newinstance,ptmxmode=666 devpts "$m/dev/pts"
ln -s pts/ptmx "$m/dev/ptmx"
ln -s /proc/self/fd "$m/dev/fd"
mkdir -p "$m/srv/back-up"
mount --bind "$2" "$m/srv/back-up"
rm -rf "$m"/etc/systemd/system/* "$m/var/cache/dedupe-link" "$m/etc/default/dedupe-link"
mkdir -p "$m/etc/systemd/system" "$m/var/log/journal"
for want in "$m"/lib/systemd/system/*.wants/* "$m"/usr/lib/systemd/system/*.wants/*; do
    unit=${want##*/}
    case $unit in systemd-journal*|'*') ;; *) ln -sf /dev/null "$m/etc/systemd/system/$unit" ;; esac
done
mkdir -p "$m/etc/systemd/system-generators"
for generator in "$m"/lib/systemd/system-generators/* "$m"/usr/lib/systemd/system-generators/*; do
    ln -sf /dev/null "$m/etc/systemd/system-generators/${generator##*/}"  # fstab's devices are not here
done
cp "$top"/units/* "$m/etc/systemd/system"
cp "$top/dedupe-link" "$m/usr/bin"
cp "$top/drive.sh" "$m"
hostname booted
cd "$m"
mkdir -p oldroot
pivot_root . oldroot
umount -l oldroot
drop=-sys_time,-sys_module,-sys_boot,-sys_rawio,-syslog,-mknod
exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C setpriv --bounding-set=$drop --inh-caps=$drop \
    "$3" --unit=drive.service --log-target=journal --show-status=no
"""

DRIVE = """[Unit]
DefaultDependencies=no
Requires=systemd-journald.service
After=systemd-journald.service
[Service]
Type=oneshot
ExecStart=/bin/sh /drive.sh
StandardOutput=file:/said
StandardError=inherit
ExecStopPost=/bin/systemctl exit 7
"""

# Each step leaves its findings below /found.
STEPS = r"""
mkdir /found
unit='UNIT' timer='TIMER'
step() {  # what is there after a run that is to end with this status of systemctl
    systemctl start "$unit"; echo $? > /found/$1.started
    journalctl -u "$unit" --no-pager > /found/$1.log 2>&1
    systemctl show -p Result -p ExecMainStatus -p ActiveState "$unit" > /found/$1.shown
    journalctl --sync; journalctl -o json --no-pager "SYSLOG_IDENTIFIER=dedupe-link" > /found/$1.journal
    stat -c '%n %i %h' $(find /srv/back-up -type f) > /found/$1.files
    fincore -b -n -o PAGES,FILE $(find /srv/back-up -name 'big-*' | sort) > /found/$1.pages 2>/dev/null
}
forget() { for file in /srv/back-up/big-*; do dd if=$file iflag=nocache count=0 status=none; done; }
environment() { echo "$1" > /etc/default/dedupe-link; }

sync; forget; cat /srv/back-up/big-0 > /dev/null
fincore -b -n -o PAGES,FILE $(find /srv/back-up -name 'big-*' | sort) > /found/before.pages 2>/dev/null
environment 'DEDUPE_LINK_OPTIONS=--json'
step first
stat -c '%a %U' /var/cache/dedupe-link > /found/cache; ls /var/cache/dedupe-link >> /found/cache
environment ''
step again
dedupe-link --history --json > /found/history
echo garbage > /var/cache/dedupe-link/$(ls /var/cache/dedupe-link | head -n 1)
step damaged
rm /var/cache/dedupe-link/*
environment 'DEDUPE_LINK_OPTIONS=--no-such-option'
step wrong
systemctl is-failed "$unit" > /found/is-failed
environment 'DEDUPE_LINK_OPTIONS=--json'
echo one > /srv/back-up/late-a; echo one > /srv/back-up/late-b
exec 9>>/srv/back-up/late-b
step held
exec 9>&-
environment ''
mkdir -p "/etc/systemd/system/$timer.d"
printf '[Timer]\nOnCalendar=\nOnCalendar=*:*:0/2\nRandomizedDelaySec=0\nAccuracySec=100ms\n' > "/etc/systemd/system/$timer.d/soon.conf"
systemctl daemon-reload
systemctl start "$timer"
for try in $(seq 300); do test /srv/back-up/late-a -ef /srv/back-up/late-b && break; sleep 0.2; done
test /srv/back-up/late-a -ef /srv/back-up/late-b; echo $? > /found/timer
systemctl stop "$timer"
echo done > /found/done
"""


def boot(t, volume):
    top = os.path.join(t.scratch, "booted")
    os.makedirs(os.path.join(top, "units"))
    with open(os.path.join(DIST, "dedupe-link@.service.in")) as template:
        service = template.read().replace("@bindir@", "/usr/bin")
    for name, text in (("units/dedupe-link@.service", service), ("units/drive.service", DRIVE),
                       ("drive.sh", STEPS.replace("UNIT", UNIT).replace("TIMER", TIMER))):
        with open(os.path.join(top, name), "w") as out:
            out.write(text)
    shutil.copy(os.path.join(DIST, "dedupe-link@.timer"), os.path.join(top, "units"))
    shutil.copy(PROGRAM, top)
    systemd = next((path for path in ("/lib/systemd/systemd", "/usr/lib/systemd/systemd") if os.path.exists(path)), None)
    if not systemd:
        t.skip("systemd is not installed")
    try:
        done = subprocess.run(["unshare", "--mount", "--pid", "--fork", "--kill-child", "--uts", "--ipc", "--cgroup", "--net",
                               "sh", "-c", BOOT, "boot", top, volume, systemd], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120, check=False)
        said = done.stdout.decode(errors="replace")
    except subprocess.TimeoutExpired:
        said = "not done within two minutes"
    found = os.path.join(top, "up", "found")
    if not os.path.isdir(found):
        t.skip("no systemd can be process 1 here: %s" % (said.strip()[-300:] or "it said nothing"))
    t.check(os.path.exists(os.path.join(found, "done")), "all steps were taken: %r, %s" % (sorted(os.listdir(found)), said))
    return lambda name: open(os.path.join(found, name)).read()


def words(text):
    return dict(line.split("=", 1) for line in text.splitlines())


def inodes(text):
    return {os.path.basename(name): int(ino) for name, ino, _ in (line.rsplit(" ", 2) for line in text.splitlines())}


def journal(text):
    return [json.loads(line) for line in text.splitlines()]


def test(t):
    t.need_root()
    t.need_tool("unshare", "pivot_root", "setpriv", "systemctl", "journalctl", "fincore")
    if SLOW:
        t.skip("sanitizers and MemoryDenyWriteExecute do not go together")
    t.cache()
    volume = t.image("ext4", 64, "volume")
    for number in range(3):
        for copy in "xy":
            name = t.write("volume/private/%s%d" % (copy, number), t.random(50_000, number), mode=0o600)
            os.chown(name, 1234, 1234)
    os.chmod(t.path("volume/private"), 0o700)
    os.chown(t.path("volume/private"), 1234, 1234)
    for number in range(3):  # of one size, and alike but for their last bytes: read whole, and not linked
        t.write("volume/big-%d" % number, t.random(1 << 20, 99) + b"%d" % number)
    found = boot(t, volume)

    for step, status, result in (("first", "0", "success"), ("again", "0", "success"), ("damaged", "0", "success"),
                                 ("wrong", "2", "exit-code"), ("held", "0", "success")):
        shown = words(found(step + ".shown"))
        t.equal((shown["ExecMainStatus"], shown["Result"]), (status, result), step + ": " + found(step + ".log")[-1500:])
        t.equal(found(step + ".started").strip(), "0" if status == "0" else "1", "systemctl start, " + step)
    t.equal(found("is-failed").strip(), "failed", "a wrong option fails the unit")

    files = inodes(found("first.files"))
    for number in range(3):
        t.equal(files["x%d" % number], files["y%d" % number], "files of another user are linked")
    said = journal(found("first.journal"))
    summary = json.loads("\n".join(line["MESSAGE"] for line in said))["summary"]
    t.equal((summary["links_made"], summary["weaker"], summary["errors"]), (3, 0, 0), "under leases")
    t.equal(found("before.pages"), found("first.pages"), "pages in the page cache, before and after")
    t.check(found("before.pages").split()[0] != "0", "some were: %r" % found("before.pages"))

    cache = found("cache").split()
    t.equal(cache[:2], ["700", "root"], "the cache's directory")
    t.check(cache[2:], "a cache was written")
    count = len(said)
    t.equal(len(journal(found("again.journal"))), count, "an unchanged night says nothing")
    t.equal([run["links_made"] for run in json.loads(found("history"))], [3, 0], "two runs")
    for step, priority, about in (("damaged", "4", "cache"), ("wrong", "3", "no-such-option")):
        more = journal(found(step + ".journal"))[count:]
        t.check(more and more[0]["PRIORITY"] == priority and about in more[0]["MESSAGE"], "%s: %r" % (step, more))
        count += len(more)
    held = json.loads("\n".join(line["MESSAGE"] for line in journal(found("held.journal"))[count:]))["summary"]
    t.equal((held["skipped_in_use"], held["links_made"]), (1, 0), "a file in use is left")
    t.equal(found("timer").strip(), "0", "the timer starts it, and what was in use is linked")
