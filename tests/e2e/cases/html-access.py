"""Whoever uses the page of --html by keyboard or screen reader reaches and hears all of it; text can be read, light or dark."""
# SPDX-License-Identifier: MIT
import os

import browser
from harness import load

# What WCAG 2 asks for at level AA: of text, and of lines that tell where something is.
TEXT, LINES = 4.5, 3.0
CONTROLS = {"button", "link", "searchbox", "treeitem", "textbox", "checkbox", "combobox"}

# Worst ratio of each kind of text to what is behind it, and of lines to what is on both sides of them.
CONTRAST = """(() => {
    const numbers = text => {
        const [r, g, b, a = 1] = text.match(/[-\\d.]+(e-\\d+)?/g).map(Number), unit = text.startsWith("color(") ? 1 : 255;
        return [r / unit, g / unit, b / unit, a];
    };
    const over = (top, below) => [0, 1, 2].map(i => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
    const behind = element => !element ? [1, 1, 1, 1] : over(numbers(getComputedStyle(element).backgroundColor), behind(element.parentElement));
    const light = c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    const luminance = ([r, g, b]) => 0.2126 * light(r) + 0.7152 * light(g) + 0.0722 * light(b);
    const ratio = (a, b) => { const [x, y] = [luminance(a), luminance(b)].sort((p, q) => q - p); return (x + 0.05) / (y + 0.05); };
    const seen = [];
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
        const element = texts.currentNode.parentElement, ground = behind(element);
        if (!texts.currentNode.data.trim() || !element.checkVisibility() || element.matches("script, :disabled"))
            continue;
        const colour = over(numbers(getComputedStyle(element).color), ground);
        seen.push(["text", ratio(colour, ground), element.outerHTML.slice(0, 120)]);
    }
    const variable = (name, element) => {
        const probe = document.createElement("i");
        probe.className = "probe"; element.append(probe); probe.style.color = "var(" + name + ")";
        const colour = numbers(getComputedStyle(probe).color);
        probe.remove();
        return colour;
    };
    for (const tile of document.querySelectorAll("#map li")) {
        const ground = behind(tile);
        for (const line of ["--edge", "--focus"])
            seen.push(["line", ratio(variable(line, tile), ground), line + " on " + tile.ariaLabel]);
    }
    for (const bar of document.querySelectorAll(".bar div"))
        seen.push(["line", ratio(behind(bar), behind(bar.parentElement)), "bar"]);
    for (const element of document.querySelectorAll("button, input, a"))
        seen.push(["line", ratio(variable("--focus", element.parentElement), behind(element.parentElement)), "--focus at " + element.outerHTML.slice(0, 80)]);
    seen.push(["line", ratio(numbers(getComputedStyle(search).borderTopColor), behind(search.parentElement)), "edge of the search field"]);
    return seen;
})()"""


def contrast(t, page):
    for dark in (False, True):
        page.dark(dark)
        seen = page.run(CONTRAST)
        for kind, least in (("text", TEXT), ("line", LINES)):
            ratios = [(ratio, what) for each, ratio, what in seen if each == kind]
            t.check(len(ratios) > 30, "only %d of %s looked at" % (len(ratios), kind))
            t.check(min(ratios)[0] >= least, "%s: %.2f of %s" % ("dark" if dark else "light", *min(ratios)))
    page.dark(False)


def focus(page):
    return page.run("document.activeElement.ariaLabel?.split(',')[0] || document.activeElement.textContent.slice(0, 40) || document.activeElement.id")


def tile_keys(t, page):
    """One stop of the Tab key for the map, at the tile where one was; arrows go along, inside and out; nothing loses the focus."""
    page.run("window.stop = '#map [tabindex=\"0\"]'")
    t.equal(page.run("document.querySelectorAll(stop).length"), 1, "stops of Tab in the map")
    names = page.run("[...document.querySelectorAll('#map > ul > li')].map(e => e.ariaLabel.split(',')[0])")
    for name in names[1:]:
        page.press("ArrowDown")
        t.equal(focus(page), name, "the next tile")
    page.press("ArrowDown")
    t.equal(focus(page), names[-1], "after the last tile")
    page.press("Home")
    t.equal(focus(page), names[0], "the first")
    page.press("End", "ArrowUp")
    t.equal(focus(page), names[-2], "the last but one")
    page.press("Home", "t")
    t.equal(focus(page), "trips", "by its first letter")
    # Inside and out again; all tiles that are there can be had.
    page.press("ArrowRight")
    t.equal(focus(page), "alps", "inside")
    page.press("ArrowLeft")
    t.equal(focus(page), "trips", "outside")
    page.press("Tab")
    t.check(not page.run("map.contains(document.activeElement)"), "Tab stays in the map")
    page.run("document.querySelector(stop).focus()")
    t.equal(focus(page), "trips", "the stop is where one was")
    page.size(900, 800)
    page.run("new Promise(done => setTimeout(done, 300))")
    t.equal(focus(page), "trips", "the focus, after a resize")
    page.size(1200, 900)
    page.run("new Promise(done => setTimeout(done, 300))")


