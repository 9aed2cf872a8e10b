"""Engines that convert a network for each size, and open it once for each thread that asks."""

import contextlib
import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from keras_seg.inference.litert import LiteRTSegmenter

MAX_SIZES = 8  # sizes of pictures whose interpreters are kept
MAX_WORKERS = 4  # frames of a stream that are computed at the same time
_shared = threading.local()


def num_cores() -> int:
    """Number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextlib.contextmanager
def sharing(workers: int):
    """Let each call in this thread use a share of the cores, as `workers` threads compute.

    Args:
        workers: number of threads that compute at the same time.
    """
    before = getattr(_shared, "workers", 1)
    _shared.workers = workers
    try:
        yield
    finally:
        _shared.workers = before


class ConvertedEngine:
    """Labels and scores of pictures of any size, each size converted on its own.

    Args:
        convert: function from (height, width) to what `opened` takes.
        opened: function from that and a number of threads to an object with `labels(batch)` and
            `scores(batch)`, which one thread uses at a time.
    """

    def __init__(self, convert: Callable, opened: Callable):
        self._convert, self._opened = convert, opened
        self._lock = threading.Lock()
        self.clear()

    def clear(self) -> None:
        """Discard all that was converted."""
        self._contents: OrderedDict[tuple, Any] = OrderedDict()
        self._idle: dict[tuple, list] = {}

    def refresh(self) -> None:
        """Convert the network's current weights from now on."""
        self.clear()

    def labels(self, batch: np.ndarray) -> np.ndarray:
        """Return uint8 class ids (b, h, w) of uint8 pixels (b, h, w, c)."""
        with self._network(batch.shape[1:3]) as network:
            return network.labels(batch)

    def scores(self, batch: np.ndarray) -> np.ndarray:
        """Return float32 logits (b, h, w, num_classes) of uint8 pixels (b, h, w, c)."""
        with self._network(batch.shape[1:3]) as network:
            return network.scores(batch)

    @contextlib.contextmanager
    def _network(self, size):
        """A converted network that no other thread uses."""
        num_threads = max(1, num_cores() // getattr(_shared, "workers", 1))
        with self._lock:
            content = self._content(size)
            idle = self._idle.setdefault((size, num_threads), [])
            found = idle.pop() if idle else self._opened(content, num_threads)
        try:
            yield found
        finally:
            idle.append(found)

    def _content(self, size):
        if size not in self._contents:
            self._contents[size] = self._convert(size)
            while len(self._contents) > MAX_SIZES:
                gone, _ = self._contents.popitem(last=False)
                self._idle = {key: kept for key, kept in self._idle.items() if key[0] != gone}
        self._contents.move_to_end(size)
        return self._contents[size]


class LiteRTEngine(ConvertedEngine):
    """A .tflite file for each size: the run's, if it has one of that size, else one in memory.

    Args:
        mode: "fp32" or "int8", as in the names of a run's files.
        convert: function from (height, width) to the content of a file.
        folder: folder of a run, or None.
    """

    def __init__(self, mode: str, convert: Callable, folder=None):
        self.mode, self.folder = mode, folder and Path(folder)
        super().__init__(lambda size: self._file(size) or convert(size), LiteRTSegmenter)

    def refresh(self) -> None:
        """Convert the network's current weights from now on; the run's files have earlier ones."""
        self.folder = None
        super().refresh()

    def _file(self, size):
        """The run's file for pictures of a size, or None."""
        if self.folder is None:
            return None
        named = f"model_{self.mode}_{size[0]}x{size[1]}.tflite"
        for path in (self.folder / named, self.folder / f"model_{self.mode}.tflite"):
            if path.is_file() and LiteRTSegmenter(path).size == size:
                return path
        return None
