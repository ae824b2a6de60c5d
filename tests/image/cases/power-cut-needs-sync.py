# SPDX-License-Identifier: MIT
"""Without the sync of keepers a power cut loses durable names: the tests of power cuts can fail."""
import power


def test(t):
    tried = 0
    for kind in ("ext4", "xfs", "btrfs"):
        try:
            power.needs_sync(t, kind)
            tried += 1
        except power.harness.Skipped as reason:
            print(reason)
    if not tried:
        t.skip("no file system to try it on")
