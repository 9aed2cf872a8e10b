"""A real tf.data service: other processes read, change and batch, and the batches are the same."""

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import pipelines
from pipelines import ops

WORKER = """
import sys, time
import tensorflow as tf
config = tf.data.experimental.service.WorkerConfig(dispatcher_address=sys.argv[1])
worker = tf.data.experimental.service.WorkerServer(config)
print("ready", flush=True)
worker.join()
"""
# Every op on examples, with a crop at the end that gives them one size, and those on batches.
TOGETHER = ("classmix", "cutmix", "mosaic", "multi_scale")
SIZED = {"center_crop", "class_crop", "pad", "random_crop", "random_scale_crop", "resize"}
SINGLE = [name for name in ops.__all__ if name not in (*TOGETHER, *SIZED, "repeat_augment")]
EVERY = [
    *((name, {}) for name in SINGLE),
    ops.resize(44, 52), ops.pad(48, 56), ops.random_scale_crop(40, 48), ops.class_crop(32, 40),
    ops.random_crop(32, 36), ops.center_crop(32, 32), ops.repeat_augment(2),
    *((name, {}) for name in TOGETHER),
]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Eight pictures of noise with masks of three classes."""
    root, random = tmp_path_factory.mktemp("noise"), np.random.default_rng(0)
    for i in range(8):
        for part, shape, high in (("images", (48, 56, 3), 255), ("masks", (48, 56), 3)):
            (root / part).mkdir(exist_ok=True)
            pixels = random.integers(0, high, shape, np.uint8)
            Image.fromarray(pixels).save(root / part / f"{i}.png")
    return root


@pytest.fixture(scope="module", params=["a worker in this process", "a worker in another"])
def service(request):
    """The address of a dispatcher with one worker."""
    service = tf.data.experimental.service
    dispatcher = service.DispatchServer()
    address = dispatcher.target.split("://")[1]
    if request.param == "a worker in this process":
        worker = service.WorkerServer(service.WorkerConfig(dispatcher_address=address))
        yield dispatcher.target
        worker.stop()
        return
    with subprocess.Popen(
        [sys.executable, "-c", WORKER, address], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == b"ready\n"
        yield dispatcher.target
        worker.kill()


def through(service, graph):
    """The same graph, run by a worker."""
    return graph.apply(tf.data.experimental.service.distribute("parallel_epochs", service))


def bytes_of(graph):
    return [(image.numpy().tobytes(), label.numpy().tobytes()) for image, label in graph]


@pytest.mark.slow
@pytest.mark.parametrize("cache", ["memory", "disk", None])
def test_a_worker_gives_the_same_batches(folder, service, cache):
    data = pipelines.from_folders(
        folder / "images", folder / "masks", 3, splits=(0.5, 0.5), cache=cache
    )
    graph = data.train_batches(2, EVERY, seed=3, epochs=2)
    batches = bytes_of(graph)
    assert len(batches) == 4
    assert bytes_of(through(service, graph)) == batches
    evaluated = data.eval_batches("val", 2)
    assert bytes_of(through(service, evaluated)) == bytes_of(evaluated)


@pytest.mark.slow
def test_a_worker_draws_pictures_by_their_weights(folder, service):
    rows = [f"images/{i}.png,masks/{i}.png,{i + 1}\n" for i in range(8)]
    (folder / "rows.csv").write_text("image,mask,weight\n" + "".join(rows))
    data = pipelines.from_csv(folder / "rows.csv", 3, splits=(1.0,))
    graph = data.train_batches(4, [ops.random_flip()], epochs=2)
    assert bytes_of(through(service, graph)) == bytes_of(graph)
