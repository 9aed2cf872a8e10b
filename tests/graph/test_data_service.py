"""A real tf.data service: other processes read, change and batch, and the batches are the same."""

import re
import socket
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import keras_seg
import pipelines
from pipelines import ops

PAGE = Path(__file__).parents[2] / "docs" / "scaling.md"
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


@pytest.fixture(scope="module")
def two_workers():
    """The address of a dispatcher that knows the addresses of its two workers, in this process."""
    service = tf.data.experimental.service
    with ExitStack() as sockets:
        opened = [sockets.enter_context(socket.socket()) for _ in range(2)]
        for one in opened:
            one.bind(("localhost", 0))
        ports = [one.getsockname()[1] for one in opened]
    addresses = [f"localhost:{port}" for port in ports]
    dispatcher = service.DispatchServer(service.DispatcherConfig(worker_addresses=addresses))
    target = dispatcher.target.split("://")[1]
    workers = [
        service.WorkerServer(
            service.WorkerConfig(dispatcher_address=target, worker_address=address, port=port)
        )
        for address, port in zip(addresses, ports, strict=True)
    ]
    yield dispatcher.target
    for worker in workers:
        worker.stop()


@pytest.fixture
def numbered():
    """Nine pictures whose pixels, and whose masks, are their numbers."""
    numbers = np.arange(9, dtype=np.uint8)
    images = np.broadcast_to(numbers[:, None, None, None], (9, 32, 40, 3)).copy()
    splits = {"train": (images, images[..., 0].copy())}
    return pipelines.Dataset.from_arrays("numbered", [f"n{i}" for i in numbers], None, splits)


def through(service, graph, policy="parallel_epochs"):
    """The same graph, run by workers."""
    return graph.apply(tf.data.experimental.service.distribute(policy, service))


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


@pytest.mark.parametrize(
    ("policy", "times"),
    [
        ("DYNAMIC", 1),
        pytest.param("DATA", 1, marks=pytest.mark.long),
        pytest.param("FILE_OR_DATA", 1, marks=pytest.mark.long),
        pytest.param("OFF", 2, marks=pytest.mark.long),
    ],
)
def test_two_workers_deliver_each_picture_with_its_mask(two_workers, numbered, policy, times):
    policy = tf.data.experimental.service.ShardingPolicy[policy]
    given = []
    for epochs in (1, 3):
        # Nine pictures give four batches of two: another picture is left out in each epoch.
        graph = numbered.train_batches(2, [ops.random_flip()], seed=3, epochs=epochs)
        for images, labels in through(two_workers, graph, policy):
            np.testing.assert_array_equal(images[..., 0], labels)
            given += [(epochs, number) for number in labels[:, 0, 0].numpy().tolist()]
    counts = Counter(given)
    assert len(counts) == 8 + 9
    assert {counts[key] for key in counts if key[0] == 1} == {times}
    in_three = [counts[key] for key in counts if key[0] == 3]
    assert sum(in_three) == 3 * 8 * times
    assert max(in_three) == 3 * times
    evaluated = through(two_workers, numbered.eval_batches("train", 2), policy)
    labels = [number for _, labels in evaluated for number in labels[:, 0, 0].numpy().tolist()]
    assert Counter(labels) == dict.fromkeys(range(9), times)


@pytest.mark.long
@pytest.mark.parametrize("policy", ["DYNAMIC", "DATA"])
def test_two_workers_share_the_batches_of_one_process(two_workers, folder, policy):
    """Bit by bit, with every op, in any order."""
    policy = tf.data.experimental.service.ShardingPolicy[policy]
    data = pipelines.from_folders(
        folder / "images", folder / "masks", 3, splits=(0.5, 0.5), cache=None
    )
    graph = data.train_batches(2, EVERY, seed=3, epochs=4)
    assert int(graph.cardinality()) == 8
    assert sorted(bytes_of(through(two_workers, graph, policy))) == sorted(bytes_of(graph))


@pytest.mark.long
def test_sharding_by_files_is_refused(two_workers, numbered):
    policy = tf.data.experimental.service.ShardingPolicy.FILE
    with pytest.raises(tf.errors.OpError, match="unshardable source dataset"):
        list(through(two_workers, numbered.train_batches(2), policy))


@pytest.mark.long
def test_fit_with_the_class_of_the_page_trains_on_the_same_batches(
    service, two_workers, numbered, tmp_path
):
    (code,) = re.findall(r"```python\n(class Served:.*?)```", PAGE.read_text(), re.S)
    names = {"tf": tf}
    exec(code, names)

    def losses(data, folder):
        keras.utils.set_random_seed(0)
        image = keras.Input((None, None, 3))
        model = keras.Model(image, keras.layers.Conv2D(9, 1)(image / 9))
        run = keras_seg.fit(
            model, data, folder=tmp_path / folder, epochs=3, batch_size=2, seed=0,
            recipe="small_data", crop_size=(32, 32),
        )  # fmt: skip
        return run.history["loss"].tolist()

    expected = losses(numbered, "plain")
    assert losses(names["Served"](numbered, service), "one") == expected
    assert np.isfinite(losses(names["Served"](numbered, two_workers), "two")).all()
