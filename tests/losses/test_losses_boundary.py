import itertools
import math

import keras
import numpy as np
import pytest

from keras_seg.losses import BoundaryCrossEntropy, SparseCrossEntropy
from keras_seg.losses.boundary import FAR, border_distance


def distances(labels):
    """Squared distance to the nearest midpoint of two neighbors, by trying all of them."""
    borders = []
    for place in np.ndindex(labels.shape):
        for axis in range(labels.ndim):
            step = tuple(int(k == axis) for k in range(labels.ndim))
            other = tuple(np.add(place, step))
            if other[axis] < labels.shape[axis] and 255 not in (labels[place], labels[other]):
                if labels[place] != labels[other]:
                    borders.append(np.add(place, other) / 2)
    squares = [
        min((((place - border) ** 2).sum() for border in borders), default=np.inf)
        for place in (np.array(place) for place in np.ndindex(labels.shape))
    ]
    return np.reshape(squares, labels.shape)


def found_distances(labels, reach):
    counts = (labels != 255).astype("float32")
    return keras.ops.convert_to_numpy(
        border_distance(labels[None].astype("int32"), counts[None], reach)
    )[0]


def test_weights_are_worked_out_by_hand():
    # Class 0 0 1: the border lies between the last two. d = 1.5, 0.5, 0.5, (2 d)^2 = 9, 1, 1.
    labels = np.array([[[0, 0, 1]]], "uint8")
    weights = [1 + 10 * math.exp(-x / (2 * 5**2)) for x in (9, 1, 1)]
    # Cross-entropies ln(4/3), ln 2, ln 4.
    logits = np.array([[[[math.log(3), 0], [0, 0], [math.log(3), 0]]]], "float32")
    expected = np.average([math.log(4 / 3), math.log(2), math.log(4)], weights=weights)
    assert float(BoundaryCrossEntropy(2)(labels, logits)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("shape", [(12, 15), (1, 9), (5, 6, 7)])
def test_distances_equal_those_found_by_trying_all_borders(shape):
    random = np.random.default_rng(3)
    labels = np.where(random.random(shape) < 0.05, 1, 0).astype("uint8")
    labels[random.random(shape) < 0.1] = 255
    labels[..., -1] = 2
    expected = distances(labels)
    found = found_distances(labels, reach=16)  # Reaches across the whole picture.
    np.testing.assert_allclose(np.minimum(found, FAR), np.minimum(expected, FAR), rtol=1e-6)


def test_distances_are_exact_within_reach():
    labels = np.zeros((20, 20), "uint8")
    labels[3, 4] = 1
    expected, found = distances(labels), found_distances(labels, reach=4)
    near = expected <= 4**2
    np.testing.assert_allclose(found[near], expected[near])
    assert (found[~near] >= expected[~near]).all()


def test_loss_follows_the_formula_of_u_net():
    random = np.random.default_rng(4)
    labels = np.kron(random.integers(0, 3, (2, 3, 3)), np.ones((4, 4), int)).astype("uint8")
    labels[1, :3] = 255
    logits = random.normal(size=(2, 12, 12, 3)).astype("float32")
    power = np.exp(logits.astype("float64"))
    softmax = power / power.sum(-1, keepdims=True)
    class_weights, w0, sigma = [1.0, 2.0, 0.5], 4.0, 3.0
    losses, weights = [], []
    for picture, p in zip(labels, softmax, strict=True):
        squared = distances(picture)
        for i, j in itertools.product(range(12), repeat=2):
            if picture[i, j] != 255:
                losses.append(-math.log(p[i, j, picture[i, j]]))
                border = math.exp(-((2 * math.sqrt(squared[i, j])) ** 2) / (2 * sigma**2))
                weights.append(class_weights[picture[i, j]] + w0 * border)
    loss = BoundaryCrossEntropy(3, border_weight=w0, sigma=sigma, class_weights=class_weights)
    assert float(loss(labels, logits)) == pytest.approx(
        np.average(losses, weights=weights), rel=1e-5
    )


def test_without_borders_it_is_cross_entropy():
    random = np.random.default_rng(5)
    labels = np.full((1, 6, 6), 1, "uint8")
    labels[0, :, 3] = 255  # Ignored pixels make no border.
    logits = random.normal(size=(1, 6, 6, 2)).astype("float32")
    expected = float(SparseCrossEntropy(2)(labels, logits))
    assert float(BoundaryCrossEntropy(2)(labels, logits)) == pytest.approx(expected, rel=1e-6)
    zero = BoundaryCrossEntropy(2, border_weight=0)
    labels[0, 0, 0] = 0
    expected = float(SparseCrossEntropy(2)(labels, logits))
    assert float(zero(labels, logits)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"border_weight": -1}, "border_weight to be a finite number of at least 0"),
        ({"sigma": 0}, "needs sigma above 0 pixels"),
    ],
)
def test_arguments_out_of_range_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        BoundaryCrossEntropy(2, **options)
