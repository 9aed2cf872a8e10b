"""Which engine computes the labels: what was asked for, or the fastest with the same labels."""

import contextlib
import importlib.util
import logging
import threading
import time
from collections import defaultdict
from functools import partial

import keras
import numpy as np

from keras_seg import _check
from keras_seg.inference.conversion import converted
from keras_seg.inference.engines import ConvertedEngine, LiteRTEngine, sharing
from keras_seg.inference.openvino_network import OpenVinoNetwork, converted_openvino

ENGINES = ("auto", "keras", "graph", "litert", "litert-int8", "openvino")
PACKAGES = {
    "litert": "ai-edge-litert", "litert-int8": "ai-edge-litert", "openvino": "openvino",
}  # fmt: skip
SAME_LABELS = ("litert", "openvino")  # the converted ones among which "auto" chooses
SAME = 0.999  # share of equal labels from which two engines are interchangeable, as in exports
SECONDS = 5.0  # that pictures of a size take before engines are measured, as a conversion does
ROUNDS = 3  # measurements of each engine, of which the fastest counts

log = logging.getLogger("keras_seg")


def require_engine(engine, dimensions, folder) -> None:
    """Raise for an engine that is unknown, or cannot compute a network here.

    Args:
        engine: one of `ENGINES`.
        dimensions: 2 for pictures, 3 for volumes.
        folder: folder of a run, or None.

    Raises:
        ValueError: if it is unknown, or needs another backend, pictures or a run.
        ImportError: if its package is not installed.
    """
    _check.one_of("engine of `Segmenter`", "engine", engine, ENGINES)
    backend = keras.backend.backend()
    if engine == "graph" and backend != "tensorflow":
        raise ValueError(
            "`engine='graph'` compiles the weights as constants, which needs Keras on TensorFlow. "
            f"Received: backend={backend!r}. Leave engine at 'auto'."
        )
    if engine not in PACKAGES:
        return
    if dimensions == 3:
        raise ValueError(
            "LiteRT and OpenVINO label pictures. "
            f"Received: engine={engine!r} for a network of volumes. Leave engine at 'auto'."
        )
    package = PACKAGES[engine]
    if not _has(package):
        raise ImportError(
            f"`engine={engine!r}` needs the package {package}, which is not installed. "
            f"Install it with `pip install {package}`, or leave engine at 'auto'."
        )
    if engine == "litert-int8" and folder is None:
        raise ValueError(
            "`engine='litert-int8'` runs the 8-bit file of a run, which is calibrated on training "
            "pictures. Received: folder=None. Use run.segmenter(engine='litert-int8'), or run a "
            "file with keras_seg.export.LiteRTSegmenter(path)."
        )


def converted_engines(engine, network, folder, has_gpu=False) -> dict[str, ConvertedEngine]:
    """Return what computes a network after a conversion.

    Args:
        engine: one of `ENGINES`.
        network: the result of `logits_model`.
        folder: folder of a run whose files may be used, or None.
        has_gpu: whether Keras computes on a GPU.

    Returns:
        engines by name: the one that was asked for, with "auto" all that are installed and give the
        labels of the network. None of them for "keras", "graph", and "auto" on another backend than
        TensorFlow, on a GPU, for volumes or in mixed precision.
    """
    if engine == "auto":
        halves = any(layer.compute_dtype != "float32" for layer in network._flatten_layers())
        volumes = len(network.input_shape) == 5
        if halves or volumes or has_gpu or keras.backend.backend() != "tensorflow":
            return {}
    made = {
        "litert": lambda: LiteRTEngine("fp32", partial(converted, network), folder),
        "litert-int8": lambda: LiteRTEngine("int8", _missing, folder),
        "openvino": lambda: ConvertedEngine(partial(converted_openvino, network), OpenVinoNetwork),
    }
    wanted = [name for name in SAME_LABELS if _has(PACKAGES[name])]
    names = wanted if engine == "auto" else [engine]
    return {name: made[name]() for name in names if name in made}


def _has(package):
    return importlib.util.find_spec(package.replace("-", "_")) is not None


def _missing(size):
    height, width = size
    raise ValueError(
        "`engine='litert-int8'` needs a file for pictures of this size, calibrated on training "
        f"pictures. Received: a picture of {height}x{width} pixels, for which the run has none. "
        f"Write it with run.export_tflite('int8', size=({height}, {width})), or choose another "
        "engine."
    )


class Choice:
    """Labels by the engine that is fastest for pictures of a size.

    The first engine labels pictures of a size until they have taken as long as a conversion to
    another engine does: the conversion then at most doubles the time of a user who stops there.

    Args:
        engines: functions from a batch to label maps by name; the first one needs no conversion.

    Attributes:
        chosen: name of the engine by (height, width).
    """

    def __init__(self, engines):
        self.engines, self.chosen = engines, {}
        self._lock = threading.Lock()
        self._spent: dict[tuple, float] = defaultdict(float)

    def clear(self) -> None:
        """Forget what was measured."""
        self.chosen.clear()
        self._spent.clear()

    def labels(self, batch) -> np.ndarray:
        """Return the label maps of a batch (1, h, w, c)."""
        size = batch.shape[1:3]
        if size in self.chosen:
            return self.engines[self.chosen[size]](batch)
        first = next(iter(self.engines.values()))
        with self._lock:  # Frames of a stream come from several threads; waiting is not counted.
            start = time.perf_counter()
            labels = first(batch)
            self._spent[size] += time.perf_counter() - start
            if size not in self.chosen and self._spent[size] >= SECONDS:
                self._choose(batch)
        return labels

    def choose(self, batch) -> None:
        """Measure the engines now, unless that was done for this size."""
        with self._lock:
            if batch.shape[1:3] not in self.chosen:
                self._choose(batch)

    def _choose(self, batch):
        size = batch.shape[1:3]
        with sharing(1):
            self.chosen[size] = faster(self.engines, batch)
        log.info("Pictures of %dx%d: engine %r.", *size, self.chosen[size])


def faster(engines: dict, batch: np.ndarray) -> str:
    """The fastest of several engines that give the same labels as the first one.

    Args:
        engines: functions from a batch to label maps by name. One that raises a `ValueError`, or
            labels more than 0.1 % of the pixels otherwise than the first one, is left out.
        batch: uint8 pixels (b, h, w, c).

    Returns:
        its name.

    >>> faster({"slow": lambda x: time.sleep(0.01) or x, "fast": lambda x: x}, np.zeros(3))
    'fast'
    >>> faster({"slow": lambda x: time.sleep(0.01) or x, "other": lambda x: x + 1}, np.zeros(3))
    'slow'
    """
    (first, function), *others = engines.items()
    expected, able = function(batch), {first: function}
    for name, function in others:
        with contextlib.suppress(ValueError, ImportError):
            if np.mean(function(batch) == expected) >= SAME:
                able[name] = function
    times = dict.fromkeys(able, np.inf)
    for _ in range(ROUNDS if len(able) > 1 else 0):
        for name, function in able.items():
            start = time.perf_counter()
            function(batch)
            times[name] = min(times[name], time.perf_counter() - start)
    return min(times, key=lambda name: times[name])
