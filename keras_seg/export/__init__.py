"""Export for servers and phones; each export is compared with the Keras model before it is kept.

`saved_model` writes a SavedModel for TF Serving, `tflite` a file for phones and small computers,
`onnx` and `openvino` files for the programs of that name; `LiteRTSegmenter`, `OnnxSegmenter`,
`OpenVinoSegmenter` and `SavedModelSegmenter` run them. `delegates` tells which operations of a
.tflite file phones run on a GPU. `fold` merges batch normalization in a Keras model. Importing this
package, and all of these classes but the last, require neither Keras nor TensorFlow.
"""

from typing import TYPE_CHECKING

# Imported by name at once: the functions must win over the modules of the same name.
from keras_seg.export.delegates import delegates
from keras_seg.export.onnx import onnx
from keras_seg.export.onnx_runner import OnnxClassifier, OnnxSegmenter
from keras_seg.export.openvino import openvino
from keras_seg.export.openvino_runner import OpenVinoClassifier, OpenVinoSegmenter
from keras_seg.export.report import ExportReport
from keras_seg.export.saved_model import saved_model
from keras_seg.export.saved_model_runner import SavedModelClassifier, SavedModelSegmenter
from keras_seg.export.tflite import tflite
from keras_seg.inference.litert import LiteRTClassifier, LiteRTSegmenter

if TYPE_CHECKING:
    from keras_seg.export.folding import fold
    from keras_seg.export.int8_layer_table import int8_layers

__all__ = [
    "ExportReport",
    "LiteRTClassifier",
    "LiteRTSegmenter",
    "OnnxClassifier",
    "OnnxSegmenter",
    "OpenVinoClassifier",
    "OpenVinoSegmenter",
    "SavedModelClassifier",
    "SavedModelSegmenter",
    "delegates",
    "fold",
    "int8_layers",
    "onnx",
    "openvino",
    "saved_model",
    "tflite",
]


def __getattr__(name):
    if name == "fold":  # It needs Keras.
        from keras_seg.export.folding import fold

        return fold
    if name == "int8_layers":  # It, too.
        from keras_seg.export.int8_layer_table import int8_layers

        return int8_layers
    raise AttributeError(f"module 'keras_seg.export' has no attribute {name!r}.")
