"""Files of a run, and the pictures for its figures."""

import contextlib
import itertools
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import keras
import numpy as np
import pandas as pd


def pick_examples(data, split, count):
    """Pictures and labels spread evenly over a split.

    Args:
        data: a data set.
        split: name of a split.
        count: how many pictures, fewer if the split has fewer.

    Returns:
        list of uint8 (h, w, c), list of uint8 (h, w).

    >>> import tensorflow as tf
    >>> from keras_seg.training.plain_data import PlainData
    >>> pixels, labels = tf.zeros((9, 32, 32, 3), "uint8"), tf.zeros((9, 32, 32), "uint8")
    >>> batches = tf.data.Dataset.from_tensor_slices((pixels, labels)).batch(3)
    >>> len(pick_examples(PlainData(batches), "train", 4)[0])
    4
    """
    total = len(data.paths(split))
    wanted = np.linspace(0, total - 1, min(count, total)).round().astype(int).tolist()
    return read_examples(data, split, wanted)


def read_examples(data, split, wanted):
    """Pictures and labels of a split by index.

    Args:
        data: a data set.
        split: name of a split.
        wanted: list of int, from 0.

    Returns:
        list of uint8 (h, w, c), list of uint8 (h, w), in the order of `wanted`.

    >>> import pipelines
    >>> data = pipelines.street_scenes(num_images=8, size=(32, 32), seed=0)
    >>> len(read_examples(data, "train", [2, 0])[0])
    2
    """
    if hasattr(data, "example"):  # Reads only these files.
        picked = [data.example(split, index) for index in wanted]
    else:
        found = {
            index: (np.asarray(image)[0], np.asarray(label)[0])
            for index, (image, label) in enumerate(data.eval_batches(split, 1))
            if index in wanted
        }
        picked = [found[index] for index in wanted]
    return [image for image, _ in picked], [label for _, label in picked]


def names_of(data, split, batch_size):
    """Names of the pictures of `data.eval_batches(split, batch_size)`, in their order.

    Args:
        data: a data set.
        split: name of a split.
        batch_size: pictures per batch, of one size each: where sizes differ, the order depends on
            it.

    Returns:
        list of str.

    >>> import pipelines
    >>> names_of(pipelines.shapes(num_images=5, size=(32, 32), seed=0), "val", 8)
    ['shapes/val/00000']
    """
    paths = data.paths(split)
    return [str(paths[index][0]) for index in data.eval_order(split, batch_size)]


def picture_size(data):
    """The most common size of the pictures of "val", or of "train" where there is no "val".

    Args:
        data: a data set.

    Returns:
        (height, width), of volumes (depth, height, width).

    >>> import tensorflow as tf
    >>> from keras_seg.training.plain_data import PlainData
    >>> pixels, labels = tf.zeros((3, 32, 40, 3), "uint8"), tf.zeros((3, 32, 40), "uint8")
    >>> picture_size(PlainData(tf.data.Dataset.from_tensor_slices((pixels, labels)).batch(3)))
    (32, 40)
    """
    split = "val" if "val" in data.splits else "train"
    if hasattr(data, "measure"):
        sizes = data.measure(split)[0].tolist()
    else:
        batches = data.eval_batches(split, 1)
        spec = getattr(batches, "element_spec", None)
        if isinstance(spec, tuple) and None not in tuple(spec[0].shape[1:-1]):
            return tuple(spec[0].shape[1:-1])
        sizes = (np.shape(image)[1:-1] for image, _ in batches)
    ((size, _),) = Counter(map(tuple, sizes)).most_common(1)
    return size


def calibration_pictures(data, count):
    """Training pictures for the calibration of int8 files; only these are read.

    Args:
        data: a data set.
        count: how many pictures, fewer if there are fewer.

    Returns:
        list of uint8 (h, w, c), spread evenly over the split; of plain tf.data, the first ones.
    """
    if hasattr(data, "example"):
        return pick_examples(data, "train", count)[0]
    batches = itertools.islice(data.eval_batches("train", 1), count)
    return [np.asarray(image)[0] for image, _ in batches]


def network_of(settings):
    """The network of a run with its encoder, as the beginning of a sentence.

    Args:
        settings: contents of run.json.

    Returns:
        str, such as "unet with encoder resnet50, "; empty where it is not known.

    >>> network_of({"architecture": "unet", "setup": {"recipe": {"options": {"encoder": "vgg16"}}}})
    'unet with encoder vgg16, '
    """
    options = settings.get("setup", {}).get("recipe", {}).get("options", {})
    encoder = f" with encoder {options['encoder']}" if options.get("encoder") else ""
    name = settings.get("architecture")
    return f"{name}{encoder}, " if name else ""


def read_history(folder):
    """The history of a run, one row per epoch.

    Args:
        folder: the run's folder.

    Returns:
        pandas DataFrame, without rows before the first epoch has ended.

    Raises:
        ValueError: the file is damaged.

    >>> from keras_seg.find_run import find_run
    >>> history = read_history(find_run("contextnet_cn14-camvid"))
    >>> {"epoch", "loss", "val_mean_iou"} <= set(history.columns)
    True
    """
    path = Path(folder) / "history.csv"
    if not path.is_file():
        return pd.DataFrame()
    try:
        history = pd.read_csv(path)
        history["epoch"].astype(int)
    except (OSError, ValueError, KeyError) as error:  # ValueError: also those of pandas, Unicode.
        raise ValueError(
            "The history of a run must be a table with one row per epoch and a column 'epoch'. "
            f"Received: '{path}' ({type(error).__name__}: {str(error).strip()}). Restore it from a "
            "copy of the run, or delete it: the other files of the run do not need it."
        ) from error
    return history


def read_network(path):
    """The network in a .keras file, such as model.keras of a run.

    Args:
        path: the file.

    Returns:
        `keras.Model`, not compiled.

    Raises:
        ValueError: the file is damaged, or holds unknown layers.

    >>> from keras_seg.find_run import find_run
    >>> read_network(find_run("contextnet_cn14-camvid") / "model.keras").output_shape[-1]
    11
    """
    try:
        return keras.saving.load_model(path, compile=False)
    except Exception as error:  # Damage appears as any error of zipfile, h5py, JSON or Keras.
        reason = str(error).strip().split("\n")[0]
        if isinstance(error, ValueError) and "File not found" in reason:
            reason = "it is not a zip file"
        raise ValueError(
            "A .keras file must be complete, and its layers must be known. Received: "
            f"'{path}' ({type(error).__name__}: {reason}). Restore it from a copy of the run, or "
            "train again in another folder; import the modules of custom layers first."
        ) from error


def write_text(path, text):
    """Write a text file atomically: a reader sees the old or the new content, never a part.

    Args:
        path: the file.
        text: what to write.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "notes.txt"
    >>> write_text(path, "one")
    >>> path.read_text()
    'one'
    """
    with replacing(path) as file:
        file.write(text.encode())


@contextlib.contextmanager
def replacing(path) -> Iterator[BinaryIO]:
    """Open a binary file that replaces the one of that name at the end, complete and on the disk.

    Args:
        path: the file.

    Yields:
        the file to write to.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "state.bin"
    >>> with replacing(path) as file:
    ...     _ = file.write(b"one")
    >>> path.read_bytes()
    b'one'
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.part")
    with temporary.open("wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())  # Otherwise a power failure may leave an empty file.
    os.replace(temporary, path)
