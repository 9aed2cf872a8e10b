"""Measure what each network costs, for the tables in README.md.

`python docs/costs.py` measures all, `python docs/costs.py resnet` those whose name says resnet;
`make readme` then writes the tables. Classifiers are measured at their paper's size, segmentation
networks at 512x1024 for 19 classes. A .tflite file of each is written, with random weights; those
of segmentation networks are timed with two threads.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import keras  # noqa: E402
import numpy as np  # noqa: E402

from keras_seg import analyse, export, models  # noqa: E402
from keras_seg.cli import table  # noqa: E402

STREET = (512, 1024)
RUNS, SECONDS = 7, 3  # repetitions of a measurement, at least


def costs(name):
    """Multiply-accumulates for one image, bytes and milliseconds of the .tflite file.

    The file's weights have 16 bits. The time is the shortest of seven runs or three seconds, from
    the pixels of one image to its labels; of classifiers it is not measured.
    """
    facts = models.facts(name)
    segments = facts.task == "segmentation"
    size = STREET if segments else (facts.image_size, facts.image_size)
    num_classes = {"num_classes": 19} if segments else {}
    model = models.build(name, (*size, facts.channels), **num_classes)
    found = {"macs": int(analyse.summary(model).loc["total", "macs"])}
    pixels = np.random.default_rng(0).integers(0, 256, (1, *size, facts.channels), "uint8")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "model.tflite")
        # Random weights: logits lie close together, and which is largest says nothing.
        report = export.tflite(model, file, "fp16", calibration=pixels, min_agreement=0.0)
        found["tflite_bytes"] = report.num_bytes
        if segments:
            found["tflite_ms"] = round(_milliseconds(export.LiteRTSegmenter(file), pixels), 1)
    return found


def _milliseconds(segmenter, pixels):
    """The shortest time from the pixels of one image to its labels."""
    times, start = [], time.perf_counter()
    while len(times) < RUNS or time.perf_counter() - start < SECONDS:
        before = time.perf_counter()
        segmenter.labels(pixels)
        times.append(1000 * (time.perf_counter() - before))
    return min(times)


if __name__ == "__main__":
    for task in table.TASKS:
        for name in models.names(task):
            if all(word in name for word in sys.argv[1:]) and models.facts(name).dimensions[0] == 2:
                known = table.costs(task).astype({"macs": "Int64", "tflite_bytes": "Int64"})
                measured = costs(name)
                known.loc[name, list(measured)] = list(measured.values())
                known.sort_index().to_csv(table.COSTS[task])
                print(name, measured, flush=True)  # noqa: T201
                keras.backend.clear_session()
