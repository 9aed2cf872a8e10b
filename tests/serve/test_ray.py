"""Ray Serve answers like the server in one process.

Ray is large: name the Python of an environment that has it as RAY_PYTHON.
"""

import os
import socket
import subprocess
import sys

import numpy as np
import pytest
from _serving import FILE, NAME, RUN, encoded, ids, picture, require_packages, serving

from keras_seg.inference.litert import LiteRTSegmenter
from keras_seg.serve import Client

httpx = require_packages()

pytestmark = pytest.mark.slow

PYTHON = os.environ.get("RAY_PYTHON", sys.executable)


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def test_ray_serve_gives_the_labels_of_the_file_itself_and_stops():
    if subprocess.run([PYTHON, "-c", "import ray.serve"], capture_output=True).returncode:
        pytest.skip("needs ray[serve]: set RAY_PYTHON to a Python that has it")
    segmenter, ports = LiteRTSegmenter(FILE), (free_port(), free_port())
    with serving(RUN, "--ray", "--workers", 1, python=PYTHON, ports=ports) as server:
        urls = [f"{server.http}/{NAME}", f"grpc://{server.grpc}/{NAME}"]
        for client in map(Client, urls):
            pixels = picture(0)
            for given in (pixels, encoded(pixels)):
                np.testing.assert_array_equal(client(given), segmenter(pixels))
            with pytest.raises(ValueError, match=r"Received: 3 bytes"):
                client(b"abc")
            assert client.class_names[0] == "sky"
        with pytest.raises(ValueError, match=r"NOT_FOUND.*Received: 'other'"):
            Client(urls[1].replace(NAME, "other"))
        answer = httpx.post(server.http, content=encoded(pixels), timeout=60)
        np.testing.assert_array_equal(ids(answer.content), segmenter(pixels))
        assert httpx.get(f"{server.http}/metrics").status_code == 200
        assert server.stop() == 0
