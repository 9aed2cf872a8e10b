"""The wheel works without the repository: every package and the shipped networks are in it."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LOAD = """
import sys
sys.path.insert(0, sys.argv[1])
import numpy as np
import keras_seg, pipelines
assert keras_seg.__file__.startswith(sys.argv[1]), keras_seg.__file__
labels = keras_seg.load("contextnet_cn14-camvid")(np.zeros((40, 60, 3), "uint8"))
assert labels.shape == (40, 60)
assert pipelines.shapes(num_images=3).num_classes == 4
assert pipelines.load("crop_rows", num_images=3, size=(32, 32)).num_classes == 3  # reads a .csv
"""


@pytest.mark.slow
def test_a_wheel_has_the_shipped_networks_and_every_module(tmp_path):
    # From a copy: setuptools leaves a folder `build` where it works.
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    files = [name for name in listed.split("\0") if name and (ROOT / name).is_file()]
    for name in [*files, "saved_models/somebodys_own/run.json"]:
        target = tmp_path / "source" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_file():
            shutil.copy(ROOT / name, target)
        else:
            target.write_text("{}")
    options = ["--no-deps", "--no-build-isolation", "--quiet", "-w", tmp_path]
    build = [sys.executable, "-m", "pip", "wheel", *options, tmp_path / "source"]
    subprocess.run(build, check=True, cwd=tmp_path)
    (wheel,) = tmp_path.glob("keras_seg-*.whl")
    with zipfile.ZipFile(wheel) as file:
        inside = set(file.namelist())
        file.extractall(tmp_path / "installed")
    wanted = {
        name
        for name in files
        if name.endswith((".py", ".csv", ".proto", ".html", ".css", ".js"))
        and name.startswith(("keras_seg/", "pipelines/"))
    }
    assert wanted - inside == set()
    assert not any("somebodys_own" in name for name in inside)
    assert "saved_models/fc_densenet_mobile-camvid/model.keras" in inside
    run = [sys.executable, "-c", LOAD, str(tmp_path / "installed")]
    subprocess.run(run, check=True, cwd=tmp_path)
