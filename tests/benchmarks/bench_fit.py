"""Images per second of training: the bare step, the input graph, `fit` as a whole, and PyTorch.

    python tests/benchmarks/bench_fit.py [--name contextnet_cn14] [--size 360x480] [--batch-size 8]

Prints one JSON line per way, each from a process of its own so that peak memory is its own, and
last the ratios. "fit" is the time from the second epoch's begin to its end without the
validation pass, which is a line of its own. "keras_plain" is the same network with Keras's own
batch normalization; "step_eigen" is the step without oneDNN. PyTorch runs where it is installed,
with its default allocator and with glibc told to keep freed memory (MALLOC_TOP_PAD_ and the like).
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# As `import keras_seg` sets it; here tensorflow is imported first.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
NUM_CLASSES = 10
WAYS = ("keras_plain", "step", "step_eigen", "input", "fit", "torch", "torch_tuned")
# glibc returns large freed blocks to the system at once, and then pays for every page again.
TUNED = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**40), "MALLOC_TOP_PAD_": "0"}
SETTINGS = {"torch_tuned": TUNED, "step_eigen": {"TF_ENABLE_ONEDNN_OPTS": "0"}}


def main():
    """Run every way in its own process, and print what came out."""
    options = arguments()
    if options.way:
        print(json.dumps(run(options)))
        return
    results = {}
    for way in WAYS:
        environment = {**os.environ, **SETTINGS.get(way, {})}
        command = [sys.executable, __file__, *sys.argv[1:], "--way", way]
        answer = subprocess.run(command, env=environment, capture_output=True, text=True)
        if answer.returncode:
            print(f"{way}: not measured: {answer.stderr.strip().splitlines()[-1]}", file=sys.stderr)
            continue
        line = answer.stdout.strip().splitlines()[-1]
        print(line, flush=True)
        results[way] = json.loads(line)["images_per_s"]
    ratios = {way: round(value / results["step"], 3) for way, value in results.items()}
    print(json.dumps({"relative_to_bare_step": ratios}))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--name", default="contextnet_cn14")
    parser.add_argument("--size", default="360x480")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--way", choices=WAYS)
    return parser.parse_args()


def run(options):
    """Measure one way in this process."""
    size = tuple(int(side) for side in options.size.split("x"))
    measure = {"input": input_alone, "fit": whole_fit}.get(options.way, bare_step)
    found = measure(options, size)
    return {
        "what": options.way,
        "name": options.name,
        "shape": [options.batch_size, *size, 3],
        **found,
        "peak_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2),
        "cores": len(os.sched_getaffinity(0)),
        "load": os.getloadavg()[0],
    }


def batch(options, size):
    """One batch of noise; the time of a step does not depend on what is in the pictures."""
    import numpy as np

    random = np.random.default_rng(0)
    images = random.integers(0, 256, (options.batch_size, *size, 3), dtype=np.uint8)
    return images, random.integers(0, NUM_CLASSES, images.shape[:3], dtype=np.uint8)


def bare_step(options, size):
    """A training step on the same batch again and again."""
    images, labels = batch(options, size)
    if options.way.startswith("torch"):
        from _torch_contextnet import training_step

        step = training_step(images, labels, NUM_CLASSES)
    else:
        step = keras_step(options, images, labels)
    return timed(step, options)


def keras_step(options, images, labels):
    import keras
    import tensorflow as tf

    from keras_seg import layers, models
    from keras_seg.losses import SparseCrossEntropy

    if options.way == "keras_plain":
        layers.BatchNormalization.call = keras.layers.BatchNormalization.call
    model = models.build(options.name, (None, None, 3), NUM_CLASSES, auxiliary_head=True)
    loss = dict.fromkeys(model.output, SparseCrossEntropy(NUM_CLASSES))
    weights = {name: 1.0 if name == "logits" else 0.4 for name in model.output}
    model.compile(keras.optimizers.AdamW(1e-3), loss, loss_weights=weights, jit_compile=False)
    images, labels = tf.constant(images), tf.constant(labels)
    return lambda: model.train_on_batch(images, dict.fromkeys(model.output, labels))


def timed(step, options):
    """Warm up, then the median time of a step."""
    for _ in range(3):
        step()
    times = []
    for _ in range(options.steps):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return {
        "images_per_s": round(options.batch_size / statistics.median(times), 2),
        "p90_ms": round(1000 * statistics.quantiles(times, n=10)[-1], 1),
        "n": options.steps,
    }


def streets(options, size):
    """Drawn streets, enough for `options.steps` steps an epoch."""
    import numpy as np

    import pipelines

    drawn = pipelines.street_scenes(num_images=40, size=size, seed=0)
    examples = [drawn.example("train", i) for i in range(28)]
    repeats = -(-options.steps * options.batch_size // 28)
    images = np.stack([image for image, _ in examples] * repeats)
    labels = np.stack([label for _, label in examples] * repeats)
    count = options.steps * options.batch_size
    splits = {"train": (images[:count], labels[:count]), "val": (images[:16], labels[:16])}
    return pipelines.Dataset.from_arrays("streets", drawn.class_names, drawn.palette, splits)


def input_alone(options, size):
    """The input graph of the recipe, without a network."""
    import keras_seg
    from keras_seg.training.network import augmentation

    recipe = keras_seg.recipe("small_data", crop_size=size)
    data = streets(options, size)
    data.measure("train")  # Reading is not part of it.
    batches = iter(data.train_batches(options.batch_size, augmentation(recipe), epochs=4))
    return timed(lambda: next(batches), options)


def whole_fit(options, size):
    """`fit` with its data, metrics and callbacks: the second epoch's training."""
    import keras_seg

    with tempfile.TemporaryDirectory() as folder:
        run = keras_seg.fit(
            options.name,
            streets(options, size),
            folder=folder,
            epochs=3,
            batch_size=options.batch_size,
        )
        seconds = run.history[["train_seconds", "seconds"]].iloc[1:].median()
    return {
        "images_per_s": round(options.steps * options.batch_size / seconds["train_seconds"], 2),
        "after_epoch_s": round(seconds["seconds"] - seconds["train_seconds"], 2),
        "n": options.steps,
    }


if __name__ == "__main__":
    main()
