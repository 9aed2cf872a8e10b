"""A server in a process of its own, and what tests of it share."""

import contextlib
import io
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[1]
RUN = ROOT / "saved_models" / "contextnet_cn14-camvid"
NAME, FILE = RUN.name, RUN / "model_int8.tflite"
OTHER_FILE = ROOT / "saved_models" / "fc_densenet_mobile-camvid" / "model_int8.tflite"
SIZE = (360, 480)  # of FILE
PACKAGES = ("fastapi", "uvicorn", "prometheus_client", "httpx")

# Imported in a server's process, it fails as soon as one of them is imported.
BLOCKED = (
    "import sys; sys.modules.update(dict.fromkeys(('keras', 'tensorflow', 'jax', 'torch'))); "
    "from keras_seg.cli.main import main; sys.exit(main(sys.argv[1:]))"
)


def require_packages():
    """Skip a module where the extra `serve` is not installed; else return the package httpx."""
    reason = "needs the extra `serve`: pip install keras_seg[serve]"
    return [pytest.importorskip(package, reason=reason) for package in PACKAGES][-1]


def picture(seed=0, size=SIZE):
    """A soft picture uint8 (h, w, 3) with several classes."""
    small = np.random.default_rng(seed).integers(0, 256, (6, 8, 3)).astype("uint8")
    return np.asarray(Image.fromarray(small).resize(size[::-1], Image.Resampling.BICUBIC))


def encoded(pixels, kind="PNG", **options):
    """The bytes of a file."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


def ids(png):
    """Class ids of an answered PNG."""
    return np.asarray(Image.open(io.BytesIO(png)))


class Served:
    """A running server; `http` and `grpc` are its addresses."""

    def __init__(self, *arguments, python=sys.executable, ports=(0, 0)):
        command = [python, "-c", BLOCKED, "serve", *map(str, arguments), "--port", str(ports[0])]
        self.process = subprocess.Popen(
            [*command, "--grpc-port", str(ports[1])], stderr=subprocess.PIPE, text=True, cwd=ROOT
        )
        self.log = []
        self._started = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if not self._started.wait(120):
            self.process.kill()
            raise AssertionError("\n".join(self.log))

    def _read(self):
        """Read the log to its end, as a full pipe would stop the server."""
        for line in self.process.stderr:
            self.log.append(line)
            found = re.match(r"HTTP: (http://\S+)  gRPC: (\S+)", line)
            if found:
                self.http, self.grpc = found.groups()
                self._started.set()

    def stop(self, number=signal.SIGTERM):
        """End it; returns the exit status."""
        try:
            self.process.send_signal(number)
            return self.process.wait(60)
        finally:
            self.process.kill()
            self._reader.join()
            self.process.stderr.close()


@contextlib.contextmanager
def serving(*arguments, **options):
    server = Served(*arguments, **options)
    try:
        yield server
    finally:
        server.stop()
