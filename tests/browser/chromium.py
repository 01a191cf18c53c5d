"""A headless Chromium, driven over its DevTools protocol by a pipe: nothing but Python's own library.

The browser runs in a network namespace of its own with no interface up, so that a page that asks
for anything gets nothing and is seen asking. See https://chromedevtools.github.io/devtools-protocol/.
"""

import base64
import collections
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

# A browser that doesn't answer for so long is broken; a slow machine isn't.
PATIENCE_S = 180


# Windows' numbers of keys, by which Chromium knows them.
KEYS = {"Enter": 13, "Escape": 27, "PageUp": 33, "PageDown": 34, "ArrowLeft": 37, "ArrowRight": 39}


class Failed(Exception):
    """The browser or the page didn't do what it should."""


class Chromium:
    def __init__(self):
        program = shutil.which("chromium") or shutil.which("chromium-browser")
        if not program:
            raise Failed("no chromium; apt-get install chromium")
        self.profile = tempfile.mkdtemp(prefix="sgascope-chromium-")
        to_read, self.out = os.pipe()
        self.inp, to_write = os.pipe()

        def as_three_and_four():
            # the browser reads commands from 3 and writes answers to 4
            first, second = os.dup(to_read), os.dup(to_write)
            os.dup2(first, 3)
            os.dup2(second, 4)

        command = [
            program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic",
            "--no-first-run", "--disable-background-networking", "--disable-component-update",
            "--disable-sync", "--disable-extensions", "--disable-dev-shm-usage", "--hide-scrollbars",
            "--force-color-profile=srgb", "--remote-debugging-pipe",
            f"--user-data-dir={self.profile}", "about:blank",
        ]
        self.log = open(os.path.join(self.profile, "stderr"), "wb")
        self.process = subprocess.Popen(
            ["unshare", "--net"] + command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
            preexec_fn=as_three_and_four, close_fds=False,
        )
        os.close(to_read)
        os.close(to_write)
        self.number = 0
        self.buffer = b""
        self.events = collections.deque()

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.out)
        os.close(self.inp)
        self.log.close()
        shutil.rmtree(self.profile, ignore_errors=True)

    def _message(self, until):
        while b"\0" not in self.buffer:
            left = until - time.monotonic()
            ready = select.select([self.inp], [], [], max(0, left))[0]
            if not ready:
                return None
            part = os.read(self.inp, 1 << 16)
            if not part:
                with open(self.log.name, "rb") as log:
                    raise Failed("the browser ended: " + log.read()[-2000:].decode(errors="replace"))
            self.buffer += part
        message, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, session=None, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self.out, data):]
        until = time.monotonic() + PATIENCE_S
        while True:
            answer = self._message(until)
            if answer is None:
                raise Failed(f"{method}: no answer within {PATIENCE_S} s")
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise Failed(f"{method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)

    def page(self, **options):
        return Page(self, **options)


class Page:
    """A tab. What it does that it shouldn't is collected in `complaints`, what it asks for in `requests`."""

    def __init__(self, chromium, width=1280, height=900, script=True, dark=False, touch=False, zone="UTC"):
        self.chromium = chromium
        target = chromium.call("Target.createTarget", url="about:blank")["targetId"]
        self.target = target
        self.session = chromium.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.complaints, self.requests, self.loaded = [], [], False
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(domain + ".enable")
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=touch)
        self.call("Emulation.setTimezoneOverride", timezoneId=zone)
        self.call("Emulation.setTouchEmulationEnabled", enabled=touch)
        self.media(dark)
        if not script:
            self.call("Emulation.setScriptExecutionDisabled", value=True)
        self.width, self.height = width, height

    def call(self, method, **params):
        answer = self.chromium.call(method, session=self.session, **params)
        self.collect()
        return answer

    def collect(self):
        events, self.chromium.events = self.chromium.events, collections.deque()
        for event in events:
            if event.get("sessionId") != self.session:
                continue
            name, params = event["method"], event["params"]
            if name == "Page.loadEventFired":
                self.loaded = True
            elif name == "Runtime.exceptionThrown":
                details = params["exceptionDetails"]
                self.complaints.append(details.get("exception", {}).get("description", details["text"]))
            elif name == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
                self.complaints.append(f"console: {params['args']}")
            elif name == "Log.entryAdded":
                self.complaints.append(f"log: {params['entry']['text']}")
            elif name == "Network.requestWillBeSent":
                self.requests.append(params["request"]["url"])
            elif name == "Page.javascriptDialogOpening":
                self.complaints.append("a dialog: " + params["message"])

    def media(self, dark, media=""):
        scheme = "dark" if dark else "light"
        self.call("Emulation.setEmulatedMedia", media=media, features=[{"name": "prefers-color-scheme", "value": scheme}])

    def open(self, url):
        self.loaded = False
        self.call("Page.navigate", url=url)
        until = time.monotonic() + PATIENCE_S
        while not self.loaded:
            if time.monotonic() > until:
                raise Failed(f"{url} didn't load")
            self.call("Runtime.getIsolateId")
            time.sleep(0.02)

    def run(self, expression):
        """The value of a JavaScript expression."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise Failed(f"{expression}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def settle(self):
        """Waits until what was asked for is drawn."""
        self.run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(0))))")

    def mouse(self, kind, x, y, **more):
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)

    def click(self, x, y, times=1):
        self.mouse("mouseMoved", x, y)
        for count in range(1, times + 1):
            self.mouse("mousePressed", x, y, button="left", clickCount=count)
            self.mouse("mouseReleased", x, y, button="left", clickCount=count)
        self.settle()

    def click_on(self, selector):
        place = self.run(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)}); e.scrollIntoView({{block: 'center'}});"
            " const b = e.getBoundingClientRect(); return [b.left + Math.min(20, b.width / 2), b.top + b.height / 2]; })()"
        )
        self.click(*place)

    def drag(self, x1, y1, x2, y2, parts=8):
        self.mouse("mouseMoved", x1, y1)
        self.mouse("mousePressed", x1, y1, button="left", clickCount=1)
        for part in range(1, parts + 1):
            x, y = x1 + (x2 - x1) * part / parts, y1 + (y2 - y1) * part / parts
            self.mouse("mouseMoved", x, y, button="left", buttons=1)
        self.mouse("mouseReleased", x2, y2, button="left", clickCount=1)
        self.settle()

    def swipe(self, x1, y1, x2, y2, parts=8):
        point = lambda x, y: [{"x": x, "y": y}]
        self.call("Input.dispatchTouchEvent", type="touchStart", touchPoints=point(x1, y1))
        for part in range(1, parts + 1):
            x, y = x1 + (x2 - x1) * part / parts, y1 + (y2 - y1) * part / parts
            self.call("Input.dispatchTouchEvent", type="touchMove", touchPoints=point(x, y))
        self.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
        self.settle()

    def key(self, key, **more):
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=KEYS[key], **more)
        self.settle()

    def screenshot(self, path, whole=True):
        clip = {}
        if whole:
            size = self.call("Page.getLayoutMetrics")["cssContentSize"]
            clip = {"clip": {"x": 0, "y": 0, "width": self.width, "height": size["height"], "scale": 1},
                    "captureBeyondViewport": True}
        data = self.call("Page.captureScreenshot", format="png", **clip)["data"]
        with open(path, "wb") as file:
            file.write(base64.b64decode(data))

    def close(self):
        self.chromium.call("Target.closeTarget", targetId=self.target)
