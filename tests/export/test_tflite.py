"""TFLite: static size, builtin operations, BatchNorm folded, compared with Keras, run by LiteRT."""

import importlib
import subprocess
import sys
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from _export import NAMES, PALETTE, network, recomputed
from keras import layers

from keras_seg.export import (
    LiteRTClassifier,
    LiteRTSegmenter,
    exportable,
    flatbuffer,
    tflite,
    tflite_arguments,
)

pytestmark = pytest.mark.export
SIZE = (64, 80)
MODES = [
    "fp32",
    pytest.param("fp16", marks=pytest.mark.long),
    pytest.param("int8_weights", marks=pytest.mark.long),
    "int8",
]


def pictures(count, seed=0, size=SIZE):
    return np.random.default_rng(seed).integers(0, 256, (count, *size, 3)).astype("uint8")


@pytest.fixture(scope="module")
def model():
    return network(0)


@pytest.fixture(scope="module", params=MODES)
def exported(request, model, tmp_path_factory):
    path = tmp_path_factory.mktemp("run") / "model.tflite"
    mode = request.param
    report = tflite(
        model, path, mode, size=SIZE, calibration=pictures(6), class_names=NAMES, palette=PALETTE,
        min_agreement={"int8": 0.85, "int8_weights": 0.95}.get(mode),
    )  # fmt: skip
    return mode, path, report


def expected_labels(model, images):
    return np.argmax(model(images.astype("float32"))["logits"], -1)


def test_litert_gives_the_labels_of_keras(exported, model):
    mode, path, _ = exported
    images = pictures(2, seed=9)
    labels = LiteRTSegmenter(path).labels(images)
    assert labels.dtype == "uint8"
    # int8: random weights and noise leave many pixels near a tie.
    least = {"fp32": 0.999, "fp16": 0.995, "int8_weights": 0.95, "int8": 0.85}[mode]
    assert np.mean(labels == expected_labels(model, images)) >= least
    assert len(np.unique(labels)) > 1


def test_scores_are_the_logits_of_keras(exported, model):
    mode, path, _ = exported
    images = pictures(1, seed=9)
    logits = np.asarray(model(images.astype("float32"))["logits"])
    # fp16 keeps 11 bits, int8 has 256 steps and rounds in every layer.
    least = {"fp32": 1e-5, "fp16": 5e-3, "int8_weights": 0.02, "int8": 0.1}[mode] * np.ptp(logits)
    np.testing.assert_allclose(LiteRTSegmenter(path).scores(images), logits, atol=least)


def test_batch_norms_are_folded_and_operations_are_builtin(exported):
    mode, path, report = exported
    found = flatbuffer.operations(path)
    assert found == report.operations
    # Rescaling is a MUL and an ADD, in int8 a depthwise convolution; two convolutions, one
    # depthwise, one resize; nothing for BN.
    assert found["CONV_2D"] == 2
    assert found["DEPTHWISE_CONV_2D"] == (2 if mode == "int8" else 1)
    assert found["RESIZE_BILINEAR"] == 1
    sums = found.get("MUL", 0) + found.get("ADD", 0) + found.get("SUB", 0)
    assert sums <= (0 if mode == "int8" else 2)
    assert flatbuffer.unfolded(path) == []
    known = {"CONV_2D", "DEPTHWISE_CONV_2D", "RESIZE_BILINEAR", "MUL", "ADD", "SUB"}
    known |= {"fp16": {"DEQUANTIZE"}, "int8": {"QUANTIZE"}}.get(mode, set())
    assert set(found) <= known


def test_types_are_those_of_the_mode(exported):
    mode, path, report = exported
    dtype = "uint8" if mode == "int8" else "float32"
    assert report.inputs == {"image": f"{dtype} (1, 64, 80, 3)"}
    assert report.outputs == {"logits": f"{dtype} (1, 64, 80, 3)"}
    assert ("FLOAT32" in flatbuffer.tensor_types(path)) == (mode != "int8")


def test_int8_file_that_keeps_floats_is_refused(exported):
    mode, path, _ = exported
    if mode == "int8":
        flatbuffer.require_integer(path)
        return
    with pytest.raises(
        ValueError, match=r"LiteRT has in 8 bits.*stay in floating point: .*CONV_2D"
    ):
        flatbuffer.require_integer(path)


@pytest.mark.long
def test_int8_takes_pixels_as_they_are_and_quantizes_weights_by_channel(model, tmp_path):
    from ai_edge_litert.interpreter import Interpreter

    dark = pictures(4) // 4  # Ranges of 0..63: brighter pictures must not be clipped.
    path = tmp_path / "model.tflite"
    tflite(model, path, "int8", size=SIZE, calibration=dark, min_agreement=0.5)
    interpreter = Interpreter(str(path))
    assert interpreter.get_input_details()[0]["quantization"] == (1.0, 0)
    scales = [t["quantization_parameters"]["scales"].size for t in interpreter.get_tensor_details()]
    assert max(scales) == 8  # Filters of the first convolution.


