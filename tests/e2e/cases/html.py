"""--html writes one whole page: what it shows is true, no name does harm, and mouse and keyboard reach everything."""
# SPDX-License-Identifier: MIT
import os
import re

import browser

HOSTILE = [b"<script>window.hurt=1</script>", b"</script><img src=x onerror=window.hurt=1>", b"<!--", b"]]>", b"&amp;\"'",
           b"a\nb\tc\x1b[31m", b"bad\xff\xfe", "\u202egpj.exe".encode(), "\u2028".encode(), b"__proto__", b"constructor",
           b"javascript:window.hurt=1", b"\xc3\xa9t\xc3\xa9", b"{{7*7}}", b"</style>", b"${window.hurt=1}", b"\\u003c", b"%s%n"]
SETS = len(HOSTILE) + 122


def tree(t):
    """Hostile names in one folder; copies of many sizes in others; folders in folders."""
    for number, name in enumerate(HOSTILE):
        for copy in (b"1", b"2"):
            folder = os.path.join(os.fsencode(t.top), b"odd", name.replace(b"/", b"_") + copy)
            os.makedirs(folder)
            with open(os.path.join(folder, name.replace(b"/", b"_")), "wb") as out:
                out.write(t.random(8192, 1000 + number))
    for number in range(120):
        content = t.random(4096 * (1 + number % 7), number)
        t.write("photos/2019/%03d.jpg" % number, content, mtime=10**18)
        t.write("photos/backup/2019/%03d.jpg" % number, content, mtime=10**18)
    for number in range(9):
        t.write("many/%d" % number, t.random(65536, 5))
    t.write("other", t.random(65536, 5), mode=0o600)
    for number, name in enumerate(("first", "alps/one/1", "alps/one/2", "alps/one/3", "alps/two/1", "alps/two/2", "sea/far/out/1")):
        t.write("trips/" + name, t.random(12288, 6), mtime=10**18 + number)


def whole_or_not(t):
    """The page takes its place when it is whole; what cannot be written is told, before the work where that can be known."""
    page = os.path.join(t.scratch, "page.html")
    before = t.look()
    t.run("-n", "-q", "--html", page, ".")
    t.untouched(before)
    text = open(page, encoding="utf-8").read()
    t.check(text.startswith("<!DOCTYPE html>") and text.endswith("</html>\n"), "not whole: %r" % text[-200:])
    t.check(not re.search(r"https?:", text), "the page speaks of the network")
    first = os.stat(page).st_ino
    t.run("-n", "--html", page, "nothing-here", exit=2)
    t.equal(os.stat(page).st_ino, first, "the page of a run that failed")
    run = t.run("-n", "--html", os.path.join(t.scratch, "no", "page.html"), ".", exit=2)
    t.check("cannot write" in run.err and not run.out, run.about())
    run = t.run("-n", "--html", "/dev/full", ".", exit=1)
    t.check("No space left" in run.err, run.about())
    json = t.json("-n", "--html", page, ".")
    t.check(os.stat(page).st_ino != first, "the page was written in place")
    t.equal([name for name in os.listdir(t.scratch) if "page" in name], ["page.html"], "left beside the page")
    return page, json


def figures(t, page, json):
    shown = page.run("[...document.querySelectorAll('#figures div')].map(d => d.innerText.split('\\n'))")
    t.check(["Names to be linked", str(json.summary["links_made"]), "in %d sets" % json.summary["sets"]] in shown, shown)
    t.equal(page.run("JSON.parse(document.getElementById('data-sets').textContent).reduce((n, s) => n + s[1], 0)"),
            json.summary["bytes_saved"], "bytes of all sets")
    t.check("differ in mode" in page.run("left.innerText") and "--ignore mode" in page.run("left.innerText"), "left alone")


