"""Ray Data: a job that is killed and started again has one whole result for each picture.

Ray is large: name the Python of an environment that has ray and pyarrow as RAY_PYTHON.
"""

import os
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest
from _serving import RUN
from PIL import Image

from keras_seg import ray_files
from keras_seg.cli.main import main

PYTHON = os.environ.get("RAY_PYTHON", sys.executable)


def command(*words):
    return [PYTHON, "-m", "keras_seg", "predict", str(RUN), *map(str, words)]


@pytest.mark.slow
def test_a_killed_job_continues_and_has_one_result_for_each_picture(tmp_path):
    if subprocess.run([PYTHON, "-c", "import ray.data"], capture_output=True).returncode:
        pytest.skip("needs ray and pyarrow: set RAY_PYTHON to a Python that has them")
    random, out = np.random.default_rng(0), tmp_path / "found"
    for part in ("a", "b"):  # Pictures of the same names in two folders.
        (tmp_path / part).mkdir()
        for number in range(60):
            small = random.integers(0, 256, (6, 8, 3), np.uint8)
            cv2.imwrite(str(tmp_path / part / f"{number}.png"), cv2.resize(small, (480, 360)))
    words = (tmp_path / "a", tmp_path / "b", "--engine", "litert-int8")
    job = command(*words, "--out", out, "--ray")
    with subprocess.Popen(job, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as first:
        end = time.monotonic() + 240
        while len(list(out.glob("[!.]*_labels.png"))) < 5 and time.monotonic() < end:
            time.sleep(0.05)
        first.send_signal(signal.SIGKILL)
    time.sleep(5)  # Ray's processes end after their driver.
    begun = {path: path.stat().st_mtime_ns for path in out.glob("[!.]*_labels.png")}
    assert 5 <= len(begun) < 120
    cut = min(begun)
    cut.write_bytes(cut.read_bytes()[:100])  # As after a loss of power.
    done = subprocess.run(job, capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    pictures = [tmp_path / part / f"{number}.png" for part in ("a", "b") for number in range(60)]
    assert sorted(out.iterdir()) == sorted(ray_files.label_path(path, out) for path in pictures)
    kept = [path for path in begun if path != cut]
    assert all(path.stat().st_mtime_ns == begun[path] for path in kept), "written twice"
    # The same labels as without Ray.
    main(["predict", str(RUN), *map(str, words), "--no-overlay"])
    for path in pictures:
        written = (
            path.parent / "predicted" / f"{path.stem}_labels.png",
            ray_files.label_path(path, out),
        )
        with Image.open(written[0]) as expected, Image.open(written[1]) as found:
            np.testing.assert_array_equal(np.array(found), np.array(expected))


def test_a_picture_that_cannot_be_read_is_named_and_the_others_are_written(tmp_path):
    sound, broken = tmp_path / "sound.png", tmp_path / "broken.png"
    Image.new("RGB", (64, 48)).save(sound)
    broken.write_bytes(b"no picture")
    worker = ray_files.Worker(RUN, tmp_path / "out", "keras", "path")
    found = worker({"path": np.array([str(broken), str(sound)])})
    assert "broken.png" in found["error"][0]
    assert found["labels"].tolist() == ["", str(ray_files.label_path(sound, tmp_path / "out"))]
    assert ray_files.is_whole(found["labels"][1])
    with Image.open(found["labels"][1]) as labels:
        assert labels.size == (64, 48)


def test_classifiers_are_refused(monkeypatch):
    monkeypatch.setattr(ray_files, "load", lambda network, engine: "a classifier")
    with pytest.raises(ValueError, match=r"writes label maps.*one class per picture"):
        ray_files._opened(RUN, "auto")


def test_wrong_arguments_are_refused(tmp_path, monkeypatch, capsys):
    with pytest.raises(ValueError, match=r"needs pictures, or folders.*Received: .*no\.png"):
        ray_files._pictures(tmp_path / "no.png")
    assert main(["predict", str(RUN), "street.jpg", "--ray"]) == 2
    assert "needs --out FOLDER" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ImportError, match=r'(?s)Ray Data needs.*pip install "keras_seg\[ray\]"'):
        ray_files.imported_ray()


class Table:
    """A data set with one column, of another name."""

    def columns(self):
        return ["file"]


def test_the_column_of_paths_must_be_there(monkeypatch, tmp_path):
    monkeypatch.setattr(ray_files, "imported_ray", lambda: None)
    with pytest.raises(ValueError, match=r"column='path' and the columns \['file'\]"):
        ray_files.predict_dataset(Table(), RUN, tmp_path)
