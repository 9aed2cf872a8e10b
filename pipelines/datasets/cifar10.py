"""CIFAR-10: small photographs of ten kinds of animals and vehicles.

A. Krizhevsky: Learning Multiple Layers of Features from Tiny Images, 2009.
"""

import os

from pipelines.dataset import Dataset
from pipelines.datasets import _keras_sets

_CLASSES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip
_BATCHES = tuple(f"data_batch_{number}" for number in range(1, 6))


def cifar10(root: str | os.PathLike | None = None, val_share: float = 0.1) -> Dataset:
    """Read CIFAR-10 from files: 50,000 and 10,000 pictures of 32x32 pixels, ten classes.

    The files are those of `cifar-10-batches-py`, the Python version of the archive, which
    `keras.datasets.cifar10.load_data()` downloads and unpacks. Nothing is downloaded.

    Args:
        root: folder of the files, or one above; None for the folder to which Keras downloads,
            `~/.keras/datasets/cifar-10-batches-py-target`.
        val_share: share of the training pictures for the split "val", the last ones, 0 to 0.5:
            0.1 are the 5,000 of K. He et al., arXiv 1512.03385, section 4.2.

    Returns:
        the dataset with the splits "train", "val" and "test", in memory.

    Raises:
        ValueError: if the files are not there or damaged; names them.

    >>> cifar10("/no/such/folder")
    Traceback (most recent call last):
    ...
    ValueError: `cifar10` needs the files that Keras downloads: data_batch_1, ...
    """
    folder = _keras_sets.located(
        "cifar10", root, "cifar-10-batches-py-target", (*_BATCHES, "test_batch")
    )
    train = _keras_sets.read_cifar([folder / name for name in _BATCHES], "labels")
    test = _keras_sets.read_cifar([folder / "test_batch"], "labels")
    return _keras_sets.dataset("cifar10", _CLASSES, {"train": train, "test": test}, val_share)
