# SPDX-License-Identifier: MIT
"""dlk_replace_at has the shape of link(2) and os.link, replaces dst only when it is proven equal, and atomically."""
import ctypes
import errno
import os

from harness import PROGRAM, SLOW, settle

FOLLOW, NO_SYNC = 1, 2
AT_FDCWD = -100


class Replaced(ctypes.Structure):
    _fields_ = [("already", ctypes.c_bool), ("freed", ctypes.c_bool), ("weaker", ctypes.c_bool),
                ("bytes_saved", ctypes.c_uint64), ("kept", ctypes.c_char * 256)]


def refuses(t, call, number, *arguments):
    """The call fails with just that errno and leaves everything as it was."""
    before = t.look()
    t.equal(errno.errorcode.get(-call(*arguments), "success"), errno.errorcode[number], "%r" % (arguments,))
    t.untouched(before)


def test(t):
    if SLOW:
        t.skip("a library with a sanitizer cannot be loaded into Python")
    library = os.path.join(os.path.dirname(PROGRAM), "libdedupe-link.so.0")
    if not os.path.exists(library):
        t.skip("no shared library beside the program")
    function = ctypes.CDLL(library).dlk_replace_at
    function.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint, ctypes.c_void_p]

    def call(src, dst, flags=0, src_dir=AT_FDCWD, dst_dir=AT_FDCWD, ret=None):
        return function(src_dir, os.fsencode(src), dst_dir, os.fsencode(dst), flags, ret)

    os.chdir(t.top)
    content = t.random(100000)
    t.write("src", content, mode=0o640, mtime=10**18)
    t.write("dir/dst", content)
    t.write("differs", content[:-1] + b"x")
    t.write("shorter", content[:-1])
    os.symlink("src", "to-src")
    os.symlink("dst", "dir/to-dst")
    os.mkfifo("fifo")
    settle(t.top)

    # What it refuses.
    refuses(t, call, errno.EISDIR, "dir", "src")
    refuses(t, call, errno.EISDIR, "src", "dir")
    refuses(t, call, errno.ENOENT, "src", "missing")
    refuses(t, call, errno.ENOENT, "missing", "src")
    refuses(t, call, errno.ENOENT, "src", "missing/dst")
    refuses(t, call, errno.ELOOP, "to-src", "dir/dst")
    refuses(t, call, errno.ELOOP, "src", "dir/to-dst")
    refuses(t, call, errno.ELOOP, "src", "dir/to-dst", FOLLOW)
    refuses(t, call, errno.EINVAL, "fifo", "src")
    refuses(t, call, errno.EINVAL, "src", "fifo")
    refuses(t, call, errno.EINVAL, "src", "dir/dst", 1 << 20)
    refuses(t, call, errno.EILSEQ, "src", "differs")
    refuses(t, call, errno.EILSEQ, "src", "shorter")
    with open("dir/dst", "r+b"):
        refuses(t, call, errno.EBUSY, "src", "dir/dst")

    # What it does, relative to directories.
    here, there = os.open(".", os.O_RDONLY), os.open("dir", os.O_RDONLY)
    size = os.lstat("dir/dst").st_blocks * 512
    told = Replaced()
    links = os.lstat("src").st_nlink
    t.equal(call("src", "dst", 0, here, there, ctypes.byref(told)), 0, "the call")
    t.one_inode("src", "dir/dst")
    t.equal(os.lstat("src").st_nlink, links + 1, "links")
    t.equal((told.already, told.freed, told.bytes_saved), (False, True, size), "what it tells")
    t.equal(sorted(os.listdir("dir")), ["dst", "to-dst"], "names")
    t.equal(os.lstat("dir/dst").st_mtime_ns, 10**18, "dst takes src's metadata")
    t.equal(call("src", "dst", 0, here, there, ctypes.byref(told)), 0, "again")
    t.equal((told.already, told.bytes_saved), (True, 0), "what it tells when they are one already")

    # Deleting one name lowers the count; the content stays until the last.
    os.unlink("src")
    t.equal(os.lstat("dir/dst").st_nlink, 1, "links after one was deleted")
    t.equal(open("dir/dst", "rb").read(), content, "content")
    t.write("src", content)
    t.equal(call("dst", os.path.abspath("src"), 0, there), 0, "an absolute dst")
    t.one_inode("src", "dir/dst")
    t.write("other", content)
    t.equal(call("to-src", "other", FOLLOW), 0, "through a symlink when asked for")
    t.one_inode("other", "dir/dst")
    t.check(os.path.islink("to-src"), "the symlink is gone")
    t.write("held", content)
    os.link("held", "held2")
    t.equal(call("src", "held", 0, ret=ctypes.byref(told)), 0, "dst with another name")
    t.equal((told.freed, told.bytes_saved), (False, 0), "another name holds it")
    t.write("quick", content)
    t.equal(call("src", "quick", NO_SYNC), 0, "without sync")

    if os.environ.get("DEDUPE_OWN_MOUNTS") == "1":
        t.tmpfs("mounted")
        t.write("mounted/f", content)
        t.equal(call("src", "mounted/f"), -errno.EXDEV, "across file systems")
        t.bind("dir", "bound")
        t.write("dir/fresh", content)
        t.equal(call("src", "bound/fresh"), -errno.EXDEV, "across mounts of one file system")
