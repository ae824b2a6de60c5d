# SPDX-License-Identifier: MIT
"""An ordinary user's unreadable files and directories are errors told once each; the rest is done; exit 1."""
import os

from harness import NOBODY


def test(t):
    user = None
    if t.root:
        user = NOBODY
        os.chown(t.top, NOBODY, NOBODY)
    for name in ("a", "b", "ok/c", "closed/d", "listed/e", "secret", "secret2"):
        t.write(name, "same content")
    if t.root:
        for where, names, files in os.walk(t.top):
            for name in names + files:
                os.chown(os.path.join(where, name), NOBODY, NOBODY)
    before = t.look()
    os.chmod(t.path("secret"), 0)
    os.chmod(t.path("secret2"), 0)
    os.chmod(t.path("closed"), 0)
    os.chmod(t.path("listed"), 0o400)
    done = t.json("--ignore", "mode", ".", exit=1, user=user)
    for name in ("closed", "listed"):
        os.chmod(t.path(name), 0o755)
    for name in ("secret", "secret2"):
        os.chmod(t.path(name), 0o644)
    t.same_contents(before)
    t.one_inode("a", "b", "ok/c")
    t.all_apart("a", "secret", "secret2", "closed/d", "listed/e")
    t.figures(done, links_made=2)
    # One for each: closed, listed/e, secret, secret2.
    t.equal(done.summary["errors"], 4, "errors: " + done.about())
    told = t.run("-q", ".", user=user, exit=0)
    t.equal(told.out, "", "quiet")
    os.chmod(t.path("closed"), 0)
    told = t.run("-q", ".", user=user, exit=1)
    t.equal(told.out, "", "quiet, stdout")
    t.check("closed" in told.err and "ermission denied" in told.err, "the cause is not told: " + told.about())
    t.equal(told.err.count("\n"), 1, "lines for one cause: " + told.about())
    os.chmod(t.path("closed"), 0o755)
