# SPDX-License-Identifier: MIT
"""On ext4 without a journal all is as with one."""
import image


def test(t):
    image.make(t, "ext4", 128, "disk", ["-b", "4096", "-O", "^has_journal"])
    image.mixed(t, "disk")
    image.attributes(t, "disk", large=True)
    image.promises(t, "disk")
