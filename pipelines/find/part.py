"""A part of the pairs of a source."""

import numpy as np

from pipelines.find.sources import Source


class Part:
    """A subset of the pairs of a source."""

    def __init__(self, source: Source, kept: np.ndarray):
        self.num_channels = source.num_channels
        self.dimensions = getattr(source, "dimensions", 2)
        self.weights = None if source.weights is None else source.weights[kept]
        class_ids = getattr(source, "class_ids", None)
        if class_ids is not None:
            self.class_ids = class_ids[kept]
        self._source, self._kept = source, kept.tolist()

    def __len__(self) -> int:
        return len(self._kept)

    def paths(self) -> list[tuple[str, str]]:
        """Return the names of each picture and mask."""
        paths = self._source.paths()
        return [paths[index] for index in self._kept]

    def sizes(self) -> np.ndarray:
        """Return heights and widths, int64 (n, 2)."""
        return self._source.sizes()[self._kept]

    def read(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Return picture and mask number `index`."""
        return self._source.read(self._kept[index])

    def fingerprint(self) -> str:
        """Return a digest of all pairs of the source, of which this is a fixed part."""
        return self._source.fingerprint()
