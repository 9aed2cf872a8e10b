"""Caches of decoded pictures: in memory, or in a folder."""

import weakref
from tempfile import TemporaryDirectory

import numpy as np
import tensorflow as tf

from pipelines.graph.memory import scratch_folder

Arrays = tuple[np.ndarray, np.ndarray]


class MemoryCache:
    """All pictures in one buffer, and all masks in another."""

    def __init__(
        self,
        sizes: np.ndarray,
        num_channels: int,
        arrays: Arrays | None = None,
        masks: bool = True,
    ):
        """Allocate buffers for pictures of known sizes, int64 (n, 2), or use the given arrays.

        Without masks, their buffer is empty, and `reader` returns None in their place.
        """
        self._masks = masks
        self._sizes = sizes
        self._areas = sizes.prod(axis=1)
        self._starts = np.cumsum(self._areas) - self._areas
        self._num_channels = num_channels
        if arrays is None:
            total = int(self._areas.sum())
            arrays = (
                np.empty(total * num_channels, np.uint8),
                np.empty(total if masks else 0, np.uint8),
            )
        self._images, self._labels = (array.reshape(-1) for array in arrays)

    def write(self, index: int, image: np.ndarray, label: np.ndarray) -> None:
        """Keep one pair."""
        start, stop = self._starts[index], self._starts[index] + self._areas[index]
        self._images[start * self._num_channels : stop * self._num_channels] = image.reshape(-1)
        if self._masks:
            self._labels[start:stop] = label.reshape(-1)

    def close(self) -> None:
        """Convert the buffers to tensors; no more pairs can be written."""
        with tf.device("/CPU:0"):  # the default would be the accelerator's memory
            self._flat = tf.constant(self._images), tf.constant(self._labels)
        del self._images, self._labels

    def reader(self, kept: np.ndarray):
        """Return a function: position in `kept` -> image uint8 (h, w, c), label uint8 (h, w)."""
        images, labels = self._flat
        channels = self._num_channels
        starts, areas, sizes = self._starts[kept], self._areas[kept], self._sizes[kept]

        def read(index):
            start, area = tf.gather(starts, index), tf.gather(areas, index)
            shape = tf.gather(sizes, index)
            image = tf.slice(images, [start * channels], [area * channels])
            image = tf.reshape(image, tf.concat([shape, [channels]], 0))
            if not self._masks:
                return image, None
            return image, tf.reshape(tf.slice(labels, [start], [area]), shape)

        return read


class DiskCache:
    """One file of raw bytes per pair, in a folder that is removed when the program ends.

    TensorFlow reads the files without Python, so workers on other machines with access to the
    folder can read them too.
    """

    def __init__(self, sizes: np.ndarray, num_channels: int, masks: bool = True):
        """Create a folder for pictures of known sizes, int64 (n, 2); see `MemoryCache`."""
        self._sizes = sizes
        self._masks = masks
        self._num_channels = num_channels
        folder = TemporaryDirectory(prefix="pipelines-", dir=scratch_folder())
        self._end = weakref.finalize(self, folder.cleanup)
        self.folder = folder.name

    def write(self, index: int, image: np.ndarray, label: np.ndarray) -> None:
        """Keep one pair."""
        with open(self._path(index), "wb") as file:
            file.write(np.ascontiguousarray(image).data)
            if self._masks:
                file.write(np.ascontiguousarray(label).data)

    def close(self) -> None:
        """End writing; no more pairs can be written."""

    def reader(self, kept: np.ndarray):
        """Return a function: position in `kept` -> image uint8 (h, w, c), label uint8 (h, w)."""
        paths = tf.constant([self._path(index) for index in kept.tolist()])
        sizes, channels = self._sizes[kept], self._num_channels

        def read(index):
            shape = tf.gather(sizes, index)
            length = tf.reduce_prod(shape) * channels
            pixels = tf.io.decode_raw(tf.io.read_file(tf.gather(paths, index)), tf.uint8)
            image = tf.reshape(pixels[:length], tf.concat([shape, [channels]], 0))
            return image, tf.reshape(pixels[length:], shape) if self._masks else None

        return read

    def _path(self, index: int) -> str:
        return f"{self.folder}/{index:07d}.raw"
