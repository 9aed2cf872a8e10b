"""MNIST, Fashion-MNIST and CIFAR in the layout in which Keras keeps them, small."""

import gzip
import io
import os
import pickle
import struct

import numpy as np
import pytest

import keras_seg
import pipelines

TRAIN, TEST = 20, 5


def digits(count, side, axes=()):
    """Pictures whose first pixel is their class."""
    labels = np.arange(count) % 10
    images = np.zeros((count, side, side, *axes), np.uint8)
    images[:, 0, 0] = labels.reshape(-1, *(1,) * len(axes))
    return images, labels


@pytest.fixture
def home(tmp_path, monkeypatch):
    """The folder in which Keras keeps its files."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    (tmp_path / "datasets").mkdir()
    return tmp_path / "datasets"


def write_npz(folder):
    (x, y), (test_x, test_y) = digits(TRAIN, 28), digits(TEST, 28)
    np.savez(folder / "mnist.npz", x_train=x, y_train=y, x_test=test_x, y_test=test_y)


def write_idx(folder):
    """The four files as on the authors' pages: magic number, sizes, bytes."""
    folder.mkdir(exist_ok=True)
    for split, count in (("train", TRAIN), ("t10k", TEST)):
        images, labels = digits(count, 28)
        head = struct.pack(">4B3i", 0, 0, 8, 3, count, 28, 28)
        (folder / f"{split}-images-idx3-ubyte.gz").write_bytes(
            gzip.compress(head + images.tobytes())
        )
        head = struct.pack(">4Bi", 0, 0, 8, 1, count)
        (folder / f"{split}-labels-idx1-ubyte.gz").write_bytes(
            gzip.compress(head + labels.astype("uint8").tobytes())
        )


def as_python_2(content):
    """A pickle with the name that the module of arrays had when the files were written."""
    text = pickle.dumps(content, protocol=3)
    return text.replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n")


def write_cifar(folder, files, key, per_file):
    folder.mkdir(parents=True)
    for name in files:
        images, labels = digits(per_file, 32, axes=(3,))
        rows = images.transpose(0, 3, 1, 2).reshape(per_file, -1)  # red, then green, then blue
        content = {b"data": rows, key: labels.tolist(), b"batch_label": b"some"}
        (folder / name).write_bytes(as_python_2(content))


