"""Frames per second one after the other and in a stream, in one run.

    python tests/benchmarks/bench_stream.py [--name contextnet_cn14] [--sizes 512x1024 1024x2048]

Each size has a video of noise that moves. "sequential" decodes, segments and draws one frame after
the other; "stream" does the three at the same time; "slowest stage" is what the slowest of the
three reaches alone, the upper limit of a stream whose stages do not share cores. The ways take
turns; one JSON line for each way and size has the median of the rounds.
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

from keras_seg import Segmenter, models
from keras_seg.inference.frames import frames
from keras_seg.show import overlay


def write_video(path, height, width, count):
    """Smooth noise that moves to the right."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (height // 16, width // 16, 3), np.uint8)
    picture = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 25, (width, height))
    for n in range(count):
        writer.write(np.roll(picture, 4 * n, axis=1))
    writer.release()


def seconds(function):
    """Wall-clock time of one call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def ways(segmenter, path, image):
    """Name and function of each way through the video."""

    def sequential():
        for frame in frames(path):
            overlay(frame, segmenter(frame), segmenter.palette)

    def stream():
        with segmenter.stream(path, draw=True) as found:
            for _ in found:
                pass

    labels = segmenter(image)
    count = sum(1 for _ in frames(path))
    return count, {
        "sequential": sequential,
        "stream": stream,
        "decode alone": lambda: [None for _ in frames(path)],
        "network alone": lambda: [segmenter(image) for _ in range(count)],
        "drawing alone": lambda: [overlay(image, labels, segmenter.palette) for _ in range(count)],
    }


def main():
    """Measure every size and print a line for each way."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--name", default="contextnet_cn14")
    parser.add_argument("--sizes", nargs="+", default=["512x1024", "1024x2048"])
    parser.add_argument("--frames", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    palette = [(7 * n, 13 * n, 11 * n) for n in range(19)]
    segmenter = Segmenter(models.build(options.name, num_classes=19), palette=palette)
    for size in options.sizes:
        height, width = map(int, size.split("x"))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "video.mp4")
            write_video(path, height, width, options.frames)
            image = next(frames(path))
            count, functions = ways(segmenter, path, image)
            for function in functions.values():
                function()  # compiles
            times = {name: [] for name in functions}
            for _ in range(options.rounds):
                for name, function in functions.items():
                    times[name].append(seconds(function) / count)
        rates = {name: 1 / statistics.median(each) for name, each in times.items()}
        rates["slowest stage"] = min(rate for name, rate in rates.items() if "alone" in name)
        for name, rate in rates.items():
            print(json.dumps({"size": size, "way": name, "frames_per_second": round(rate, 1)}))


if __name__ == "__main__":
    main()
