# SPDX-License-Identifier: MIT
"""The completions of bash, zsh and fish know every option of the table, offer its words, and are valid for their shells."""
import os
import re
import shutil
import subprocess

from harness import PROGRAM, TOP

MADE = os.path.join(os.path.dirname(os.path.dirname(PROGRAM)), "tools", "dist")


def table():
    rows = re.findall(r"^\t\{ (?:'(.)'|0), (?:\"([a-z0-9-]+)\"|NULL), (NULL|\"[^\"]*\"), set_|^\t\{ (?:'(.)'|0), \"([a-z0-9-]+)\", (NULL|\"[^\"]*\"), ",
                      open(os.path.join(TOP, "src/cli/options.c")).read(), re.M)
    return [(a or d, b or e) for a, b, _, d, e, _ in rows]


def lines_of(shell):
    name = {"bash": "dedupe-link", "zsh": "_dedupe-link", "fish": "dedupe-link.fish"}[shell]
    return open(os.path.join(MADE, name)).read()


def bash(t, *words):
    script = 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); compopt() { :; }; _dedupe_link; ' \
             'printf "%s\\n" "${COMPREPLY[@]}"'
    done = subprocess.run(["bash", "-uc", script, "bash", os.path.join(MADE, "dedupe-link"), "dedupe-link", *words],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=t.top, check=False)
    t.equal(done.stderr, b"", "bash is content")
    return done.stdout.decode().split()


def test(t):
    if not os.path.exists(os.path.join(MADE, "dedupe-link")):
        t.skip("this build has no completions beside it")
    options = table()
    t.check(len(options) > 50, "the table was read: %d" % len(options))
    help_ = t.run("--help=all").out
    for name in re.findall(r"--([a-z0-9-]+)", help_):
        t.check(any(name == long for _, long in options) or name in help_, name)
    text = {shell: lines_of(shell) for shell in ("bash", "zsh", "fish")}
    for letter, name in options:
        if letter:
            t.check(re.search(r"[' ]-%s " % letter, text["bash"]), "bash: -" + letter)
            t.check("*-%s" % letter in text["zsh"], "zsh: -" + letter)
            t.check(re.search(r" -s %s\b" % letter, text["fish"]), "fish: -" + letter)
        t.check(" --%s " % name in text["bash"], "bash: --" + name)
        t.check(re.search(r"\*--%s[=\[]" % name, text["zsh"]), "zsh: --" + name)
        t.check(re.search(r" -l %s\b(?!-)" % name, text["fish"]), "fish: --" + name)

    t.write("some-file")
    os.mkdir(t.path("some-dir"))
    t.equal(bash(t, "--keep", "old"), ["oldest"], "words of a policy")
    t.equal(bash(t, "--keep", "=", "n"), ["newest"], "after =")
    t.equal(bash(t, "--color", "=", "n"), ["never"], "an argument that may be left out")
    t.check("--dry-run" in bash(t, "--dry"), "a long option")
    t.equal(sorted(bash(t, "some")), ["some-dir", "some-file"], "paths")
    t.equal(bash(t, "--reference", "some"), ["some-dir"], "directories only")
    for shell in ("zsh", "fish"):
        if shutil.which(shell):
            name = {"zsh": "_dedupe-link", "fish": "dedupe-link.fish"}[shell]
            done = subprocess.run([shell, "-n", os.path.join(MADE, name)], stderr=subprocess.PIPE, check=False)
            t.equal((done.returncode, done.stderr), (0, b""), shell)
    if shutil.which("fish"):
        done = subprocess.run(["fish", "-c", "source %s; complete -C 'dedupe-link --keep o'" %
                               os.path.join(MADE, "dedupe-link.fish")], stdout=subprocess.PIPE, check=False,
                              env=dict(os.environ, HOME=t.scratch, XDG_CONFIG_HOME=t.scratch))
        t.check(b"oldest" in done.stdout, "fish completes: %r" % done.stdout)
