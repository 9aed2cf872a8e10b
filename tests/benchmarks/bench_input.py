"""Pictures per second from PNG files to augmented batches: ours and other people's, in one run.

    python tests/benchmarks/bench_input.py [--root path/to/CamVid] [--rounds 3]

Every way does the same: read picture and mask (480x360), random scale 0.5..2, crop 360x480, flip,
hue, saturation, brightness and contrast, batches of 8. The ways take turns, each in a process of
its own. Prints one JSON line per way with wall-clock pictures per second and milliseconds of
processor time per picture, and last the ratios to "ours" of both. On a busy machine only the
processor time counts: the ways have different numbers of threads, and get shares accordingly.
Ways whose packages are missing say so and are left out.

- ours: files in every epoch (`cache=None`); ours_disk and ours_memory: decoded once
- albumentations: albumentations and OpenCV in a torch DataLoader, one worker process per core
- opencv: OpenCV in threads
- tf_image: a straightforward chain of tf.image ops
- keras_layers: Keras preprocessing layers on pictures alone, as they spoil masks
- decode: PNG decoding alone
- waiting: a training of ContextNet-14; the share of its time that it waits for the next batch
"""

import argparse
import importlib
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

SIZE = HEIGHT, WIDTH = 360, 480
LOW, HIGH = 0.5, 2.0
BATCH = 8
WARM_UP = 4
CORES = len(os.sched_getaffinity(0))


def pairs_of(root):
    """Paths of pictures and masks of CamVid's training split."""
    images = sorted(Path(root, "train").glob("*.png"))
    return [(str(path), str(Path(root, "trainannot", path.name))) for path in images]


def ours(root, cache=None):
    import pipelines
    from pipelines import ops

    data = pipelines.load("camvid", root, cache=cache)
    augment = [ops.random_scale_crop(*SIZE, LOW, HIGH), ops.random_flip(), ops.color_jitter()]
    return data.train_batches(BATCH, augment, epochs=1000)


def ours_memory(root):
    return ours(root, "memory")


def ours_disk(root):
    return ours(root, "disk")


def decode(root):
    import tensorflow as tf

    def read(image, label):
        image = tf.io.decode_png(tf.io.read_file(image), channels=3)
        label = tf.io.decode_png(tf.io.read_file(label), channels=1)
        return tf.ensure_shape(image, (*SIZE, 3)), tf.ensure_shape(label, (*SIZE, 1))

    images, labels = zip(*pairs_of(root), strict=True)
    graph = tf.data.Dataset.from_tensor_slices((list(images), list(labels)))
    graph = graph.shuffle(1000).repeat().map(read, num_parallel_calls=tf.data.AUTOTUNE)
    return graph.batch(BATCH).prefetch(tf.data.AUTOTUNE)


def tf_image(root):
    import tensorflow as tf

    def augment(image, label):
        scale = tf.random.uniform((), LOW, HIGH)
        size = tf.cast(tf.cast(SIZE, tf.float32) * scale, tf.int32)
        image = tf.image.resize(image, size)
        label = tf.image.resize(label, size, "nearest")
        both = tf.concat([image, tf.cast(label, tf.float32) + 1], axis=-1)
        height, width = tf.maximum(size[0], HEIGHT), tf.maximum(size[1], WIDTH)
        both = tf.image.pad_to_bounding_box(both, 0, 0, height, width)
        both = tf.image.random_flip_left_right(tf.image.random_crop(both, (*SIZE, 4)))
        image, label = both[..., :3] / 255, tf.cast(both[..., 3], tf.uint8) - 1
        image = tf.image.random_saturation(tf.image.random_hue(image, 0.02), 0.6, 1.4)
        image = tf.image.random_contrast(tf.image.random_brightness(image, 0.3), 0.7, 1.3)
        return tf.image.convert_image_dtype(image, tf.uint8, saturate=True), label

    graph = decode(root).unbatch().map(augment, num_parallel_calls=tf.data.AUTOTUNE)
    return graph.batch(BATCH).prefetch(tf.data.AUTOTUNE)


def keras_layers(root):
    import tensorflow as tf
    from keras import layers

    steps = [
        layers.RandomZoom((-0.5, 1.0), fill_mode="constant"),
        layers.RandomCrop(*SIZE),
        layers.RandomFlip("horizontal"),
        layers.RandomColorJitter((0, 255), 0.3, 0.3, 0.4, 0.02),
    ]

    def augment(image, label):
        for step in steps:
            image = step(image, training=True)
        return tf.cast(image, tf.uint8), label

    graph = decode(root).map(augment, num_parallel_calls=tf.data.AUTOTUNE)
    return graph.prefetch(tf.data.AUTOTUNE)


