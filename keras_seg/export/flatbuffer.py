"""Reads the operations and types of a .tflite file without running it."""

import collections
import functools
from pathlib import Path
from typing import Any, NamedTuple

FLOATS = ("FLOAT32", "FLOAT16")
# Steps of a map that is 0 for every calibration picture: the converter widens its range to 2e-6.
_EMPTY = 1e-8


class Tensor(NamedTuple):
    """A tensor of a .tflite file: the scale of its 8-bit numbers is 0 if it has none, or many.

    >>> Tensor("map", "INT8", 0.5).scale
    0.5
    """

    name: str
    type: str
    scale: float


_OF_DILATION = ("SPACE_TO_BATCH_ND", "BATCH_TO_SPACE_ND")
_CONVOLUTIONS = (
    "CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED", "BATCH_TO_SPACE_ND",
)  # fmt: skip


def _model(path) -> tuple[Any, Any]:
    from ai_edge_litert import schema_py_generated as schema

    return schema.Model.GetRootAs(Path(path).read_bytes(), 0), schema


@functools.cache
def names_of(enum):
    """The names of the numbers of an enumeration in LiteRT's schema.

    Args:
        enum: class of the schema, such as BuiltinOperator.

    Returns:
        dict {number: name}.
    """
    return {
        value: name
        for name, value in vars(enum).items()
        if not name.startswith("_") and isinstance(value, int)
    }


def operations(path):
    """How often each operation occurs in a .tflite file.

    Args:
        path: the .tflite file.

    Returns:
        dict {name: number}: built-in operations by their name, such as "CONV_2D", custom ones as
        "CUSTOM <name>"; those that require TensorFlow on the phone start with "CUSTOM Flex".
    """
    return dict(collections.Counter(name for name, _ in _operators(path)))


def _operators(path):
    """Yield the name and the first output of each operation, a `Tensor`."""
    model, schema = _model(path)
    codes, types = names_of(schema.BuiltinOperator), names_of(schema.TensorType)
    for subgraph in map(model.Subgraphs, range(model.SubgraphsLength())):
        for operator in map(subgraph.Operators, range(subgraph.OperatorsLength())):
            code = model.OperatorCodes(operator.OpcodeIndex())
            # Codes above 126 are in the second field only; the first is then a placeholder.
            number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
            name = codes.get(number, f"CODE {number}")
            if code.CustomCode():
                name = f"CUSTOM {code.CustomCode().decode()}"
            yield name, _tensor(subgraph.Tensors(operator.Outputs(0)), types)


def _tensor(tensor, types):
    if tensor is None:  # an operation without outputs
        return Tensor("", "", 0.0)
    steps = tensor.Quantization()
    scale = float(steps.Scale(0)) if steps and steps.ScaleLength() == 1 else 0.0
    # Operations that were merged have several names.
    return Tensor((tensor.Name() or b"").decode().split(";")[0], types[tensor.Type()], scale)


def tensor_types(path):
    """How many tensors of each type a .tflite file holds.

    Args:
        path: the .tflite file.

    Returns:
        dict {type: number}, such as {"INT8": 80, "INT32": 20}.
    """
    model, schema = _model(path)
    types = names_of(schema.TensorType)
    counts = collections.Counter()
    for subgraph in map(model.Subgraphs, range(model.SubgraphsLength())):
        for tensor in map(subgraph.Tensors, range(subgraph.TensorsLength())):
            counts[types[tensor.Type()]] += 1
    return dict(counts)


def float_operations(path):
    """The operations of a .tflite file that compute in floating point.

    Args:
        path: the .tflite file.

    Returns:
        dict {operation: names of what it computes}, without conversions to and from 8 bits.
    """
    found = collections.defaultdict(list)
    for name, output in _operators(path):
        if name not in ("QUANTIZE", "DEQUANTIZE") and output.type in FLOATS:
            found[name].append(output.name)
    return dict(found)


