# SPDX-License-Identifier: MIT
"""A plan made on one host of a shared file system is applied on another: other device and mount numbers, perhaps another path."""
import json
import os

import image


def plan_of(t, where, name):
    plan = os.path.join(t.scratch, name)
    t.json("--plan", plan, where + "/tree")
    return plan


def mount_elsewhere(t, at):
    """The same file system under another device number, as another machine has it."""
    backing = os.path.join(t.scratch, "one.img")
    before = os.stat(t.path("one")).st_dev
    t.sh("umount", t.path("one"))
    # A neighbour takes the loop device that was free, so that this one gets another.
    image.make(t, "ext4", 16, "neighbour-" + at)
    os.makedirs(t.path(at), exist_ok=True)
    t.sh("mount", "-t", "ext4", "-o", "loop", backing, t.path(at))
    t.check(os.stat(t.path(at)).st_dev != before, "it has another device number")


def moved(plan, old, new):
    """The plan with its paths as the other host has them."""
    with open(plan, encoding="utf-8") as file:
        lines = [line.replace(old + "/", new + "/") for line in file]
    for line in lines:
        json.loads(line)
    with open(plan + "-moved", "w", encoding="utf-8") as file:
        file.writelines(lines)
    return plan + "-moved"


def test(t):
    image.make(t, "ext4", 64, "one")
    for number in range(12):
        t.write("one/tree/f%d" % number, t.random(20000 + number % 3, number % 6))
    planned = plan_of(t, "one", "first")
    mount_elsewhere(t, "one")
    look = t.look("one")
    t.figures(t.json("--apply", planned), links_made=6, skipped_changed=0, errors=0)
    t.same_contents(look)
    for number in range(6):
        t.one_inode("one/tree/f%d" % number, "one/tree/f%d" % (number + 6))

    for number in range(12, 18):
        t.write("one/tree/f%d" % number, t.random(20000 + number % 3, number % 6))
    planned = plan_of(t, "one", "second")
    here, there = t.path("one"), t.path("two")
    mount_elsewhere(t, "two")
    with open(t.path("two/tree/f17"), "ab") as file:
        file.write(b"changed since")
    t.figures(t.json("--apply", moved(planned, os.path.realpath(here), os.path.realpath(there))), links_made=5, skipped_changed=1,
              errors=0)
    for number in range(5):
        t.one_inode("two/tree/f%d" % number, "two/tree/f%d" % (number + 12))