def write_cifar10(home):
    folder = home / "cifar-10-batches-py-target" / "cifar-10-batches-py"
    write_cifar(folder, [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"], b"labels", 4)
    return folder


def write_cifar100(home):
    folder = home / "cifar-100-python-target" / "cifar-100-python"
    write_cifar(folder, ["train", "test"], b"fine_labels", 10)
    names = [b"apple", b"aquarium_fish", *(b"fine %d" % i for i in range(98))]
    groups = [b"group %d" % i for i in range(20)]
    meta = {b"fine_label_names": names, b"coarse_label_names": groups}
    (folder / "meta").write_bytes(pickle.dumps(meta, protocol=3))
    for name in ("train", "test"):
        content = pickle.loads((folder / name).read_bytes(), encoding="bytes")
        content[b"coarse_labels"] = [label // 5 for label in content[b"fine_labels"]]
        (folder / name).write_bytes(pickle.dumps(content, protocol=3))
    return folder


def check(data, channels, side):
    assert data.task == "classification"
    assert data.splits == ("train", "val", "test")
    assert (data.num_examples("train"), data.num_examples("val")) == (18, 2)
    image, label = data.example("val", 1)
    assert (image.shape, image.dtype) == ((side, side, channels), np.uint8)
    assert image[0, 0].tolist() == [int(label)] * channels
    assert int(label) == (TRAIN - 1) % 10


def test_mnist_is_read_from_kerass_file(home):
    write_npz(home)
    data = pipelines.load("mnist")
    check(data, 1, 28)
    assert data.class_names == tuple("0123456789")
    assert data.num_examples("test") == TEST
    again = pipelines.reopen(data.opened_by)
    assert again.num_examples("train") == 18


def test_mnist_is_read_from_the_authors_files(tmp_path):
    write_idx(tmp_path / "MNIST")
    check(pipelines.load("mnist", tmp_path), 1, 28)


def test_fashion_mnist(home):
    write_idx(home / "fashion-mnist")
    data = pipelines.load("fashion_mnist")
    check(data, 1, 28)
    assert (data.class_names[0], data.class_names[9]) == ("T-shirt/top", "Ankle boot")


def test_mnist_does_not_take_the_files_of_fashion_mnist(home):
    write_idx(home / "fashion-mnist")
    with pytest.raises(ValueError, match=r"`mnist` needs the files that Keras downloads: mnist"):
        pipelines.load("mnist")


def test_cifar10(home):
    folder = write_cifar10(home)
    for root in (None, folder):
        data = pipelines.load("cifar10", root)
        assert data.num_examples("test") == 4
        assert (data.class_names[0], data.class_names[9]) == ("airplane", "truck")
        image, label = data.example("train", 7)
        assert (image.shape, image[0, 0].tolist(), int(label)) == ((32, 32, 3), [3, 3, 3], 3)


def test_cifar100_with_names_from_its_file(home):
    write_cifar100(home)
    data = pipelines.load("cifar100", val_share=0)
    assert data.splits == ("train", "test")
    assert (data.num_classes, data.class_names[1]) == (100, "aquarium_fish")
    assert int(data.example("train", 9)[1]) == 9
    coarse = pipelines.load("cifar100", coarse=True)
    assert (coarse.num_classes, coarse.class_names[1]) == (20, "group 1")
    assert int(coarse.example("val", 0)[1]) == 1


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "cifar10", "cifar100"])
def test_missing_files_are_named_and_nothing_is_downloaded(name, home):
    with pytest.raises(
        ValueError, match=rf"`{name}` needs.*root=None.*keras\.datasets\.{name}\.load_data\(\) once"
    ):
        pipelines.load(name)
    assert not os.listdir(home)


def test_damaged_files_are_named(home):
    write_npz(home)
    whole = (home / "mnist.npz").read_bytes()
    (home / "mnist.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"mnist\.npz"):
        pipelines.load("mnist")
    write_idx(home / "fashion-mnist")
    file = home / "fashion-mnist" / "train-labels-idx1-ubyte.gz"
    file.write_bytes(gzip.compress(struct.pack(">4Bi", 0, 0, 9, 1, 1)))
    with pytest.raises(ValueError, match=r"train-labels-idx1-ubyte\.gz.*type 9 in place of 8"):
        pipelines.load("fashion_mnist")


def test_a_pickle_that_runs_a_function_is_refused(home):
    class Harmful:
        def __reduce__(self):
            return (io.open, (str(home / "written"), "w"))

    folder = write_cifar10(home)
    (folder / "data_batch_2").write_bytes(pickle.dumps({b"data": Harmful()}, protocol=3))
    with pytest.raises(ValueError, match=r"data_batch_2.*is no part of an array"):
        pipelines.load("cifar10")
    assert not (home / "written").exists()


@pytest.mark.parametrize("share", [-0.1, 0.6, "much"])
def test_shares_out_of_range_are_refused(share, home):
    write_npz(home)
    with pytest.raises(ValueError, match=r"`mnist` needs val_share to be a number from 0 to 0\.5"):
        pipelines.load("mnist", val_share=share)


@pytest.mark.long
def test_a_classifier_trains_on_them(home, tmp_path):
    write_npz(home)
    data = pipelines.load("mnist")
    quick = {"epochs": 1, "batch_size": 9, "augmentation": ()}
    run = keras_seg.fit("lenet5_modern", data, folder=tmp_path, **quick)
    assert run.evaluate("test").confusion.sum() == TEST
    assert run.settings["picture_size"] == [28, 28]
