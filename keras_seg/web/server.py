"""The server of the page: a fixed set of files, nothing else."""

import base64
import contextlib
import hashlib
import http.server
import json
import logging
import re
import socket
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from keras_seg.web.description import describe
from keras_seg.web.packages import package_files

log = logging.getLogger("keras_seg")

_STATIC = Path(__file__).with_name("static")
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".tflite": "application/octet-stream",
    ".wasm": "application/wasm",
}


class Content(NamedTuple):
    """What is answered to one path: bytes, or a file that is read for each answer."""

    type: str
    source: bytes | Path

    def read(self):
        """The bytes."""
        return self.source if isinstance(self.source, bytes) else self.source.read_bytes()


def routes(file, name, packages=None):
    """All that the server answers, by path.

    The network and its description are read once: a file that is written later needs a new start.

    Args:
        file: .tflite file.
        name: name of the network, a heading of the page.
        packages: folder of the npm packages; None for that of the cache.

    Returns:
        dict {path: `Content`}.

    Raises:
        ValueError: the file is of another kind, or a package is missing.
    """
    description = {"name": name, **describe(file)}
    found = {f"/{path.name}": _content(path) for path in sorted(_STATIC.iterdir())}
    found["/"] = found.pop("/index.html")
    found["/model.json"] = Content(_TYPES[".json"], json.dumps(description).encode())
    found["/model.tflite"] = Content(_TYPES[".tflite"], Path(file).read_bytes())
    for path, source in package_files(packages).items():
        found[f"/packages/{path}"] = Content(_TYPES[source.suffix], source)
    return found


def _content(path):
    return Content(_TYPES[path.suffix], path.read_bytes())


def security_headers(page):
    """Headers with which a browser refuses whatever comes from elsewhere, and offers threads.

    Args:
        page: bytes of the HTML page; its import map is allowed by its checksum.

    Returns:
        dict.
    """
    inline = re.findall(rb"<script type=\"importmap\">(.*?)</script>", page, re.S)
    sums = [base64.b64encode(hashlib.sha256(text).digest()).decode() for text in inline]
    scripts = " ".join(["'self'", "'wasm-unsafe-eval'", *(f"'sha256-{one}'" for one in sums)])
    policy = (
        f"default-src 'none'; script-src {scripts}; style-src 'self'; connect-src 'self'; "
        "worker-src 'self' blob:; img-src 'self' blob: data:; media-src 'self' blob:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return {
        "Content-Security-Policy": policy,
        # Both are what browsers ask of a page with threads.
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Embedder-Policy": "require-corp",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-cache",
    }


class Server(http.server.ThreadingHTTPServer):
    """A server of the page.

    Args:
        contents: dict {path: `Content`} of `routes`.
        host: address to listen on; 0.0.0.0 for all.
        port: port; 0 for a free one.

    Attributes:
        address: the page's address.

    Raises:
        OSError: the port is in use.
    """

    daemon_threads = True

    def __init__(self, contents, host="127.0.0.1", port=8080):
        self.contents, self.headers = contents, security_headers(contents["/"].read())
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            super().__init__((host, port), _Handler)
        except OSError as error:
            raise OSError(
                f"`demo-web` needs a free port. Received: {host}:{port} ({error.strerror}). "
                "Pass another one as --port; 0 takes a free one."
            ) from error
        shown = f"[{host}]" if ":" in host else host
        self.address = f"http://{shown}:{self.server_address[1]}/"


class _Handler(http.server.BaseHTTPRequestHandler):
    """Answers GET and HEAD of the paths that the server has; no path becomes one of the disk."""

    server: Server
    protocol_version = "HTTP/1.1"
    timeout = 60

    def do_GET(self):
        self._answer(with_body=True)

    def do_HEAD(self):
        self._answer(with_body=False)

    def _answer(self, with_body):
        content = self.server.contents.get(urlsplit(self.path).path)
        if content is None:
            content = Content("text/plain; charset=utf-8", b"No such page.\n")
            self.send_response(http.HTTPStatus.NOT_FOUND)
        else:
            self.send_response(http.HTTPStatus.OK)
        body = content.read()
        headers = {"Content-Type": content.type, "Content-Length": len(body)}
        for name, value in {**headers, **self.server.headers}.items():
            self.send_header(name, str(value))
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def log_message(self, format, *args):
        log.debug(format, *args)


def serve_page(file, name, host="127.0.0.1", port=8080):
    """Serve the page until Ctrl-C.

    Args:
        file: .tflite file.
        name: name of the network.
        host: address to listen on; 0.0.0.0 for all.
        port: port; 0 for a free one.

    Raises:
        ValueError: the file is of another kind, or a package is missing.
        OSError: the port is in use.
    """
    with Server(routes(file, name), host, port) as server:
        log.warning("%s in the browser: %s (Ctrl-C stops)", file, server.address)
        with contextlib.suppress(KeyboardInterrupt):
            server.serve_forever()
