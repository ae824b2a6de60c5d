# SPDX-License-Identifier: MIT
"""FIFOs, sockets and devices are left alone, and none makes the run wait."""
import os
import socket
import stat


def test(t):
    t.write("a", "same content")
    t.write("b", "same content")
    os.mkfifo(t.path("fifo1"))
    os.mkfifo(t.path("fifo2"))
    for name in ("socket1", "socket2"):
        with socket.socket(socket.AF_UNIX) as end:
            os.chdir(t.top)
            end.bind(name)
    if t.root:
        try:
            for name in ("null1", "null2"):
                os.mknod(t.path(name), stat.S_IFCHR | 0o666, os.makedev(1, 3))
            os.mknod(t.path("block"), stat.S_IFBLK | 0o600, os.makedev(7, 250))
        except PermissionError:
            pass
    before = t.look()
    done = t.json(".", timeout=20)
    t.figures(done, files_seen=2, links_made=1, errors=0)
    t.same_contents(before)
    # Given as PATHs they are nothing to look at: an error, and at once.
    said = t.run("fifo1", "fifo2", exit=2, timeout=20).err
    t.check("cannot open fifo1 and 1 other: neither a directory nor a regular file" in said, said)
    t.check("cannot open a/x: Not a directory" in t.run("a/x", exit=2).err, "a way through a file")
    t.run("fifo1", "a", "b", exit=1, timeout=20)
