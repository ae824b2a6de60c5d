#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The house stays a house: layers, rooms, the knife drawer, and a library that does not talk.

    tests/include-law.py [ROOT]

The checker first tries itself on made-up trees, a lawful one and one for each way of breaking a law: it must find
exactly that. Then it reads the sources below ROOT. One line for each violation, exit 1 if there is any.

The laws:
  layers    base < sys < core; cli is a customer of include/dedupe-link.h and may use base. Includes point downward.
  rooms     inside core, a room includes only rooms above it in ROOMS.
  cycles    no two modules (x.c and x.h together) need each other, directly or by others.
  header    x.c includes x.h before anything else; only headers are included, and by a path that exists.
  kernel    <linux/...> and #if belong to sys, where the quirks of kernels and file systems are written down.
  knives    the calls that change names are named in the drawer only: the call table and swap (and clone).
  places    xxhash.h, sqlite3.h and jansson.h in one file each, check.h below tests/ only.
  silence   base, sys and core never exit, abort or print: the library reports, the program talks.
  top       the top level holds what the layout names, builds and dotfiles.
"""
import os
import re
import sys
import tempfile

# The rooms of core, each above those that may include it; src/README.md says what each is for.
ROOMS = """
    tell manners lines temp rule seen catalog bucket roots reach walk lock digest store store_none cache settled order sift confirm
    keeper account journal journalin plan dirtime replace share recover planwords planout planin scan apply undo replace_at
