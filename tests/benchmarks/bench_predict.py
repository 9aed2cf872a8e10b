"""Time from a picture to its labels: `model.predict` and all engines side by side.

    python tests/benchmarks/bench_predict.py [--name contextnet_cn14] [--sizes 360x480 1024x2048]
        [--pictures path/to/CamVid/test]

Prints one JSON line per way and size. Every way starts from uint8 pixels and ends with uint8
labels; "file" adds reading a png, and "read" is that alone. "agreement" is the share of pixels with
the label of the engine "graph", a function in float32, on up to 12 pictures: those of a folder,
resized, or noise. `--name` is an architecture with random weights and 19 classes, or a run.
"""

import argparse
import functools
import json
import os
import platform
import statistics
import tempfile
import time
from importlib import metadata
from pathlib import Path

# As `import keras_seg` sets it; here tensorflow is imported first.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import cv2
import keras
import numpy as np

import keras_seg
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


ENGINES = ("keras", "graph", "litert", "litert-int8", "openvino")


def segmenters(model, size, pictures, folder: Path) -> dict:
    """A segmenter for each engine that runs here; the 8-bit file is calibrated on the pictures."""
    if keras.backend.backend() != "tensorflow":
        return {"keras": Segmenter(model, engine="keras")}
    from keras_seg import export

    path = folder / "model_int8.tflite"
    export.tflite(model, path, "int8", size=size, calibration=pictures, min_agreement=0.01)
    return {engine: Segmenter(model, engine=engine, folder=folder) for engine in ENGINES}


def network(name):
    """A run's network, or a new one."""
    if name in models.names():
        return models.build(name, num_classes=19)
    return keras_seg.load(name).model


def read_pictures(folder, size):
    """Calibration pictures of a size, and others to compare the labels on."""
    rng = np.random.default_rng(0)
    if folder is None:
        found = [rng.integers(0, 256, (*(n // 8 for n in size), 3), np.uint8) for _ in range(32)]
    else:
        files = sorted(Path(folder).iterdir())
        found = [read_image(file) for file in files[:: max(1, len(files) // 32)]]
    pictures = [cv2.resize(one, size[::-1], interpolation=cv2.INTER_CUBIC) for one in found]
    return np.stack(pictures[:20]), pictures[20:32]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--name", default="contextnet_cn14")
    parser.add_argument("--sizes", nargs="+", default=["360x480", "1024x2048"])
    parser.add_argument("--num-runs", type=int, default=30)
    parser.add_argument("--pictures", help="folder of pictures")
    arguments = parser.parse_args()
    keras.utils.set_random_seed(0)
    model = network(arguments.name)
    facts = {
        "name": arguments.name,
        "dtype": "uint8",
        "batch": 1,
        "backend": keras.backend.backend(),
        "device": processor(),
        "versions": versions(),
        "load_before": round(os.getloadavg()[0], 1),
    }
    for size in (tuple(map(int, text.split("x"))) for text in arguments.sizes):
        calibration, pictures = read_pictures(arguments.pictures, size)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "picture.png"
            cv2.imwrite(str(path), pictures[0][..., ::-1])
            found = segmenters(model, size, calibration, Path(folder))
            expected = [found.get("graph", found["keras"])(picture) for picture in pictures]
            agreement = {
                name: np.mean([one(x) for x in pictures] == np.stack(expected))
                for name, one in found.items()
            }
            functions = {name: functools.partial(one, pictures[0]) for name, one in found.items()}
            functions["predict"] = lambda x=pictures[0]: (
                model.predict(x[None], verbose=0).argmax(-1).astype("uint8")[0]
            )
            functions["file"] = functools.partial(found.get("graph", found["keras"]), path)
            functions["read"] = functools.partial(read_image, path)
            for way, row in measure(functions, arguments.num_runs).items():
                row["agreement"] = round(float(agreement[way]), 5) if way in agreement else None
                print(json.dumps({"what": way, "shape": [*size, 3], **row, **facts}), flush=True)


if __name__ == "__main__":
    main()
