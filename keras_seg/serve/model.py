"""One version of a model: a .tflite file with an interpreter for each thread."""

import contextlib
import queue

import cv2
import numpy as np

from keras_seg.inference.enlarged import enlarged_labels
from keras_seg.inference.fitting import fitted, resized
from keras_seg.inference.litert import LiteRTSegmenter
from keras_seg.serve import png
from keras_seg.serve.refusals import InvalidError
from pipelines.read.encoded import read_encoded
from pipelines.read.faults import KIND, FileFault

MAX_PIXELS = 50_000_000


class Model:
    """A loaded version.

    Args:
        name: its name for clients.
        version: its number.
        path: .tflite file that gives label maps.
        workers: threads that use it at a time; each has an interpreter, which uses one core.
        max_pixels: most pixels of a picture.

    Attributes:
        size: (height, width) of the file's input.
        channels: channels of a picture.
        num_classes: number of classes.
        class_names: names in the order of ids, or None.
        palette: colors (r, g, b) in the order of ids, or None.
        has_scores: whether the file gives scores, not labels only.

    Raises:
        ValueError: the file is of another kind or damaged.
    """

    def __init__(self, name, version, path, workers=1, max_pixels=MAX_PIXELS):
        self.name, self.version, self.path, self.max_pixels = name, version, path, max_pixels
        segmenters = [LiteRTSegmenter(path, num_threads=1) for _ in range(workers)]
        self._segmenters = queue.SimpleQueue()
        for one in segmenters:
            one.labels(np.zeros((1, *one.size, one.num_channels), np.uint8))  # the first is slow
            self._segmenters.put(one)
        one = segmenters[0]
        self.size, self.channels, self.num_classes = one.size, one.num_channels, _classes(one, path)
        self.class_names, self.palette = one.class_names, one.palette
        self.spec, self.has_scores = one.input_spec, one.has_scores

    @contextlib.contextmanager
    def _segmenter(self):
        segmenter = self._segmenters.get()
        try:
            yield segmenter
        finally:
            self._segmenters.put(segmenter)

    def labels(self, pictures):
        """Label maps of pictures of one size, any size.

        Args:
            pictures: uint8 (b, h, w, c).

        Returns:
            Array (b, h, w) of class ids: uint8 up to 256 classes, int32 beyond.
        """
        with self._segmenter() as segmenter:
            if pictures.shape[1:3] == self.size:
                return segmenter.labels(pictures)
            return np.stack([self._resized_labels(segmenter, picture) for picture in pictures])

    def probabilities(self, pictures):
        """Probabilities of the classes in each pixel of pictures of one size.

        Args:
            pictures: uint8 (b, h, w, c).

        Returns:
            float32 (b, h, w, num_classes).
        """
        with self._segmenter() as segmenter:
            scores = segmenter.scores(np.stack([fitted(one, self.size) for one in pictures]))
        scores = np.stack([fitted(one, pictures.shape[1:3]) for one in scores])
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        return scores / scores.sum(axis=-1, keepdims=True)

    def masks(self, contents):
        """Label maps of encoded pictures, in the pictures' own sizes.

        Args:
            contents: list of bytes of JPEG and PNG files.

        Returns:
            (list of bytes of PNG files, see `png.label_png`; float32 (b, num_classes), the share of
            each class).

        Raises:
            InvalidError: one of them is no picture, or too large.
        """
        files, shares = [], np.zeros((len(contents), self.num_classes), np.float32)
        for index, content in enumerate(contents):
            labels = self.labels(self.decoded(content)[np.newaxis])[0]
            counts = np.bincount(labels.ravel(), minlength=self.num_classes)
            shares[index] = counts.astype(np.float32) / np.float32(labels.size)
            files.append(png.label_png(labels, self.palette))
        return files, shares

    def decoded(self, content):
        """Pixels uint8 (h, w, c) of the bytes of a JPEG or PNG file, read as in training."""
        if not content:
            raise InvalidError(
                "A picture needs the bytes of a JPEG or PNG file. Received: 0 bytes."
            )
        try:
            return read_encoded(content, self.spec, self.max_pixels)
        except FileFault as fault:
            bands = self.spec.bands
            channels = f"the bands {bands}" if bands else f"{self.channels} channels"
            raise InvalidError(
                "A picture needs the bytes of a complete JPEG or PNG file of at most "
                f"{self.max_pixels:,} pixels{f', with {channels}' if fault.kind == KIND else ''}. "
                f"Received: {len(content)} bytes ({fault.detail})."
            ) from fault

    def _resized_labels(self, segmenter, picture):
        picture, size = fitted(picture, self.size)[np.newaxis], picture.shape[:2]
        if not self.has_scores:
            return resized(segmenter.labels(picture)[0], size, cv2.INTER_NEAREST)
        return labels_at(segmenter.scores(picture)[0], size)


def _classes(segmenter, path) -> int:
    if segmenter.num_classes is None:
        raise ValueError(
            "A server needs a file that tells the number of its classes. "
            f"Received: '{path}', which gives labels without it. Export it with keras_seg."
        )
    return int(segmenter.num_classes)


def labels_at(scores, size):
    """The class with the highest score, from scores that are resized to a size.

    Args:
        scores: float32 (h, w, num_classes).
        size: (height, width).

    Returns:
        Array (height, width): uint8 up to 256 classes, int32 beyond.

    >>> labels_at(np.eye(2, dtype="float32")[[[0, 1]]], (1, 6)).tolist()
    [[0, 0, 0, 1, 1, 1]]
    """
    height, width, num_classes = scores.shape
    if num_classes < 256 and size[0] >= height and size[1] >= width:
        return enlarged_labels(scores, size)
    # One class at a time: all scores of a large picture would need its memory many times over.
    labels = np.zeros(size, "uint8" if num_classes <= 256 else "int32")
    best = np.full(size, -np.inf, np.float32)
    for index, channel in enumerate(np.moveaxis(scores, -1, 0)):
        found = fitted(np.ascontiguousarray(channel)[..., np.newaxis], size)[..., 0]
        labels[found > best] = index
        np.maximum(best, found, out=best)
    return labels