def names(t, page):
    """Every hostile name stands there as text that shows what it is."""
    page.run("search.value = 'odd/'; search.dispatchEvent(new Event('input'))")
    page.wait_for("found.textContent.startsWith('%d sets')" % len(HOSTILE))
    shown = page.run("[...document.querySelectorAll('#table bdi')].map(e => e.textContent)")
    for name in (b"<script>window.hurt=1<_script>", b"</script><img src=x onerror=window.hurt=1>", "\u202egpj.exe".encode(), b"bad\xff\xfe",
                 b"a\nb\tc\x1b[31m", b"__proto__", b"\\u003c", "\u00e9t\u00e9".encode()):
        name = name.replace(b"/", b"_")
        odd = any(c in name for c in (b"\xff", b"\n", b"\x80\xae"))
        wanted = {b"bad\xff\xfe": "bad\\377\\376", b"a\nb\tc\x1b[31m": "a\\nb\\tc\\033[31m"}.get(name)
        text = wanted or ("\\342\\200\\256gpj.exe" if odd else name.decode())
        t.check(any(line.endswith("/" + text) for line in shown), "%r is not shown as %r: %r" % (name, text, shown))
    t.check(not page.run("window.hurt"), "a name was run")
    page.run("search.value = ''; search.dispatchEvent(new Event('input'))")
    page.wait_for("found.textContent.startsWith('%d sets')" % SETS)


def labels(page, selector):
    return page.run("[...document.querySelectorAll('%s')].map(e => e.textContent)" % selector)


def map_and_crumbs(t, page):
    """The map is entered level by level, by mouse and keyboard, and left again; sets and crumbs follow, the focus is never lost."""
    def tiles():
        return labels(page, "#map > ul > li > div b")

    def tile(name):
        return "[...document.querySelectorAll('#map li')].find(b => b.textContent.startsWith('%s'))" % name

    def at(crumbs, sets):
        page.wait_for("found.innerText.startsWith('%s')" % sets)
        t.equal(labels(page, "#crumbs li bdi"), crumbs, "crumbs")
        t.equal(page.run("document.querySelectorAll('#crumbs [aria-current]').length"), 1, "where one is")

    def focus():
        return page.run("document.activeElement.querySelector('b, bdi')?.textContent")

    everything = "%d sets" % SETS
    t.equal(tiles()[:4], ["photos/backup/2019", "many", "odd", "trips"], "tiles")
    t.check("alps" in labels(page, "#map li li b") and "sea/far/out" in labels(page, "#map li li b"), "no folders inside of tiles")
    t.check(page.run("[...document.querySelectorAll('#map li')].every(b => /iB|B,/.test(b.ariaLabel))"), "a tile says no size")
    page.click(tile("photos"))
    at([".", "photos/backup/2019"], "120 sets")
    t.equal(focus(), "files right here", "the focus, where there are no more folders")
    # From the crumbs it goes back up.
    page.run("document.querySelector('#crumbs button').focus()")
    page.press("Enter")
    at(["."], everything)
    # Two levels down at once, by a tile inside of one; then up by Escape, level by level.
    page.click(tile("alps"))
    at([".", "trips", "alps"], "1 set")
    t.equal(tiles(), ["one", "two"], "tiles of alps")
    page.press("Enter")
    at([".", "trips", "alps", "one"], "1 set")
    t.equal(labels(page, "#map .leaf b"), ["files right here"], "at the bottom")
    for crumbs, focused in (([".", "trips", "alps"], "one"), ([".", "trips"], "alps"), (["."], "trips")):
        page.press("Escape")
        at(crumbs, everything if len(crumbs) == 1 else "1 set")
        t.equal(focus(), focused, "the focus is where one came from")
    # The browser's own way back, too.
    page.press("Enter", "Enter")
    at([".", "trips", "alps"], "1 set")
    page.run("history.back()")
    at([".", "trips"], "1 set")
    page.run("history.back()")
    at(["."], everything)


