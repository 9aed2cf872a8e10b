"""Runs an .onnx file with ONNX Runtime, without Keras or TensorFlow."""

import json

from keras_seg.export.runner import Runner, require_file, require_package, words
from keras_seg.inference.export_notes import NOTES


class OnnxSegmenter(Runner):
    """Segments pictures with an .onnx file, as `LiteRTSegmenter` does with a .tflite file.

    Args:
        path: .onnx file, from `keras_seg.export.onnx`.
        num_threads: threads that ONNX Runtime uses.
        providers: what computes, by ONNX Runtime's names, such as ["CUDAExecutionProvider"].

    Raises:
        ValueError: there is no such file, or it is of another kind.
        ImportError: onnxruntime is not installed.

    >>> segmenter = OnnxSegmenter("model.onnx")  # doctest: +SKIP
    >>> segmenter("street.jpg").shape  # doctest: +SKIP
    (360, 480)
    """

    def __init__(self, path, num_threads=2, providers=("CPUExecutionProvider",)):
        name = type(self).__name__
        require_file(name, path, "an .onnx file", "keras_seg.export.onnx(model, path)")
        runtime = require_package(name, "onnxruntime", "onnx")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = num_threads
        options.log_severity_level = 3  # errors only
        try:
            self._session = runtime.InferenceSession(str(path), options, providers=list(providers))
        except Exception as error:  # ONNX Runtime has an exception of its own for each cause
            raise ValueError(
                f"`{name}` needs a file that ONNX Runtime can read. "
                f"Received: path={str(path)!r} ({error}). Export the network again."
            ) from None
        self._inputs, self._outputs = self._session.get_inputs(), self._session.get_outputs()
        stored = self._session.get_modelmeta().custom_metadata_map.get(NOTES)
        notes = json.loads(stored) if stored else None
        self._describe(path, self._inputs[0].shape, self._outputs[-1].shape, notes)

    def signature(self):
        """Description of the inputs and outputs.

        Returns:
            ({input name: "dtype (shape)"}, {output name: "dtype (shape)"}).
        """
        return tuple(
            {each.name: words(_dtype(each.type), each.shape) for each in side}
            for side in (self._inputs, self._outputs)
        )

    def _run(self, pictures, names):
        return dict(zip(names, self._session.run(names, {"image": pictures}), strict=True))


class OnnxClassifier(OnnxSegmenter):
    """Classifies pictures with an .onnx file; as `OnnxSegmenter`, for one class per picture.

    Args:
        path: .onnx file, from `keras_seg.export.onnx`.
        num_threads: threads that ONNX Runtime uses.
        providers: what computes, by ONNX Runtime's names.

    Raises:
        ValueError: there is no such file, or it is of another kind.
        ImportError: onnxruntime is not installed.

    >>> classifier = OnnxClassifier("model.onnx")  # doctest: +SKIP
    >>> classifier.class_names[classifier("cat.jpg")]  # doctest: +SKIP
    'cat'
    """

    _classifies = True


def _dtype(name):
    """The dtype of ONNX Runtime's name of a tensor's type.

    >>> _dtype("tensor(float)")
    'float32'
    """
    inside = name.removeprefix("tensor(").removesuffix(")")
    return {"float": "float32"}.get(inside, inside)
