"""Changes of .tflite files: the same numbers, in other types."""

import numpy as np
import pytest
from _export import network

from keras_seg.export import LiteRTSegmenter, edit, tflite
from keras_seg.inference.headless import packed

pytestmark = pytest.mark.export
SIZE = (64, 80)


def pictures(count):
    return np.random.default_rng(4).integers(0, 256, (count, *SIZE, 3)).astype("uint8")


@pytest.fixture(scope="module")
def float_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("file") / "model.tflite"
    tflite(network(0, filters=64), path, size=SIZE)
    return path


def places(path):
    """Where in the file the contents of its buffers begin."""
    from ai_edge_litert import schema_py_generated as schema

    content = np.frombuffer(path.read_bytes(), np.uint8)
    model = schema.Model.GetRootAs(content, 0)
    buffers = [model.Buffers(i) for i in range(model.BuffersLength())]
    first = content.__array_interface__["data"][0]
    return [
        buffer.DataAsNumpy().__array_interface__["data"][0] - first
        for buffer in buffers
        if not buffer.DataIsNone()
    ]


def test_a_written_file_is_the_same_with_its_weights_aligned(float_file, tmp_path):
    edit.File(float_file).write(tmp_path / "again.tflite")
    images = pictures(1)
    before = LiteRTSegmenter(float_file).scores(images)
    np.testing.assert_array_equal(LiteRTSegmenter(tmp_path / "again.tflite").scores(images), before)
    # schema.fbs: Buffer.data has force_align 16.
    assert {place % 16 for place in places(tmp_path / "again.tflite")} == {0}


def test_weights_behind_the_schemas_part_are_read_and_written_into_it(float_file, tmp_path):
    content = edit.File(float_file)
    filled = [buffer for buffer in content.model.buffers if buffer.data is not None]
    outside = max(filled, key=lambda buffer: len(buffer.data))
    weights, outside.data = bytes(outside.data), None
    outside.offset = outside.size = 2  # of the same length in the file as those below
    end = len(packed(content.model))
    outside.offset, outside.size = end, len(weights)
    path = tmp_path / "outside.tflite"
    path.write_bytes(packed(content.model) + weights)
    images = pictures(1)
    before = LiteRTSegmenter(float_file).scores(images)
    np.testing.assert_array_equal(LiteRTSegmenter(path).scores(images), before)  # LiteRT reads it
    edit.File(path).write(tmp_path / "again.tflite")
    np.testing.assert_array_equal(LiteRTSegmenter(tmp_path / "again.tflite").scores(images), before)
    assert len(places(tmp_path / "again.tflite")) == len(places(float_file))


def test_kernels_in_8_bits_differ_by_at_most_half_a_step(float_file, tmp_path):
    content = edit.File(float_file)
    kernels = {
        tensor.name: content._constant(index)
        for index, tensor in enumerate(content.graph.tensors)
        if tensor.shape is not None and np.prod(tensor.shape) >= 1024
    }
    kernels = {name: values for name, values in kernels.items() if values is not None}
    content.quantize_weights()
    stored = {tensor.name: tensor for tensor in content.graph.tensors}
    assert len(kernels) == 1  # 3 x 3 x 3 x 64; the others have fewer than 1024 numbers
    for name, values in kernels.items():
        tensor = stored[name + b"_int8"]
        whole = np.frombuffer(content.model.buffers[tensor.buffer].data.tobytes(), np.int8)
        scale = tensor.quantization.scale.reshape(-1, 1, 1, 1)
        np.testing.assert_allclose(scale.ravel(), np.abs(values).max((1, 2, 3)) / 127, rtol=1e-6)
        assert np.all(np.abs(whole.reshape(values.shape) * scale - values) <= scale * 0.5001)


@pytest.mark.long
def test_uint8_scores_are_int8_scores_plus_128(tmp_path, monkeypatch):
    """With the enlargement at the end, which then is computed in uint8, and without."""
    model, given = network(0), pictures(4)
    for name in ("resized", "last"):
        if name == "last":
            monkeypatch.setattr(edit.File, "give_uint8_scores", whole_output)
        tflite(
            model, tmp_path / f"{name}.tflite", "int8", size=SIZE, calibration=given,
            min_agreement=0.5,
        )  # fmt: skip
    resized, last = (
        LiteRTSegmenter(tmp_path / f"{name}.tflite").scores(given) for name in ("resized", "last")
    )
    np.testing.assert_array_equal(resized, last)


def whole_output(self):
    """The usual way: the converter's `inference_output_type`."""
    (scores,) = self.graph.outputs
    converted = self._as_uint8(scores)
    self._insert("QUANTIZE", [scores], [converted], len(self.graph.operators), 2)
    self.graph.outputs = [converted]
    self._signature().outputs[0].tensorIndex = converted


@pytest.mark.long
def test_two_signatures_store_weights_once(tmp_path):
    sizes = {}
    for outputs in ("scores", "both"):
        path = tmp_path / f"{outputs}.tflite"
        tflite(network(0, filters=256), path, size=SIZE, outputs=outputs)
        sizes[outputs] = path.stat().st_size
    # 9,500 float32 are 38 kB; the second signature has names, shapes and two operations.
    assert sizes["both"] - sizes["scores"] < 6000