def test_names_and_palette_travel_in_the_file(exported):
    _, path, _ = exported
    segmenter = LiteRTSegmenter(path)
    assert segmenter.class_names == list(NAMES)
    assert segmenter.palette == [list(color) for color in PALETTE]
    with zipfile.ZipFile(path) as archive:
        assert archive.read("labels.txt").decode().split() == list(NAMES)


@pytest.mark.parametrize(
    ("mode", "outputs", "input_type"),
    [
        ("fp32", "both", "uint8"),
        pytest.param("fp16", "labels", "float32", marks=pytest.mark.long),
        pytest.param("int8_weights", "both", "float32", marks=pytest.mark.long),
        pytest.param("int8", "labels", None, marks=pytest.mark.long),
        pytest.param("int8", "both", None, marks=pytest.mark.long),
    ],
)
def test_files_give_labels_themselves(model, tmp_path, mode, outputs, input_type):
    path = tmp_path / "model.tflite"
    report = tflite(
        model, path, mode, size=SIZE, calibration=pictures(6), class_names=NAMES,
        min_agreement=0.85, outputs=outputs, input_type=input_type,
    )  # fmt: skip
    assert report.inputs["image"].startswith(input_type or "uint8")
    assert report.outputs["labels"] == "uint8 (1, 64, 80)"
    assert len(report.outputs) == (2 if outputs == "both" else 1)
    segmenter, images = LiteRTSegmenter(path), pictures(2, seed=9)
    assert segmenter.num_classes == 3
    labels = segmenter.labels(images)
    assert np.mean(labels == expected_labels(model, images)) >= 0.85
    if outputs == "both":
        np.testing.assert_array_equal(labels, segmenter.scores(images).argmax(-1))
        return
    assert segmenter.labels_and_scores(images)[1] is None
    with pytest.raises(ValueError, match=r"file with scores. Received: one that gives labels only"):
        segmenter.scores(images)


def test_one_picture_gives_one_label_map(exported):
    _, path, report = exported
    segmenter = LiteRTSegmenter(path, num_threads=1)
    image = pictures(1)
    assert (segmenter.size, segmenter.num_channels, segmenter.num_classes) == (SIZE, 3, 3)
    np.testing.assert_array_equal(segmenter(image[0]), segmenter.labels(image)[0])
    assert report.num_bytes == path.stat().st_size
    assert report.pictures == "6 calibration pictures"


def test_segmenter_runs_where_neither_keras_nor_tensorflow_can_be_imported(exported, tmp_path):
    _, path, _ = exported
    np.save(tmp_path / "image.npy", pictures(1))
    program = f"""
import sys
sys.modules["keras"] = sys.modules["tensorflow"] = None
import numpy as np
from keras_seg.export import LiteRTSegmenter
labels = LiteRTSegmenter({str(path)!r}).labels(np.load({str(tmp_path / "image.npy")!r}))
np.save({str(tmp_path / "labels.npy")!r}, labels)
"""
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
    labels = LiteRTSegmenter(path).labels(list(pictures(1)))
    np.testing.assert_array_equal(np.load(tmp_path / "labels.npy"), labels)


@pytest.mark.parametrize("wrong", [pictures(1, size=(64, 64)), pictures(1).astype("float32")])
def test_segmenter_refuses_other_sizes_and_types(exported, wrong):
    _, path, _ = exported
    with pytest.raises(ValueError, match=r"takes uint8 pictures of shape \(64, 80, 3\)"):
        LiteRTSegmenter(path).labels(wrong)


@pytest.mark.long
def test_data_gives_the_mean_iou_and_is_resized(model, tmp_path):
    images = pictures(2, seed=5)
    large = images.repeat(2, axis=1).repeat(2, axis=2)
    truth = expected_labels(model, images).astype("uint8")
    data = [(images, truth), (large, truth.repeat(2, axis=1).repeat(2, axis=2))]
    report = tflite(model, tmp_path / "model.tflite", size=SIZE, data=data)
    assert report.keras_mean_iou > 0.9  # 1 but for what the resizing blurs.
    assert report.mean_iou == pytest.approx(report.keras_mean_iou, abs=1e-3)
    assert report.pictures == "4 labeled pictures"
    # Enlarged pictures are others to a network of fixed strides.
    found = np.concatenate([expected_labels(model, image) for image, _ in data], axis=None)
    truth = np.concatenate([label for _, label in data], axis=None)
    expected = keras.metrics.MeanIoU(3, sparse_y_pred=True)
    expected.update_state(truth, found)
    assert report.keras_own_size_mean_iou == pytest.approx(float(expected.result()), abs=1e-3)