def empty_maps(path):
    """The 8-bit tensors of a .tflite file whose values were all 0, or nearly, in calibration.

    Args:
        path: the .tflite file.

    Returns:
        list of names.
    """
    return [output.name for _, output in _operators(path) if 0 < output.scale < _EMPTY]


def require_builtin(path):
    """Raise unless every operation of a .tflite file is built into LiteRT.

    Args:
        path: the .tflite file.

    Returns:
        The operations, see `operations`.

    Raises:
        ValueError: if the file contains Flex or custom operations.
    """
    found = operations(path)
    foreign = sorted(name for name in found if name.startswith(("CUSTOM", "CODE")))
    if foreign:
        raise ValueError(
            "`tflite` writes files with operations built into LiteRT only; Flex and custom "
            "operations do not run on phones. "
            f"Received: a model that needs {foreign}. "
            "Replace the layers that need them, or export a SavedModel instead."
        )
    return found


def require_integer(path, quantizer="tensorflow"):
    """Raise if an int8 file still computes in floating point somewhere, or LiteRT cannot run it.

    Args:
        path: .tflite file.
        quantizer: "tensorflow" or "ai-edge", which wrote it.

    Raises:
        ValueError: with the operations in floating point, or the maps that are always 0.
    """
    floats = float_operations(path)
    if floats:
        words = "; ".join(f"{name} of {_listed(outputs)}" for name, outputs in floats.items())
        other = quantizer != "tensorflow"
        advice = "quantizer='tensorflow' or " if other else ""
        raise ValueError(
            "`tflite` needs a model whose every operation "
            f"{'ai-edge-quantizer' if other else 'LiteRT'} has in 8 bits for mode='int8'. "
            f"Received: operations that stay in floating point: {words}. "
            f"Use {advice}mode='fp16', or replace the layers named."
        )
    empty = empty_maps(path)
    if empty:
        raise ValueError(
            "`tflite` needs maps with a range of values for mode='int8'. "
            f"Received: maps that are 0 for all calibration pictures: {_listed(empty)}. "
            "Train the model first, pass more and other pictures as calibration, or use "
            "mode='fp16'."
        )


def require_merged(path):
    """Raise if a .tflite file has batches of space left, into which dilation was split.

    Args:
        path: the .tflite file.

    Raises:
        ValueError: if it has such operations; GPU delegates do not support them.
    """
    left = sorted(name for name in operations(path) if name in _OF_DILATION)
    if left:
        raise ValueError(
            "`tflite` writes dilated convolutions as one operation, as GPU delegates need it. "
            f"Received: a model that needs {left}. Replace the layers that need them, or export a "
            "SavedModel instead."
        )


def unfolded(path):
    """The batch normalizations of a .tflite file that are not part of the convolution before them.

    Args:
        path: the .tflite file.

    Returns:
        list of names: products and sums of a convolution's map, which nothing else uses, with a
        constant.
    """
    model, schema = _model(path)
    names = names_of(schema.BuiltinOperator)
    found = []
    for subgraph in map(model.Subgraphs, range(model.SubgraphsLength())):
        operators = list(map(subgraph.Operators, range(subgraph.OperatorsLength())))
        kinds = [model.OperatorCodes(o.OpcodeIndex()).BuiltinCode() for o in operators]
        made = {o.Outputs(0): names[k] for o, k in zip(operators, kinds, strict=True)}
        uses = collections.Counter(i for o in operators for i in o.InputsAsNumpy())
        for operator, kind in zip(operators, kinds, strict=True):
            inputs = operator.InputsAsNumpy()
            constant = any(
                not model.Buffers(subgraph.Tensors(i).Buffer()).DataIsNone() for i in inputs
            )
            of_convolution = any(made.get(i) in _CONVOLUTIONS and uses[i] == 1 for i in inputs)
            if names[kind] in ("MUL", "ADD", "SUB") and constant and of_convolution:
                found.append(subgraph.Tensors(operator.Outputs(0)).Name().decode())
    return found


def _listed(names):
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(map(repr, names[:3])) + more
