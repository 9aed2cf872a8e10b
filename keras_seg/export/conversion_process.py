"""Converts a SavedModel to TFLite; `tflite` runs it in a separate process.

Every conversion leaks memory and prints messages that cannot be silenced, so none happens in the
user's process. The input is a SavedModel of static size; neither Keras nor keras_seg is imported.

Usage: conversion_process.py SAVED_MODEL_FOLDER TFLITE_FILE MODE [CALIBRATION.npy]
"""

import sys
from pathlib import Path


def convert(folder, file, mode, calibration=""):
    """Write the .tflite file.

    Args:
        folder: SavedModel with the static signature "serving_default".
        file: where to write.
        mode: "fp32", "fp16", "int8", or "int8_ranges" for a model that states its ranges.
        calibration: .npy file with uint8 pictures (n, h, w, c), for int8.
    """
    import numpy as np
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_saved_model(folder, ["serving_default"])
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if mode != "fp32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if mode == "fp16":
        converter.target_spec.supported_types = [tf.float16]
    if mode in ("int8", "int8_ranges"):
        converter.inference_input_type = tf.uint8
        # Not uint8, which would take a quarter of the time to copy at full size.
        converter.inference_output_type = tf.int8
    if mode == "int8":
        pictures = np.load(calibration, mmap_mode="r")

        def batches():
            for picture in pictures:
                yield {"image": picture[np.newaxis].astype("float32")}
                sys.stdout.write("calibrated\n")  # which the caller counts
                sys.stdout.flush()

        converter.representative_dataset = batches
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    Path(file).write_bytes(converter.convert())


if __name__ == "__main__":
    convert(*sys.argv[1:])
