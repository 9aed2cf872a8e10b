"""What the page needs to know of a .tflite file."""

from pathlib import Path

import numpy as np

from keras_seg.colors import class_colors
from keras_seg.inference.litert import LiteRTSegmenter

# LiteRT.js 2.5.3: "Element type INT8 is not supported."
_INPUTS, _OUTPUTS = ("float32", "uint8"), ("float32", "int32", "uint8")


def describe(path):
    """Describe a .tflite file for the page.

    Args:
        path: the file, of a network that gives label maps.

    Returns:
        dict for JSON: "file", "size" (height, width), "channels", "classes" with "name" and "color"
        (r, g, b) in the order of ids, "has_scores", and "scale" and "zero" with which pixels are
        quantized, 1 and 0 for pixels as they are.

    Raises:
        ValueError: the file is of another kind, or a browser cannot open it.
    """
    from ai_edge_litert.interpreter import Interpreter

    segmenter = LiteRTSegmenter(path)
    count = _number_of_classes(path, segmenter)
    interpreter = Interpreter(str(path))
    image, found = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    kinds = [np.dtype(tensor["dtype"]).name for tensor in (image, found)]
    if kinds[0] not in _INPUTS or kinds[1] not in _OUTPUTS:
        raise ValueError(
            f"A browser takes a file with {' or '.join(_INPUTS)} pixels and scores as "
            f"{', '.join(_OUTPUTS)}. Received: '{path}' with {kinds[0]} and {kinds[1]}. "
            "Export it again, which writes uint8 in place of int8."
        )
    scale, zero = image["quantization"]
    names = segmenter.class_names or [f"class {index}" for index in range(count)]
    colors = [[int(part) for part in color] for color in class_colors(segmenter.palette, count)]
    return {
        "file": Path(path).name,
        "size": list(segmenter.size),
        "channels": segmenter.num_channels,
        "classes": [
            {"name": name, "color": color} for name, color in zip(names, colors, strict=True)
        ],
        "has_scores": segmenter.has_scores,
        "scale": float(scale) or 1.0,
        "zero": int(zero),
    }


def _number_of_classes(path, segmenter) -> int:
    """The number of classes, of a file that takes pictures as a browser decodes them."""
    spec = segmenter.input_spec
    if segmenter.num_channels not in (1, 3) or spec.value_range or spec.bands:
        raise ValueError(
            "A browser decodes pictures with 3 colors of 8 bits. Received: "
            f"'{path}', for {segmenter.num_channels} channels, value_range={spec.value_range} and "
            f"bands={spec.bands}. Use `python -m keras_seg predict` for such pictures."
        )
    if segmenter.num_classes is None:
        raise ValueError(
            "The page needs a file that tells the number of its classes. "
            f"Received: '{path}', which gives labels without it. Export it with keras_seg."
        )
    return int(segmenter.num_classes)
