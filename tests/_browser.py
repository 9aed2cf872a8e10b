"""Chromium without a window, driven through chromedriver's HTTP interface (W3C WebDriver)."""

import base64
import contextlib
import json
import re
import shutil
import subprocess
import time
import urllib.error
import urllib.request

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
_ARGUMENTS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the name that the standard gives to ids
_SECONDS = 90  # this long a page may take on a busy machine


class Browser:
    """A session of Chromium with a new profile.

    Args:
        profile: a new folder.
        flags: further arguments of Chromium.
        size: width and height of the window in pixels.
        phone: whether it is a phone's screen, with its own width of pages.
    """

    def __init__(self, profile, *flags, size=(1280, 900), phone=False):
        arguments = [*_ARGUMENTS, *flags, f"--user-data-dir={profile}"]
        arguments.append(f"--window-size={size[0]},{size[1]}")
        options = {"binary": CHROMIUM, "args": arguments}
        if phone:
            metrics = {"width": size[0], "height": size[1], "pixelRatio": 2.0, "touch": True}
            options["mobileEmulation"] = {"deviceMetrics": metrics}
        self._driver = subprocess.Popen(
            [DRIVER, "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self._address = self._session = ""
        for line in self._driver.stdout:
            if found := re.search(r"successfully on port (\d+)", line):
                self._address = f"http://127.0.0.1:{found[1]}"
                break
        wanted = {"browserName": "chrome", "goog:chromeOptions": options}
        wanted["goog:loggingPrefs"] = {"browser": "ALL"}
        answer = self._call("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        self._session = f"/session/{answer['sessionId']}"

    def _call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._address + self._session + path, data, method=method)
        try:
            with urllib.request.urlopen(request, timeout=_SECONDS) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(error.read().decode()[:2000]) from error

    def open(self, address):
        self._call("POST", "/url", {"url": address})

    def run(self, code, *arguments):
        """The result of JavaScript, which may await and returns with `return`."""
        wrapped = (
            "const given = arguments, done = arguments[arguments.length - 1]; "
            f"(async () => {{ {code} }})().then(done, (error) => done('ERROR ' + error))"
        )
        body = {"script": wrapped, "args": list(arguments)}
        result = self._call("POST", "/execute/async", body)
        if isinstance(result, str) and result.startswith("ERROR "):
            raise RuntimeError(result)
        return result

    def run_script(self, code):
        """Run a whole script, such as a library."""
        self._call("POST", "/execute/sync", {"script": code, "args": []})

    def _element(self, css):
        body = {"using": "css selector", "value": css}
        return f"/element/{self._call('POST', '/element', body)[_ELEMENT]}"

    def click(self, css):
        self._call("POST", f"{self._element(css)}/click", {})

    def choose(self, css, path):
        """Choose a file."""
        self._call("POST", f"{self._element(css)}/value", {"text": str(path)})

    def text(self, css):
        return self._call("GET", f"{self._element(css)}/text")

    def wait(self, code):
        """Wait until an expression is true; return it."""
        end = time.monotonic() + _SECONDS
        while time.monotonic() < end:
            if found := self.run(f"return {code}"):
                return found
            time.sleep(0.2)
        raise TimeoutError(f"{code}; the page says {self.text('body')!r}; {self.log()}")

    def log(self):
        """What the page wrote on the console."""
        return [entry["message"] for entry in self._call("POST", "/se/log", {"type": "browser"})]

    def screenshot(self, path):
        path.write_bytes(base64.b64decode(self._call("GET", "/screenshot")))

    def close(self):
        with contextlib.suppress(OSError, RuntimeError):
            self._call("DELETE", "")
        self._driver.terminate()
        self._driver.wait(20)
        self._driver.stdout.close()
