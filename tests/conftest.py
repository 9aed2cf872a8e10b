"""What every test shares: silence, a fixed seed, and two data sets."""

import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # Before TensorFlow is imported.

import keras
import pytest
import tensorflow as tf

# Run by another environment's Python, which has MediaPipe.
collect_ignore = ["_mediapipe.py"]

# The same numbers on CPU and GPU, within the tolerance that a test names.
tf.config.experimental.enable_tensor_float_32_execution(False)


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items):
    """Keep a file, and in the contract tests a network, in one process: fixtures are made once."""
    for item in items:
        network = getattr(item, "callspec", None) and item.callspec.params.get("name")
        group = f"{item.path}:{network}" if network else str(item.path)
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(autouse=True)
def fixed_seed():
    """Seed everything, so that a test gives the same numbers alone and in a run of all."""
    keras.utils.set_random_seed(0)


@pytest.fixture(scope="session")
def camvid():
    """Folder of the real CamVid, for the few tests that need real pictures."""
    folder = Path(os.environ.get("CAMVID", "../shared/datasets/CamVid"))
    if not (folder / "train").is_dir():
        pytest.skip(f"needs CamVid: set CAMVID to its folder (looked in {folder})")
    return folder


@pytest.fixture(scope="session")
def tiny_shapes():
    """Twelve pictures of shapes, 64x96 pixels, in three splits."""
    import pipelines

    return pipelines.shapes(num_images=12, size=(64, 96), seed=0)
