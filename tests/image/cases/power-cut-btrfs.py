# SPDX-License-Identifier: MIT
"""A power cut at any call on btrfs loses no durable name or byte; the next run recovers what is left and links the rest."""
import power


def test(t):
    power.every_call(t, "btrfs", every=2)
