"""From a Keras model to a .tflite file, in a separate process.

It runs `conversion_process.py`, and for ai-edge-quantizer then `ai_edge_process.py`.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from keras_seg.export import exportable, picture_batches

NUM_RANGES = 16  # pictures from which the ranges of concatenated maps are measured
SAVED_MODEL = "saved_model"
CALIBRATED = "calibrated\n"  # what the converter prints after each picture
CONVERTER, AI_EDGE = "conversion_process.py", "ai_edge_process.py"
# What each needs of a model, and what to do where it fails.
_SCRIPTS = {
    CONVERTER: (
        "TensorFlow can convert to operations built into LiteRT",
        "The converter",
        "Replace the layers it names, or export a SavedModel instead.",
    ),
    AI_EDGE: (
        "ai-edge-quantizer can quantize for quantizer='ai-edge'",
        "The package",
        "Use quantizer='tensorflow' instead.",
    ),
}


class Source(NamedTuple):
    """A SavedModel from which .tflite files are converted.

    Attributes:
        folder: folder that holds it, and the other files of the conversions.
        name: the model's name, for errors.
        mode: mode of `tflite`, or "int8_ranges" for a model that states its ranges.
        pictures: calibration pictures.
    """

    folder: Path
    name: str
    mode: str
    pictures: list


def source(model, folder, mode, shape, pictures):
    """Write the SavedModel from which `convert` makes a file with each quantizer.

    Args:
        model: from `exportable.logits_model`.
        folder: an existing folder, for this and for the files of the conversions.
        mode: "fp32", "fp16", "int8_weights", whose kernels are quantized later, or "int8".
        shape: (height, width, channels) of the input.
        pictures: calibration pictures, list of uint8 arrays of that shape, for "int8"; not used for
            a model from `simulation.simulated`, which has its ranges.

    Returns:
        Source.
    """
    import tensorflow as tf

    if mode == "int8":
        from keras_seg.export import (  # import Keras, which LiteRTSegmenter does not need
            concatenation,
            eight_bits,
            rescaling,
            simulation,
        )

        if simulation.is_simulated(model):
            model, mode = simulation.with_constants(model), "int8_ranges"
            pictures = []
    if mode == "int8":
        model = rescaling.convolved(eight_bits.computable(model))
        model = concatenation.apart(model, np.stack(pictures[:NUM_RANGES]).astype("float32"))

    # Not `exportable.frozen`: the converter makes constants itself, and those of a network of 170
    # million parameters took 11 GB here.
    @tf.function(input_signature=[tf.TensorSpec((1, *shape), tf.float32, "image")], autograph=False)
    def serve(image):
        return {"logits": model(image, training=False)}

    # Layers that a model in 8 bits calls inside its own do not show in `model.variables`.
    variables = serve.get_concrete_function().graph.variables
    exportable.save(f"{folder}/{SAVED_MODEL}", serve, variables=variables)
    return Source(Path(folder), model.name, mode, pictures)


def convert(source, file, quantizer="tensorflow"):
    """Write a .tflite file.

    Args:
        source: from `source`.
        file: where to write.
        quantizer: what finds the ranges of "int8": "tensorflow", the converter itself, or
            "ai-edge", the package ai-edge-quantizer, which changes a fp32 file.

    Raises:
        ValueError: if LiteRT lacks an operation; with the converter's own words.
    """
    saved, calibration = str(source.folder / SAVED_MODEL), str(source.folder / "calibration.npy")
    if quantizer == "ai-edge":
        floats = str(source.folder / "fp32.tflite")
        _run_script(CONVERTER, source.name, [saved, floats, "fp32"])
        np.save(calibration, np.stack(source.pictures))
        _run_script(AI_EDGE, source.name, [floats, str(file), calibration], len(source.pictures))
        return
    words = [saved, str(file), "fp32" if source.mode == "int8_weights" else source.mode]
    if source.mode == "int8":
        np.save(calibration, _with_full_range(source.pictures))
        words.append(calibration)
    _run_script(CONVERTER, source.name, words, len(source.pictures))


def _run_script(script, name, words, num_pictures=0):
    """Run one of `_SCRIPTS`."""
    status, errors = run(_command(script, words), num_pictures)
    if status:
        rule, program, advice = _SCRIPTS[script]
        raise ValueError(
            f"`tflite` needs a model that {rule}. Received: model={name!r}. {program} "
            f"reports:\n{_complaint(errors)} (exit status {status})\n{advice}"
        )


def _command(script, words):
    """The command that runs a script beside this file."""
    # -P: the script's folder contains modules whose names are not unique.
    return [sys.executable, "-P", str(Path(__file__).with_name(script)), *words]


def run(command, num_pictures):
    """Run the converter; the progress bar counts calibration pictures.

    Args:
        command: list of words.
        num_pictures: how many there are.

    Returns:
        (exit status, what it wrote to standard error).
    """
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2", "CUDA_VISIBLE_DEVICES": "-1"}
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors,
        subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True
        ) as process,
        picture_batches.bar((), "convert", num_pictures) as bar,
    ):
        for line in process.stdout or ():
            bar.update(line == CALIBRATED)
        process.wait()
        errors.seek(0)
        return process.returncode, errors.read()


def _with_full_range(pictures):
    """Set one pixel to black and one to white, so that the input scale is 1.

    Without the extremes the scale would be below 1, and brighter pictures would be clipped.
    """
    pictures = np.stack(pictures)
    pictures[0, 0, :2] = [[0], [255]]
    return pictures


def _complaint(text):
    """The lines of the converter's output that name the reason."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    reasons = [line for line in lines if "error:" in line or "Error" in line]
    return "\n".join(dict.fromkeys(reasons[-6:] or lines[-6:]))[:2000]