def every_tile(t, page):
    """Depth first by Right, Down and Left, as a person would who looks for something."""
    page.run("document.querySelector('#map li').focus()")
    seen, here = [], page.run("document.activeElement.ariaLabel")

    def walk():
        seen.append(page.run("document.activeElement.ariaLabel"))
        if page.run("document.activeElement.ariaExpanded") == "true":
            page.press("ArrowRight")
            walk()
            page.press("ArrowLeft")
        before = page.run("document.activeElement.ariaLabel")
        page.press("ArrowDown")
        if page.run("document.activeElement.ariaLabel") != before:
            walk()

    walk()
    t.equal(seen[0], here, "the first")
    t.equal(seen, page.run("[...document.querySelectorAll('#map li')].map(e => e.ariaLabel)"), "tiles reached")
    # Whoever enters a folder begins at its first tile, whatever other tiles are there.
    page.run("document.querySelector('#map li').focus()")
    page.press("t", "Enter")
    page.wait_for("document.querySelectorAll('#crumbs li').length > 1")
    names = page.run("[...document.querySelectorAll('#map > ul > li')].map(e => e.ariaLabel.split(',')[0])")
    t.equal((names, focus(page)), (["alps", "sea/far/out", "files right here"], "alps"), "inside of trips")
    page.press("Escape")
    page.wait_for("document.querySelectorAll('#crumbs li').length === 1")
    t.equal(focus(page), "trips", "back")
    # Where a tile shows nothing of what is inside, Right lets the map enter it, and Left from there leaves it.
    page.size(320, 800)
    page.wait_for("document.querySelector('#map li[aria-expanded=false]')")
    page.run("document.querySelector('#map li[aria-expanded=false]').focus()")
    name = focus(page)
    page.press("ArrowRight")
    page.wait_for("document.querySelectorAll('#crumbs li').length > 1")
    t.check(page.run("map.contains(document.activeElement)"), "the focus is lost")
    page.press("ArrowLeft")
    page.wait_for("document.querySelectorAll('#crumbs li').length === 1")
    t.equal(focus(page), name, "back")
    page.size(1200, 900)
    page.run("new Promise(done => setTimeout(done, 300))")


def whole_way(t, page):
    """Tab goes from the top of the page to its end through whatever can be used, and sees where it is."""
    page.run("document.activeElement.blur(); scrollTo(0, 0)")
    way = []
    for _ in range(400):
        page.press("Tab")
        if page.run("document.activeElement === document.body"):
            break
        way.append(page.run("document.activeElement.id || document.activeElement.className || document.activeElement.dataset.key"))
        t.check(page.run("getComputedStyle(document.activeElement).outlineStyle") != "none", "no ring at %s" % way[-1])
    t.equal([stop for stop in way if stop != "more"][:2], ["skip", way[1]], "the way begins")
    for stop in ("search", "freed", "size", "names", "path", "next", "last"):
        t.check(stop in way, "%s is not on the way: %r" % (stop, way))
    t.check(len(way) < 80, "a long way: %d stops" % len(way))


