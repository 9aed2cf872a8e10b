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
    ("mode", "input_type", "quantizer"),
    [
        ("fp32", None, "tensorflow"), ("fp32", "uint8", "tensorflow"), ("fp16", None, "tensorflow"),
        ("int8_weights", None, "tensorflow"), ("int8", None, "tensorflow"),
        ("int8", None, "ai-edge"),
    ],
)  # fmt: skip
def test_mediapipe_gives_the_labels_of_litert(python, mode, input_type, quantizer, tmp_path):
    if quantizer == "ai-edge":
        pytest.importorskip("ai_edge_quantizer", reason="needs pip install keras_seg[ai-edge]")
    size = (64, 80)
    pictures = np.random.default_rng(3).integers(0, 256, (4, *size, 3)).astype("uint8")
    path = tmp_path / "model.tflite"
    tflite(
        network(0), path, mode, size=size, calibration=pictures, class_names=NAMES,
        min_agreement=0.8, input_type=input_type, quantizer=quantizer,
    )  # fmt: skip
    np.save(tmp_path / "pictures.npy", pictures)
    command = [python, SCRIPT, path, tmp_path / "pictures.npy", tmp_path / "found.npz"]
    subprocess.run([str(part) for part in command], check=True, capture_output=True)
    with np.load(tmp_path / "found.npz") as found:
        assert found["names"].tolist() == list(NAMES)
        segmenter = LiteRTSegmenter(path)
        # In 8 bits, scores can be equal, and MediaPipe compares probabilities.
        same = found["masks"] == segmenter.scores(pictures).argmax(-1)
        assert np.mean(same) >= (0.99 if mode == "int8" else 0.999)
        if mode != "int8":
            # `labels` enlarges the small scores of int8 files without their rounding.
            assert np.mean(found["masks"] == segmenter.labels(pictures)) >= 0.999
        np.testing.assert_allclose(found["confidences"].sum(-1), 1, atol=1e-3)
        scores = segmenter.scores(pictures).astype("float64")
        exponents = np.exp(scores - scores.max(-1, keepdims=True))
        softmax = exponents / exponents.sum(-1, keepdims=True)
        np.testing.assert_allclose(found["confidences"], softmax, atol=2e-3)
