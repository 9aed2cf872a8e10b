"""OpenVINO models (.xml and .bin), for Intel's processors and OpenVINO Model Server."""

import collections
import json
import tempfile

from keras_seg.export import any_size, exportable
from keras_seg.export.openvino_runner import FILE, RT_INFO, OpenVinoClassifier, OpenVinoSegmenter
from keras_seg.export.runner import require_package

_NO_OPERATIONS = ("Constant", "Parameter", "Result")


def openvino(  # noqa: PLR0913 - all but two have a default
    model,
    folder,
    class_names=None,
    palette=None,
    pictures=None,
    data=None,
    min_agreement=any_size.MIN_AGREEMENT,
    input_spec=None,
):
    """Write an OpenVINO model that takes uint8 pictures of any size and gives their label maps.

    The folder gets `model.xml` and `model.bin`. Input and outputs are those of an .onnx file, see
    `keras_seg.export.onnx`; class names, palette and input spec are in model.xml, under
    `rt_info/keras_seg`. Weights are stored in 32 bits. `OpenVinoSegmenter` and
    `OpenVinoClassifier` run it in float32; other programs compute in bfloat16 where the processor
    has it, unless they set INFERENCE_PRECISION_HINT to f32.

    Before it is kept, it is run by OpenVINO and compared with the Keras model, as .onnx files are.
    Nothing is replaced: OpenVINO Model Server serves the highest of the folders `1`, `2`, ...

    Args:
        model: Functional or Sequential Keras model from pixels 0..255 to logits (or a dict with
            "logits"). Outputs named `aux_*` are left out.
        folder: where to write, such as "saved_models/my_run/openvino/1"; must not exist.
        class_names: names in the order of ids.
        palette: colors (r, g, b) 0..255 in the order of ids.
        pictures: uint8 pictures for the comparison, in a form that `calibration` of `tflite`
            accepts; 16 are used.
        data: batches (image, label) for the comparison, all are used; adds the mean IoU, or for
            classifiers the accuracy, of both.
        min_agreement: least share of pixels, 0..1, with the label of the Keras model.
        input_spec: how files are converted to pixels, `data.input_spec`.

    Returns:
        ExportReport.

    Raises:
        ValueError: if an argument is wrong, the folder exists, the backend is not TensorFlow, the
            model cannot be converted, or the export does not agree with the Keras model.
        ImportError: openvino is not installed.

    >>> report = openvino(model, "saved_models/my_run/openvino/1")  # doctest: +SKIP
    >>> print(report)  # doctest: +SKIP
    """
    require_package("openvino", "openvino", "openvino")
    request = any_size.Request(
        model, folder, class_names, palette, pictures, data, min_agreement, input_spec
    )
    kind = any_size.Format(
        "openvino", "OpenVINO", _write, OpenVinoSegmenter, OpenVinoClassifier, replace=False
    )
    return any_size.export(kind, request)


def _write(function, folder, notes):
    """Convert a `tf.function`; return the operations by name."""
    package = require_package("openvino", "openvino", "openvino")
    with tempfile.TemporaryDirectory() as temporary:
        exportable.save(f"{temporary}/model", function)
        try:
            # The reader itself: `openvino.convert_model` would also report its use to Intel.
            converted = package.Core().read_model(f"{temporary}/model")
        except RuntimeError as error:
            raise ValueError(
                "`openvino` needs a model that OpenVINO can convert. OpenVINO reports:\n"
                f"{str(error).strip()[:1000]}\n"
                "Replace the layers it names, or export a SavedModel instead."
            ) from None
        converted.set_rt_info(json.dumps(notes, ensure_ascii=False), [RT_INFO])
        folder.mkdir()
        package.save_model(converted, folder / FILE, compress_to_fp16=False)
    kinds = [operation.get_type_name() for operation in converted.get_ops()]
    return dict(collections.Counter(kind for kind in kinds if kind not in _NO_OPERATIONS))
