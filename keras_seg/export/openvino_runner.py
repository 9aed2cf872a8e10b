"""Runs an OpenVINO model (.xml and .bin), without Keras or TensorFlow."""

import json
from pathlib import Path
from typing import Any

from keras_seg.export.runner import Runner, require_file, require_package, words

RT_INFO = "keras_seg"  # entry of the model's runtime information
FILE = "model.xml"


class OpenVinoSegmenter(Runner):
    """Segments pictures with an OpenVINO model, as `LiteRTSegmenter` does with a .tflite file.

    Args:
        path: model.xml, or the folder with it, from `keras_seg.export.openvino`.
        num_threads: threads that OpenVINO uses on a CPU.
        device: OpenVINO's name of a device, such as "CPU", "GPU" or "NPU".
        precision: what the device computes in, OpenVINO's INFERENCE_PRECISION_HINT: "f32" gives
            the labels of Keras; "bf16" or "f16" are faster where the device has them.

    Raises:
        ValueError: there is no such file, or it is of another kind.
        ImportError: openvino is not installed.

    >>> segmenter = OpenVinoSegmenter("openvino/1/model.xml")  # doctest: +SKIP
    >>> segmenter("street.jpg").shape  # doctest: +SKIP
    (360, 480)
    """

    def __init__(self, path, num_threads=2, device="CPU", precision="f32"):
        name = type(self).__name__
        path = Path(path) / FILE if Path(path).is_dir() else Path(path)
        require_file(name, path, "an OpenVINO .xml file", "keras_seg.export.openvino(model, path)")
        openvino: Any = require_package(name, "openvino", "openvino")
        core: Any = openvino.Core()
        settings: dict[str, Any] = {"INFERENCE_PRECISION_HINT": precision}
        if device == "CPU":
            settings["INFERENCE_NUM_THREADS"] = num_threads
            settings["ENABLE_CPU_PINNING"] = False  # or two runners would share their first cores
        try:
            model = core.read_model(path)
            self._compiled = core.compile_model(model, device, settings)
        except RuntimeError as error:
            raise ValueError(
                f"`{name}` needs a model that OpenVINO can read, and a device that it has: "
                f"{core.available_devices}. Received: path={str(path)!r}, device={device!r}, "
                f"precision={precision!r}. OpenVINO reports:\n{str(error).strip()[:1000]}"
            ) from None
        notes = None
        if model.has_rt_info([RT_INFO]):
            notes = json.loads(model.get_rt_info([RT_INFO]).value)
        shapes = [_shape(each) for each in (self._compiled.inputs[0], self._compiled.outputs[-1])]
        self._describe(path, shapes[0], shapes[1], notes)

    def signature(self):
        """Description of the inputs and outputs.

        Returns:
            ({input name: "dtype (shape)"}, {output name: "dtype (shape)"}).
        """
        return tuple(
            {each.get_any_name(): words(each.element_type.to_dtype().name, _shape(each))
             for each in side}
            for side in (self._compiled.inputs, self._compiled.outputs)
        )  # fmt: skip

    def _run(self, pictures, names):
        # The arrays belong to the request and are overwritten by its next run.
        found = self._compiled({"image": pictures}, share_inputs=True)
        return {name: found[name] for name in names}


class OpenVinoClassifier(OpenVinoSegmenter):
    """Classifies pictures with an OpenVINO model; as `OpenVinoSegmenter`, one class per picture.

    Args:
        path: model.xml, or the folder with it, from `keras_seg.export.openvino`.
        num_threads: threads that OpenVINO uses on a CPU.
        device: OpenVINO's name of a device.
        precision: what the device computes in, see `OpenVinoSegmenter`.

    Raises:
        ValueError: there is no such file, or it is of another kind.
        ImportError: openvino is not installed.

    >>> classifier = OpenVinoClassifier("openvino/1")  # doctest: +SKIP
    >>> classifier.class_names[classifier("cat.jpg")]  # doctest: +SKIP
    'cat'
    """

    _classifies = True


def _shape(port):
    """Sizes of an input or output; -1 for any."""
    return [int(n.get_length()) if n.is_static else -1 for n in port.get_partial_shape()]
