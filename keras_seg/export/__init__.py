"""Export for servers and phones; each export is compared with the Keras model before it is kept.

`saved_model` writes a SavedModel for TF Serving, `tflite` a file for phones and small computers,
and `LiteRTSegmenter` runs the latter. Importing this package and running `LiteRTSegmenter` require
neither Keras nor TensorFlow.
"""

# Imported by name at once: the functions must win over the modules of the same name.
from keras_seg.export.litert import LiteRTClassifier, LiteRTSegmenter
from keras_seg.export.report import ExportReport
from keras_seg.export.saved_model import saved_model
from keras_seg.export.tflite import tflite

__all__ = ["ExportReport", "LiteRTClassifier", "LiteRTSegmenter", "saved_model", "tflite"]
