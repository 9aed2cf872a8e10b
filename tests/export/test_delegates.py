"""What falls back on a phone's processor, by the lists that TensorFlow publishes."""

import types
import typing

import keras
import numpy as np
import pytest
from keras import layers

from keras_seg import models
from keras_seg.export import delegates, flatbuffer, tflite
from keras_seg.export.delegates import SOURCES, _lists, _on_core_ml, _on_gpu, _on_nnapi, fallbacks
from keras_seg.export.nodes import Node, NodeTensor, read_nodes
from keras_seg.find_run import find_run
from keras_seg.layers import ResizeLike

# tensorflow/lite/delegates/gpu/README.md, "supports the following ops", with the newest versions.
GPU = {
    "ADD": 1, "AVERAGE_POOL_2D": 1, "CONCATENATION": 1, "CONV_2D": 1, "DEPTHWISE_CONV_2D": 2,
    "FULLY_CONNECTED": 1, "LOGISTIC": 1, "MAX_POOL_2D": 1, "MAXIMUM": 1, "MINIMUM": 1, "MUL": 1,
    "PAD": 1, "PRELU": 1, "RELU": 1, "RELU6": 1, "RESHAPE": 1, "RESIZE_BILINEAR": 3, "SOFTMAX": 1,
    "STRIDED_SLICE": 1, "SUB": 1, "TRANSPOSE_CONV": 1,
}  # fmt: skip
# tensorflow/lite/delegates/coreml/README.md, "Supported ops"; MEAN is in coreml_delegate.mm only,
# whose versions are 1, 2 of DEPTHWISE_CONV_2D and 6 of FULLY_CONNECTED.
CORE_ML = {
    "ADD", "AVERAGE_POOL_2D", "CONCATENATION", "CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED",
    "HARD_SWISH", "LOGISTIC", "MAX_POOL_2D", "MIRROR_PAD", "MUL", "PAD", "PADV2", "RELU",
    "RELU_N1_TO_1", "RELU6", "RESHAPE", "RESIZE_BILINEAR", "SOFTMAX", "TANH", "TRANSPOSE_CONV",
    "MEAN",
}  # fmt: skip
# First Android API in tensorflow/lite/delegates/nnapi/acceleration_test_list.cc; 27 where none is
# given. Operations that it tests in floating point, and those in 8 bits.
NNAPI = {
    "ADD": 27, "ARG_MAX": 29, "CONCATENATION": 27, "ELU": 30, "HARD_SWISH": 27, "LEAKY_RELU": 29,
    "MAXIMUM": 29, "MUL": 27, "RELU": 27, "RELU6": 27, "RESHAPE": 27, "RESIZE_BILINEAR": 29,
    "RESIZE_NEAREST_NEIGHBOR": 29, "SLICE": 29, "TRANSPOSE_CONV": 29,
}  # fmt: skip
NNAPI_8BIT = {"QUANTIZE": 30, "DEQUANTIZE": 30, "TANH": 29, "ADD": 27, "HARD_SWISH": 27}


def image(shape=(1, 8, 8, 4), kind="FLOAT32"):
    return NodeTensor(kind, shape, None)


def stored(shape=(4,), kind="FLOAT32", values=None):
    content = np.zeros(shape, "float32") if values is None else np.asarray(values)
    return NodeTensor(kind, shape, content.tobytes())


def node(name, *inputs, version=1, output=None, **options):
    inputs = list(inputs) or [image()]
    return Node(name, version, inputs, output or image(), types.SimpleNamespace(**options))


def test_the_table_has_the_lists_that_are_published():
    lists = _lists()
    for name, version in GPU.items():
        assert lists[name]["gpu"] == "any" or int(lists[name]["gpu"]) >= version
    assert {name for name, row in lists.items() if row["core_ml"]} == CORE_ML
    newer = {n: r["core_ml"] for n, r in lists.items() if r["core_ml"] not in ("", "1")}
    assert newer == {"DEPTHWISE_CONV_2D": "2", "FULLY_CONNECTED": "6"}
    assert {name: int(lists[name]["android"]) for name in NNAPI} == NNAPI
    assert {name: int(lists[name]["android_8bit"]) for name in NNAPI_8BIT} == NNAPI_8BIT
    schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
    assert set(lists) <= set(vars(schema.BuiltinOperator))


