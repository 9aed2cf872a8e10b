"""Labels from small logits: equal to the argmax of the logits enlarged by TensorFlow."""

import cv2
import keras
import numpy as np
import pytest

from keras_seg import Segmenter, models
from keras_seg.inference.enlarged import enlarged_labels
from keras_seg.inference.small_logits import small_logits
from keras_seg.layers import ResizeLike


def labels_of_enlarged(logits, size, align_corners):
    tf = pytest.importorskip("tensorflow")
    enlarged = tf.raw_ops.ResizeBilinear(
        images=logits[np.newaxis], size=size, align_corners=align_corners,
        half_pixel_centers=not align_corners,
    )[0].numpy()  # fmt: skip
    return enlarged.argmax(axis=-1), np.sort(enlarged, axis=-1)


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("smoothing", [0, 2])
@pytest.mark.parametrize(
    ("small", "size", "num_classes"),
    [
        ((3, 4), (24, 32), 5),
        ((5, 7), (37, 51), 3),  # no whole factor
        ((1, 1), (9, 8), 4),
        ((1, 6), (8, 47), 2),
        ((45, 60), (360, 480), 11),
        ((8, 16), (128, 256), 255),
        ((6, 5), (6, 5), 3),  # as large
    ],
)
def test_labels_are_those_of_the_enlarged_logits(
    small, size, num_classes, smoothing, align_corners
):
    logits = np.random.default_rng(0).normal(size=(*small, num_classes)).astype("float32")
    if smoothing:  # larger regions, as networks find them
        planes = [cv2.GaussianBlur(plane, (0, 0), smoothing) for plane in logits.transpose(2, 0, 1)]
        logits = np.stack(planes, axis=-1)
    expected, scores = labels_of_enlarged(logits, size, align_corners)
    found = enlarged_labels(logits, size, align_corners)
    assert (found.shape, found.dtype) == (size, np.uint8)
    # Where the labels differ, the two highest scores are equal to rounding.
    differing = found != expected
    assert differing.mean() < 1e-3
    assert (scores[..., -1] - scores[..., -2])[differing].max(initial=0) < 1e-5


def test_a_class_that_wins_between_the_corners_alone_is_found():
    # At 0.2 of the way the first has 10 * 0.8 = 8 and the third 9; at 0.8 the second likewise.
    logits = np.array([[[10, 0, 9], [0, 10, 9]]], "float32")
    assert enlarged_labels(logits, (1, 10)).tolist() == [[0, 0, 0, 2, 2, 2, 2, 1, 1, 1]]


def test_the_lowest_class_wins_a_tie():
    logits = np.array([[[1, 1, 0], [1, 1, 2]]], "float32")
    # In the middle the third has 1 as well: (0 + 2) / 2.
    assert enlarged_labels(logits, (1, 6)).tolist() == [[0, 0, 0, 2, 2, 2]]


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("contextnet_cn14", (75, 101)),
        pytest.param("contextnet_cn14", (96, 128), marks=pytest.mark.long),
        # pspnet aligns the corners.
        pytest.param("pspnet", (75, 101), marks=pytest.mark.long),
        pytest.param("pspnet", (96, 128), marks=pytest.mark.long),
    ],
)
def test_a_segmenter_uses_small_logits_and_gives_the_labels_of_all(name, size):
    network = models.build(name, (None, None, 3), 5, **models.facts(name).tiny)
    segmenter = Segmenter(network)
    assert segmenter._small is not None
    picture = np.random.default_rng(0).integers(0, 256, (2, *size, 3), "uint8")
    expected = segmenter.logits(picture).argmax(axis=-1)
    assert (segmenter.labels(picture) == expected).mean() > 0.999


def test_a_small_picture_is_padded_and_cut():
    segmenter = Segmenter(models.build("contextnet_cn14", (None, None, 3), 5, width=0.1))
    picture = np.random.default_rng(0).integers(0, 256, (1, 9, 40, 3), "uint8")
    assert (segmenter.labels(picture) == segmenter.logits(picture).argmax(axis=-1)).mean() > 0.999


def test_new_weights_are_used_after_refresh():
    network = models.build("contextnet_cn14", (64, 64, 3), 3, width=0.1)
    segmenter = Segmenter(network)
    picture = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3), "uint8")
    segmenter.labels(picture)
    bias = next(w for w in network.weights if "logits" in w.path and w.path.endswith("bias"))
    bias.assign([0, 0, 1e6])
    segmenter.refresh()
    assert (segmenter.labels(picture) == 2).all()


@pytest.mark.parametrize(
    "resize",
    [ResizeLike("nearest"), keras.layers.UpSampling2D(8)],
)
def test_other_ends_of_a_network_keep_their_logits(resize):
    image = keras.Input((64, 64, 3))
    small = keras.layers.Conv2D(4, 8, strides=8)(image)
    like = isinstance(resize, ResizeLike)
    network = keras.Model(image, resize([small, image]) if like else resize(small))
    assert small_logits(network) is None


def test_logits_at_half_of_the_size_are_enlarged_whole():
    image = keras.Input((64, 64, 3))
    small = keras.layers.Conv2D(4, 2, strides=2)(image)
    assert small_logits(keras.Model(image, ResizeLike()([small, image]))) is None
