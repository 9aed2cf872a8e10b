"""`Store`: the examples of a split for TensorFlow graphs, in memory or in files."""

import logging
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from pipelines.find.array_source import ArraySource
from pipelines.find.class_sources import ClassArrays
from pipelines.find.part import Part
from pipelines.find.sources import NUM_THREADS, Source
from pipelines.graph.caches import DiskCache, MemoryCache
from pipelines.graph.memory import fits
from pipelines.graph.plain import Plain

_SHOWN = 5  # faults in the log
_logger = logging.getLogger(__name__)


class Store:
    """The valid pairs of one split, for use in a graph.

    Attributes:
        kept: indices, in the source, of the valid pairs, int64 (n,).
        skipped: index in the source -> the error of that pair.
        sizes: heights and widths, int64 (n, 2); of volumes with depths first, (n, 3).
        num_channels: channels of every picture.
        counts: pixels per picture and class, int64 (n, 256); column 255 is ignored pixels. Of
            pictures with one class each, int64 (n, 0).
        class_ids: the class of each picture, int32 (n,); None for pictures with masks.
    """

    def __init__(
        self,
        source: Source,
        title: str,
        cache: str | None = "memory",
        cache_limit: int | None = None,
        on_error: str = "raise",
    ):
        """Read every pair once, to validate it.

        Args:
            source: the pairs.
            title: title of the progress bar.
            cache: "memory" or "disk" keep decoded pictures if they fit; None reads files again.
            cache_limit: most bytes to keep; None for a share of the free memory or disk.
            on_error: "raise", or "skip" to leave out pairs that cannot be read.

        Raises:
            ValueError: if a pair cannot be read, or no pair is left; names the file.
        """
        self.num_channels = source.num_channels
        self.skipped: dict[int, str] = {}
        self._source, self._skip, self._title = source, on_error == "skip", title
        self.class_ids: np.ndarray | None = getattr(source, "class_ids", None)
        sizes = self._find_sizes()
        self._plain = Plain(source.paths(), self.num_channels, self.class_ids is None)
        spec = getattr(source, "input_spec", None)
        if spec and (spec.value_range or spec.bands or spec.size):
            self._plain.usable = False  # TensorFlow decodes files as they are.
        self._cache: MemoryCache | DiskCache | None = None
        if isinstance(source, ArraySource):
            self._cache = MemoryCache(sizes, self.num_channels, (source.images, source.labels))
            counts = _count(source.labels)
        elif isinstance(source, ClassArrays):
            arrays = (source.images, np.empty(0, np.uint8))
            self._cache = MemoryCache(sizes, self.num_channels, arrays, masks=False)
            counts = np.zeros((len(source), 0), np.int64)
        else:
            masks = self.class_ids is None
            needed = int(sizes.prod(axis=1).sum()) * (self.num_channels + masks)
            if cache is not None and fits(needed, cache, cache_limit, title):
                make = MemoryCache if cache == "memory" else DiskCache
                self._cache = make(sizes, self.num_channels, masks=masks)
            counts = self._read_all(sizes)
        if self._cache is not None:
            self._cache.close()
        self.kept = np.array([i for i in range(len(source)) if i not in self.skipped], np.int64)
        self.sizes, self.counts = sizes[self.kept], counts[self.kept]
        if self.class_ids is not None:
            self.class_ids = self.class_ids[self.kept]
        self._report()

    def __len__(self) -> int:
        return len(self.kept)

    @property
    def sound(self) -> Source:
        """The source without the skipped pairs."""
        return self._source if not self.skipped else Part(self._source, self.kept)

    @property
    def weights(self) -> np.ndarray | None:
        """Relative sampling frequency of each picture, float64 (n,), or None for equal ones."""
        return None if self._source.weights is None else self._source.weights[self.kept]

    @property
    def static_size(self) -> tuple[int | None, ...]:
        """Height and width (of volumes depth first) if all share them, None for what varies."""
        return tuple(
            int(column[0]) if (column == column[0]).all() else None for column in self.sizes.T
        )

    @property
    def label_spec(self) -> tf.TensorSpec:
        """Shape and type of one label: a mask uint8 (h, w), or a class id int32 ()."""
        if self.class_ids is None:
            return tf.TensorSpec(self.static_size, tf.uint8)
        return tf.TensorSpec((), tf.int32)

    def reader(self):
        """Return a function: index, an int64 tensor -> image uint8 (h, w, c), label.

        The label is a mask uint8 (h, w), or a class id int32 ().
        """
        channels, size = self.num_channels, self.static_size
        if self._cache is not None:
            read = self._cache.reader(self.kept)
        elif self._plain.usable:
            read = self._plain.reader(self.kept)
        else:
            read = self._read_in_python

        def checked(index):
            image, label = read(index)
            if self.class_ids is not None:
                label = tf.gather(self.class_ids, index)
            return tf.ensure_shape(image, (*size, channels)), tf.ensure_shape(
                label, self.label_spec.shape
            )

        return checked

    def _read_in_python(self, index):
        def read(position):
            return self._source.read(int(self.kept[position]))

        return tf.numpy_function(read, [index], (tf.uint8, self.label_spec.dtype))

    def _find_sizes(self) -> np.ndarray:
        try:
            return self._source.sizes()
        except ValueError:
            if not self._skip:
                raise
        # A header is damaged: decode pictures one by one, to find it and the sizes of the others.
        dimensions = getattr(self._source, "dimensions", 2)
        sizes = np.zeros((len(self._source), dimensions), np.int64)

        def measure(index: int) -> None:
            sizes[index] = self._source.read(index)[0].shape[:-1]

        self._for_each(measure, f"{self._title} sizes")
        return sizes

    def _read_all(self, sizes: np.ndarray) -> np.ndarray:
        counts = np.zeros((len(sizes), 256 if self.class_ids is None else 0), np.int64)

        def read(index: int) -> None:
            image, label = self._source.read(index)
            self._check_header(index, image.shape, sizes[index])
            if self.class_ids is None:
                counts[index] = np.bincount(label.reshape(-1), minlength=256)
            if self._cache is None:
                self._plain.learn(index, image, label)
            else:
                self._cache.write(index, image, label)

        self._for_each(read, self._title)
        return counts

    def _for_each(self, work, title: str) -> None:
        """Call `work(index)` for every pair, in threads; record the faults of skipped pairs."""

        def guarded(index: int) -> None:
            try:
                work(index)
            except ValueError as error:
                if not self._skip:
                    raise
                self.skipped[index] = str(error)

        left = [index for index in range(len(self._source)) if index not in self.skipped]
        with ThreadPoolExecutor(NUM_THREADS) as pool:
            results = pool.map(guarded, left)
            try:
                for _ in tqdm(results, title, total=len(left), unit="pair", leave=False):
                    pass
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise

    def _check_header(self, index: int, shape: tuple[int, ...], size: np.ndarray) -> None:
        if shape[:-1] != tuple(size):
            raise ValueError(
                "A picture's pixels must have the size in its header. "
                f"Received: {self._source.paths()[index][0]!r} of {shape[:-1]} with a header of "
                f"{tuple(size.tolist())} (height, width). Its orientation is stored "
                "after the pixels, or the file changed: save it again without orientation."
            )

    def _report(self) -> None:
        if not self.skipped:
            return
        faults = [self.skipped[index] for index in sorted(self.skipped)]
        if not len(self.kept):
            raise ValueError(
                f"No pair of {self._title!r} can be read. Received: {len(faults)} pairs with "
                f"on_error='skip'. The first error: {faults[0]}"
            )
        _logger.warning(
            "%s: %d of %d pairs cannot be read and are skipped:\n%s",
            self._title, len(faults), len(self._source), "\n".join(faults[:_SHOWN]),
        )  # fmt: skip


def _count(labels: np.ndarray) -> np.ndarray:
    return np.stack([np.bincount(label.reshape(-1), minlength=256) for label in labels])