def table(t, page):
    def column(number):
        return page.run("[...document.querySelectorAll('#table tbody tr')].map(r => r.cells[%d].textContent)" % number)

    t.equal(len(column(0)), 50, "rows of a page")
    t.check(column(0)[0] == "512.0 KiB", "the largest first: %r" % column(0)[:3])
    page.click("document.querySelector('[data-key=size]')")
    t.equal(page.run("document.querySelector('[data-key=size]').parentNode.ariaSort"), "descending", "sort said")
    t.check(column(1)[0] == "64.0 KiB" and column(1)[1] == "28.0 KiB", "by size: %r" % column(1)[:3])
    page.click("document.querySelector('[data-key=size]')")
    t.check(column(1)[0] == "4.0 KiB", "by size, turned: %r" % column(1)[:3])
    page.click("document.querySelector('[data-key=path]')")
    t.check("many/0" in column(3)[0], "by path: %r" % column(3)[0])
    page.click("document.querySelector('#table .more')")
    t.equal(page.run("document.querySelectorAll('#table tbody tr:first-child li').length"), 9, "all names of a set")
    page.click("document.querySelector('#table .more')")
    t.equal(page.run("document.querySelectorAll('#table tbody tr:first-child li').length"), 3, "few names again")
    page.click("next")
    t.check(page.run("page.innerText").startswith("51"), "next page: " + page.run("page.innerText"))
    page.click("last")
    t.check(page.run("next.disabled") and len(column(0)) == SETS % 50, "last page")
    page.click("search")
    page.type("2019/007")
    page.wait_for("found.textContent.startsWith('1 set,')")
    t.check("photos/2019/007.jpg" in column(3)[0], "found: %r" % column(3))


def looks(t, page, where):
    """Light and dark differ, text can be read on both, and nothing sticks out of a narrow window."""
    colours = {}
    for dark in (False, True):
        page.dark(dark)
        colours[dark] = page.run("[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
                                 ".map(c => c.match(/\\d+/g).slice(0, 3).reduce((a, b) => a + +b, 0) / 3)")
        page.picture(os.path.join(where, "dark.png" if dark else "light.png"), whole=True)
    t.check(colours[False][0] - colours[False][1] > 150 and colours[True][1] - colours[True][0] > 150, "contrast: %r" % colours)
    for width in (320, 390, 800, 1600):
        page.size(width, 800)
        wide = page.run("[...document.querySelectorAll('body *')].filter(e => !e.closest('.wide, #map, .columns, .skip') && "
                        "e.getBoundingClientRect().right > innerWidth).map(e => e.outerHTML.slice(0, 90))")
        t.equal(wide, [], "wider than a window of %d" % width)


def hundred_thousand(t, page, path):
    """So many sets are shown, sorted and searched in no time that anybody notices."""
    text = open(path, encoding="utf-8").read()
    sets = ",\n".join('[%d,%d,2,0,"f%d",0,0,0,"g%d",1,0]' % (i, i * 7919 % 100003, i, i) for i in range(100000))
    text = re.sub(r'(id="data-sets">)\[.*?\](</script>)', lambda found: found[1] + "[" + sets + "]" + found[2], text, flags=re.S)
    large = os.path.join(t.scratch, "large.html")
    with open(large, "w", encoding="utf-8") as out:
        out.write(text)
    page.open(large)
    took = page.run("""(() => {
        const begun = performance.now();
        document.querySelector('[data-key=path]').click();
        document.querySelector('[data-key=size]').click();
        const sorted = performance.now();
        search.value = 'f99999'; search.dispatchEvent(new Event('input'));
        return new Promise(done => { const look = () => found.textContent.startsWith('1 set')
            ? done([(sorted - begun) / 2, performance.now() - sorted]) : setTimeout(look, 5); look(); });
    })()""")
    t.check(took[0] < 2000 and took[1] < 2000, "a sort took %d ms, a search %d ms" % tuple(took))


def policy(t, page):
    """What is not of the page does not run in it, even if it got there."""
    told = len(page.told)
    page.run("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.hurt=1\"><p style=\"color:red\" id=styled>x</p>')")
    page.run("{ const s = document.createElement('script'); s.textContent = 'window.hurt=2'; document.body.append(s) }")
    page.run("new Promise(done => setTimeout(done, 200))")
    t.check(not page.run("window.hurt"), "the policy let a script run")
    del page.told[told:]


def test(t):
    tree(t)
    path, json = whole_or_not(t)
    with browser.Browser(t) as page:
        page.open(path)
        figures(t, page, json)
        map_and_crumbs(t, page)
        names(t, page)
        table(t, page)
        looks(t, page, t.scratch)
        hundred_thousand(t, page, path)
        t.equal(page.told, [], "errors of the page, and requests")
        policy(t, page)
        t.run("--html", path, ".")
        page.open(path)
        t.check(page.run("document.title").endswith("\u2013 dedupe-link") and "would" not in page.run("document.title"), "title")
