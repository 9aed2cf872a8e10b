"""Validation where every picture has its own size: one function for all sizes, or one for each.

    python tests/benchmarks/bench_sizes.py [--name contextnet_cn14] [--sizes 300]

Prints one JSON line per way: "segmenter" is what `Segmenter` does, "exact" compiles a function for
each shape and keeps eight, "same" is the segmenter on as many pictures of one size. The exact way
is timed on the first `--exact` pictures alone. Labels of both ways must be equal, but for pixels
whose two best logits differ by float32's rounding.
"""

import argparse
import json
import os
import time

# As `import keras_seg` sets it; here tensorflow is imported first.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import keras
import numpy as np

from keras_seg import models
from keras_seg.inference.compiled import compiled
from keras_seg.inference.segmenter import Segmenter


def timed(labels, pictures):
    """Median and total seconds, and the label maps."""
    times, found = [], []
    for picture in pictures:
        start = time.perf_counter()
        found.append(labels(picture))
        times.append(time.perf_counter() - start)
    return {"median_ms": round(1000 * float(np.median(times)), 1), "total_s": round(sum(times), 1),
            "pictures": len(times)}, found  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", default="contextnet_cn14")
    parser.add_argument("--sizes", type=int, default=300)
    parser.add_argument("--exact", type=int, default=20)
    options = parser.parse_args()
    random = np.random.default_rng(0)
    keras.utils.set_random_seed(0)
    model = models.build(options.name, num_classes=11)
    sizes = random.permutation([(h, w) for h in range(240, 260) for w in range(320, 340)])
    pictures = [random.integers(0, 256, (1, *size, 3), "uint8") for size in sizes[: options.sizes]]
    first = pictures[: options.exact]
    exact = {
        picture.shape: lambda picture: compiled(model, "labels", picture.shape, True)(picture)
        for picture in first
    }
    mixed, labels = timed(Segmenter(model).labels, pictures)
    one, expected = timed(lambda picture: exact[picture.shape](picture), first)
    same, _ = timed(Segmenter(model).labels, [pictures[0]] * options.sizes)
    equal = np.mean([np.mean(a == b) for a, b in zip(labels, expected, strict=False)])
    for way, numbers in {"segmenter": mixed, "exact": one, "same": same}.items():
        print(json.dumps({"way": way, **numbers}))
    print(json.dumps({"equal_labels": round(float(equal), 7)}))


if __name__ == "__main__":
    main()
