"""Decoded pictures of a split, held in memory once and read by TensorFlow graphs."""

import logging
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from pipelines.sources import NUM_THREADS, ArraySource, Source

# For a moment the pictures are there twice: while NumPy hands them to TensorFlow.
_SHARE_OF_FREE_MEMORY = 0.4
_logger = logging.getLogger(__name__)


class Store:
    """The pictures of one split, ready for a graph.

    Attributes:
        sizes: heights and widths, int64 (n, 2).
        num_channels: channels of every picture.
        counts: pixels per picture and class, int64 (n, 256); column 255 is ignored pixels.
    """

    def __init__(self, source: Source, title: str, in_memory: bool = True):
        """Read every pair once, which also proves that each is sound.

        Args:
            source: the pairs.
            title: what the progress bar says.
            in_memory: keep decoded pictures, if they fit; else read them again when needed.
        """
        self._source = source
        self.sizes = source.sizes()
        self.num_channels = source.num_channels
        self._areas = self.sizes.prod(axis=1)
        self._flat: tuple[tf.Tensor, tf.Tensor] | None = None
        arrays = None
        if isinstance(source, ArraySource):
            arrays = source.images.reshape(-1), source.labels.reshape(-1)
            self.counts = _count(source.labels)
        else:
            if in_memory and _fits(int(self._areas.sum()) * (self.num_channels + 1), title):
                arrays = _allocate(int(self._areas.sum()), self.num_channels)
            self.counts = self._read_all(title, arrays)
        if arrays is not None:
            with tf.device("/CPU:0"):  # the default would be an accelerator, whose memory is dear
                self._flat = tf.constant(arrays[0]), tf.constant(arrays[1])

    def __len__(self) -> int:
        return len(self._source)

    @property
    def static_size(self) -> tuple[int | None, int | None]:
        """Height and width if all pictures share them, else None for each that varies."""
        height, width = (
            int(column[0]) if (column == column[0]).all() else None for column in self.sizes.T
        )
        return height, width

    def reader(self):
        """Return a function: index, an int64 tensor -> image uint8 (h, w, c), label (h, w)."""
        flat, channels, size = self._flat, self.num_channels, self.static_size
        starts = np.cumsum(self._areas) - self._areas

        def read(index):
            if flat is None:
                image, label = tf.numpy_function(self._source.read, [index], (tf.uint8, tf.uint8))
            else:
                start, area = tf.gather(starts, index), tf.gather(self._areas, index)
                image = tf.slice(flat[0], [start * channels], [area * channels])
                label = tf.slice(flat[1], [start], [area])
                shape = tf.gather(self.sizes, index)
                image = tf.reshape(image, tf.concat([shape, [channels]], 0))
                label = tf.reshape(label, shape)
            return tf.ensure_shape(image, (*size, channels)), tf.ensure_shape(label, size)

        return read

    def _check_header(self, index: int, shape: tuple[int, ...]) -> None:
        if shape[:2] != tuple(self.sizes[index]):
            raise ValueError(
                "A picture's pixels must have the size that its header says. "
                f"Received: {self._source.paths()[index][0]!r} of {shape[:2]} with a header of "
                f"{tuple(self.sizes[index].tolist())} (height, width). Its orientation is stored "
                "behind the pixels, or the file changed: save it again without orientation."
            )

    def _read_all(self, title: str, arrays) -> np.ndarray:
        starts = np.cumsum(self._areas) - self._areas
        counts = np.zeros((len(self), 256), np.int64)

        def read(index: int) -> None:
            image, label = self._source.read(index)
            self._check_header(index, image.shape)
            counts[index] = np.bincount(label.reshape(-1), minlength=256)
            if arrays is not None:
                start, area = starts[index], self._areas[index]
                first, last = start * self.num_channels, (start + area) * self.num_channels
                arrays[0][first:last] = image.reshape(-1)
                arrays[1][start : start + area] = label.reshape(-1)

        with ThreadPoolExecutor(NUM_THREADS) as pool:
            results = pool.map(read, range(len(self)))
            try:
                for _ in tqdm(results, title, total=len(self), unit="pair", leave=False):
                    pass
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        return counts


def _count(labels: np.ndarray) -> np.ndarray:
    return np.stack([np.bincount(label.reshape(-1), minlength=256) for label in labels])


def _allocate(num_pixels: int, num_channels: int) -> tuple[np.ndarray, np.ndarray]:
    return np.empty(num_pixels * num_channels, np.uint8), np.empty(num_pixels, np.uint8)


def _fits(needed: int, title: str) -> bool:
    """Say whether a number of bytes may be taken; log it if not."""
    free = free_memory()
    if needed <= _SHARE_OF_FREE_MEMORY * free:
        return True
    _logger.warning(
        "%s: %.1f GB of decoded pictures do not fit into %.0f %% of the free memory (%.1f GB); "
        "they are read from their files in every epoch, which is slower.",
        title, needed / 1e9, 100 * _SHARE_OF_FREE_MEMORY, free / 1e9,
    )  # fmt: skip
    return False


def free_memory() -> int:
    """Return the bytes that this process may still take: the machine's or the container's."""
    free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            table = dict(line.split(":") for line in file)
        free = int(table["MemAvailable"].split()[0]) * 1024
        with open("/sys/fs/cgroup/memory.max", encoding="ascii") as file:
            limit = int(file.read())
        with open("/sys/fs/cgroup/memory.current", encoding="ascii") as file:
            free = min(free, limit - int(file.read()))
    except (OSError, ValueError, KeyError):
        return free
    return free
