"""MNIST: handwritten digits.

Y. LeCun, L. Bottou, Y. Bengio, P. Haffner: Gradient-Based Learning Applied to Document
Recognition, Proceedings of the IEEE 86(11), 1998.
"""

import os

from pipelines.dataset import Dataset
from pipelines.datasets import _keras_sets


def mnist(root: str | os.PathLike | None = None, val_share: float = 0.1) -> Dataset:
    """Read MNIST from files: 60,000 and 10,000 gray pictures of 28x28 pixels, ten digits.

    The files are `mnist.npz`, which `keras.datasets.mnist.load_data()` downloads, or the four
    `*-ubyte.gz` of the authors. Nothing is downloaded.

    Args:
        root: folder of the files, or one above; None for the folder to which Keras downloads,
            `~/.keras/datasets`.
        val_share: share of the training pictures for the split "val", the last ones, 0 to 0.5.

    Returns:
        the dataset with the splits "train", "val" and "test", in memory.

    Raises:
        ValueError: if the files are not there or damaged; names them.

    >>> mnist("/no/such/folder")
    Traceback (most recent call last):
    ...
    ValueError: `mnist` needs the files that Keras downloads: mnist.npz or ...
    """
    folder = _keras_sets.located("mnist", root, "", ("mnist.npz",), _keras_sets.IDX_FILES)
    file = folder / "mnist.npz"
    parts = _keras_sets.read_npz(file) if file.is_file() else _keras_sets.read_idx(folder)
    return _keras_sets.dataset("mnist", [str(digit) for digit in range(10)], parts, val_share)
