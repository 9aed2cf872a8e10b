"""U-Net's weights between cells, against equation 2 computed pixel by pixel."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from _training import tiny

import keras_seg
import pipelines
from keras_seg import losses
from pipelines.object_borders import connected_areas

CELLS = np.array(
    [
        [1, 1, 0, 0, 0, 0, 0],
        [1, 1, 0, 2, 2, 2, 2],
        [1, 1, 0, 2, 2, 2, 2],
        [1, 1, 0, 2, 2, 2, 2],
        [0, 0, 0, 0, 3, 3, 0],
        [0, 0, 0, 0, 3, 3, 0],
    ]
)


def by_formula(cells, class_weight, w0, sigma):
    """Equation 2 for one pixel after the other."""
    height, width = cells.shape
    borders = {}
    for y, x in np.argwhere(cells > 0):
        around = [(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)]
        inside = [(i, j) for i, j in around if 0 <= i < height and 0 <= j < width]
        if any(cells[i, j] != cells[y, x] for i, j in inside):
            borders.setdefault(cells[y, x], []).append((y, x))
    found = np.array(class_weight, float)
    for y, x in np.ndindex(cells.shape):
        distances = [min(np.hypot(y - i, x - j) for i, j in b) for b in borders.values()]
        if len(distances) > 1:
            d1, d2 = sorted(distances)[:2]
            found[y, x] += w0 * np.exp(-((d1 + d2) ** 2) / (2 * sigma**2))
    return found


@pytest.mark.parametrize(("w0", "sigma"), [(10.0, 5.0), (4.0, 1.5)])
def test_weights_are_those_of_the_formula(w0, sigma):
    label = (CELLS > 0).astype("uint8")
    found = pipelines.touching_weights(label, CELLS, w0, sigma, class_weights=[0.5, 2.0])
    assert found.dtype == np.float32
    expected = by_formula(CELLS, np.where(label, 2.0, 0.5), w0, sigma)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    # Cells 2 and 3 touch: both have a border at distance 0 and 1 there.
    assert found[3, 4] == pytest.approx(2 + w0 * np.exp(-1 / (2 * sigma**2)), rel=1e-5)


def test_areas_connected_by_sides_are_the_cells():
    label = np.array([[1, 0, 2, 2], [0, 1, 2, 255], [1, 1, 0, 1]], "uint8")
    # The first pixel touches the second area at a corner only.
    assert connected_areas(label).tolist() == [[1, 0, 4, 4], [0, 2, 4, 0], [2, 2, 0, 3]]
    cells = connected_areas(label)
    found = pipelines.touching_weights(label)
    np.testing.assert_allclose(found, by_formula(cells, np.ones(label.shape), 10, 5), rtol=1e-5)


def test_a_single_cell_has_no_gap():
    label = np.zeros((4, 5), "uint8")
    np.testing.assert_array_equal(pipelines.touching_weights(label), np.ones((4, 5)))
    label[1:3, 2:] = 1
    np.testing.assert_array_equal(pipelines.touching_weights(label), np.ones((4, 5)))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"label": np.zeros((2, 3))}, r"needs integer label .*Received: label float64 \(2, 3\)"),
        ({"label": np.zeros((1, 2, 3), int)}, r"label int64 \(1, 2, 3\).*one picture at a time"),
        ({"objects": np.zeros((3, 2), int)}, r"objects int64 \(3, 2\)"),
        ({"sigma": 0}, r"sigma above 0 pixels\. Received: w0=10\.0, sigma=0\."),
        ({"w0": -1}, r"needs w0 from 0 .*Received: w0=-1"),
        ({"class_weights": [1.0]}, r"class_weights with 1 numbers, and .* class 1\."),
    ],
    ids=str,
)
def test_what_is_out_of_range_is_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        pipelines.touching_weights(**{"label": np.array([[0, 1, 0], [0, 0, 1]]), **arguments})


@pytest.mark.parametrize("name", ["cross_entropy", "focal", "boundary"])
def test_weights_of_pixels_weigh_the_mean(name):
    labels = np.array([[[0, 1, 255, 1]]])
    logits = np.array([[[[2, 0], [1, 0], [5, 5], [0, 3]]]], "float32")
    loss = losses.build(name, 2)
    alone = [float(loss(np.where(np.arange(4) == i, labels, 255), logits)) for i in (0, 1, 3)]
    own = np.ones(3)
    if name == "boundary":
        # Half a pixel from a border: 1 + 10 exp(-1 / 50); the last one, behind a gap, has none.
        own[:2] += 10 * np.exp(-1 / 50)
        assert own[2] == 1
    weights = np.array([[[2.0, 0.5, 7.0, 0.0]]], "float32")
    found = float(loss(labels, logits, sample_weight=weights))
    total = own * [2.0, 0.5, 0.0]
    assert found == pytest.approx((np.array(alone) * total).sum() / total.sum(), rel=1e-5)


def test_weights_of_other_shapes_are_refused():
    loss = losses.SparseCrossEntropy(2)
    labels, logits = np.zeros((2, 4, 4), int), np.zeros((2, 4, 4, 2), "float32")
    with pytest.raises(ValueError, match=r"one weight for each pixel.*sample_weight \(2,\) for"):
        loss(labels, logits, sample_weight=np.ones(2))


def batches(weight):
    """Two pictures whose left half is black and their right half white; both halves are class 0."""
    images = np.zeros((2, 32, 32, 3), "uint8")
    images[:, :, 16:] = 255
    labels = np.zeros((2, 32, 32), "uint8")
    labels[:, :, 16:] = 1
    weights = np.ones((2, 32, 32), "float32")
    weights[:, :, 16:] = weight
    return tf.data.Dataset.from_tensor_slices((images, labels, weights)).batch(2)


@pytest.mark.long
@pytest.mark.parametrize("auxiliary", [False, True])
def test_fit_takes_weights_of_pixels(auxiliary, tmp_path):
    changes = {"epochs": 1, "averaging": 0, "folder": tmp_path, "class_weights": None}
    found = []
    for weight in (0.0, 1.0):
        keras.utils.set_random_seed(0)
        model = tiny(num_classes=2, auxiliary=auxiliary)
        run = keras_seg.fit(model, (batches(weight), None), **changes)
        found.append(run.history["loss"][0])
    assert np.isfinite(found).all()
    assert found[0] != pytest.approx(found[1], rel=1e-3)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert len(names) == 2  # Other weights are another training.
