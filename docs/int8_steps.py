"""How far int8 files are from the simulation with which `finetune_int8` trains.

    python docs/int8_steps.py contextnet_cn14-camvid --root path/to/CamVid

Builds the simulation of a run with the ranges of 16 training pictures, writes its file, and
compares both on validation pictures.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
from ai_edge_litert.interpreter import Interpreter

import keras_seg
import pipelines
from keras_seg.export import exportable, simulation, tflite
from keras_seg.run_files import calibration_pictures


def steps_of_file(path, pictures):
    """What the file gives for each picture, in whole steps, and the scale and zero point."""
    interpreter = Interpreter(str(path))
    interpreter.allocate_tensors()
    (given,), (made,) = interpreter.get_input_details(), interpreter.get_output_details()
    for picture in pictures:
        interpreter.set_tensor(given["index"], picture[np.newaxis])
        interpreter.invoke()
        yield interpreter.get_tensor(made["index"])[0].astype(int), *made["quantization"]


def main():
    """Read the command line, compare, print."""
    parser = argparse.ArgumentParser(description="Compare int8 files with their simulations.")
    parser.add_argument("runs", nargs="+", help="names or folders of runs")
    parser.add_argument("--root", required=True, help="folder of CamVid")
    parser.add_argument("--pictures", type=int, default=8, help="validation pictures")
    arguments = parser.parse_args()
    data = pipelines.load("camvid", arguments.root)
    train = np.stack(calibration_pictures(data, 16))
    tested = [np.asarray(x[0][0]) for x in data.eval_batches("val", 1).take(arguments.pictures)]
    for name in arguments.runs:
        network = exportable.logits_model(keras_seg.load(name).model)
        simulated = simulation.simulated(network, train.astype("float32"))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.tflite"
            tflite(simulated, path, "int8", size=tested[0].shape[:2])
            differences, labels = [], []
            for picture, row in zip(tested, steps_of_file(path, tested), strict=True):
                found, scale, zero = row
                logits = np.asarray(simulated(picture[np.newaxis].astype("float32")))[0]
                expected = np.round(logits / scale + zero)
                differences.append(np.abs(found - expected))
                labels.append(found.argmax(-1) == expected.argmax(-1))
        steps = np.stack(differences)
        sys.stdout.write(
            f"{name}: logits equal {np.mean(steps == 0):.2%}, at most one step apart "
            f"{np.mean(steps <= 1):.2%}, at most {steps.max():.0f}; labels equal "
            f"{np.mean(labels):.2%}\n"
        )


if __name__ == "__main__":
    main()
