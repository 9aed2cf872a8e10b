"""A .tflite file without its last enlargement: smaller scores, the same labels."""

import keras
import numpy as np
import pytest

from keras_seg.inference.conversion import converted
from keras_seg.inference.enlarged import enlarged_labels
from keras_seg.inference.headless import headless
from keras_seg.inference.litert import LiteRTSegmenter
from keras_seg.layers import ResizeLike

pytest.importorskip("tensorflow")


def content(stride, resize):
    """A file of scores at a part of the size, enlarged at the end."""
    keras.utils.set_random_seed(0)
    image = keras.Input((48, 64, 3))
    small = keras.layers.Conv2D(4, stride, strides=stride)(image)
    return converted(keras.Model(image, resize([small, image])), (48, 64))


@pytest.mark.parametrize("align_corners", [False, True])
def test_scores_are_those_before_the_enlargement(align_corners):
    whole = content(8, ResizeLike(align_corners=align_corners))
    small = headless(whole)
    assert small.align_corners == align_corners
    assert len(small.content) <= len(whole) + 256
    pictures = np.random.default_rng(0).integers(0, 256, (1, 48, 64, 3), "uint8")
    scores = LiteRTSegmenter(small.content).scores(pictures)
    assert scores.shape == (1, 6, 8, 4)  # 48 / 8 and 64 / 8
    segmenter = LiteRTSegmenter(whole)
    expected = segmenter.scores(pictures)[0].argmax(axis=-1)
    for found in (
        enlarged_labels(scores[0], (48, 64), align_corners), segmenter.labels(pictures)[0],
    ):  # fmt: skip
        assert (found == expected).mean() > 0.999


@pytest.mark.parametrize(
    ("stride", "resize"),
    [(2, ResizeLike()), (8, ResizeLike("nearest")), (1, lambda maps: maps[0])],
)
def test_other_files_keep_their_scores(stride, resize):
    whole = content(stride, resize)
    assert headless(whole) is None
    pictures = np.random.default_rng(0).integers(0, 256, (2, 48, 64, 3), "uint8")
    segmenter = LiteRTSegmenter(whole)
    expected = segmenter.scores(pictures).argmax(axis=-1)
    np.testing.assert_array_equal(segmenter.labels(pictures), expected)
