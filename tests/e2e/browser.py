# SPDX-License-Identifier: MIT
"""A page in headless Chromium, driven over a pipe by its own protocol. Nothing but the standard library is needed.

    with Browser(t) as browser:
        browser.open("/tmp/page.html")
        browser.run("document.title")
"""
import base64
import json
import os
import select
import shutil
import subprocess
import time

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
KEYS = {"Tab": 9, "Enter": 13, "Escape": 27, "End": 35, "Home": 36, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}


class Broken(Exception):
    pass


class Browser:
    def __init__(self, t, width=1200, height=900):
        self.t = t
        program = next((shutil.which(name) for name in NAMES if shutil.which(name)), None)
        if not program:
            t.skip("chromium is not installed")
        self.home = os.path.join(t.scratch, "chromium")
        os.makedirs(self.home, exist_ok=True)
        to_read, self.to_write = os.pipe()
        self.to_hear, to_say = os.pipe()

        def pipes():  # the protocol's descriptors are 3 and 4
            high = [os.dup(to_read), os.dup(to_say)]
            high = [os.dup2(fd, 100 + i) for i, fd in enumerate(high)]
            os.dup2(high[0], 3)
            os.dup2(high[1], 4)

        self.log = open(os.path.join(t.scratch, "chromium.log"), "wb")
        self.child = subprocess.Popen(
            [program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
             "--disable-background-networking", "--user-data-dir=" + self.home, "--remote-debugging-pipe",
             "--window-size=%d,%d" % (width, height), "about:blank"],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, close_fds=False, preexec_fn=pipes,
            env=dict(os.environ, HOME=self.home))
        os.close(to_read)
        os.close(to_say)
        self.number = 0
        self.heard = b""
        self.session = None
        self.loaded = False
        self.told = []  # what the console and the page's errors said
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(domain + ".enable")
        self.size(width, height)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.kill()
        self.child.wait()
        os.close(self.to_write)
        os.close(self.to_hear)
        self.log.close()
        shutil.rmtree(self.home, ignore_errors=True)

    # ---- the protocol

    def message(self, limit):
        end = time.monotonic() + limit
        while b"\0" not in self.heard:
            if not select.select([self.to_hear], [], [], max(0, end - time.monotonic()))[0]:
                raise Broken("chromium says nothing")
            block = os.read(self.to_hear, 1 << 20)
            if not block:
                raise Broken("chromium is gone")
            self.heard += block
        message, self.heard = self.heard.split(b"\0", 1)
        return json.loads(message)

    def note(self, message):
        method, params = message.get("method"), message.get("params", {})
        if method == "Runtime.consoleAPICalled":
            self.told.append("%s: %s" % (params["type"], [a.get("value") for a in params["args"]]))
        elif method == "Runtime.exceptionThrown":
            self.told.append("exception: %s" % json.dumps(params["exceptionDetails"])[:500])
        elif method == "Log.entryAdded":
            self.told.append("log: %s" % params["entry"]["text"])
        elif method == "Page.loadEventFired":
            self.loaded = True
        elif method == "Network.requestWillBeSent" and not params["request"]["url"].startswith("file:"):
            self.told.append("request: %s" % params["request"]["url"][:200])

    def call(self, method, limit=60, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        text = json.dumps(message).encode() + b"\0"
        while text:
            text = text[os.write(self.to_write, text):]
        while True:
            answer = self.message(limit)
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise Broken("%s: %s" % (method, answer["error"]))
                return answer["result"]
            self.note(answer)

    # ---- what a person does

    def open(self, path):
        self.loaded = False
        self.call("Page.navigate", url="file://" + os.path.abspath(path))
        while not self.loaded:
            self.note(self.message(60))
        self.wait_for("document.documentElement.dataset.ready === 'yes'")

    def run(self, expression):
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise Broken("%s: %s" % (expression, json.dumps(result["exceptionDetails"])[:500]))
        return result["result"].get("value")

    def wait_for(self, expression, limit=30):
        """Looks after whatever the page does, and says so when it becomes true."""
        if not self.run("new Promise(done => { const end = Date.now() + %d; (function look() { if (%s) done(true); "
                        "else if (Date.now() > end) done(false); else setTimeout(look, 5); })(); })" % (limit * 1000, expression)):
            raise Broken("never true: %s; %r" % (expression, self.told))

    def click(self, expression):
        """With the mouse, in the middle of the element that the expression gives."""
        x, y = self.run("(() => { const e = %s; e.scrollIntoView({block: 'center'}); const r = e.getBoundingClientRect();"
                        " return [r.x + r.width / 2, r.y + Math.min(r.height / 2, 20)]; })()" % expression)
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def key(self, key, code=0, text=""):
        more = {"text": text} if text else {}
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **more)

    def press(self, *keys):
        """Keys by name, one after the other."""
        for key in keys:
            self.key(key, KEYS.get(key, ord(key.upper()) if len(key) == 1 else 0), {"Enter": "\r", "Space": " "}.get(key, key if len(key) == 1 else ""))

    def type(self, text):
        self.call("Input.insertText", text=text)

    def size(self, width, height):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def dark(self, dark):
        self.call("Emulation.setEmulatedMedia",
                  features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    def heard_as(self):
        """What a screen reader is given: (role, name, properties, depth, text) of each element, from the top. Text is what is said within."""
        nodes = {node["nodeId"]: node for node in self.call("Accessibility.getFullAXTree")["nodes"]}
        found = []

        def text(node):
            if node.get("role", {}).get("value") == "StaticText":
                return node["name"]["value"]
            return "".join(text(nodes[child]) for child in node.get("childIds", ()) if child in nodes)

        def add(node, depth):
            role, hidden = node.get("role", {}).get("value"), node.get("ignored") or node.get("role", {}).get("value") == "InlineTextBox"
            if not hidden:
                more = {entry["name"]: entry["value"].get("value") for entry in node.get("properties", ())}
                more["description"] = node.get("description", {}).get("value", "")
                found.append((role, node.get("name", {}).get("value", ""), more, depth, text(node)))
            for child in node.get("childIds", ()):
                if child in nodes:
                    add(nodes[child], depth + (not hidden))

        add(next(node for node in nodes.values() if "parentId" not in node), 0)
        return found

    def picture(self, path=None, whole=False):
        png = base64.b64decode(self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)["data"])
        if path:
            with open(path, "wb") as out:
                out.write(png)
        return png
