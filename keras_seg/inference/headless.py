"""A .tflite file without the enlargement of its scores, which takes longer than its labels."""

from typing import Any, NamedTuple

SMALLEST_FACTOR = 4  # below it, `enlarged_labels` has too few pixels in a cell to gain from


class Headless(NamedTuple):
    """A file whose scores are smaller than its pictures.

    Attributes:
        content: the bytes of the file.
        align_corners: how the scores are to be enlarged, see `enlarged_labels`.
    """

    content: bytes
    align_corners: bool


def headless(content):
    """Remove the bilinear enlargement that a file ends with.

    Args:
        content: the bytes of a .tflite file.

    Returns:
        `Headless`; or None if the file ends with another operation, has several signatures, or
        enlarges less than four times.
    """
    from ai_edge_litert import schema_py_generated as schema

    model: Any = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    graph, last = model.subgraphs[0], model.subgraphs[0].operators[-1]
    code = model.operatorCodes[last.opcodeIndex]
    number = max(code.builtinCode, code.deprecatedBuiltinCode)
    if len(model.subgraphs) > 1 or number != schema.BuiltinOperator.RESIZE_BILINEAR:
        return None
    if list(last.outputs) != list(graph.outputs):
        return None
    options, small = last.builtinOptions, last.inputs[0]
    before, after = graph.tensors[small].shape, graph.tensors[last.outputs[0]].shape
    factor = min(after[axis] / before[axis] for axis in (1, 2))
    if factor < SMALLEST_FACTOR or not (options.alignCorners or options.halfPixelCenters):
        return None
    graph.operators.pop()
    graph.outputs = [small]
    for signature in model.signatureDefs or ():
        signature.outputs[0].tensorIndex = small
    return Headless(packed(model), bool(options.alignCorners))


def packed(model) -> bytes:
    """The bytes of a .tflite file; weights begin at multiples of 16, as the schema asks for.

    Args:
        model: `ModelT` of the schema that LiteRT brings.

    Returns:
        bytes.
    """
    import flatbuffers

    class Aligned(flatbuffers.Builder):
        """The class ignores the alignment of bytes."""

        def StartVector(self, elemSize, numElems, alignment):  # noqa: N802, N803
            return super().StartVector(elemSize, numElems, 16 if elemSize == 1 else alignment)

    builder = Aligned(1 << 20)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())
