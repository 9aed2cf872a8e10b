"""Memory and time of the label map of a large picture, from a file and to a file.

    python tests/benchmarks/bench_tiles.py [--side 20000] [--ending npy png tif jpg] [--tile 512]

Prints one JSON line per kind of file. Each picture is segmented in a process of its own, whose
peak memory the operating system tells once it has ended; "above_model" is what is more than in a
process that segments a picture of one tile with the same network.
"""

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

CHILD = """
import sys
from keras_seg import Segmenter, models

name, classes, tile, source, out = sys.argv[1:]
segmenter = Segmenter(models.build(name, num_classes=int(classes)))
segmenter.tiles(source, out, tile=int(tile))
"""


def write_picture(path, side, seed=0):
    """Write a noisy picture of side x side pixels."""
    rng = np.random.default_rng(seed)
    block = cv2.resize(rng.integers(0, 256, (40, 40, 3), np.uint8), (500, 500))
    block = cv2.add(block, rng.integers(0, 8, block.shape, np.uint8))
    repeats = -(-side // 500)
    pixels = np.tile(block, (repeats, repeats, 1))[:side, :side]
    if path.suffix == ".npy":
        np.save(path, pixels)
    elif path.suffix == ".tif":
        Image.fromarray(pixels).save(path, compression="tiff_adobe_deflate")
    else:
        cv2.imwrite(str(path), pixels, [cv2.IMWRITE_PNG_COMPRESSION, 1])


def run(arguments, source, out):
    """Segment a file in another process; its peak memory in MB and its seconds."""
    words = [arguments.name, arguments.num_classes, arguments.tile, source, out]
    start = time.perf_counter()
    child = subprocess.Popen([sys.executable, "-c", CHILD, *map(str, words)])
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        raise SystemExit(f"The process that segments {source} ended with {status}.")
    return usage.ru_maxrss / 1024, time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--name", default="contextnet_cn14")
    parser.add_argument("--num-classes", type=int, default=19)
    parser.add_argument("--side", type=int, default=20_000)
    parser.add_argument("--ending", nargs="+", default=["npy", "png", "tif", "jpg"])
    parser.add_argument("--tile", type=int, default=512)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for ending in arguments.ending:
            small, large = Path(folder) / f"small.{ending}", Path(folder) / f"large.{ending}"
            for path, side in ((small, arguments.tile), (large, arguments.side)):
                # Not here: a process starts with the peak memory of the one that starts it.
                writer = multiprocessing.get_context("spawn").Process(
                    target=write_picture, args=(path, side)
                )
                writer.start()
                writer.join()
            model_mb, model_s = run(arguments, small, Path(folder) / f"small_{ending}.png")
            peak_mb, seconds = run(arguments, large, Path(folder) / f"large_{ending}.png")
            row = {
                "what": f"tiles {ending} to png",
                "name": arguments.name,
                "num_classes": arguments.num_classes,
                "shape": [arguments.side, arguments.side, 3],
                "tile": arguments.tile,
                "model_mb": round(model_mb),
                "above_model_mb": round(peak_mb - model_mb),
                "seconds": round(seconds - model_s, 1),
                "file_mb": round(large.stat().st_size / 2**20),
            }
            print(json.dumps(row), flush=True)
            large.unlink()


if __name__ == "__main__":
    main()
