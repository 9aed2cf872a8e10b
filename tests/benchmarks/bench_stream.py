"""Frames per second one after the other and in a stream, in one run.

    python tests/benchmarks/bench_stream.py [--name contextnet_cn14] [--sizes 512x1024 1024x2048]
        [--engines graph litert openvino litert-int8] [--pictures path/to/CamVid/test]

Each size has a video of noise that moves, or of the pictures of a folder. "sequential" decodes,
segments and draws one frame after the other; "stream" does the three at the same time; "network
alone" is a stream of frames that are in memory, from pixels to labels, without drawing; "slowest
stage" is what the slowest of the three reaches alone, the upper limit of a stream whose stages do
not share cores. The ways take turns; one JSON line for each engine, way and size has the median of
the rounds, and the share of pixels with the label of the engine "graph". `--name` is an
architecture with random weights and 19 classes, or a run.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import cv2
import numpy as np

import keras_seg
from keras_seg import Segmenter, export, models
from keras_seg.inference.frames import frames
from keras_seg.show import overlay


def write_video(path, height, width, count, folder):
    """Smooth noise that moves to the right, or the pictures of a folder."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (height // 16, width // 16, 3), np.uint8)
    noise = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    files = sorted(Path(folder).iterdir()) if folder else []
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 25, (width, height))
    for n in range(count):
        picture = np.roll(noise, 4 * n, axis=1)
        if files:
            picture = cv2.imread(str(files[n * len(files) // count]))
            picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_CUBIC)
        writer.write(picture)
    writer.release()


def seconds(function):
    """Wall-clock time of one call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def ways(segmenter, path, images):
    """Name and function of each way through the video."""

    def sequential():
        for frame in frames(path):
            overlay(frame, segmenter(frame), segmenter.palette)

    def stream(source, draw):
        with segmenter.stream(source, draw=draw) as found:
            for _ in found:
                pass

    labels = segmenter(images[0])
    return {
        "sequential": sequential,
        "stream": lambda: stream(path, True),
        "decode alone": lambda: [None for _ in frames(path)],
        "network alone": lambda: stream(images, False),
        "drawing alone": lambda: [overlay(one, labels, segmenter.palette) for one in images],
    }


def measured(segmenters, path, images, rounds):
    """Frames per second of each engine and way; all of them take turns."""
    functions = {
        (engine, way): function
        for engine, segmenter in segmenters.items()
        for way, function in ways(segmenter, path, images).items()
    }
    times = {key: [] for key in functions}
    for turn in range(rounds + 1):
        for key, function in functions.items():
            took = seconds(function) / len(images)
            if turn:  # the first one compiles
                times[key].append(took)
    return {key: 1 / statistics.median(each) for key, each in times.items()}


def main():
    """Measure every size and print a line for each engine and way."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--name", default="contextnet_cn14")
    parser.add_argument("--sizes", nargs="+", default=["512x1024", "1024x2048"])
    parser.add_argument(
        "--engines", nargs="+", default=["graph", "litert", "openvino", "litert-int8"]
    )
    parser.add_argument("--pictures", help="folder of pictures")
    parser.add_argument("--frames", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    new = options.name in models.names()
    model = (
        models.build(options.name, num_classes=19) if new else keras_seg.load(options.name).model
    )
    palette = [(7 * n, 13 * n, 11 * n) for n in range(Segmenter(model).num_classes)]
    for size in options.sizes:
        height, width = map(int, size.split("x"))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "video.mp4")
            write_video(path, height, width, options.frames, options.pictures)
            images = list(frames(path))
            export.tflite(
                model, Path(folder, "model_int8.tflite"), "int8", size=(height, width),
                calibration=np.stack(images[::2]), min_agreement=0.01,
            )  # fmt: skip
            segmenters = {
                engine: Segmenter(model, palette=palette, engine=engine, folder=folder)
                for engine in options.engines
            }
            rates = measured(segmenters, path, images, options.rounds)
            expected = [Segmenter(model)(image) for image in images[1:12:2]]
            for engine, segmenter in segmenters.items():
                alone = [rates[key] for key in rates if key[0] == engine and "alone" in key[1]]
                rates[engine, "slowest stage"] = min(alone)
                found = [segmenter(image) for image in images[1:12:2]]
                agreement = float(np.mean([a == b for a, b in zip(found, expected, strict=True)]))
                for key, rate in rates.items():
                    if key[0] == engine:
                        row = {"size": size, "engine": engine, "way": key[1]}
                        row |= {"frames_per_second": round(rate, 2), "ms": round(1000 / rate, 1)}
                        print(json.dumps({**row, "agreement": round(agreement, 5)}), flush=True)


if __name__ == "__main__":
    main()
