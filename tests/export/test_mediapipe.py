"""Exports opened by MediaPipe's ImageSegmenter: same label map, class names, probabilities."""

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from _export import NAMES, network

from keras_seg.export import LiteRTSegmenter, tflite

pytestmark = [pytest.mark.export, pytest.mark.mediapipe, pytest.mark.slow]
SCRIPT = Path(__file__).parents[1] / "_mediapipe.py"


@pytest.fixture(scope="module")
def python():
    python = os.environ.get("MEDIAPIPE_PYTHON")
    if not python:
        pytest.skip("needs MEDIAPIPE_PYTHON, see `make test-mediapipe`")
    return python


@pytest.mark.parametrize(
    ("mode", "input_type"),
    [
        ("fp32", None), ("fp32", "uint8"), ("fp16", None), ("int8_weights", None), ("int8", None),
    ],
)  # fmt: skip
def test_mediapipe_gives_the_labels_of_litert(python, mode, input_type, tmp_path):
    size = (64, 80)
    pictures = np.random.default_rng(3).integers(0, 256, (4, *size, 3)).astype("uint8")
    path = tmp_path / "model.tflite"
    tflite(
        network(0), path, mode, size=size, calibration=pictures, class_names=NAMES,
        min_agreement=0.8, input_type=input_type,
    )  # fmt: skip
    np.save(tmp_path / "pictures.npy", pictures)
    command = [python, SCRIPT, path, tmp_path / "pictures.npy", tmp_path / "found.npz"]
    subprocess.run([str(part) for part in command], check=True, capture_output=True)
    with np.load(tmp_path / "found.npz") as found:
        assert found["names"].tolist() == list(NAMES)
        segmenter = LiteRTSegmenter(path)
        # In 8 bits, scores can be equal, and MediaPipe compares probabilities.
        same = found["masks"] == segmenter.labels(pictures)
        assert np.mean(same) >= (0.99 if mode == "int8" else 0.999)
        np.testing.assert_allclose(found["confidences"].sum(-1), 1, atol=1e-3)
        scores = segmenter.scores(pictures).astype("float64")
        exponents = np.exp(scores - scores.max(-1, keepdims=True))
        softmax = exponents / exponents.sum(-1, keepdims=True)
        np.testing.assert_allclose(found["confidences"], softmax, atol=2e-3)
