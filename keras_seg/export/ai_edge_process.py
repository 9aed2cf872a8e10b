"""Quantizes a .tflite file to 8 bits with ai-edge-quantizer; `tflite` runs it as a process.

The package prints, and its interpreters keep every map in memory: not in the user's process.

Usage: ai_edge_process.py FLOAT.tflite TFLITE_FILE CALIBRATION.npy
"""

import os
import sys


def quantize(float_file, file, calibration):
    """Write the .tflite file: int8 input, output and maps, kernels with a scale for each channel.

    The ranges of maps are the package's moving averages over the pictures, which single extreme
    values hardly change. That of the input is 0..255, whatever the pictures hold, so that a step is
    a pixel's level.

    Args:
        float_file: file in float32 with one signature, whose input is `image` (1, h, w, c).
        file: where to write.
        calibration: .npy file with uint8 pictures (n, h, w, c).
    """
    import numpy as np
    from ai_edge_litert.interpreter import Interpreter
    from ai_edge_quantizer import quantizer, recipe  # pyright: ignore[reportMissingImports] - extra

    interpreter = Interpreter(float_file)
    (signature,) = interpreter.get_signature_list()
    pixels = interpreter.get_input_details()[0]["name"]
    tool = quantizer.Quantizer(float_file, recipe.static_wi8_ai8())
    ranges = {}
    # One picture at a time: a call reads all of its pictures into memory.
    for picture in np.load(calibration, mmap_mode="r"):
        batch = {"image": picture[np.newaxis].astype("float32")}
        ranges = tool.calibrate({signature: [batch]}, ranges, num_threads=os.cpu_count() or 1)
        sys.stdout.write("calibrated\n")  # which the caller counts
        sys.stdout.flush()
    shape = np.shape(ranges[pixels]["min"])
    ranges[pixels] = {"min": np.full(shape, 0.0), "max": np.full(shape, 255.0)}
    tool.quantize(ranges, enable_progress_report=False).export_model(file)


if __name__ == "__main__":
    quantize(*sys.argv[1:])
