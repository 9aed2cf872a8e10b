"""`Examples`: the splits of a dataset, the sources of their pictures, and how files are read."""

import copy
from collections.abc import Mapping
from threading import Lock
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from pipelines.arguments import check_reading, check_sources
from pipelines.find.classes import IGNORE_CLASS
from pipelines.find.sources import Source

if TYPE_CHECKING:
    from pipelines.graph.store import Store


class Examples:
    """Pictures and masks in splits; `Dataset` adds batches and reports.

    Attributes:
        name: short name.
        splits: names of the splits.
    """

    name: str
    class_names: Any
    num_classes: int
    num_channels: int
    dimensions: int
    splits: tuple[str, ...]
    task: str = "segmentation"
    ignore_class: int | None = IGNORE_CLASS
    notes: tuple[str, ...] = ()
    unmatched: tuple[str, ...] = ()
    opened_by: dict[str, Any] | None = None
    held_out_groups: tuple = ()
    _sources: dict[str, Source]
    _reading: dict[str, Any]
    _stores: "dict[str, Store]"
    _lock: Any

    def paths(self, split: str) -> list[tuple[str, str]]:
        """Return the paths of each picture and its mask, or its class, in order.

        Args:
            split: a name from `splits`.

        Returns:
            list of (picture, mask), or of (picture, name of its class); generated names for
            datasets without files.

        Raises:
            ValueError: if there is no such split.
        """
        return self._source(split).paths()

    def num_examples(self, split: str) -> int:
        """Return the number of pictures in a split."""
        return len(self._source(split))

    def example(self, split: str, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Read one picture uint8 (h, w, c) and its mask uint8 (h, w) of class ids and 255.

        Or, of a dataset of pictures with one class each, the picture and its class id, int32 ().
        """
        return self._source(split).read(index)

    def fingerprint(self, split: str) -> str:
        """Return a digest of the content of a split, without decoding a file.

        It changes with a picture, a mask, their order or their names, and with how files are read:
        classes, channels, value range. It does not depend on the folder.

        Args:
            split: a name from `splits`.

        Returns:
            32 hexadecimal digits.

        Raises:
            ValueError: if there is no such split.
        """
        return self.source(split).fingerprint()

    def skipped(self, split: str) -> dict[str, str]:
        """Return the pictures that `on_error="skip"` leaves out, each with what is wrong.

        Args:
            split: a name from `splits`.

        Returns:
            path of the picture -> the error; empty with on_error="raise".

        Raises:
            ValueError: if there is no such split, or a file is faulty and not skipped.
        """
        self._source(split)
        paths = self._sources[split].paths()
        return {str(paths[i][0]): fault for i, fault in self._store(split).skipped.items()}

    def reading(
        self,
        cache: str | None = "same",
        cache_limit: int | str | None = "same",
        on_error: str = "same",
    ) -> Self:
        """Return the same dataset with other reading options; "same" keeps an option.

        Args:
            cache: "memory" or "disk" keep decoded pictures if they fit, None reads files in every
                epoch. "disk" is a folder of raw pixels that is removed when the program ends.
            cache_limit: most bytes to keep for a split; None for 40 % of the free memory or 80 % of
                the free disk. If pictures do not fit, a warning is logged, and files are read in
                every epoch.
            on_error: "raise" stops at a file that cannot be read, "skip" leaves the pair out,
                logs it, and lists it in `skipped`.

        Returns:
            a new dataset of the same files.

        Raises:
            ValueError: if an argument is invalid.

        >>> arrays = np.zeros((4, 32, 32, 3), "uint8"), np.zeros((4, 32, 32), "uint8")
        >>> from pipelines import Dataset
        >>> data = Dataset.from_arrays("toy", ["sky"], None, {"train": arrays})
        >>> data.reading(cache="disk", on_error="skip").num_examples("train")
        4
        """
        asked = {"cache": cache, "cache_limit": cache_limit, "on_error": on_error}
        changed = {name: value for name, value in asked.items() if value != "same"}
        data = copy.copy(self)
        data._reading = {**self._reading, **changed}
        check_reading(**data._reading)
        data._stores, data._lock = {}, Lock()
        if data.opened_by is not None and changed:
            before = data.opened_by.get("reading", {})
            data.opened_by = {**data.opened_by, "reading": {**before, **changed}}
        return data

    def measure(self, split: str) -> tuple[np.ndarray, np.ndarray]:
        """Return sizes int64 (n, 2) and pixels per picture and class int64 (n, 256) of a split.

        Column 255 counts ignored pixels. For pictures with one class each, the second array counts
        pictures per class, int64 (1, num_classes). Reads every file, once.
        """
        self._source(split)
        store = self._store(split)
        if store.class_ids is not None:
            return store.sizes, np.bincount(store.class_ids, minlength=self.num_classes)[None]
        return store.sizes, store.counts

    def weights(self, split: str) -> np.ndarray | None:
        """Return relative sampling frequencies of pictures, float64 (n,); None if all are equal."""
        return self.source(split).weights

    def source(self, split: str) -> Source:
        """Return the source of a split, including faulty files."""
        self._known(split)
        return self._sources[split]

    def with_sources(self, sources: Mapping[str, Source]) -> Self:
        """Return the same dataset with other pairs in its splits.

        Its `opened_by` is None: the function that opened the dataset gives the pairs as they were.

        Raises:
            ValueError: if there is no split, a split is empty, or splits differ in their channels.
        """
        check_sources(self.name, sources)
        data = copy.copy(self)
        data._sources, data.splits = dict(sources), tuple(sources)
        data._stores, data._lock = {}, Lock()
        data.opened_by = None
        return data

    def _known(self, split: str) -> None:
        if split not in self._sources:
            raise ValueError(
                f"Dataset {self.name!r} has no split {split!r}. Received: split={split!r}. "
                f"Available: {list(self.splits)}."
            )

    def _source(self, split: str) -> Source:
        self._known(split)
        if self._reading["on_error"] == "skip":
            return self._store(split).sound
        return self._sources[split]

    def _store(self, split: str) -> "Store":
        from pipelines.graph.store import Store

        with self._lock:
            if split not in self._stores:
                title = f"{self.name} {split}"
                self._stores[split] = Store(self._sources[split], title, **self._reading)
            return self._stores[split]
