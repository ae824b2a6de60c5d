# SPDX-License-Identifier: MIT
"""-s and -S take the sizes they say, borders included, in bytes and in units of 1024 and 1000."""


def test(t):
    sizes = [1, 999, 1000, 1001, 1023, 1024, 1025, 1536, 2047, 2048, 1000000, 1048576]
    for size in sizes:
        t.write("a%d" % size, bytes(size))
    for arguments, low, high in [
            ([], 1, None), (["-s", "1000"], 1000, None), (["-s1KB"], 1000, None), (["-s", "1K"], 1024, None),
            (["-s", "1KiB"], 1024, None), (["--min-size", "1.5K"], 1536, None), (["--min-size=1M"], 1048576, None),
            (["--minimum-size", "1MB"], 1000000, None), (["-S", "1000"], 1, 1000), (["-S", "1k"], 1, 1024),
            (["--max-size", "1MiB"], 1, 1048576), (["--maximum-size=1mb"], 1, 1000000),
            (["-s", "1001", "-S", "1023"], 1001, 1023), (["-s", "1024B"], 1024, None)]:
        want = [size for size in sizes if size >= low and (high is None or size <= high)]
        dry = t.json("-n", *arguments, ".")
        t.equal((dry.summary["files_seen"], dry.summary["bytes_seen"]), (len(want), sum(want)), repr(arguments))
    for wrong in ("", "x", "1X", "-1", "1 K", "99999999999999999999", "0x10", "1KK"):
        t.run("-s", wrong, ".", exit=2)
    t.run("-s", "5", "-S", "4", ".", exit=2)