def opencv(root):
    import cv2
    import numpy as np

    cv2.setNumThreads(1)
    pairs = pairs_of(root)

    def read(seed):
        rng = np.random.default_rng(seed)
        image_path, label_path = pairs[rng.integers(len(pairs))]
        image = cv2.imread(image_path, cv2.IMREAD_COLOR_RGB)
        label = cv2.imread(label_path, cv2.IMREAD_UNCHANGED)
        scale = rng.uniform(LOW, HIGH)
        image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
        label = cv2.resize(label, image.shape[1::-1], interpolation=cv2.INTER_NEAREST)
        down, right = max(HEIGHT - label.shape[0], 0), max(WIDTH - label.shape[1], 0)
        image = cv2.copyMakeBorder(image, 0, down, 0, right, cv2.BORDER_CONSTANT, value=(128,) * 3)
        label = cv2.copyMakeBorder(label, 0, down, 0, right, cv2.BORDER_CONSTANT, value=255)
        top = rng.integers(label.shape[0] - HEIGHT + 1)
        left = rng.integers(label.shape[1] - WIDTH + 1)
        image = image[top : top + HEIGHT, left : left + WIDTH]
        label = label[top : top + HEIGHT, left : left + WIDTH]
        if rng.random() < 0.5:
            image, label = image[:, ::-1], label[:, ::-1]
        hue, saturation, value = cv2.split(cv2.cvtColor(image, cv2.COLOR_RGB2HSV))
        hue = (hue.astype(np.int16) + int(rng.integers(-4, 5))) % 180
        saturation = cv2.convertScaleAbs(saturation, alpha=rng.uniform(0.6, 1.4))
        image = cv2.merge((hue.astype(np.uint8), saturation, value))
        image = cv2.cvtColor(image, cv2.COLOR_HSV2RGB)
        contrast, light = rng.uniform(0.7, 1.3, 2)
        return cv2.convertScaleAbs(image, alpha=contrast * light, beta=128 * (1 - contrast)), label

    def batches():
        start, ahead = 0, []
        with ThreadPoolExecutor(CORES) as pool:
            while True:
                while len(ahead) < 4 * BATCH:
                    ahead.append(pool.submit(read, start))
                    start += 1
                images, labels = zip(*(job.result() for job in ahead[:BATCH]), strict=True)
                ahead = ahead[BATCH:]
                yield np.stack(images), np.stack(labels)

    return Batches(batches)


def albumentations(root):
    import albumentations as A  # noqa: N812 - its own convention
    import cv2
    import torch

    cv2.setNumThreads(1)
    augment = A.Compose(
        [
            A.RandomScale((LOW - 1, HIGH - 1), p=1),
            A.PadIfNeeded(*SIZE, border_mode=cv2.BORDER_CONSTANT, fill=128, fill_mask=255),
            A.RandomCrop(*SIZE),
            A.HorizontalFlip(p=0.5),
            A.ColorJitter(0.3, 0.3, 0.4, 0.02, p=1),
        ]
    )
    pairs = pairs_of(root)

    class Pictures(torch.utils.data.Dataset):
        def __len__(self):
            return 100 * len(pairs)

        def __getitem__(self, index):
            image_path, label_path = pairs[index % len(pairs)]
            image = cv2.imread(image_path, cv2.IMREAD_COLOR_RGB)
            label = cv2.imread(label_path, cv2.IMREAD_UNCHANGED)
            changed = augment(image=image, mask=label)
            return torch.from_numpy(changed["image"]), torch.from_numpy(changed["mask"])

    return torch.utils.data.DataLoader(Pictures(), BATCH, shuffle=True, num_workers=CORES)


class Batches:
    """The items of a generator function, from the start in each loop."""

    def __init__(self, make):
        self.make = make

    def __iter__(self):
        return self.make()


def waiting(root):
    """Train, and return the share of the time that goes by in asking for the next batch."""
    import keras

    from keras_seg import models

    model = models.build("contextnet_cn14", input_shape=(*SIZE, 3), num_classes=11)
    outputs = model(model.input)
    outputs = outputs["logits"] if isinstance(outputs, dict) else outputs
    model = keras.Model(model.input, outputs)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=255)
    model.compile("adam", loss, jit_compile=False)
    batches = iter(ours_memory(root))
    for _ in range(WARM_UP):
        model.train_on_batch(*next(batches))
    start, waited = time.perf_counter(), 0.0
    for _ in range(20):
        before = time.perf_counter()
        batch = next(batches)
        waited += time.perf_counter() - before
        model.train_on_batch(*batch)
    return waited / (time.perf_counter() - start)


