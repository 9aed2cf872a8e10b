"""Where the examples of one split come from: files, or arrays in memory.

A source has `len(source)`, `num_channels`, `paths()`, `sizes()` and `read(index)`, which gives
a picture uint8 (h, w, c) and its mask uint8 (h, w) of class ids, 255 where ignored.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import numpy as np

from pipelines.classes import Classes
from pipelines.files import read_header, read_image, read_label

NUM_THREADS = 8


class Source(Protocol):
    """What a split is read from."""

    num_channels: int

    def __len__(self) -> int: ...

    def paths(self) -> list[tuple[str, str]]:
        """Return the names of each picture and mask, as errors and tables show them."""
        ...

    def sizes(self) -> np.ndarray:
        """Return heights and widths, int64 (n, 2), without decoding."""
        ...

    def read(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Return picture and mask number `index`."""
        ...


class FileSource:
    """Pairs of picture and mask files."""

    def __init__(
        self, pairs: Sequence[tuple[str, str]], classes: Classes, num_channels: int | None = None
    ):
        """Keep the pairs; nothing is read yet.

        Args:
            pairs: paths of picture and mask.
            classes: the classes that ids in the masks stand for.
            num_channels: 1 for grey, 3 for RGB, None for what the files hold (RGB if any does).
        """
        self._pairs = [(str(image), str(label)) for image, label in pairs]
        self._classes = classes
        self._sizes: np.ndarray | None = None
        if num_channels is None:
            headers = self._headers()
            num_channels = 3 if any(header[2] == 3 for header in headers) else 1
            self._sizes = np.array([header[:2] for header in headers], np.int64)
        self.num_channels = num_channels

    def __len__(self) -> int:
        return len(self._pairs)

    def paths(self) -> list[tuple[str, str]]:
        """Return the paths of each picture and mask."""
        return list(self._pairs)

    def sizes(self) -> np.ndarray:
        """Return heights and widths, int64 (n, 2), from the headers of the pictures."""
        if self._sizes is None:
            self._sizes = np.array([header[:2] for header in self._headers()], np.int64)
        return self._sizes

    def read(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Read one pair.

        Raises:
            ValueError: if a file is unreadable, holds unknown ids, or the sizes differ.
        """
        image_path, label_path = self._pairs[index]
        image = read_image(image_path, self.num_channels)
        ids = read_label(label_path)
        if image.shape[:2] != ids.shape:
            raise ValueError(
                "A mask must have the size of its picture. "
                f"Received: {image_path!r} of {image.shape[:2]} and {label_path!r} of "
                f"{ids.shape} (height, width). Resize the mask with nearest neighbour, "
                "or check that the two belong together."
            )
        return image, self._classes.from_file_ids(ids, label_path)

    def _headers(self) -> list[tuple[int, int, int]]:
        with ThreadPoolExecutor(NUM_THREADS) as pool:
            return list(pool.map(read_header, [image for image, _ in self._pairs]))


class ArraySource:
    """Pictures and masks of one size that are in memory already."""

    def __init__(self, name: str, images: np.ndarray, labels: np.ndarray, num_classes: int):
        """Check and keep the arrays, without a copy.

        Args:
            name: what to call them in errors, such as "street_scenes/train".
            images: uint8 (n, h, w, c) with 1 or more channels.
            labels: uint8 (n, h, w), class ids and 255 for ignored pixels.
            num_classes: ids must be below it.

        Raises:
            ValueError: if shapes, types or ids do not fit.
        """
        images, labels = np.ascontiguousarray(images), np.ascontiguousarray(labels)
        fits = images.ndim == 4 and images.shape[:3] == labels.shape and len(images) > 0
        if not fits or images.dtype != np.uint8 or labels.dtype != np.uint8:
            raise ValueError(
                "Arrays need images uint8 (n, h, w, c) and labels uint8 (n, h, w), n from 1 up. "
                f"Received: images {images.dtype} {images.shape}, labels {labels.dtype} "
                f"{labels.shape} in {name!r}. Convert with astype('uint8') or stack them."
            )
        strangers = [int(i) for i in np.unique(labels) if num_classes <= i < 255]
        if strangers:
            raise ValueError(
                f"Labels must be class ids 0..{num_classes - 1}, or 255 for ignored pixels. "
                f"Received: ids {strangers} in {name!r}. Map them to 255, or name their classes."
            )
        self.images, self.labels = images, labels
        self.num_channels = images.shape[-1]
        self._name = name

    def __len__(self) -> int:
        return len(self.images)

    def paths(self) -> list[tuple[str, str]]:
        """Return a name for each picture and mask; there are no files."""
        names = [f"{self._name}/{index:05d}" for index in range(len(self))]
        return [(name, name) for name in names]

    def sizes(self) -> np.ndarray:
        """Return heights and widths, int64 (n, 2)."""
        return np.tile(np.array(self.images.shape[1:3], np.int64), (len(self), 1))

    def read(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Return one picture and its mask."""
        return self.images[index], self.labels[index]
