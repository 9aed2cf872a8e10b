"""Which operations of a .tflite file phones compute on a GPU, with Core ML or with NNAPI.

A delegate computes the operations in its list, and the processor all others; each change between
the two copies maps, so that a single unlisted operation in the middle can cost more than it saves.
The lists are in delegates.csv: the newest version of each operation, and for NNAPI the first
version of Android (27 is 8.1) in floating point and in 8 bits.
"""

import csv
import functools
from pathlib import Path

import numpy as np

from keras_seg.export.nodes import read_nodes

# Where the lists are published, in the repository tensorflow/tensorflow; conditions below as well.
SOURCES = {
    "GPU": "tensorflow/lite/delegates/gpu/common/model_builder.cc and "
    "tensorflow/lite/tools/versioning/gpu_compatibility.cc, which have all operations of "
    "tensorflow/lite/delegates/gpu/README.md and newer ones; 16-bit and 32-bit floats, 8 bits are "
    "experimental",
    "Core ML": "tensorflow/lite/delegates/coreml/README.md, with the versions in "
    "coreml_delegate.mm; floats only; iOS 12 or later",
    "NNAPI": "tensorflow/lite/delegates/nnapi/nnapi_delegate.cc; deprecated since Android 15",
}
_FLOATS = ("FLOAT32", "FLOAT16")
_BYTES = ("INT8", "UINT8")
_ANDROID = {27: "8.1", 28: "9", 29: "10", 30: "11"}
_EXPERIMENTAL = "; 8 bits are experimental"
# What follows "runs", from the least to the most required.
_NEEDS = ("", _EXPERIMENTAL, *(f" from Android {name}" for name in _ANDROID.values()))
_WITH_KERNELS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV")
_POOLS = ("AVERAGE_POOL_2D", "MAX_POOL_2D")
_PADS = ("PAD", "PADV2", "MIRROR_PAD")


def delegates(path):
    """Which operations of a .tflite file run on a GPU, with Core ML and with NNAPI.

    The verdicts are those of the published lists, see `delegates.SOURCES`; a phone's driver may
    refuse more. Operations that fall back are computed by the phone's processor.

    Args:
        path: the .tflite file.

    Returns:
        `pandas.DataFrame` with the columns operation, count, GPU, Core ML and NNAPI. A cell is
        "runs" with what it requires, or "falls back: " and the reason. `attrs["sources"]` names
        the list of each delegate.

    Raises:
        ValueError: the file is no .tflite file.

    >>> from keras_seg.find_run import find_run
    >>> table = delegates(find_run("contextnet_cn14-camvid") / "model_int8.tflite")
    >>> table[table.operation == "AVERAGE_POOL_2D"].iloc[0].to_dict()
    {'operation': 'AVERAGE_POOL_2D', 'count': 1, 'GPU': 'runs; 8 bits are experimental',
     'Core ML': 'falls back: floats only', 'NNAPI': 'runs from Android 8.1'}
    """
    import pandas

    nodes = read_nodes(path)
    rows = [(n.name, _on_gpu(n), _on_core_ml(n), _on_nnapi(n)) for n in nodes]
    frame = pandas.DataFrame(rows, columns=["operation", *SOURCES])
    counted = frame.value_counts(sort=False).reset_index()
    table = counted[["operation", "count", *SOURCES]]
    table.attrs["sources"] = dict(SOURCES)
    return table


def fallbacks(path):
    """One line for each delegate: what of a .tflite file falls back on the processor.

    Args:
        path: the .tflite file.

    Returns:
        dict {delegate: text}.

    >>> from keras_seg.find_run import find_run
    >>> fallbacks(find_run("contextnet_cn14-camvid") / "model_int8.tflite")["Core ML"]
    'all 65 fall back: floats only'
    """
    table = delegates(path)
    return {name: _summary(table, name) for name in SOURCES}


def _summary(table, delegate):
    total = table["count"].sum()
    cells = list(zip(table["operation"], table["count"], table[delegate], strict=True))
    left = [(*cell[:2], cell[2].partition(": ")[2]) for cell in cells if _falls_back(cell[2])]
    if not left:
        needs = [text.removeprefix("runs") for _, _, text in cells]
        return f"all {total} run{max(needs, key=_NEEDS.index)}"
    if len(left) == len(cells) and len({reason for _, _, reason in left}) == 1:
        return f"all {total} fall back: {left[0][2]}"
    parts = ", ".join(f"{count} {name} ({reason})" for name, count, reason in left)
    return f"{sum(count for _, count, _ in left)} of {total} fall back: {parts}"


def _falls_back(text):
    return text.startswith("falls back")


