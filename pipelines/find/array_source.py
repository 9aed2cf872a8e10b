"""The source of a split's examples that lie in memory."""

import numpy as np

from pipelines.find.fingerprint import fingerprint_of_arrays


class ArraySource:
    """Pictures or volumes of one size, and their masks, in memory."""

    def __init__(self, name: str, images: np.ndarray, labels: np.ndarray, num_classes: int):
        """Check and keep the arrays, without a copy.

        Args:
            name: name for errors, such as "street_scenes/train".
            images: uint8 (n, h, w, c) with 1 or more channels; volumes (n, d, h, w, c).
            labels: uint8 (n, h, w), class ids and 255 for ignored pixels; volumes (n, d, h, w).
            num_classes: ids must be below it.

        Raises:
            ValueError: if shapes, types or ids do not fit.
        """
        images, labels = np.ascontiguousarray(images), np.ascontiguousarray(labels)
        fits = images.ndim in (4, 5) and images.shape[:-1] == labels.shape and len(images) > 0
        if not fits or images.dtype != np.uint8 or labels.dtype != np.uint8:
            raise ValueError(
                "Arrays need images uint8 (n, h, w, c) and labels uint8 (n, h, w), n from 1 up, "
                "or volumes (n, d, h, w, c) and labels (n, d, h, w). "
                f"Received: images {images.dtype} {images.shape}, labels {labels.dtype} "
                f"{labels.shape} in {name!r}. Convert with astype('uint8') or stack them."
            )
        unknown = [int(i) for i in np.unique(labels) if num_classes <= i < 255]
        if unknown:
            raise ValueError(
                f"Labels must be class ids 0..{num_classes - 1}, or 255 for ignored pixels. "
                f"Received: ids {unknown} in {name!r}. Map them to 255, or name their classes."
            )
        self.images, self.labels = images, labels
        self.weights: np.ndarray | None = None
        self.num_channels = images.shape[-1]
        self.dimensions = labels.ndim - 1
        self._name = name

    def __len__(self) -> int:
        return len(self.images)

    def paths(self) -> list[tuple[str, str]]:
        """Return a name for each picture and mask; there are no files."""
        names = [f"{self._name}/{index:05d}" for index in range(len(self))]
        return [(name, name) for name in names]

    def sizes(self) -> np.ndarray:
        """Return heights and widths, int64 (n, 2), or with depths (n, 3)."""
        return np.tile(np.array(self.labels.shape[1:], np.int64), (len(self), 1))

    def read(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Return one picture and its mask."""
        return self.images[index], self.labels[index]

    def fingerprint(self) -> str:
        """Return a digest of all pictures and masks."""
        return fingerprint_of_arrays(self.images, self.labels)
