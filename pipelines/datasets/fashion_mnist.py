"""Fashion-MNIST: articles of clothing.

H. Xiao, K. Rasul, R. Vollgraf: Fashion-MNIST, arXiv 1708.07747.
"""

import os

from pipelines.dataset import Dataset
from pipelines.datasets import _keras_sets

_CLASSES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag",
    "Ankle boot",
)  # fmt: skip


def fashion_mnist(root: str | os.PathLike | None = None, val_share: float = 0.1) -> Dataset:
    """Read Fashion-MNIST from files: 60,000 and 10,000 gray pictures of 28x28 pixels, ten classes.

    The files are the four `*-ubyte.gz` that `keras.datasets.fashion_mnist.load_data()` downloads.
    Nothing is downloaded.

    Args:
        root: folder of the files, or one above; None for the folder to which Keras downloads,
            `~/.keras/datasets/fashion-mnist`.
        val_share: share of the training pictures for the split "val", the last ones, 0 to 0.5.

    Returns:
        the dataset with the splits "train", "val" and "test", in memory.

    Raises:
        ValueError: if the files are not there or damaged; names them.

    >>> fashion_mnist("/no/such/folder")
    Traceback (most recent call last):
    ...
    ValueError: `fashion_mnist` needs the files that Keras downloads: train-images...
    """
    files = _keras_sets.IDX_FILES
    folder = _keras_sets.located("fashion_mnist", root, "fashion-mnist", files)
    return _keras_sets.dataset("fashion_mnist", _CLASSES, _keras_sets.read_idx(folder), val_share)