@functools.cache
def _lists():
    with Path(__file__).with_suffix(".csv").open(newline="") as file:
        return {row["operation"]: row for row in csv.DictReader(file)}


def _unlisted(node, delegate):
    """Why an operation is not in the list of a delegate, or None."""
    newest = _lists().get(node.name, {}).get(delegate)
    if not newest:
        return "not in its list"
    if newest != "any" and node.version > int(newest):
        return f"version {node.version}, and its list ends at {newest}"
    return None


def _verdict(reason, runs="runs"):
    return f"falls back: {reason}" if reason else runs


def _on_gpu(node):
    if node.restores_float16:
        return "runs"
    moving = [tensor for tensor in (*node.inputs, node.output) if tensor.constant is None]
    types = {tensor.type for tensor in moving}
    allowed = {*_FLOATS, *_BYTES}
    reason = _unlisted(node, "gpu")
    if node.name == "CAST":
        allowed = {"FLOAT32", "INT32", "BOOL"}
    if not reason and types - allowed:
        reason = f"no {', '.join(sorted(types - allowed)).lower()}"
    if not reason and any(len(tensor.shape) > 4 for tensor in moving):
        reason = "more than 4 dimensions"
    masks = ("ellipsisMask", "newAxisMask", "shrinkAxisMask")
    if not reason and node.name == "STRIDED_SLICE" and any(map(node.option, masks)):
        reason = "removes or adds an axis"
    if not reason and node.name == "MIRROR_PAD" and node.option("mode"):  # 0 is REFLECT
        reason = "reflects the border pixel as well"
    return _verdict(reason, f"runs{_EXPERIMENTAL}" if types & set(_BYTES) else "runs")


def _on_core_ml(node):
    if node.restores_float16:
        return "runs"
    image = node.inputs[2 if node.name == "TRANSPOSE_CONV" else 0]
    if image.type != "FLOAT32":
        return _verdict("floats only")
    reason = _unlisted(node, "core_ml")
    if not reason and node.name in _POOLS and node.option("fusedActivationFunction"):
        reason = "with an activation"
    if not reason and node.name in _WITH_KERNELS and node.inputs[1].constant is None:
        reason = "weights that are no constants"
    if not reason and node.name == "RESHAPE":
        reason = "with Core ML 3, the default; Core ML 2 runs it"
    if not reason and node.name in _PADS:
        reason = _padding(node)
    if not reason and node.name in ("ADD", "MUL") and not _broadcasts(*node.inputs):
        reason = "shapes that Core ML does not broadcast"
    return _verdict(reason)


def _padding(node):
    """Why Core ML does not pad so, or None."""
    if node.inputs[1].constant is None or len(node.image.shape) != 4:
        return "only constant padding of 4 dimensions"
    batch, _, _, channels = np.frombuffer(bytes(node.inputs[1].constant), "<i4").reshape(4, 2)
    if batch.any() or channels.any():
        return "only height and width"
    return "reflects the border pixel as well" if node.option("mode") else None


def _broadcasts(first, second):
    """Whether Core ML broadcasts two shapes: height and width together, channels, or one number."""
    shapes = [(1, 1, 1, 1)[len(tensor.shape) :] + tensor.shape for tensor in (first, second)]
    if any(len(shape) > 4 for shape in shapes):
        return False
    (batch, *size, channels), (other_batch, *other_size, other_channels) = shapes
    single = any(t.constant is not None and set(t.shape) <= {1} for t in (first, second))
    return (
        (batch == other_batch or single)
        and (size == other_size or [1, 1] in (size, other_size))
        and (channels == other_channels or 1 in (channels, other_channels))
    )


def _on_nnapi(node):
    if node.restores_float16:
        return "runs"
    reason = _unlisted(node, "nnapi")
    if reason:
        return _verdict(reason)
    image = node.image
    in_bytes = image.type in _BYTES or node.output.type in _BYTES
    first = _lists()[node.name]["android_8bit" if in_bytes else "android"]
    if not first:
        return _verdict("floats only" if in_bytes else "8 bits only")
    if node.name == "CONCATENATION" and node.option("fusedActivationFunction"):
        return _verdict("with an activation")
    if node.name == "CONV_2D" and len(node.inputs) < 3:
        return _verdict("without a bias")
    if len(image.shape) > 4:
        return _verdict("more than 4 dimensions")
    android = int(first)
    if node.option("halfPixelCenters") or node.option("alignCorners"):
        android = max(android, 30)
    if node.option("dilationHFactor", 1) > 1 or node.option("dilationWFactor", 1) > 1:
        android = max(android, 29)
    return f"runs from Android {_ANDROID[android]}"