def heard(t, page):
    """What a screen reader is told: each control has its role and a name; tables, headings, landmarks and states are as they look."""
    nodes = page.heard_as()
    nameless = [(role, more) for role, name, more, _, _ in nodes if (role in CONTROLS or more.get("focusable")) and not name.strip()]
    t.equal([entry for entry in nameless if entry[0] not in ("RootWebArea", "region")], [], "controls without a name")
    odd = [role for role, _, more, _, _ in nodes if more.get("focusable") and role not in CONTROLS | {"RootWebArea", "region"}]
    t.equal(odd, [], "what can be reached and has no role")

    def of(role):
        return [(name, more) for each, name, more, _, _ in nodes if each == role]

    t.equal([more["level"] for _, more in of("heading")], [1] + [2] * 6, "headings")
    t.equal(sorted(name for name, _ in of("region")), sorted(["Where it lies", "By kind", "By size", "By age", "Sets of equal files", "Left alone"]),
            "regions")
    t.equal([name for name, _ in of("navigation")], ["Folder", "Pages of sets"], "navigation")
    t.equal([name for name, _ in of("table")], ["By kind", "By size", "By age", "Sets of equal files", "Left alone"], "tables")
    t.equal([name for name, _ in of("columnheader")][-8:],
            ["Saved", "Size of each", "Names", "Files", "What", "How many", "Space", "What would change it"], "headers")
    t.check(len(of("rowheader")) >= 3, "headers of rows")
    # The map is a tree, with words on how it is used; its items say where they are, how much they hold, and whether they are open.
    (name, tree), = of("tree")
    t.equal(name, "Where it lies", "the map")
    t.check("Up and Down" in tree["description"], "no help: %r" % tree)
    items = of("treeitem")
    t.equal(len(items), page.run("document.querySelectorAll('#map li').length"), "tiles")
    trips = next((name, more) for name, more in items if name.startswith("trips"))
    t.check(trips[0].startswith("trips, 84.0 KiB, ") and trips[0].endswith("%, 7 names"), "a tile's name: %r" % trips[0])
    t.equal((trips[1]["level"], trips[1]["expanded"]), (1, True), "where it is, and that it is open")
    t.check(any(name.startswith("alps, ") and more["level"] == 2 for name, more in items), "the tile inside")
    t.check(not [name for name, more in items if more["description"]], "a tile says something twice")


def told(t, page):
    """What changes far from the focus is said: how many are found, the order, the page."""
    def said():
        return [text for role, _, more, _, text in page.heard_as() if role == "status" and more["live"] == "polite"]

    page.run("document.querySelector('#search').focus()")
    page.type("2019/007")
    page.wait_for("found.textContent.startsWith('1 set,')")
    t.check(said()[0].startswith("1 set, "), "found: %r" % said())
    page.run("search.value = ''; search.dispatchEvent(new Event('input'))")
    page.wait_for("!found.textContent.startsWith('1 set,')")
    page.run("window.changes = 0; new MutationObserver(() => changes++).observe(found, {childList: true, subtree: true})")
    page.run("document.querySelector('[data-key=size]').focus()")
    page.press("Enter")
    t.equal(said()[1], "Sorted by size of each, descending", "the order")
    t.equal(page.run("[...document.querySelectorAll('#table th')].map(e => e.ariaSort)"), [None, "descending", None, None], "where it is seen")
    page.press("Enter")
    t.equal(said()[1], "Sorted by size of each, ascending", "the order, turned")
    t.equal(page.run("new Promise(done => setTimeout(() => done(changes), 50))"), 0, "what did not change was said again")
    page.run("window.rows = []; new MutationObserver(seen => rows.push(...seen)).observe(document.querySelector('#table'), "
             "{childList: true, subtree: true})")
    page.run("next.focus()")
    page.press("Enter")
    t.equal(page.run("new Promise(done => setTimeout(() => done(rows.length), 50))"), 1, "changes of the table, each of which is told")
    t.check(said()[1].startswith("Sets 51 \u2013 100 of "), "the page: %r" % said())
    t.equal(focus(page), "Next", "the focus stays")
    page.run("last.focus()")
    page.press("Enter")
    t.equal(focus(page), "Previous", "the focus, at the last page")
    page.run("first.focus()")
    page.press("Enter")
    t.equal(focus(page), "Next", "the focus, at the first page")
    # More names of a set, and that there are.
    page.run("document.querySelector('[data-key=path]').focus()")
    page.press("Enter")
    more = [entry for entry in page.heard_as() if entry[0] == "button" and entry[1].startswith("and ")]
    t.check(more and more[0][2]["expanded"] is False, "more names: %r" % more)
    page.run("document.querySelector('.more').focus()")
    page.press("Enter")
    t.check(("button", "fewer", True) in [(role, name, more.get("expanded")) for role, name, more, _, _ in page.heard_as()], "fewer names")


def test(t):
    html = load(os.path.join(os.path.dirname(os.path.abspath(__file__)), "html.py"))
    html.tree(t)
    t.write("trips/second", t.random(12288, 6), mtime=10**18 + 99)  # a tile that is no folder
    path = os.path.join(t.scratch, "page.html")
    t.run("-n", "-q", "--html", path, ".")
    with browser.Browser(t) as page:
        page.open(path)
        contrast(t, page)
        heard(t, page)
        whole_way(t, page)
        page.run("document.querySelector('#map li').focus()")
        tile_keys(t, page)
        every_tile(t, page)
        told(t, page)
        t.equal(page.told, [], "errors of the page, and requests")
