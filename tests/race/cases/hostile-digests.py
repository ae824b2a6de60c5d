# SPDX-License-Identifier: MIT
"""2,000 files made to collide under XXH3-128 with its published secret are not linked, and cost one reading each.

XXH3 takes a long input in stripes of eight lanes. A lane's 64 bits are xored with a word of the secret; the product of the two halves
is added to the lane's sum, and the lane itself to its neighbour's. Make the low half equal to the secret's: the product is zero,
whatever the high half. Do so in one lane of two stripes of a block, the high halves +d and -d: the neighbour's sum is the same for
every d. So 2^32 files with one digest are made by hand, for whoever uses the default secret (seed 0).
"""
import ctypes
import ctypes.util
import struct

from harness import SLOW

# The first three words of XXH3's default secret, as its specification prints them.
SECRET = bytes.fromhex("b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db")


class Hash(ctypes.Structure):
    _fields_ = [("low", ctypes.c_uint64), ("high", ctypes.c_uint64)]


def xxhash(t):
    for name in (ctypes.util.find_library("xxhash"), "libxxhash.so.0"):
        try:
            library = ctypes.CDLL(name)
            library.XXH3_128bits.restype = library.XXH3_128bits_withSeed.restype = Hash
            library.XXH3_128bits.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
            library.XXH3_128bits_withSeed.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint64]
            return library
        except (OSError, TypeError, AttributeError):
            continue
    return t.skip("no shared libxxhash to prove the collisions with")


def collide(ground, d):
    """`ground` with lane 0 of stripes 0 and 1 made for d. A stripe is 64 bytes; stripe n begins at word n of the secret."""
    made = bytearray(ground)
    for stripe, high in ((0, 0x80000000 + d), (1, 0x80000000 - d)):
        key, = struct.unpack_from("<Q", SECRET, 8 * stripe)
        struct.pack_into("<II", made, 64 * stripe, key & 0xffffffff, high)
    return bytes(made)


def hostile(t, library, where, size, count):
    ground = t.random(size, size)
    first = library.XXH3_128bits(collide(ground, 0), size)
    seen = set()
    for d in range(count):
        content = collide(ground, d)
        for found in (library.XXH3_128bits(content, size), library.XXH3_128bits_withSeed(content, size, 0)):
            t.equal((found.low, found.high), (first.low, first.high), "set-up: digest of %d bytes for d = %d" % (size, d))
        seen.add(content[:128])
        t.write("%s/%d" % (where, d), content)
    t.equal(len(seen), count, "set-up: different files")
    return ground


def test(t):
    library = xxhash(t)
    small, large = 4096, 200000
    count = 500 if SLOW else 2000
    few = 60 # more than are left to the comparison, so that they are digested whole
    hostile(t, library, "small", small, count)
    ground = hostile(t, library, "large", large, few)
    # Two real pairs among them: the program is at work.
    t.write("small/twin", collide(t.random(small, small), 1))
    t.write("large/twin", collide(ground, 1))
    before = t.look()
    for how in (["-n"], []):
        done = t.json(*how, ".", timeout=60)
        t.figures(done, sets=2, links_made=2, errors=0)
        t.equal([issue for issue in done.issues if issue.get("reason") == "unequal"], [], "digests that agreed by malice")
        # Each file once, heads and tails of large ones twice, and the comparison of the two pairs.
        once = (count + 1) * small + (few + 1) * (large + 2 * 4096)
        t.check(done.summary["bytes_read"] <= once + 4 * (small + large) + (1 << 20),
                "%d bytes read of files of %d" % (done.summary["bytes_read"], once))
    t.same_contents(before)
    t.one_inode("small/1", "small/twin")
    t.one_inode("large/1", "large/twin")
    t.equal(len(t.look().shared()), count + few, "files that are their own")