""".split()

MAY_INCLUDE = {
    "base": {"base"},
    "sys": {"base", "sys"},
    "core": {"base", "sys", "core", "public"},
    "cli": {"base", "cli", "public"},
    "public": set(),
}

TOP = {"LICENSE", "README.md", "meson.build", "include", "src", "tests", "tools"}

DRAWER = {"src/sys/" + name for name in ("sys.c", "sys.h", "swap.c", "swap.h", "clone.c", "clone.h")}
KNIVES = re.compile(r"\b(linkat|renameat2|unlinkat|FICLONE|FICLONERANGE|FIDEDUPERANGE)\b")
# Other ways to the same knives, as calls; a member or a longer name of ours is something else.
PLAIN_KNIVES = re.compile(r"(?<![\w.>])(link|symlink|rename|renameat|unlink|remove|rmdir|truncate|syscall)\s*\(")

TALK = re.compile(
    r"(?<![\w.>])(v?f?printf|v?dprintf|puts|fputs|putchar|putc|fputc|perror|psignal|warnx?|errx?"
    r"|_?exit|_Exit|quick_exit|abort)\s*\(|\b(stdout|stderr)\b"
)

ONE_FILE = ("xxhash.h", "sqlite3.h", "jansson.h")

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(?:"([^"\n]*)"|<([^>\n]*)>|(.*))', re.M)
CONDITION = re.compile(r"^[ \t]*#[ \t]*(?:if|ifdef|ifndef|elif)\b[ \t]*(.*)", re.M)
TOKEN = re.compile(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|//[^\n]*|/\*.*?\*/', re.S)


def without_comments(text):
    """Comments become blanks, lines stay where they are; strings stay."""
    return TOKEN.sub(lambda m: re.sub(r"[^\n]", " ", m[0]) if m[0][0] == "/" else m[0], text)


def without_strings(text):
    return TOKEN.sub(lambda m: '""' if m[0][0] in "\"'" else m[0], text)


def layer_of(path):
    """base, sys, core, cli; public; tests; or None for what no law speaks of."""
    parts = path.split("/")
    if parts[0] == "src" and len(parts) == 3 and parts[1] in MAY_INCLUDE:
        return parts[1]
    return {"include": "public", "tests": "tests"}.get(parts[0])


def module_of(path):
    return os.path.splitext(path)[0]


class Source:
    def __init__(self, path, text):
        self.path = path
        self.layer = layer_of(path)
        self.code = without_comments(text)
        self.name = os.path.basename(module_of(path))
        # (line, quoted path or None, system path or None, anything else)
        self.includes = [(self.line(m), m[1], m[2], m[3]) for m in INCLUDE.finditer(self.code)]

    def line(self, match):
        return self.code.count("\n", 0, match.start()) + 1

    def resolve(self, quoted):
        return os.path.normpath(os.path.join(os.path.dirname(self.path), quoted))


class Checker:
    def __init__(self, sources):
        self.sources = {source.path: source for source in sources}
        self.found = []

    def blame(self, law, source, line, text):
        self.found.append(f"{source.path}:{line}: {law}: {text}")

    def check(self):
        for source in self.sources.values():
            self.check_places_of_tests(source)
            if source.layer not in MAY_INCLUDE:
                continue
            self.check_layer_is_known(source)
            for line, quoted, system, other in source.includes:
                self.check_include(source, line, quoted, system, other)
            self.check_own_header_first(source)
            self.check_conditions(source)
            self.check_knives(source)
            self.check_silence(source)
        self.check_one_file()
        self.check_cycles()
        return sorted(self.found)

    def check_layer_is_known(self, source):
        if source.layer == "core" and source.name not in ROOMS:
            self.blame("rooms", source, 1, f"core has no room {source.name}: give it its place in ROOMS")

    def check_include(self, source, line, quoted, system, other):
        if other is not None:
            self.blame("header", source, line, f"an include nobody can follow: {other.strip()}")
        elif system is not None:
            if system.startswith("linux/") and source.layer != "sys":
                self.blame("kernel", source, line, f"<{system}> belongs to src/sys")
            if os.path.basename(system) == "dedupe-link.h":
                self.blame("header", source, line, "our own headers are included by their path, in quotes")
        else:
            self.check_quoted(source, line, quoted)

    def check_quoted(self, source, line, quoted):
        target = source.resolve(quoted)
        if target not in self.sources or not target.endswith(".h"):
            self.blame("header", source, line, f'"{quoted}" is no header of ours')
            return
        other = self.sources[target]
        if other.layer not in MAY_INCLUDE[source.layer]:
            self.blame("layers", source, line, f"{source.layer} must not include {quoted}, which is of {other.layer}")
        elif source.layer == other.layer == "core" and {source.name, other.name} <= set(ROOMS):
            if ROOMS.index(other.name) > ROOMS.index(source.name):
                self.blame("rooms", source, line, f"room {source.name} must not include {other.name}, a room below it")

    def check_own_header_first(self, source):
        own = source.name + ".h"
        if not source.path.endswith(".c") or module_of(source.path) + ".h" not in self.sources:
            return
        if not source.includes or source.includes[0][1] != own:
            line = source.includes[0][0] if source.includes else 1
            self.blame("header", source, line, f'"{own}" comes first, so that it is known to need nothing before it')

    def check_conditions(self, source):
        if source.layer in ("sys", "public"):
            return
        for match in CONDITION.finditer(source.code):
            if not re.fullmatch(r"[A-Z0-9_]+_H\s*", match[1]):
                self.blame("kernel", source, source.line(match), f"#if {match[1].strip()}: that belongs to src/sys")

    def check_knives(self, source):
        if source.path in DRAWER:
            return
        for match in KNIVES.finditer(source.code):
            self.blame("knives", source, source.line(match), f"{match[1]} is kept in the drawer, src/sys/swap.h")
        if source.layer != "cli":
            for match in PLAIN_KNIVES.finditer(without_strings(source.code)):
                self.blame("knives", source, source.line(match), f"{match[1]}() changes what src/sys alone may change")

    def check_silence(self, source):
        if source.layer == "cli":
            return
        code = without_strings(source.code)
        for match in TALK.finditer(code):
            line = code.count("\n", 0, match.start()) + 1
            self.blame("silence", source, line, f"{match[1] or match[2]}: the library reports, the program talks")

    def check_places_of_tests(self, source):
        for line, _, system, _ in source.includes:
            if system == "check.h" and source.layer != "tests":
                self.blame("places", source, line, "<check.h> belongs below tests/")

    def check_one_file(self):
        for header in ONE_FILE:
            users = [(s, line) for s in self.sources.values() if s.layer in MAY_INCLUDE
                     for line, _, system, _ in s.includes if system == header]
            for source, line in users if len({s.path for s, _ in users}) > 1 else []:
                self.blame("places", source, line, f"<{header}> belongs in one file, not in {len(users)}")

    def edges(self):
        """Module -> modules it includes, each with the first place that does."""
        graph = {}
        for source in self.sources.values():
            if source.layer not in MAY_INCLUDE:
                continue
            module = graph.setdefault(module_of(source.path), {})
            for line, quoted, _, _ in source.includes:
                target = source.resolve(quoted) if quoted is not None else None
                if target in self.sources and module_of(target) != module_of(source.path):
                    module.setdefault(module_of(target), (source, line))
        return graph

    def check_cycles(self):
        graph = self.edges()
        done = set()

        def walk(module, path):
            if module in path:
                ring = path[path.index(module):] + [module]
                source, line = graph[ring[-2]][module]
                self.blame("cycles", source, line, " needs ".join(os.path.basename(m) for m in ring))
                return
            if module in done:
                return
            for other in sorted(graph.get(module, {})):
                walk(other, path + [module])
            done.add(module)

        for module in sorted(graph):
            walk(module, [])


def read_tree(root):
    sources = []
    for top in ("include", "src", "tests"):
        for folder, _, names in os.walk(os.path.join(root, top)):
            for name in names:
                if name.endswith((".c", ".h")):
                    path = os.path.join(folder, name)
                    with open(path, encoding="utf-8") as file:
                        sources.append(Source(os.path.relpath(path, root), file.read()))
    return sources


def check_top(root):
    """A build is a directory whose name begins so, as in .gitignore."""
    def named(name):
        build = name.startswith("build") and os.path.isdir(os.path.join(root, name))
        return name in TOP or name.startswith(".") or build
    return [f"{name}: top: not named in the layout" for name in sorted(os.listdir(root)) if not named(name)]


def check(root):
    return Checker(read_tree(root)).check() + check_top(root)


# ---- the checker's own tests ----

LAWFUL = {
    ".ci/run": "",
    "README.md": "",
    "build-gcc/build.ninja": "",
    "include/dedupe-link.h": "#ifndef DEDUPE_LINK_H\n#ifdef __cplusplus\n#endif\n#include <stdint.h>\n#endif\n",
    "src/base/text.h": "#ifndef BASE_TEXT_H\n/* exit(1), printf() and linkat may be talked about */\n#endif\n",
    "src/base/text.c": '#include "text.h"\n\n#include <stdio.h>\nvoid f(char *b) { snprintf(b, 2, "exit(1)"); }\n',
    "src/sys/sys.h": '#include "../base/text.h"\nint (*linkat)(int);\n',
    "src/sys/sys.c": '#include "sys.h"\n\n#include <linux/fs.h>\n#if 1\nint x = linkat(1);\n#endif\n',
    "src/sys/swap.h": '#include "sys.h"\n',
    "src/sys/swap.c": '#include "swap.h"\nint swap_drop(void) { return sys->unlinkat(1); }\n',
    "src/core/rule.h": '#include "../../include/dedupe-link.h"\n',
    "src/core/rule.c": '#include "rule.h"\n#include "../sys/sys.h"\nint a = s->link(1) + text_puts(2);\n',
    "src/core/digest.c": '#include "digest.h"\n#include <xxhash.h>\n',
    "src/core/digest.h": '#include "rule.h"\n',
    "src/core/replace.c": '#include "rule.h"\n#include "../sys/swap.h"\n',
    "src/cli/main.c": '#include "../../include/dedupe-link.h"\n#include "../base/text.h"\nint a = exit(0);\n',
    "tests/unit/test_x.c": '#include <check.h>\n#include "../../src/sys/swap.h"\n#include "../../src/core/rule.h"\n'
                           "int y = linkat(1) + FICLONE;\n",
}

# What is put into the lawful tree, and what must be said about it: one line, beginning so and with this in it.
UNLAWFUL = [
    ({"0.0/root/name": ""}, ["0.0: top"]),
    ({"build.md": "", "src2/x.c": ""}, ["build.md: top", "src2: top"]),
    ({"src/base/text.h": '#include "../sys/sys.h"\n'}, ["src/base/text.h:1: layers", "cycles"]),
    ({"src/base/vec.c": '#include "../../include/dedupe-link.h"\n'}, ["src/base/vec.c:1: layers: base"]),
    ({"src/sys/dir.c": '\n#include "../core/rule.h"\n'}, ["src/sys/dir.c:2: layers: sys"]),
    ({"src/sys/dir.c": '#include "../../include/dedupe-link.h"\n'}, ["src/sys/dir.c:1: layers: sys"]),
    ({"src/core/walk.c": '#include "../cli/sink.h"\n', "src/cli/sink.h": ""},
     ["src/core/walk.c:1: layers: core"]),
    ({"src/cli/sink.c": '#include "../sys/sys.h"\n'}, ["src/cli/sink.c:1: layers: cli"]),
    ({"src/cli/sink.c": '#include "../core/rule.h"\n'}, ["src/cli/sink.c:1: layers: cli"]),
    ({"include/dedupe-link.h": '#include "../src/base/text.h"\n'}, ["include/dedupe-link.h:1: layers: public"]),
    ({"src/core/rule.c": '#include "rule.h"\n#include "digest.h"\n'},
     ["src/core/rule.c:2: rooms: room rule must not include digest", "cycles: "]),
    ({"src/core/catalog.c": '#include "digest.h"\n'}, ["src/core/catalog.c:1: rooms"]),
    ({"src/core/attic.c": "int a;\n"}, ["src/core/attic.c:1: rooms: core has no room attic"]),
    # two modules that need each other though their headers do not
    ({"src/sys/a.c": '#include "a.h"\n#include "b.h"\n', "src/sys/a.h": "", "src/sys/b.h": "",
      "src/sys/b.c": '#include "b.h"\n#include "a.h"\n'}, ["src/sys/b.c:2: cycles: a needs b needs a"]),
    ({"src/base/a.h": '#include "b.h"\n', "src/base/b.h": '#include "c.h"\n', "src/base/c.h": '#include "a.h"\n'},
     ["src/base/c.h:1: cycles: a needs b needs c needs a"]),
    ({"src/base/text.c": '#include <stdio.h>\n#include "text.h"\n'},
     ["src/base/text.c:1: header: \"text.h\" comes first"]),
    ({"src/base/text.c": "int x;\n"}, ["src/base/text.c:1: header: \"text.h\" comes first"]),
    ({"src/core/walk.c": '#include "missing.h"\n'}, ['src/core/walk.c:1: header: "missing.h"']),
    ({"src/core/walk.c": '#include "rule.c"\n'}, ['src/core/walk.c:1: header: "rule.c"']),
    ({"src/core/walk.c": "#include HEADER\n"}, ["src/core/walk.c:1: header: an include nobody can follow"]),
    ({"src/core/walk.c": "#include <dedupe-link.h>\n"}, ["src/core/walk.c:1: header: our own"]),
    ({"src/core/walk.c": "#include <linux/fs.h>\n"}, ["src/core/walk.c:1: kernel: <linux/fs.h>"]),
    ({"src/cli/sink.c": "/* */ int a;\n#  ifdef __linux__\n#endif\n"}, ["src/cli/sink.c:2: kernel: #if __linux__"]),
    ({"src/core/replace.c": "int a = sys->linkat(1);\n"}, ["src/core/replace.c:1: knives: linkat"]),
    ({"src/sys/dir.c": "\n\nint a = renameat2(1);\n"}, ["src/sys/dir.c:3: knives: renameat2"]),
    ({"src/base/vec.c": "int a = FIDEDUPERANGE;\n"}, ["src/base/vec.c:1: knives: FIDEDUPERANGE"]),
    ({"src/cli/sink.c": "int a = FICLONE, b = unlinkat(1);\n"},
     ["src/cli/sink.c:1: knives: FICLONE", "src/cli/sink.c:1: knives: unlinkat"]),
    ({"src/core/replace.c": 'int a = rename ("a", "b");\n'}, ["src/core/replace.c:1: knives: rename()"]),
    ({"src/core/replace.c": "int a = syscall(265);\n"}, ["src/core/replace.c:1: knives: syscall()"]),
    ({"src/core/order.c": "#include <xxhash.h>\n"},
     ["src/core/digest.c:2: places: <xxhash.h>", "src/core/order.c:1: places: <xxhash.h>"]),
    ({"src/core/cache.c": "#include <sqlite3.h>\n", "src/cli/sink.c": "#include <sqlite3.h>\n"},
     ["src/cli/sink.c:1: places: <sqlite3.h>", "src/core/cache.c:1: places: <sqlite3.h>"]),
    ({"src/base/vec.c": "#include <check.h>\n"}, ["src/base/vec.c:1: places: <check.h>"]),
    ({"src/base/vec.c": "void f(void) { abort(); }\n"}, ["src/base/vec.c:1: silence: abort"]),
    ({"src/sys/dir.c": "void f(void) { exit(1); }\n"}, ["src/sys/dir.c:1: silence: exit"]),
    ({"src/core/walk.c": 'void f(void) { fprintf(log, ""); }\n'}, ["src/core/walk.c:1: silence: fprintf"]),
    ({"src/core/walk.c": "void f(void) {\n\tperror(0); _exit(1);\n\tputs(0); }\n"},
     ["src/core/walk.c:2: silence: _exit", "src/core/walk.c:2: silence: perror", "src/core/walk.c:3: silence: puts"]),
    ({"src/core/walk.c": "FILE *f = stderr;\n"}, ["src/core/walk.c:1: silence: stderr"]),
    # hidden behind what looks like a comment or its end
    ({"src/base/vec.c": 'char *s = "/*"; void f(void) { abort(); } char *t = "*/";\n'},
     ["src/base/vec.c:1: silence: abort"]),
    ({"src/base/vec.c": "char c = '\"'; /* \" */ void f(void) { abort(); }\n"}, ["src/base/vec.c:1: silence: abort"]),
]


def write_tree(root, files):
    for path, text in files.items():
        os.makedirs(os.path.join(root, os.path.dirname(path)), exist_ok=True)
        with open(os.path.join(root, path), "w", encoding="utf-8") as file:
            file.write(text)


def findings_of(files):
    with tempfile.TemporaryDirectory() as root:
        write_tree(root, files)
        return check(root)


def matches(found, expected):
    """Each expectation is met by a finding of its own, and no finding is left."""
    left = list(found)
    for each in expected:
        hit = next((f for f in left if each in f), None)
        if hit is None:
            return False
        left.remove(hit)
    return not left


def self_test():
    failed = 0
    for change, expected in [({}, [])] + UNLAWFUL:
        found = findings_of({**LAWFUL, **change})
        if not matches(found, expected):
            failed += 1
            print(f"FAIL on a made-up tree: {change}\n  expected {expected}\n  found    {found}")
    return 1 + len(UNLAWFUL) - failed, failed


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
    passed, failed = self_test()
    sources = read_tree(root)
    found = check(root)
    for line in found:
        print(line)
    # A tree without sources has no violations either: that is no success
    lawful = not found and any(source.layer == "core" for source in sources)
    passed, failed = passed + lawful, failed + (not lawful)
    print(f"include-law: {passed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
