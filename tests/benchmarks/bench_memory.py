"""Peak memory and time of a training step, with and without `recompute`, side by side.

    python tests/benchmarks/bench_memory.py [--name fc_densenet103] [--size 224x224] [--batch 3]

Each way runs in a process of its own, which prints one JSON line; a last line compares the two.
`peak_mib` is the largest resident memory of the whole process, Python and framework included;
`step_mib` is how far the training steps raised it above what the built model needed.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time


def peak_mib():
    """Largest resident memory of this process so far."""
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def one(arguments):
    """Build the network, train a few steps on noise, and return what they took."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # As `import keras_seg` sets it; here tensorflow is imported first.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    import keras
    import numpy as np

    from keras_seg import models
    from keras_seg.losses import SparseCrossEntropy

    keras.utils.set_random_seed(0)
    size = tuple(map(int, arguments.size.split("x")))
    model = models.build(arguments.name, (*size, 3), 11, recompute=arguments.recompute)
    model.compile(keras.optimizers.RMSprop(1e-3), SparseCrossEntropy(num_classes=11))
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (arguments.batch, *size, 3)).astype("uint8")
    label = rng.integers(0, 11, (arguments.batch, *size)).astype("uint8")
    before = peak_mib()
    times = []
    for _ in range(arguments.steps + 1):
        start = time.perf_counter()
        loss = float(model.train_on_batch(image, label))
        times.append(time.perf_counter() - start)
    return {
        "recompute": arguments.recompute,
        "peak_mib": round(peak_mib()),
        "step_mib": round(peak_mib() - before),
        "median_s": round(statistics.median(times[1:]), 2),
        "first_s": round(times[0], 2),
        "n": arguments.steps,
        "loss": round(loss, 5),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--name", default="fc_densenet103")
    parser.add_argument("--size", default="224x224")
    parser.add_argument("--batch", type=int, default=3)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--recompute", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(one(arguments)))
        return
    rows = []
    for extra in ([], ["--recompute"]):
        command = [sys.executable, __file__, "--one", *extra, *sys.argv[1:]]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        rows.append(json.loads(done.stdout.splitlines()[-1]))
        facts = {"name": arguments.name, "shape": f"{arguments.batch}x{arguments.size}x3"}
        backend = os.environ.get("KERAS_BACKEND", "tensorflow")
        load = round(os.getloadavg()[0], 1)
        print(json.dumps({**rows[-1], **facts, "backend": backend, "load": load}), flush=True)
    kept, again = rows
    ratios = {f"{key}_ratio": round(again[key] / kept[key], 2) for key in ("peak_mib", "step_mib")}
    print(json.dumps({**ratios, "time_ratio": round(again["median_s"] / kept["median_s"], 2)}))


if __name__ == "__main__":
    main()
