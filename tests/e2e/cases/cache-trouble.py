# SPDX-License-Identifier: MIT
"""A cache that is damaged, foreign, newer, unsafe, read-only or full is told in a line, never destroyed, and never in the way."""
import contextlib
import os
import random
import shutil
import sqlite3
import stat


def content(path):
    with open(path, "rb") as file:
        return file.read()


def grow(t):
    for number in range(300):
        t.write("d%d/f%d" % (number % 5, number), t.random(2000, number % 200))


def tells(t, option, words, *more):
    """A dry run finds what it should, exits 0, and says so in one line, also with -q."""
    run = t.json("-n", option, *more, ".")
    t.figures(run, links_made=100, errors=0)
    t.check(words in run.err and run.err.count("\n") == 1, "one line about %r: %r" % (words, run.err))
    return run


def left_alone(t, path, words):
    before = content(path)
    tells(t, "--cache=" + path, words)
    t.check(words in t.run("-q", "-n", "--cache=" + path, ".").err, "told with -q")
    t.equal(content(path), before, "the file is as it was")
    t.equal(sorted(name for name in os.listdir(t.scratch) if os.path.basename(path) + "." in name), [], "files beside it")


def after_a_blank(t, good):
    """A cache's name that does not follow an equals sign is a PATH, of which somebody is told who did not mean it."""
    said = t.run("-n", "--cache", good, "--no-cache", ".").err
    t.check("--cache=FILE" in said and said.count("\n") == 1, said)
    t.equal(t.run("-n", "--cache", t.write("plain", "no cache"), "--no-cache", ".").err, "", "of a PATH that is a file")
    os.unlink(t.path("plain"))


def change(path, *statements):
    """In a database that is made if need be."""
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        for statement in statements:
            database.execute(statement)


def foreign(t, good):
    path = os.path.join(t.scratch, "other")
    with open(path, "w") as file:
        file.write("shopping list\n" * 100)
    left_alone(t, path, "not a cache of this program")
    os.unlink(path)
    change(path, "CREATE TABLE blocks (id, data)")
    left_alone(t, path, "not a cache of this program")
    shutil.copy(good, path)
    os.chmod(path, 0o600)
    change(path, "PRAGMA user_version = 99")
    left_alone(t, path, "newer version")
    shutil.copy(good, path)
    os.chmod(path, 0o666)
    left_alone(t, path, "somebody else")
    os.unlink(path)
    os.symlink(good, path)
    tells(t, "--cache=" + path, "somebody else")
    os.unlink(path)
    os.mkdir(path)
    tells(t, "--cache=" + path, "somebody else")
    os.rmdir(path)
    os.mkfifo(path)
    tells(t, "--cache=" + path, "somebody else")
    os.unlink(path)
    tells(t, "--cache=" + os.path.join(t.scratch, "no/such/place/c.db"), "No such file")