@pytest.mark.long
@pytest.mark.parametrize("make", [lambda policy: network(0, dtype=policy), recomputed])
def test_mixed_precision_and_comparison_on_noise_work(tmp_path, make):
    path = tmp_path / "model.tflite"
    report = tflite(make("mixed_float16"), path, size=SIZE)
    assert set(flatbuffer.tensor_types(path)) <= {"FLOAT32", "INT32"}
    assert report.pictures == "4 noise pictures"


@pytest.mark.long
def test_failed_comparison_raises_and_leaves_nothing(model, tmp_path, monkeypatch):
    part = importlib.import_module("keras_seg.export.conversion")
    source, wrong = part.source, exportable.logits_model(network(7))
    monkeypatch.setattr(part, "source", lambda model, *rest: source(wrong, *rest))
    with pytest.raises(ValueError, match=r"labels as in Keras on at least 99.90%.*Nothing was wr"):
        tflite(model, tmp_path / "model.tflite", size=SIZE)
    assert list(tmp_path.iterdir()) == []


@keras.saving.register_keras_serializable("test_export")
class Inverse(layers.Layer):
    """Adds the inverse of a matrix, for which LiteRT has no operation."""

    def call(self, x):
        return x + tf.reduce_sum(tf.linalg.inv(x[:, :2, :2, 0] + 9 * tf.eye(2)))


@pytest.mark.long
def test_layers_without_builtin_operations_are_refused(tmp_path):
    image = keras.Input((32, 32, 3))
    model = keras.Model(image, Inverse()(layers.Conv2D(3, 1)(image)))
    with pytest.raises(ValueError, match=r"built into LiteRT(?s:.)*MatrixInverse"):
        tflite(model, tmp_path / "model.tflite")
    assert list(tmp_path.iterdir()) == []


def test_flex_operations_in_a_file_are_found(tmp_path):
    from ai_edge_litert import schema_py_generated as schema
    from flatbuffers import Builder

    code = schema.OperatorCodeT()
    code.builtinCode, code.customCode = schema.BuiltinOperator.CUSTOM, b"FlexErf"
    code.deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM
    operator, subgraph, content = schema.OperatorT(), schema.SubGraphT(), schema.ModelT()
    operator.opcodeIndex, subgraph.operators = 0, [operator]
    content.operatorCodes, content.subgraphs = [code], [subgraph]
    builder = Builder()
    builder.Finish(content.Pack(builder), b"TFL3")
    path = tmp_path / "flex.tflite"
    path.write_bytes(builder.Output())
    assert flatbuffer.operations(path) == {"CUSTOM FlexErf": 1}
    with pytest.raises(ValueError, match="CUSTOM FlexErf"):
        flatbuffer.require_builtin(path)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"mode": "int4", "size": SIZE}, r"Unknown mode.*Did you mean 'int8'.*mode='int4'"),
        ({}, r"needs size=\(height, width\).*size=None"),
        ({"size": (16, 64)}, r"at least 32 pixels.*size=\(16, 64\)"),
        ({"size": (64,)}, r"needs size"),
        ({"size": 360}, r"needs size.*Received: size=360"),
        ({"size": SIZE, "mode": "int8"}, r"training pictures.*calibration=None"),
        ({"size": SIZE, "min_agreement": 2}, r"min_agreement"),
        ({"size": SIZE, "class_names": ["road"]}, r"1 entries for 3 classes"),
        ({"size": SIZE, "outputs": "masks"}, r"Unknown outputs.*outputs='masks'"),
        ({"size": SIZE, "input_type": "int8"}, r"Unknown input_type.*input_type='int8'"),
        (
            {"size": SIZE, "mode": "int8", "input_type": "float32"},
            r"int8 files that take uint8 pixels. Received: input_type='float32' with mode='int8'",
        ),
    ],
)
def test_wrong_arguments_are_named_before_any_work(model, tmp_path, arguments, words):
    with pytest.raises(ValueError, match=words):
        tflite(model, tmp_path / "model.tflite", **arguments)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"class_names": 3}, r"class_names as a list with one entry.*Received: class_names=3"),
        ({"class_names": "abc"}, r"class_names as a list with one entry.*Received: class_names='a"),
        ({"mode": "int8", "calibration": 5}, r"pictures as an array, or as an iter.*Received: int"),
    ],
)
def test_arguments_of_another_type_are_named(model, tmp_path, arguments, words):
    with pytest.raises(TypeError, match=words):
        tflite(model, tmp_path / "model.tflite", size=SIZE, **arguments)


