# SPDX-License-Identifier: MIT
"""No name outside of an encrypted directory becomes a link of a file inside: without the key it could be read no more."""
import fcntl
import json
import os
import struct

import image

ADD_KEY, REMOVE_KEY, SET_POLICY = 0xC0506617, 0xC0406618, 0x800C6613 # linux/fscrypt.h


def add_key(t, where):
    """Gives the file system a key; returns what it is called by."""
    argument = bytearray(struct.pack("<II32sIIII28s", 2, 0, b"", 64, 0, 0, 0, b"") + bytes(range(64)))
    ask(t, where, ADD_KEY, argument)
    return bytes(argument[8:24])


def ask(t, where, request, argument):
    fd = os.open(t.path(where), os.O_RDONLY)
    try:
        fcntl.ioctl(fd, request, argument, True)
    except OSError as error:
        t.skip("set-up: fscrypt: %s" % error)
    finally:
        os.close(fd)


def edited(t, name):
    """A plan by whose second step a plain file would become a link of an encrypted one."""
    path = os.path.join(t.scratch, name)
    t.run("-q", "--plan", path, t.path("disk"))
    with open(path, encoding="utf-8") as file:
        lines = [json.loads(line) for line in file]
    home, shared = sorted(lines[1:-1], key=lambda step: step["keeper"]["path"])
    with open(path, "w", encoding="utf-8") as file:
        for line in lines[0], home, dict(shared, keeper=home["keeper"]), lines[-1]:
            file.write(json.dumps(line) + "\n")
    return path


def test(t):
    image.make(t, "ext4", 64, "disk", ("-O", "encrypt"))
    os.mkdir(t.path("disk/home"))
    key = add_key(t, "disk")
    ask(t, "disk/home", SET_POLICY, bytearray(struct.pack("<BBBBB3s16s", 2, 1, 4, 3, 0, b"", key)))
    content = t.random(5000)
    for name in ("home/doc", "home/copy", "shared/doc", "shared/copy"):
        t.write("disk/" + name, content, mtime=10**18)
    before = t.look("disk")
    own = os.lstat(t.path("disk/shared/doc")).st_blocks * 512
    for words in ("", "owner,mode,xattr"):
        dry = t.json("-n", *(("--ignore", words) if words else ()), "disk")
        t.figures(dry, links_made=2, inodes_freed=2, skipped_refused=0, errors=0)
        t.equal(dry.summary["apart"], [{"differ": ["protection"], "option": "", "files": 1, "bytes": own}], "kept apart")
    told = t.run("-n", "disk")
    t.check("Kept apart   1 file, 5.0 KiB, differs in encryption or fs-verity\n" in told.out, "not told: " + told.about())
    plan = edited(t, "edited.plan")
    t.untouched(before)
    t.figures(t.json("--apply", plan), links_made=1, skipped_refused=1, errors=0)
    t.one_inode("disk/home/doc", "disk/home/copy")
    t.all_apart("disk/home/doc", "disk/shared/doc", "disk/shared/copy")
    dry = t.json("-n", "disk")
    done = t.json("--ignore", "owner,mode,xattr", "disk")
    image.same_figures(t, dry, done)
    t.figures(done, links_made=1, inodes_freed=1, errors=0)
    t.same_contents(before)
    t.all_apart("disk/home/doc", "disk/shared/doc")
    ask(t, "disk", REMOVE_KEY, bytearray(struct.pack("<II32sI20s", 2, 0, key, 0, b"")))
    for name in ("doc", "copy"):
        with open(t.path("disk/shared", name), "rb") as file:
            t.equal(file.read(), content, "shared/%s without the key" % name)
