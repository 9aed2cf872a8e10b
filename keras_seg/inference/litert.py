"""Segmenters and classifiers that run a .tflite file, without Keras or TensorFlow."""

import dataclasses
from typing import Any

import numpy as np

from keras_seg.inference.enlarged import enlarged_labels
from keras_seg.inference.headless import headless
from keras_seg.inference.interpreter import Interpreter, invoked


class LiteRTSegmenter(Interpreter):
    """Segments pictures with a .tflite file, without Keras or TensorFlow.

    Pictures are uint8 pixels 0..255 of the file's size, whatever the file's precision. It is not
    thread-safe: create one for each thread. If the file ends with a bilinear enlargement of its
    scores, `labels` replaces it by `keras_seg.inference.enlarged`: the same labels in a fraction of
    the time, and in 8 bits slightly more accurate ones, since enlarged scores are not rounded.

    Args:
        path: .tflite file with one input (1, h, w, c) and one output (1, h, w, num_classes), or its
            content as bytes.
        num_threads: threads that LiteRT uses.

    Attributes:
        size: (height, width) of the pictures it takes.
        num_channels: channels of a picture.
        num_classes: number of classes.
        has_scores: whether the file gives scores, not labels only.
        class_names: names in the order of ids, or None if the file does not contain them.
        palette: colors (r, g, b) in the order of ids, or None.
        input_spec: how files are converted to pixels.

    Raises:
        ValueError: if there is no such file, it is damaged, or it has other inputs or outputs.

    >>> segmenter = LiteRTSegmenter("model_int8.tflite")  # doctest: +SKIP
    >>> segmenter(picture).shape  # doctest: +SKIP
    (360, 480)
    """

    _scores_axes = 4
    _wanted = "(1, h, w, num_classes)"
    _small: Any = None

    def labels(self, pictures):
        """Label maps of a batch.

        Args:
            pictures: uint8 (b, h, w, c).

        Returns:
            Array (b, h, w) of class ids: uint8 up to 256 classes, int32 beyond.

        Raises:
            ValueError: if the pictures have another size or dtype.
        """
        if self._small is None:
            self._small = self._without_enlargement()
        if not self._small:
            return super().labels(pictures)
        interpreter, align_corners = self._small
        return np.stack([
            enlarged_labels(invoked(interpreter, pixels)[0], self.size, align_corners)
            for pixels in self._pixels(pictures)
        ])  # fmt: skip

    def _without_enlargement(self):
        """An interpreter that ends with small scores, and how to enlarge them; () if there is none.

        The label maps of `enlarged_labels` hold at most 255 classes.
        """
        from ai_edge_litert import interpreter as litert

        many = not self.has_scores or (self.num_classes or 0) > 255
        small = None if many or self._runners else headless(self._content)
        if small is None:
            return ()
        interpreter = litert.Interpreter(model_content=small.content, num_threads=self._num_threads)
        interpreter.allocate_tensors()
        return interpreter, small.align_corners

    def __call__(self, picture):
        """Label map of one picture.

        Args:
            picture: path of a picture of the file's size, read as in training; or array uint8 (h,
                w, c), or (h, w) for one channel.

        Returns:
            Array (h, w) of class ids.

        Raises:
            ValueError: if the picture has another size or dtype, or cannot be read.
        """
        return self.labels(self._read(picture, self.input_spec)[np.newaxis])[0]


class LiteRTClassifier(Interpreter):
    """Classifies pictures with a .tflite file, without Keras or TensorFlow.

    As `LiteRTSegmenter`, for files that give one row of scores per picture.

    Args:
        path: .tflite file with one input (1, h, w, c) and one output (1, num_classes).
        num_threads: threads that LiteRT uses.

    Raises:
        ValueError: there is no such file, it is damaged, or it is of another kind.

    >>> classifier = LiteRTClassifier("model_int8.tflite")  # doctest: +SKIP
    >>> classifier.class_names[classifier("cat.jpg")]  # doctest: +SKIP
    'cat'
    """

    _scores_axes = 2
    _wanted = "(1, num_classes)"

    def __call__(self, picture):
        """Class id of one picture.

        Args:
            picture: path of a picture, read as in training and resized to cover the file's size; or
                array uint8 (h, w, c) of the file's size, or (h, w) for one channel.

        Returns:
            int.

        Raises:
            ValueError: another size or dtype than the file's, or no picture.
        """
        spec = dataclasses.replace(self.input_spec, size=self.size)
        return int(self.labels(self._read(picture, spec)[np.newaxis])[0])
