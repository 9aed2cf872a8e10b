"""Parameters, operations, accuracy and speed of networks, side by side in one run."""

import importlib.metadata
import os
import platform
import statistics
import time
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import pandas as pd

from keras_seg import _check, analyse, export, models
from keras_seg.evaluation import kind_of, open_network
from keras_seg.export import picture_batches
from keras_seg.find_run import find_run, load, run_around
from keras_seg.inference.compiled import device_names
from keras_seg.inference.predictor import Predictor
from keras_seg.inference.segmenter import Segmenter
from keras_seg.inference.stream import Stream
from keras_seg.pruning import prune
from keras_seg.run import Run

SIZES = ((1024, 2048), (512, 1024), (256, 512))  # full, half and quarter resolution
NUM_CLASSES = 19
NUM_FRAMES = 4  # in each measurement
WARM_UP = 18  # calls, after which a segmenter has compiled its function
PAPER = Path(__file__).with_name("benchmarking_paper.csv")


class Candidate(NamedTuple):
    """A network to measure.

    Attributes:
        name: as in the table.
        segmenter: `Predictor` of pictures.
        model: the Keras model whose parameters and operations are counted, or None.
        reference: segmenter in float32 with whose labels those of a file are compared, or None.
        mean_iou: on validation pictures, from the run, or None.
    """

    name: str
    segmenter: Any
    model: Any
    reference: Any = None
    mean_iou: float | None = None


class FilePredictor(Predictor):
    """The interface of a `Segmenter` for a file, such as `OnnxSegmenter`.

    Args:
        runner: a class of `keras_seg.export` that runs a file of label maps.
    """

    def __init__(self, runner):
        self.runner, self.fixed_size, self.dimensions = runner, runner.size, 2
        for name in ("num_classes", "num_channels", "class_names", "palette", "input_spec"):
            setattr(self, name, getattr(runner, name))
        self.output_stride = 1

    def labels(self, batch) -> np.ndarray:
        """Return the class ids (b, h, w) of a batch."""
        return self.runner.labels(batch)

    def _probabilities(self, batch) -> np.ndarray:
        scores = np.exp(self.runner.scores(batch))
        return scores / scores.sum(axis=-1, keepdims=True)


def benchmark(sources, sizes=SIZES, pictures=None, rounds=5, frames=NUM_FRAMES) -> pd.DataFrame:
    """Measure networks one beside the other: rounds take turns, so that all see the same machine.

    Frames are in memory; the time is that to label maps of their size. "sequential" calls the
    network for one frame after the other, "pipelined" reads the labels from a stream.

    Args:
        sources: names of architectures (built for 19 classes, with random weights) or of families,
            runs, and .keras, .tflite, .onnx and OpenVINO .xml files or SavedModel folders.
            "contextnet" is its six variants, one pruned from twice the width, and Fast-SCNN.
        sizes: (height, width) of the frames; a file of one size is measured at that size only.
        pictures: uint8 (n, h, w, 3), resized to each size; noise if None. Agreement of int8 files
            says something on real pictures only.
        rounds: measurements of each network; the table has the median, the slowest and the fastest.
        frames: frames in each measurement.

    Returns:
        DataFrame with a row for each network and size: `network`, `size`, `parameters` (with batch
        normalization merged, as papers count), `macs`, `mean_iou` (of the run), `sequential` and
        `pipelined` (frames a second), `sequential_range`, `pipelined_range`, `engine` (the
        segmenter's for this size), `agreement` (share of pixels of a file's labels that are those
        of its run in float32), and the paper's `paper_mean_iou`, `paper_fps` and
        `paper_pipelined`. Its `attrs["machine"]` names machine and versions.

    Raises:
        ValueError: a source is unknown, or an argument is out of its range.

    >>> table = benchmark(["contextnet_cn14_160", "fast_scnn"])  # doctest: +SKIP
    >>> table[["network", "size", "sequential", "pipelined"]]  # doctest: +SKIP
    """
    _check.positive_integer("benchmark", "rounds", rounds)
    _check.positive_integer("benchmark", "frames", frames)
    found = [candidate for source in sources for candidate in _opened(str(source))]
    rows = []
    for size in sizes:
        taken = _frames(pictures, size, frames)
        here = [one for one in found if one.segmenter.fixed_size in (None, tuple(size))]
        rows += _rows(here, size, taken, rounds)
    for one in found:
        if one.segmenter.fixed_size not in (None, *map(tuple, sizes)):
            own = tuple(one.segmenter.fixed_size)
            rows += _rows([one], own, _frames(pictures, own, frames), rounds)
    table = pd.DataFrame(rows)
    table.attrs["machine"] = machine()
    return table


def machine():
    """Processor, cores, devices and versions, in a line."""
    packages = ("tensorflow-cpu", "tensorflow", "jax", "torch", "ai-edge-litert", "onnxruntime")
    versions = [f"keras {keras.__version__} on {keras.backend.backend()}"]
    for package in (*packages, "openvino"):
        try:
            versions.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    devices = ", ".join(device_names())
    return f"{_processor()}, {cores} cores, devices {devices}; {', '.join(versions)}"