def test_batches_of_space_in_a_file_are_refused(tmp_path):
    path = tmp_path / "dilated.tflite"
    path.write_bytes(one_operation((1, 8, 8, 4), "SPACE_TO_BATCH_ND"))
    with pytest.raises(ValueError, match=r"dilated convolutions as one op.*SPACE_TO_BATCH_ND"):
        flatbuffer.require_merged(path)


def test_batch_norms_that_stay_behind_a_convolution_are_found(tmp_path):
    """A file of TensorFlow's converter with one that it cannot fold: the batch is unknown."""
    image = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, dilation_rate=2, padding="same")(image)
    model = keras.Model(image, layers.BatchNormalization()(x))
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    (tmp_path / "a.tflite").write_bytes(converter.convert())
    assert len(flatbuffer.unfolded(tmp_path / "a.tflite")) >= 1
    with pytest.raises(ValueError, match="SPACE_TO_BATCH_ND"):
        flatbuffer.require_merged(tmp_path / "a.tflite")


def test_path_needs_its_ending(model, tmp_path):
    with pytest.raises(ValueError, match=r"ends in \.tflite.*Received: path="):
        tflite(model, tmp_path / "model", size=SIZE)


def test_size_must_be_that_of_the_model():
    fixed = keras.Sequential([keras.Input((64, 80, 3)), layers.Conv2D(2, 1)])
    assert tflite_arguments.input_shape(fixed, None) == (64, 80, 3)
    with pytest.raises(ValueError, match=r"equal to that of the model.*size=\(32, 80\)"):
        tflite_arguments.input_shape(fixed, (32, 80))


def one_operation(shape, name="RELU"):
    """The bytes of a file that holds one operation for numbers of this shape."""
    from ai_edge_litert import schema_py_generated as schema
    from flatbuffers import Builder

    code, operator = schema.OperatorCodeT(), schema.OperatorT()
    code.builtinCode = code.deprecatedBuiltinCode = getattr(schema.BuiltinOperator, name)
    code.version = 1
    operator.opcodeIndex, operator.inputs, operator.outputs = 0, [0], [1]
    subgraph, content = schema.SubGraphT(), schema.ModelT()
    subgraph.inputs, subgraph.outputs, subgraph.operators = [0], [1], [operator]
    subgraph.tensors = [schema.TensorT(), schema.TensorT()]
    for tensor in subgraph.tensors:
        tensor.shape, tensor.type, tensor.buffer = list(shape), schema.TensorType.FLOAT32, 0
    content.version, content.buffers = 3, [schema.BufferT()]
    content.operatorCodes, content.subgraphs = [code], [subgraph]
    builder = Builder()
    builder.Finish(content.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def test_segmenter_needs_a_file_of_its_kind(tmp_path):
    with pytest.raises(ValueError, match="which is not a file"):
        LiteRTSegmenter(tmp_path / "none.tflite")
    path = tmp_path / "vector.tflite"
    path.write_bytes(one_operation((1, 4)))
    with pytest.raises(ValueError, match=r"scores \(1, h, w, num_classes\) out.*\(1, 4\).*vector"):
        LiteRTSegmenter(path)


@pytest.mark.parametrize("runner", [LiteRTSegmenter, LiteRTClassifier])
def test_damaged_files_are_named(runner, tmp_path):
    path, whole = tmp_path / "damaged.tflite", one_operation((1, 4))
    for content in (b"", b"garbage" * 50, whole[: len(whole) // 2]):
        path.write_bytes(content)
        words = rf"whole \.tflite file\. Received: path='.*damaged.tflite' of {len(content)} bytes"
        with pytest.raises(ValueError, match=words):
            runner(path)
    with pytest.raises(ValueError, match="Received: bytes of 0 bytes, which LiteRT cannot read"):
        runner(b"")


@pytest.mark.slow
def test_int8_of_the_shipped_network_keeps_its_mean_iou(camvid, tmp_path):
    import pipelines

    file = Path("saved_models/contextnet_cn14-camvid/model.keras")
    if not file.is_file():
        pytest.skip(f"needs the shipped network {file}")
    data = pipelines.load("camvid", camvid)
    report = tflite(
        keras.models.load_model(file, compile=False), tmp_path / "model.tflite", "int8",
        size=(360, 480), calibration=data.train_batches(4), data=data.eval_batches("val", 4),
    )  # fmt: skip
    assert report.keras_mean_iou - report.mean_iou <= 0.015
    assert report.num_bytes < 1.3e6
