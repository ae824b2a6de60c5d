# SPDX-License-Identifier: MIT
"""An ordinary user meets files of others: nothing of theirs is linked by default, and trying it loses no name."""
import os

from harness import NOBODY


def test(t):
    t.need_root()
    os.chown(t.top, NOBODY, NOBODY)
    os.chmod(t.top, 0o777)
    t.write("mine", "same content", owner=(NOBODY, NOBODY))
    t.write("mine2", "same content", owner=(NOBODY, NOBODY))
    t.write("theirs", "same content", owner=(1, 1))
    t.write("theirs2", "same content", owner=(1, 1))
    before = t.look()
    t.json(".", user=NOBODY, exit=None)
    after = t.same_contents(before)
    t.one_inode("mine", "mine2")
    t.equal(after.entries["theirs"][0].st_uid, 1, "owner")
    t.all_apart("mine", "theirs")
    t.json("--ignore", "owner", ".", user=NOBODY, exit=None)
    t.same_contents(before)