@pytest.mark.parametrize("name", ["contextnet_cn14-camvid", "fc_densenet_mobile-camvid"])
def test_8_bits_are_experimental_on_gpus_and_not_for_core_ml(name):
    file = find_run(name) / "model_int8.tflite"
    table = delegates(file)
    assert list(table) == ["operation", "count", "GPU", "Core ML", "NNAPI"]
    assert table.groupby("operation")["count"].sum().to_dict() == flatbuffer.operations(file)
    # gpu_advanced.md: "experimental support on Android to run 8-bit quantized as well".
    assert set(table["GPU"]) == {"runs; 8 bits are experimental"}
    # coreml_delegate.md: "currently supports float (FP32 and FP16) models".
    assert set(table["Core ML"]) == {"falls back: floats only"}
    by_name = dict(zip(table["operation"], table["NNAPI"], strict=True))
    # acceleration_test_list.cc: QuantizeOpTest/INT8,30, and per-channel convolutions from 29.
    assert by_name["QUANTIZE"] == "runs from Android 11"
    assert by_name["CONV_2D"] == "runs from Android 10"
    assert "deprecated since Android 15" in table.attrs["sources"]["NNAPI"]
    assert fallbacks(file)["NNAPI"] == f"all {table['count'].sum()} run from Android 11"


@pytest.mark.export
def test_what_core_ml_leaves_of_a_file_in_floating_point(tmp_path):
    keras.utils.set_random_seed(0)
    image = keras.Input((32, 32, 3))
    x = layers.Conv2D(4, 3, 4, "same")(image)
    x = layers.Conv2DTranspose(3, 3, 2, "same", bias_initializer="ones")(x)
    model = keras.Model(image, ResizeLike()([x, image]))
    file = tmp_path / "model.tflite"
    tflite(model, file, size=(32, 32), min_agreement=0.0)
    table = delegates(file).set_index("operation")
    # Half pixel centers make it version 3: listed by the GPU's README as v1-3, above the 1 of
    # coreml_delegate.mm, and "not implemented in NNAPI before API 30", which is Android 11.
    resize = table.loc["RESIZE_BILINEAR"]
    assert (resize["GPU"], resize["NNAPI"]) == ("runs", "runs from Android 11")
    # A bias makes it version 3: within model_builder.cc's 3 and nnapi_delegate.cc's 3 (from API
    # 29, TransposeConvOpTest), above the 1 of coreml_delegate.mm.
    transposed = table.loc["TRANSPOSE_CONV"]
    assert (transposed["GPU"], transposed["NNAPI"]) == ("runs", "runs from Android 10")
    newer = "version 3, and its list ends at 1"
    assert resize["Core ML"] == transposed["Core ML"] == f"falls back: {newer}"
    assert (table.drop(["RESIZE_BILINEAR", "TRANSPOSE_CONV"])["Core ML"] == "runs").all()
    # One convolution, one transposed, one enlargement.
    assert fallbacks(file) == {
        "GPU": "all 3 run",
        "Core ML": f"2 of 3 fall back: 1 TRANSPOSE_CONV ({newer}), 1 RESIZE_BILINEAR ({newer})",
        "NNAPI": "all 3 run from Android 11",
    }


@pytest.mark.export
@pytest.mark.long
@pytest.mark.parametrize("mode", ["fp32", "fp16"])
def test_contextnet_runs_on_gpus_as_a_whole(mode, tmp_path):
    file = tmp_path / "model.tflite"
    model = models.build("contextnet_cn14", (None, None, 3), 11)
    tflite(model, file, mode, size=(64, 96), min_agreement=0.0)
    table = delegates(file)
    assert set(table["GPU"]) == {"runs"}
    left = table[table["Core ML"].str.startswith("falls back")]
    assert set(left["operation"]) == {"RESIZE_BILINEAR"}
    # nnapi_delegate.cc: dilated convolutions since NNAPI 1.2 (API 29), others since 1.0.
    depthwise = table[table.operation == "DEPTHWISE_CONV_2D"]
    assert set(depthwise["NNAPI"]) == {"runs from Android 8.1", "runs from Android 10"}


class Case(typing.NamedTuple):
    """An operation and what the three lists say."""

    node: Node
    gpu: str
    core_ml: str
    nnapi: str