def flipped(t, good):
    """Bits flipped all over the file: at each place the run does what it should."""
    path = os.path.join(t.scratch, "flipped.db")
    whole = content(good)
    draw = random.Random(7)
    # The file's header and the schema, and places drawn from the rest.
    places = list(range(0, 110, 7 if not os.environ.get("DEDUPE_SLOW") else 40))
    places += [draw.randrange(len(whole)) for _ in range(60 if not os.environ.get("DEDUPE_SLOW") else 30)]
    told = 0
    for place in places:
        bad = bytearray(whole)
        bad[place] ^= 1 << draw.randrange(8)
        with open(path, "wb") as file:
            file.write(bad)
        os.chmod(path, 0o600)
        run = t.json("-n", "--cache=" + path, ".", exit=0)
        t.figures(run, links_made=100, errors=0)
        told += "cache" in run.err
        again = t.json("-n", "--cache=" + path, ".", exit=0)
        t.figures(again, links_made=100, errors=0)
    t.check(told > len(places) // 10, "damage is told: %d of %d" % (told, len(places)))


def cut_short(t, good):
    path = os.path.join(t.scratch, "short.db")
    whole = content(good)
    t.json("-n", "--cache=" + path, ".")
    with open(path, "r+b") as file:
        file.truncate(len(whole) // 2)
    run = t.json("-n", "--cache=" + path, ".")
    t.figures(run, links_made=100, errors=0)
    t.check("was damaged" in run.err and os.path.exists(path + ".damaged"), "set aside: %r" % run.err)
    t.equal(os.path.getsize(path + ".damaged"), len(whole) // 2, "the damaged file is kept")
    t.json("-n", "--cache=" + path, ".")
    run = t.json("-n", "--cache=" + path, ".")
    t.figures(run, bytes_read=0, links_made=100)
    t.equal(run.err, "", "nothing more to tell")


def strange_rows(t, good):
    """Rows that no run of ours wrote: they are dropped as old file systems are, and the run ends."""
    path = os.path.join(t.scratch, "strange.db")
    shutil.copy(good, path)
    os.chmod(path, 0o600)
    for row in (-3, 0, 1 << 14, (1 << 32) + 5):
        change(path, "INSERT INTO volumes VALUES (%d, x'%048x', 0, 0, 0, 0)" % (row, row + 77))
    change(path, "UPDATE volumes SET pruned = 0")
    run = t.json("-n", "--cache=" + path, ".")
    t.figures(run, bytes_read=0, links_made=100, errors=0)
    with contextlib.closing(sqlite3.connect(path)) as database:
        t.equal(database.execute("SELECT count(*) FROM volumes").fetchone(), (1,), "rows of file systems")


def secret_of(path):
    with contextlib.closing(sqlite3.connect(path)) as database:
        return database.execute("SELECT * FROM secret").fetchone()


def without_sum(t, good):
    """A file of an earlier version, whose secret has no sum: all of it is believed, and it gets one; also when it cannot be written."""
    path = os.path.join(t.scratch, "earlier.db")
    shutil.copy(good, path)
    os.chmod(path, 0o600)
    whole = secret_of(path)
    change(path, "CREATE TABLE old (key BLOB NOT NULL)", "INSERT INTO old SELECT key FROM secret", "DROP TABLE secret",
           "ALTER TABLE old RENAME TO secret")
    t.equal(secret_of(path), whole[:1], "what an earlier version made")
    if t.root:
        where = t.tmpfs("../earlier", "size=8m")
        shutil.copy(path, os.path.join(where, "c.db"))
        os.chmod(os.path.join(where, "c.db"), 0o600)
        t.sh("mount", "-o", "remount,ro", where)
        t.figures(tells(t, "--cache=%s/c.db" % where, "cannot be written"), bytes_read=0)
    for _ in range(2):
        run = t.json("-n", "--cache=" + path, ".")
        t.figures(run, bytes_read=0, links_made=100, errors=0)
        t.equal(run.err, "", "nothing to tell")
        t.equal(secret_of(path), whole, "the sum that was added")
    # A bit of the secret that the digests of short blocks do not depend on.
    key = bytearray(whole[0])
    key[110] ^= 1
    change(path, "UPDATE secret SET key = x'%s'" % key.hex())
    tells(t, "--cache=" + path, "was damaged")
    t.check(os.path.exists(path + ".damaged"), "set aside")
    t.figures(t.json("-n", "--cache=" + path, "."), bytes_read=0, links_made=100, errors=0)


def unwritable(t, good):
    if not t.root:
        return
    where = t.tmpfs("../full", "size=256k")
    with open(os.path.join(where, "filler"), "wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass
    tells(t, "--cache=%s/c.db" % where, "No space")
    t.equal(os.listdir(where), ["filler"], "what a full disk is left with")
    os.unlink(os.path.join(where, "filler"))
    shutil.copy(good, os.path.join(where, "c.db"))
    os.chmod(os.path.join(where, "c.db"), 0o600)
    t.sh("mount", "-o", "remount,ro", where)
    run = tells(t, "--cache=%s/c.db" % where, "cannot be written")
    t.figures(run, bytes_read=0)


def test(t):
    good = t.cache()[len("--cache="):]
    os.chmod(t.scratch, 0o700)
    grow(t)
    t.json("-n", "--cache=" + good, ".")
    t.equal(stat.S_IMODE(os.stat(good).st_mode), 0o600, "mode of the cache")
    after_a_blank(t, good)
    foreign(t, good)
    # A copy on another machine: other file systems, so nothing of it fits, and nothing is wrong.
    flipped(t, good)
    cut_short(t, good)
    strange_rows(t, good)
    without_sum(t, good)
    # In a directory where others may write: theirs is not used, nor is a journal of theirs.
    if t.root:
        public = os.path.join(t.scratch, "public")
        os.mkdir(public)
        os.chmod(public, 0o777)
        tells(t, "--cache=%s/c.db" % public, "somebody else")
        os.chmod(public, 0o1777)
        run = t.json("-n", "--cache=%s/c.db" % public, ".")
        t.equal(run.err, "", "a sticky directory will do")
        journal = os.path.join(public, "c.db-journal")
        with open(journal, "wb") as file:
            file.write(b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7" + bytes(5000))
        os.chown(journal, 65534, 65534)
        t.write("new", b"n" * 2000)
        t.figures(t.json("-n", "--cache=%s/c.db" % public, "."), links_made=100)
        t.check(os.path.exists(journal), "the journal of somebody else is left alone")
        os.unlink(journal)
        os.unlink(t.path("new"))
    unwritable(t, good)
