# SPDX-License-Identifier: MIT
"""Makes page.c of page.html, page.css and page.js: embed.py HTML CSS JS OUTPUT.

The page's content security policy allows no style and no script but these two, by their hashes.
"""
import base64
import hashlib
import sys


def digest(text):
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def array(name, text):
    numbers = list(text.encode()) + [0]
    lines = [", ".join(map(str, numbers[i:i + 24])) for i in range(0, len(numbers), 24)]
    return "const char %s[] = {\n\t%s\n};\n" % (name, ",\n\t".join(lines))


def main():
    html, css, js = (open(path, encoding="ascii").read() for path in sys.argv[1:4])
    css, js = "\n" + css, "\n" + js
    for part in (css, js):
        assert "</" not in part, "would end its element"
    html = html.replace("@CSS-HASH@", digest(css)).replace("@JS-HASH@", digest(js))
    html = html.replace("@CSS@", css).replace("@JS@", js)
    begin, end = html.split("@DATA@\n")
    with open(sys.argv[4], "w", encoding="ascii") as out:
        out.write("/* Made by src/cli/page/embed.py. */\nextern const char page_begin[], page_end[];\n")
        out.write(array("page_begin", begin) + array("page_end", end))


main()
