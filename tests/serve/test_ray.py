"""Ray Serve answers like the server in one process.

Ray is large: name the Python of an environment that has it as RAY_PYTHON.
"""

import os
import shutil
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
from _serving import FILE, NAME, OTHER_FILE, RUN, encoded, ids, picture, require_packages, serving

from keras_seg.inference.litert import LiteRTSegmenter
from keras_seg.serve import Client

httpx = require_packages()

pytestmark = pytest.mark.slow

PYTHON = os.environ.get("RAY_PYTHON", sys.executable)


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def require_ray():
    if subprocess.run([PYTHON, "-c", "import ray.serve"], capture_output=True).returncode:
        pytest.skip("needs ray[serve]: set RAY_PYTHON to a Python that has it")


def test_ray_serve_gives_the_labels_of_the_file_itself_and_stops():
    require_ray()
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


def test_a_new_file_is_served_without_a_restart(tmp_path):
    require_ray()
    path = tmp_path / "streets" / "model_int8.tflite"
    path.parent.mkdir()
    shutil.copy(FILE, path)
    (path.parent / "run.json").write_text("{}")
    os.utime(path, (1_000_000, 1_000_000))
    ports = (free_port(), free_port())
    arguments = (path.parent, "--ray", "--workers", 1)
    with serving(*arguments, python=PYTHON, ports=ports) as server:
        client = Client(f"grpc://{server.grpc}/streets")
        client(picture(1))
        assert client.version == 1_000_000
        shutil.copy(OTHER_FILE, tmp_path / "new")
        os.utime(tmp_path / "new", (2_000_000, 2_000_000))
        os.replace(tmp_path / "new", path)
        for _ in range(100):
            found = client(picture(1))
            if client.version == 2_000_000:
                break
            time.sleep(0.1)
        np.testing.assert_array_equal(found, LiteRTSegmenter(OTHER_FILE)(picture(1)))
