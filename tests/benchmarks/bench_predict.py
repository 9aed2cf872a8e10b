"""Time from a picture to its labels: `model.predict`, the segmenter and LiteRT side by side.

    python tests/benchmarks/bench_predict.py [--name contextnet_cn14] [--sizes 360x480 1024x2048]

Prints one JSON line per way and size. Every way starts from uint8 pixels and ends with uint8
labels; "file" adds reading a png, and "read" is that alone.
"""

import argparse
import functools
import importlib.util
import json
import os
import platform
import statistics
import tempfile
import time
from importlib import metadata
from pathlib import Path

import cv2
import keras
import numpy as np

from keras_seg import models
from keras_seg.inference.segmenter import Segmenter
from pipelines.read import read_image

WARM_UP = 5


def processor() -> str:
    """Name of the processor and the number of its cores that this process may use."""
    names = [platform.processor()]
    if Path("/proc/cpuinfo").is_file():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return f"{names[0]} x{len(os.sched_getaffinity(0))}"


def versions() -> dict:
    """Versions of the packages that the numbers depend on, as far as they are installed."""
    wanted = ("keras", "tensorflow", "tensorflow-cpu", "jax", "torch", "ai-edge-litert")
    installed = {found.name.lower().replace("_", "-") for found in metadata.distributions()}
    return {name: metadata.version(name) for name in wanted if name in installed}


def measure(functions: dict, num_runs: int) -> dict:
    """First call in seconds; median and 90th percentile of the later ones in milliseconds.

    The functions take turns, so that whatever else the machine does slows all of them alike.
    """
    first = {name: seconds(function) for name, function in functions.items()}
    for function in functions.values():
        for _ in range(WARM_UP):
            function()
    times = {name: [] for name in functions}
    for _ in range(num_runs):
        for name, function in functions.items():
            times[name].append(1000 * seconds(function))
    return {
        name: {
            "median_ms": round(statistics.median(times[name]), 2),
            "p90_ms": round(statistics.quantiles(times[name], n=10)[-1], 2),
            "first_s": round(first[name], 2),
            "n": num_runs,
        }
        for name in functions
    }


def seconds(function) -> float:
    """Wall-clock time of one call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def ways(model, size, folder: Path, num_threads: int):
    """Yield name and function of each way from pixels (h, w, 3) to labels (h, w)."""
    yield "predict", lambda x: model.predict(x[None], verbose=0).argmax(-1).astype("uint8")[0]
    yield "segmenter", Segmenter(model)
    yield "segmenter live", Segmenter(model, freeze=False)
    if keras.backend.backend() != "tensorflow" or not importlib.util.find_spec("ai_edge_litert"):
        return
    from keras_seg import export

    path = folder / f"{size[0]}x{size[1]}.tflite"
    export.tflite(model, path, "fp32", size=size)
    segmenter = export.LiteRTSegmenter(path, num_threads=num_threads)
    yield "litert fp32", segmenter
    yield "litert fp32 scores", lambda x: list(segmenter._each(x[None]))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--name", default="contextnet_cn14")
    parser.add_argument("--sizes", nargs="+", default=["360x480", "1024x2048"])
    parser.add_argument("--num-runs", type=int, default=30)
    parser.add_argument("--num-threads", type=int, default=2)
    arguments = parser.parse_args()
    keras.utils.set_random_seed(0)
    model = models.build(arguments.name, num_classes=19)
    facts = {
        "name": arguments.name,
        "dtype": "uint8",
        "batch": 1,
        "backend": keras.backend.backend(),
        "device": processor(),
        "versions": versions(),
        "load_before": round(os.getloadavg()[0], 1),
    }
    rng = np.random.default_rng(0)
    for size in (tuple(map(int, text.split("x"))) for text in arguments.sizes):
        picture = cv2.resize(
            rng.integers(0, 256, (*(n // 8 for n in size), 3), np.uint8), size[::-1]
        )
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "picture.png"
            cv2.imwrite(str(path), picture)
            segmenter = Segmenter(model)
            functions = {
                way: functools.partial(function, picture)
                for way, function in ways(model, size, Path(folder), arguments.num_threads)
            }
            functions["file"] = functools.partial(segmenter, path)
            functions["read"] = functools.partial(read_image, path)
            for way, row in measure(functions, arguments.num_runs).items():
                print(json.dumps({"what": way, "shape": [*size, 3], **row, **facts}), flush=True)


if __name__ == "__main__":
    main()