def _processor():
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _opened(source):
    """The networks that a source stands for."""
    if kind_of(source) is not None:
        return [_file(source)]
    family = [name for name in models.names() if models.facts(name).family == source]
    if source == "contextnet":
        return [*map(_architecture, family), _pruned(), _architecture("fast_scnn")]
    if family and source not in models.names():
        return [_architecture(name) for name in family]
    if source in models.names():
        return [_architecture(source)]
    segmenter: Any = load(source)
    if isinstance(segmenter, Segmenter):
        best = None
        if not Path(source).suffix == ".keras" or run_around(source):
            best = Run(find_run(source)).settings.get("best", {}).get("val_mean_iou")
        return [Candidate(source, segmenter, segmenter.network, mean_iou=best)]
    raise ValueError(
        "`benchmark` measures networks of label maps. "
        f"Received: {source!r}, which gives one class per picture. Leave it out."
    )


def _architecture(name):
    facts = models.facts(name)
    if facts.task != "segmentation" or facts.dimensions[0] != 2:
        raise ValueError(
            "`benchmark` measures networks of pictures with label maps. "
            f"Received: {name!r}. Leave it out."
        )
    model = models.build(name, num_classes=NUM_CLASSES)
    return Candidate(name, Segmenter(model), model)


def _pruned():
    """ContextNet of twice the width, whose least important filters are removed."""
    wide = models.build("contextnet_cn14", num_classes=NUM_CLASSES, width=2.0)
    model = prune(wide, to=models.build("contextnet_cn14", num_classes=NUM_CLASSES))
    return Candidate("contextnet_cn14, pruned from 2x", Segmenter(model), model)


def _file(source):
    runner = open_network(source)
    folder = run_around(Path(source) / "x" if Path(source).is_dir() else source)
    reference = Run(folder).segmenter() if folder else None
    model = reference.network if reference else None
    return Candidate(source, FilePredictor(runner), model, reference)


def _frames(pictures, size, count):
    """So many uint8 frames (h, w, 3) of a size."""
    if pictures is None:
        return picture_batches.noise(count, (*size, 3))
    chosen = [pictures[number % len(pictures)] for number in range(count)]
    return [picture_batches.resized(one[np.newaxis], size)[0] for one in chosen]


def _rows(candidates, size, frames, rounds):
    """Measure all networks at one size."""
    times = {one.name: ([], []) for one in candidates}
    for one in candidates:
        for number in range(WARM_UP):
            one.segmenter(frames[number % len(frames)])
        if isinstance(one.segmenter, Segmenter):
            one.segmenter.choose_engine(frames[0])
        _pipelined(one.segmenter, frames)
    for _ in range(rounds):
        for one in candidates:
            times[one.name][0].append(_seconds(_sequential, one.segmenter, frames))
            times[one.name][1].append(_seconds(_pipelined, one.segmenter, frames))
    return [_row(one, size, frames, *times[one.name]) for one in candidates]


def _sequential(segmenter, frames):
    for frame in frames:
        segmenter(frame)


def _pipelined(segmenter, frames):
    with Stream(segmenter, frames) as found:
        for _ in found:
            pass


def _seconds(function, *arguments):
    start = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - start


def _row(one, size, frames, sequential, pipelined):
    row = {"network": one.name, "size": "x".join(map(str, size))}
    row |= {"parameters": None, "macs": None, "mean_iou": one.mean_iou}
    if one.model is not None:
        shape = (*size, one.segmenter.num_channels)
        row["parameters"] = export.fold(one.model).count_params()
        row["macs"] = int(analyse.summary(one.model, shape).loc["total", "macs"])
    for name, seconds in (("sequential", sequential), ("pipelined", pipelined)):
        rates = [len(frames) / each for each in seconds]
        row[name] = round(statistics.median(rates), 1)
        row[f"{name}_range"] = f"{min(rates):.1f}-{max(rates):.1f}"
    if isinstance(one.segmenter, Segmenter):
        row["engine"] = one.segmenter.chosen.get(tuple(size), one.segmenter.engine)
    row["agreement"] = None
    if one.reference is not None:
        same = [np.mean(one.segmenter(frame) == one.reference(frame)) for frame in frames]
        row["agreement"] = float(np.mean(same))
    return row | _of_paper(one.name, row["size"])


def _of_paper(name, size):
    """The paper's figures of a network, by the names of the table's columns."""
    table = pd.read_csv(PAPER, comment="#")
    rows = table[(table["network"] == name) & (table["size"] == size)]
    columns = ["paper_mean_iou", "paper_fps", "paper_pipelined"]
    return dict.fromkeys(columns) if rows.empty else rows.iloc[0][columns].to_dict()