NEEDS = {
    "ours": "tensorflow", "ours_disk": "tensorflow", "ours_memory": "tensorflow",
    "decode": "tensorflow", "tf_image": "tensorflow", "keras_layers": "keras", "opencv": "cv2",
    "albumentations": "albumentations torch",
}  # fmt: skip


def work(way, root, steps):
    """Measure whenever a line comes in, until there are no more: the child of `main`."""
    for package in NEEDS[way].split():
        importlib.import_module(package)
    batches = globals()[way](root)
    print("ready", flush=True)
    for _ in sys.stdin:
        source = iter(batches)
        for _ in range(WARM_UP):
            next(source)
        start, used = time.perf_counter(), processor_seconds()
        for _ in range(steps):
            next(source)
        wall = time.perf_counter() - start
        del source  # waits for worker processes, whose time counts only then
        row = {"wall": wall / steps / BATCH, "cpu": (processor_seconds() - used) / steps / BATCH}
        print(json.dumps(row), flush=True)


def processor_seconds():
    """Processor time of this process and of those that it has waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def main():
    """Let every way measure in turn, and print what came out."""
    options = arguments()
    with tempfile.TemporaryDirectory() as folder:
        root = options.root or os.environ.get("CAMVID") or draw(folder)
        if options.way == "waiting":
            share = statistics.median(waiting(root) for _ in range(options.rounds))
            print(json.dumps({"what": "waiting", "share": round(share, 4), **facts()}))
        elif options.way:
            work(options.way, root, options.steps)
        else:
            compare(options, root)


def compare(options, root):
    """Run every way in a process of its own, round by round."""
    children, rows = {}, {}
    for way in options.ways:
        command = [sys.executable, __file__, "--way", way, "--root", str(root)]
        command += ["--steps", str(options.steps)]
        pipe = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        child = subprocess.Popen(command, text=True, **pipe)
        if child.stdout.readline() != "ready\n":
            reason = child.communicate()[1].strip().splitlines()[-1:]
            print(f"{way}: left out: {reason}", file=sys.stderr)
            continue
        children[way], rows[way] = child, []
    for _ in range(options.rounds):
        for way, child in children.items():
            child.stdin.write("go\n")
            child.stdin.flush()
            rows[way].append(json.loads(child.stdout.readline()))
    for child in children.values():
        child.stdin.close()
        child.wait()
    report(rows, options)


def report(rows, options):
    """Print one line per way and the ratios."""
    speeds, costs = {}, {}
    for way, results in rows.items():
        speeds[way] = statistics.median(1 / row["wall"] for row in results)
        costs[way] = statistics.median(1000 * row["cpu"] for row in results)
        row = {
            "what": way,
            "images_per_s": round(speeds[way], 1),
            "cpu_ms_per_image": round(costs[way], 2),
            "n": options.rounds * options.steps * BATCH,
        }
        print(json.dumps({**row, **facts()}), flush=True)
    if "ours" in rows:
        ratios = {way: round(speeds["ours"] / speed, 2) for way, speed in speeds.items()}
        cheaper = {way: round(cost / costs["ours"], 2) for way, cost in costs.items()}
        print(json.dumps({"ours_is_faster_by": ratios, "ours_needs_less_cpu_by": cheaper}))


def facts():
    """What the numbers depend on."""
    wanted = ("tensorflow", "tensorflow-cpu", "opencv-python-headless", "albumentations", "torch")
    installed = {found.name.lower() for found in metadata.distributions()}
    return {
        "shape": [HEIGHT, WIDTH, 3],
        "dtype": "uint8",
        "batch": BATCH,
        "device": f"{platform.machine()} x{CORES}",
        "versions": {name: metadata.version(name) for name in wanted if name in installed},
        "load": round(os.getloadavg()[0], 1),
    }


def draw(folder):
    """Save drawn streets as CamVid would be, for machines that have no CamVid."""
    import numpy as np
    from PIL import Image

    import pipelines

    data = pipelines.street_scenes(num_images=64, size=SIZE, seed=0)
    for name in ("train", "trainannot"):
        Path(folder, name).mkdir()
    for index in range(data.num_examples("train")):
        image, label = data.example("train", index)
        Image.fromarray(image).save(Path(folder, "train", f"{index}.png"))
        label = np.minimum(label, 11)
        Image.fromarray(label).save(Path(folder, "trainannot", f"{index}.png"))
    return folder


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", help="folder of CamVid; default: CAMVID, else drawn streets")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--ways", nargs="+", choices=list(NEEDS), default=list(NEEDS))
    parser.add_argument("--way", choices=[*NEEDS, "waiting"])
    return parser.parse_args()


if __name__ == "__main__":
    main()
