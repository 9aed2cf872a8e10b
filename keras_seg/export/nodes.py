"""The operations of a .tflite file with their inputs and options."""

from pathlib import Path
from typing import Any, NamedTuple

from keras_seg.export.edit import File
from keras_seg.export.flatbuffer import names_of


class NodeTensor(NamedTuple):
    """A tensor of an operation; `constant` is its stored numbers, as bytes, or None."""

    type: str
    shape: tuple
    constant: Any


class Node(NamedTuple):
    """An operation with its inputs, its first output and its options."""

    name: str
    version: int
    inputs: list
    output: NodeTensor
    options: Any = None

    @property
    def image(self):
        """The first input that is no constant, or the first of all."""
        moving = (tensor for tensor in self.inputs if tensor.constant is None)
        return next(moving, self.inputs[0])

    def option(self, name, default=0):
        """An option by the name that it has in LiteRT's schema.

        Args:
            name: the name, such as "halfPixelCenters".
            default: value for operations without this option.

        Returns:
            number or bool.
        """
        return getattr(self.options, name, default)

    @property
    def restores_float16(self):
        """Whether it restores weights stored in float16; delegates take them as constants."""
        source = self.inputs[0] if self.name == "DEQUANTIZE" else None
        return source is not None and source.type == "FLOAT16" and source.constant is not None


def read_nodes(path):
    """Read the operations of a .tflite file, of all of its signatures.

    Args:
        path: the file.

    Returns:
        list of `Node`, in the order of computation.

    Raises:
        ValueError: the file is no .tflite file.
    """
    _require_file(path)
    file = File(path)
    codes, types = names_of(file.schema.BuiltinOperator), names_of(file.schema.TensorType)
    found = []
    for graph in file.model.subgraphs:
        tensors = [
            NodeTensor(
                types[tensor.type],
                tuple(() if tensor.shape is None else tensor.shape),
                file.model.buffers[tensor.buffer].data,
            )
            for tensor in graph.tensors
        ]
        for operator in graph.operators:
            code = file.model.operatorCodes[operator.opcodeIndex]
            number = max(code.builtinCode, code.deprecatedBuiltinCode)
            name = codes.get(number, f"CODE {number}")
            inputs = [tensors[index] for index in operator.inputs if index >= 0]
            output = tensors[operator.outputs[0]]
            node = Node(name, code.version, inputs, output, operator.builtinOptions)
            if node.restores_float16:
                tensors[operator.outputs[0]] = output._replace(constant=inputs[0].constant)
            found.append(node)
    return found


def _require_file(path):
    """Raise unless a file begins as .tflite files do."""
    path = Path(path)
    if not path.is_file() or path.read_bytes()[4:8] != b"TFL3":
        what = "which is not one" if path.is_file() else "which is not a file"
        raise ValueError(
            f"`delegates` needs a .tflite file. Received: path={str(path)!r}, {what}. "
            "Write one with keras_seg.export.tflite(model, path, size=(height, width))."
        )
