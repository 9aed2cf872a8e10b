"""Scores of a network in any form: run, file for phones or servers, running server, function."""

import contextlib
import importlib
from os import PathLike
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from keras_seg import export, tasks
from keras_seg.accuracy import evaluate_classifier
from keras_seg.find_run import load
from keras_seg.inference.fitting import fitted, resized
from keras_seg.run_files import names_of
from keras_seg.scores import evaluate_segmenter

_ADDRESSES = ("http://", "https://", "grpc://", "grpcs://")
# Files and the classes of `keras_seg.export` that run them, by task.
_RUNNERS = {
    ".tflite": {"segmentation": "LiteRTSegmenter", "classification": "LiteRTClassifier"},
    ".onnx": {"segmentation": "OnnxSegmenter", "classification": "OnnxClassifier"},
    ".xml": {"segmentation": "OpenVinoSegmenter", "classification": "OpenVinoClassifier"},
    "saved_model.pb": {
        "segmentation": "SavedModelSegmenter", "classification": "SavedModelClassifier",
    },
}  # fmt: skip


def evaluate(network: Any, data, split="val", batch_size=8):
    """Scores of a network on a split of a data set, at the pictures' own size.

    A file of one size gets each picture resized to it as a server does it, see
    `keras_seg.inference.fitting.fitted`, and its label map is enlarged or reduced to the picture's
    size with the nearest neighbor.

    Args:
        network: a run's name or folder, a .keras, .tflite, .onnx or OpenVINO .xml file, a
            SavedModel folder, or the address of a server, such as "http://localhost:8501/roads";
            or an object with `labels(batch)` of uint8 pixels (b, h, w, c), or that is called with
            one picture (h, w, c), such as a segmenter. Of a classifier, the object has
            `logits(batch)` or `scores(batch)`.
        data: a data set, such as the result of `pipelines.load`.
        split: name of a split of the data set.
        batch_size: pictures per batch; the scores do not depend on it.

    Returns:
        `keras_seg.scores.Scores`, for classification `keras_seg.accuracy.Accuracy`, as of
        `Run.evaluate`; nothing is written.

    Raises:
        ValueError: there is no such network, it has other classes than the data set, or there is no
            such split.
        TypeError: the object cannot be called.

    >>> import pipelines
    >>> data = pipelines.shapes(num_images=6, size=(64, 96), seed=0)
    >>> evaluate(lambda picture: np.zeros(picture.shape[:2], "uint8"), data).iou.round(3)[1:]
    array([0., 0., 0.])
    """
    task = tasks.task_of_data(data)
    if isinstance(network, str | PathLike):
        opened: Any = open_network(network, task)
        with contextlib.closing(opened) if hasattr(opened, "close") else contextlib.nullcontext():
            return evaluate(opened, data, split, batch_size)
    _require_classes(network, data)
    batches, classes = data.eval_batches(split, batch_size), list(data.class_names)
    names = names_of(data, split, batch_size)
    if task == "classification":
        scores = getattr(network, "logits", None) or network.scores
        return evaluate_classifier(_of_one_size(network, scores), batches, classes, names)
    labels = _of_one_size(network, _labels(network), enlarge=True)
    return evaluate_segmenter(labels, batches, classes, data.ignore_class, names=names)


def open_network(source, task="segmentation"):
    """Open a trained network in any form.

    Args:
        source: a run's name or folder, a .keras, .tflite, .onnx or OpenVINO .xml file, a folder
            with a SavedModel or an OpenVINO model, or the address of a server.
        task: "segmentation" or "classification".

    Returns:
        An object with `class_names` and `labels(batch)`: a `Segmenter` or `Classifier`, one of the
        classes of `keras_seg.export` that run files, or a `keras_seg.serve.Client`.

    Raises:
        ValueError: there is no such network, or it is of another kind.
    """
    if str(source).startswith(_ADDRESSES):
        return importlib.import_module("keras_seg.serve").Client(str(source))
    kind = kind_of(source)
    return load(source) if kind is None else getattr(export, _RUNNERS[kind][task])(source)


def is_run(source):
    """Whether this is no file but the name or folder of a run, or a .keras file.

    >>> is_run("contextnet_cn14-camvid"), is_run("http://localhost:8501/roads")
    (True, False)
    """
    return not str(source).startswith(_ADDRESSES) and kind_of(source) is None


def kind_of(source):
    """The kind of file of a network.

    Args:
        source: path.

    Returns:
        ".tflite", ".onnx", ".xml", "saved_model.pb", or None for runs and .keras files.

    >>> kind_of("saved_models/road/model_int8.tflite")
    '.tflite'
    """
    path = Path(source)
    if (path / "saved_model.pb").is_file():
        return "saved_model.pb"
    if (path / "model.xml").is_file():
        return ".xml"
    return path.suffix if path.suffix in _RUNNERS else None


def _labels(network):
    """The function of a network from pixels (b, h, w, c) to labels (b, h, w)."""
    if hasattr(network, "labels"):
        return network.labels
    if not callable(network):
        raise TypeError(
            "`evaluate` needs a network as a path, an address, or an object with `labels(batch)` "
            f"or that is called with a picture. Received: {type(network).__name__}. For example, "
            "pass 'saved_models/my_run/model_int8.tflite'."
        )
    return lambda pictures: np.stack([np.asarray(network(picture)) for picture in pictures])


def _of_one_size(network, function, enlarge=False):
    """The function for pictures of any size, if the network takes one size only."""
    size = getattr(network, "size", None) or getattr(network, "fixed_size", None)
    if size is None or len(size) != 2:
        return function

    def at_own_size(pictures):
        own = pictures.shape[1:3]
        if own == tuple(size):
            return function(pictures)
        found = function(np.stack([fitted(picture, size) for picture in pictures]))
        if not enlarge:
            return found
        return np.stack([resized(labels, own, cv2.INTER_NEAREST) for labels in found])

    return at_own_size


def _require_classes(network, data):
    """Raise if the network has other classes than the data set."""
    wanted = list(data.class_names)
    names = getattr(network, "class_names", None)
    number = getattr(network, "num_classes", None)  # Files may have no names.
    names = None if names is None else list(names)
    nameless = names is None or names == [f"class {index}" for index in range(len(names))]
    number = len(names) if number is None and names is not None else number
    if number not in (None, len(wanted)) or not (nameless or names == wanted):
        raise ValueError(
            "`evaluate` needs data with the network's classes, in their order. Received: data "
            f"'{data.name}' with {wanted}, for a network with {names or f'{number} classes'}. "
            "Read the data set with the network's `classes`."
        )
