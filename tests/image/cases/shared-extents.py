# SPDX-License-Identifier: MIT
"""Extents that other files share are not counted as saved: the dry run and the real run agree, and statfs with them."""
import image

SIZE = 4 << 20
# What inodes and the trees of extents weigh.
TOLERANCE = 256 << 10


def reflink(t, old, new):
    t.sh("cp", "--reflink=always", t.path(old), t.path(new))


def one(t, kind, plant, saved, more=0):
    """`plant` makes files below the tree; equal ones become one, which saves `saved` bytes, and `more` unforeseen."""
    where = "%s-%d" % (kind, t.number)
    t.number += 1
    place = image.make(t, kind, 300, where)
    plant(where + "/")
    before = image.free_bytes(place)
    seen = t.look(where)
    dry = t.json("-n", where)
    t.untouched(seen)
    done = t.json(where)
    freed = image.free_bytes(place) - before
    t.same_contents(seen)
    image.same_figures(t, dry, done)
    t.check(abs(freed - done.summary["bytes_saved"] - more) < TOLERANCE,
            "%s: statfs shows %d, told %d" % (where, freed, done.summary["bytes_saved"]))
    t.figures(done, bytes_saved=saved, errors=0)
    t.figures(t.json(where), links_made=0)
    t.sh("umount", place)


def test(t):
    t.number = 0

    def all_shared(top):
        t.write(top + "a", t.random(SIZE))
        for name in "bcd":
            reflink(t, top + "a", top + name)

    def half_shared(top):
        """b shares its first half with a, which differs; b and c are equal."""
        t.write(top + "a", t.random(SIZE))
        reflink(t, top + "a", top + "b")
        with open(t.path(top + "b"), "r+b") as file:
            file.seek(SIZE // 2)
            file.write(t.random(SIZE // 2, 5))
        t.write(top + "c", t.random(SIZE)[:SIZE // 2] + t.random(SIZE // 2, 5), mtime=10**18)

    def copies_shared(top):
        """
        The keeper shares nothing; the targets share with each other, and nobody else. The kernel does not tell with whom, so
        nothing is promised, and more is freed. They are more than are open at once: what becomes of the first must
        not change what is told of the last.
        """
        t.write(top + "a", t.random(SIZE), mtime=10**18)
        t.write(top + "b", t.random(SIZE))
        for number in range(80):
            reflink(t, top + "b", "%sc%d" % (top, number))

    def plain(top):
        for name in "ab":
            t.write(top + name, t.random(SIZE))

    for kind in ("xfs", "btrfs"):
        one(t, kind, plain, SIZE)
        one(t, kind, all_shared, 0)
        one(t, kind, half_shared, SIZE // 2)
        one(t, kind, copies_shared, 0, SIZE)
