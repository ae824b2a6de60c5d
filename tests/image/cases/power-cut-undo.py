# SPDX-License-Identifier: MIT
"""A power cut at any call of --undo loses no durable name or byte: a copy is on disk before it takes a name."""
import power


def test(t):
    power.undo_needs_sync(t, "ext4")
    for kind in ("ext4", "xfs", "btrfs"):
        power.every_call_of_undo(t, kind)
