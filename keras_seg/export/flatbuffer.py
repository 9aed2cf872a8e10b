"""Reads the operations and types of a .tflite file without running it."""

import collections
import functools
from pathlib import Path
from typing import Any


def _model(path) -> tuple[Any, Any]:
    from ai_edge_litert import schema_py_generated as schema

    return schema.Model.GetRootAs(Path(path).read_bytes(), 0), schema


@functools.cache
def _names(enum):
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
    model, schema = _model(path)
    codes = _names(schema.BuiltinOperator)
    counts = collections.Counter()
    for subgraph in map(model.Subgraphs, range(model.SubgraphsLength())):
        for operator in map(subgraph.Operators, range(subgraph.OperatorsLength())):
            code = model.OperatorCodes(operator.OpcodeIndex())
            # Codes above 126 are in the second field only; the first is then a placeholder.
            number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
            name = codes.get(number, f"CODE {number}")
            if code.CustomCode():
                name = f"CUSTOM {code.CustomCode().decode()}"
            counts[name] += 1
    return dict(counts)


def tensor_types(path):
    """How many tensors of each type a .tflite file holds.

    Args:
        path: the .tflite file.

    Returns:
        dict {type: number}, such as {"INT8": 80, "INT32": 20}.
    """
    model, schema = _model(path)
    types = _names(schema.TensorType)
    counts = collections.Counter()
    for subgraph in map(model.Subgraphs, range(model.SubgraphsLength())):
        for tensor in map(subgraph.Tensors, range(subgraph.TensorsLength())):
            counts[types[tensor.Type()]] += 1
    return dict(counts)


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
