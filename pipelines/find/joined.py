"""The pairs of several sources as one."""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from pipelines.find.sources import Source


class Joined:
    """The pairs of the first source, then those of the second, and so on."""

    def __init__(self, sources: Sequence[Source]):
        self.num_channels = sources[0].num_channels
        self.dimensions = getattr(sources[0], "dimensions", 2)
        self.weights = None
        if any(source.weights is not None for source in sources):
            # Without weights, each picture is drawn equally often: a weight of 1.
            self.weights = np.concatenate(
                [np.ones(len(x)) if x.weights is None else x.weights for x in sources]
            )
        if hasattr(sources[0], "class_ids"):
            labelled: Sequence[Any] = sources  # The protocol has no classes of whole pictures.
            self.class_ids = np.concatenate([source.class_ids for source in labelled])
        self._places = [(source, index) for source in sources for index in range(len(source))]
        self._sources = sources

    def __len__(self) -> int:
        return len(self._places)

    def paths(self) -> list[tuple[str, str]]:
        """Return the names of each picture and mask."""
        return [path for source in self._sources for path in source.paths()]

    def sizes(self) -> np.ndarray:
        """Return heights and widths, int64 (n, 2), or with depths (n, 3)."""
        return np.concatenate([source.sizes() for source in self._sources])

    def read(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Read picture and mask number `index`."""
        source, place = self._places[index]
        return source.read(place)

    def fingerprint(self) -> str:
        """Return a digest of the digests of all sources."""
        text = " ".join(source.fingerprint() for source in self._sources)
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
