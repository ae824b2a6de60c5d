#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The library from Python: scan, look at the sets, link the one that frees most; another thread may stop the work.

    largest_set.py [--stop-reading | --stop-linking] PATH...    another thread stops it as soon as files are read, or linked

ctypes must know how the structs are laid out; so that this cannot go out of date, it is read from the header. DEDUPE_LINK_SO and
DEDUPE_LINK_HEADER say where both are, if not where they are installed.
"""
import ctypes
import os
import re
import sys
import threading

TYPES = {"uint64_t": ctypes.c_uint64, "int64_t": ctypes.c_int64, "uint32_t": ctypes.c_uint32, "unsigned": ctypes.c_uint,
         "int": ctypes.c_int, "bool": ctypes.c_bool, "size_t": ctypes.c_size_t}
HEADER = os.environ.get("DEDUPE_LINK_HEADER", "/usr/local/include/dedupe-link.h")


def layout(name):
    """A ctypes.Structure for a struct of the header without structs in it."""
    with open(HEADER, encoding="utf-8") as file:
        text = re.sub(r"/\*.*?\*/", "", file.read(), flags=re.S)
    body = re.search(r"struct %s \{(.*?)\n\};" % name, text, re.S)[1]
    fields = []
    for declaration in filter(None, (line.strip() for line in body.split(";"))):
        function = re.match(r"\w+ \(\*(\w+)\)\(", declaration)
        if function:
            fields.append((function[1], ctypes.c_void_p))
            continue
        kind, names = re.fullmatch(r"(.*?)\s*(\**\w+(?:\s*,\s*\**\w+)*)", declaration, re.S).groups()
        for each in names.split(","):
            pointer = "*" in each or "*" in kind
            c_type = ctypes.c_void_p if pointer else ctypes.c_int if kind.startswith("enum ") else TYPES[kind]
            if pointer and kind == "const char":
                c_type = ctypes.c_char_p
            fields.append((each.strip(" *"), c_type))
    return type(name, (ctypes.Structure,), {"_fields_": fields})


def constant(name):
    """The number of an enum's word, whose enum gives none to any word before it."""
    with open(HEADER, encoding="utf-8") as file:
        text = re.sub(r"/\*.*?\*/", "", file.read(), flags=re.S)
    words = re.search(r"\{([^{}]*\b%s\b[^{}]*)\}" % name, text)[1]
    return [word.strip() for word in words.split(",")].index(name)


Options, Event, Set, Visitor = map(layout, ("dlk_options", "dlk_event", "dlk_set", "dlk_plan_visitor"))
Observe = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.POINTER(Event))
VisitSet = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(Set))


def main():
    library = ctypes.CDLL(os.environ.get("DEDUPE_LINK_SO", "libdedupe-link.so.0"))
    paths = [path for path in sys.argv[1:] if not path.startswith("--stop-")]
    stop, time_has_come = ctypes.c_int(0), threading.Event()
    linked, reading = constant("DLK_EVENT_LINKED"), constant("DLK_PHASE_HASH")

    def stopper():
        time_has_come.wait()
        stop.value = 1

    def observe(_, event):
        if event.contents.kind == linked:
            print("linked", os.fsdecode(event.contents.path), "->", os.fsdecode(event.contents.other))
        if "--stop-linking" in sys.argv and event.contents.kind == linked or \
           "--stop-reading" in sys.argv and event.contents.phase == reading:
            time_has_come.set()
            thread.join()

    thread = threading.Thread(target=stopper, daemon=True)
    thread.start()
    options, plan, sets = Options(), ctypes.c_void_p(), []
    library.dlk_options_init(ctypes.byref(options))
    told = Observe(observe)
    options.will_apply = options.decide = options.tell_links = True
    options.observe = ctypes.cast(told, ctypes.c_void_p)
    options.stop = ctypes.addressof(stop)
    r = library.dlk_scan(ctypes.byref(options), (ctypes.c_char_p * len(paths))(*map(os.fsencode, paths)),
                         ctypes.c_size_t(len(paths)), ctypes.byref(plan))
    if r:
        print("stopped" if stop.value else os.strerror(-r), file=sys.stderr)
        return 1

    def look(_, each):
        sets.append((each.contents.size * (each.contents.names - 1), each.contents.index))
        print("set %d: %d names of %d bytes" % (each.contents.index, each.contents.names, each.contents.size))
        return 0

    looker = VisitSet(look)
    visitor = Visitor(set=ctypes.cast(looker, ctypes.c_void_p))
    library.dlk_plan_each(plan, ctypes.byref(visitor), None)
    chosen = VisitSet(lambda _, each: int(each.contents.index == max(sets)[1]))
    r = library.dlk_plan_choose(plan, chosen, None) or library.dlk_apply(plan)
    library.dlk_plan_free(plan)
    if r:
        print("stopped" if stop.value else os.strerror(-r), file=sys.stderr)
    return 1 if r else 0


if __name__ == "__main__":
    sys.exit(main())