RUNS, OLDEST = "runs", "runs from Android 8.1"
UNLISTED = "falls back: not in its list"
CASES = {
    "a class for each pixel": Case(
        node("ARG_MAX", output=image(kind="INT32")), UNLISTED, UNLISTED, "runs from Android 10"
    ),
    "no volume": Case(
        node("ADD", image((1, 8, 8, 8, 4)), image((1, 8, 8, 8, 4))),
        "falls back: more than 4 dimensions",
        "falls back: shapes that Core ML does not broadcast",
        "falls back: more than 4 dimensions",
    ),
    "a cast from bytes": Case(
        node("CAST", image(kind="UINT8")),
        "falls back: no uint8", "falls back: floats only", "runs from Android 11",
    ),
    "a removed axis": Case(
        node("STRIDED_SLICE", shrinkAxisMask=1),
        "falls back: removes or adds an axis", UNLISTED, "runs from Android 9",
    ),
    "a pool with an activation": Case(
        node("MAX_POOL_2D", fusedActivationFunction=1), RUNS, "falls back: with an activation",
        OLDEST,
    ),
    "a concatenation with an activation": Case(
        node("CONCATENATION", fusedActivationFunction=1), RUNS, RUNS,
        "falls back: with an activation",
    ),
    "a kernel that is computed": Case(
        node("CONV_2D", image(), image()), RUNS, "falls back: weights that are no constants",
        "falls back: without a bias",
    ),
    "a dilated kernel": Case(
        node("CONV_2D", image(), stored(), stored(), dilationHFactor=2), RUNS, RUNS,
        "runs from Android 10",
    ),
    "a new shape": Case(
        node("RESHAPE"), RUNS, "falls back: with Core ML 3, the default; Core ML 2 runs it", OLDEST
    ),
    "padded height": Case(
        node("PAD", image(), stored((4, 2), "INT32", np.int32([[0, 0], [1, 1], [0, 0], [0, 0]]))),
        RUNS, RUNS, "runs from Android 9",
    ),
    "padded channels": Case(
        node("PAD", image(), stored((4, 2), "INT32", np.int32([[0, 0], [0, 0], [0, 0], [0, 2]]))),
        RUNS, "falls back: only height and width", "runs from Android 9",
    ),
    "padding of rows": Case(
        node("PAD", image((8, 4)), stored((2, 2), "INT32", np.zeros((2, 2), "int32"))),
        RUNS, "falls back: only constant padding of 4 dimensions", "runs from Android 9",
    ),
    "symmetric padding": Case(
        node("MIRROR_PAD", image(), stored((4, 2), "INT32", np.zeros((4, 2), "int32")), mode=1),
        "falls back: reflects the border pixel as well",
        "falls back: reflects the border pixel as well", UNLISTED,
    ),
    "one number for all": Case(node("MUL", image(), stored((1,))), RUNS, RUNS, OLDEST),
    "one number for each row": Case(
        node("MUL", image(), stored((8, 1, 1))), RUNS,
        "falls back: shapes that Core ML does not broadcast", OLDEST,
    ),
    "stored half floats": Case(
        node("DEQUANTIZE", stored(kind="FLOAT16"), version=3), RUNS, RUNS, RUNS
    ),
    "half floats that are computed": Case(
        node("DEQUANTIZE", image(kind="FLOAT16"), version=2), RUNS, "falls back: floats only",
        "falls back: 8 bits only",
    ),
    "a root of bytes": Case(
        node("SQRT", image(kind="INT8"), output=image(kind="INT8")),
        "runs; 8 bits are experimental", "falls back: floats only", "falls back: floats only",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_conditions_of_the_lists(case):
    assert _on_gpu(case.node) == case.gpu
    assert _on_core_ml(case.node) == case.core_ml
    assert _on_nnapi(case.node) == case.nnapi
    assert list(SOURCES) == ["GPU", "Core ML", "NNAPI"]


def test_other_files_are_refused(tmp_path):
    with pytest.raises(
        ValueError, match=r"needs a .tflite file.*none.tflite', which is not a file"
    ):
        delegates(tmp_path / "none.tflite")
    other = tmp_path / "other.tflite"
    other.write_bytes(b"PK\x03\x04 and more")
    with pytest.raises(ValueError, match="which is not one"):
        read_nodes(other)
