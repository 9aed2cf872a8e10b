"""Frames and their labels, while decoding, network and drawing work at the same time."""

import time
import weakref
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from keras_seg import _check
from keras_seg.inference.engines import sharing
from keras_seg.inference.frames import frames
from keras_seg.inference.pipeline import Pipeline
from keras_seg.show import overlay

NUM_TIMED = 30  # results that the rate is the mean of


class Frame(NamedTuple):
    """A frame with what was found in it.

    Attributes:
        index: number of the frame in its source, from 0.
        image: uint8 (h, w, c).
        labels: uint8 class ids (h, w).
        overlay: uint8 (h, w, 3), the image with the classes in color, or None if not asked for.
    """

    index: int
    image: np.ndarray
    labels: np.ndarray
    overlay: np.ndarray | None = None


class Stream(Iterator):
    """Iterate over the frames of a source with their labels.

    Reading, network and drawing each have a thread of their own, with at most two frames waiting
    between them: the rate is that of the slowest of them. A network on LiteRT has a thread for each
    core, up to four, and computes a frame in each. No frame is left out and the order is
    kept, unless `drop="latest"`. Errors of any of them are raised where the frames are read. Leave
    the `with` block or call `close()` to stop early.

    Args:
        segmenter: a `Segmenter`, or an object with its interface.
        source: path of a video; folder of pictures; number of a camera; address of a network
            camera; or any iterable of pictures, see `keras_seg.inference.frames`.
        drop: None to segment each frame, or "latest" to skip those that arrive while the network
            is busy, and results that were not read before the next one, for cameras: each result
            then belongs to the newest frame.
        smoothing: share, 0 up to but not 1, that the probabilities of earlier frames have in those
            of a frame; 0 for none. Flickering decreases, and borders lag behind what moves.
        draw: whether frames have an overlay.

    Attributes:
        rate: frames per second, the mean of the last 30 frames.
        dropped: number of frames that were skipped.

    Raises:
        ValueError: an argument is out of its range, or the source cannot be read.
        TypeError: the segmenter or the source is of another type.

    >>> import keras
    >>> from keras_seg import Segmenter
    >>> model = keras.Sequential([keras.Input((None, None, 3)), keras.layers.Conv2D(4, 1)])
    >>> pictures = [np.zeros((40, 60, 3), "uint8")] * 3
    >>> with Stream(Segmenter(model), pictures) as found:
    ...     [(frame.index, frame.labels.shape) for frame in found]
    [(0, (40, 60)), (1, (40, 60)), (2, (40, 60))]
    """

    def __init__(
        self,
        segmenter,
        source,
        *,
        drop: str | None = None,
        smoothing: float = 0.0,
        draw: bool = False,
    ):
        if not hasattr(segmenter, "workers"):
            raise TypeError(
                "`stream` needs a Segmenter, or an object with its interface. "
                f"Received: {type(segmenter).__name__}. Pass Segmenter(model), for example."
            )
        if segmenter.dimensions != 2:
            raise ValueError(
                "`stream` needs a network of pictures. Received: a network of volumes. "
                "Call the segmenter for each volume."
            )
        if drop is not None:
            _check.one_of("drop of `stream`", "drop", drop, ("latest",))
        _check.share("stream", "smoothing", smoothing)
        self._times: deque[float] = deque(maxlen=NUM_TIMED + 1)
        pictures = map(segmenter.read, frames(source))
        if not isinstance(source, str | Path | int):
            # Copies: the source may draw the next frame into the same array.
            pictures = map(np.array, pictures)
        # Smoothing needs the frame before; "latest" the shortest time from a frame to its result.
        workers = 1 if smoothing or drop else segmenter.workers
        steps = _Steps(segmenter, smoothing, draw, workers)
        stages = [(steps.segmented, workers), steps.drawn]
        self._results = Pipeline(enumerate(pictures), stages, latest=drop == "latest")
        # The threads know nothing of this object: where it is left behind in the middle, as by
        # `break`, they stop.
        weakref.finalize(self, self._results.stop)

    def __next__(self) -> Frame:
        frame = next(self._results)
        self._times.append(time.perf_counter())
        return frame

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self) -> None:
        """Stop reading, and release the video or camera."""
        self._results.close()

    @property
    def rate(self) -> float:
        """Frames per second, the mean of the last 30; 0 before the second frame."""
        if len(self._times) < 2:
            return 0.0
        return (len(self._times) - 1) / max(self._times[-1] - self._times[0], 1e-9)

    @property
    def dropped(self) -> int:
        """Number of frames that were skipped."""
        return self._results.dropped


class _Steps:
    """What is done with each frame."""

    def __init__(self, segmenter, smoothing: float, draw: bool, workers: int):
        self._segmenter, self._smoothing = segmenter, smoothing
        self._draw, self._workers = draw, workers
        self._mean: np.ndarray | None = None

    def segmented(self, numbered) -> Frame:
        index, image = numbered
        if not self._smoothing:
            with sharing(self._workers):
                return Frame(index, image, self._segmenter(image))
        found = self._segmenter.probabilities(image)
        if self._mean is not None and self._mean.shape == found.shape:
            found = self._smoothing * self._mean + (1 - self._smoothing) * found
        self._mean = found
        return Frame(index, image, found.argmax(axis=-1).astype(np.uint8))

    def drawn(self, frame: Frame) -> Frame:
        if not self._draw:
            return frame
        drawn = overlay(frame.image, frame.labels, self._segmenter.palette)
        return frame._replace(overlay=drawn)
