"""What takes the place of TensorFlow Addons computes the same; reference/addons.py wrote that."""

import math
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_seg import callbacks, layers, losses
from keras_seg.metrics import confusion_matrix
from keras_seg.scores import Scores
from pipelines import ops
from pipelines.ops.sampling import project

ADDONS = dict(np.load(Path(__file__).parent / "reference" / "addons.npz"))


def test_focal_loss_of_two_classes_is_that_of_one_sigmoid():
    """The softmax of the logits (0, z) is (1 - s, s) with the sigmoid s of z."""
    z, labels = ADDONS["focal_logits"], ADDONS["focal_labels"]
    logits = np.stack([np.zeros_like(z), z], axis=-1)
    loss = losses.FocalLoss(num_classes=2, gamma=2.0)
    assert float(loss(labels, logits)) == pytest.approx(ADDONS["focal_plain"].mean(), rel=1e-5)
    # alpha weighs the positives by 0.25, the negatives by 0.75; ours divides by the weights.
    loss = losses.FocalLoss(num_classes=2, gamma=2.0, class_weights=[0.75, 0.25])
    expected = ADDONS["focal_weighted"].sum() / np.where(labels, 0.25, 0.75).sum()
    assert float(loss(labels, logits)) == pytest.approx(expected, rel=1e-5)


def test_unpooling_puts_values_where_the_maxima_were():
    x = keras.ops.convert_to_tensor(ADDONS["map"])
    pooled, indices = keras.ops.max_pool(x, 2), layers.MaxPoolingIndices2D()(x)
    found = layers.MaxUnpooling2D()([2 * pooled, indices, x])
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(found), ADDONS["unpooled"])


def test_adaptive_pooling_averages_the_same_cells():
    found = layers.AdaptiveAveragePooling2D(3)(ADDONS["map"])
    np.testing.assert_allclose(keras.ops.convert_to_numpy(found), ADDONS["adaptive"], atol=1e-6)


def moved(matrix):
    example = {"image": ADDONS["image"], "label": ADDONS["mask"], "seed": (0, 0)}
    found = project(example, np.array(matrix, "float32"))
    return found["image"].numpy().astype(int), found["label"].numpy()


@pytest.mark.parametrize(("name", "angle"), [("turned_little", 0.2), ("turned_far", -1.3)])
def test_rotations_sample_the_same_pixels(name, angle):
    cos, sin = math.cos(angle), math.sin(angle)
    image, label = moved([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    inside = ADDONS[f"{name}_mask"] > 0  # Its rim is 0, ours 255 and gray.
    np.testing.assert_array_equal(label, np.where(inside, ADDONS[f"{name}_mask"], 255))
    assert np.abs(image - ADDONS[f"{name}_image"])[inside].max() <= 0.51  # Ours are whole numbers.
    assert (image[~inside] == 128).all()


def test_shifts_sample_the_same_pixels():
    image, _ = moved([[1, 0, -3.5], [0, 1, 2.25], [0, 0, 1]])
    inner = np.s_[:12, 5:]  # 2.25 rows from below are missing, and 3.5 columns at the left.
    assert np.abs(image - ADDONS["shifted_image"])[inner].max() <= 0.51
    _, label = moved([[1, 0, -3], [0, 1, 2], [0, 0, 1]])
    inside = ADDONS["shifted_mask"] > 0
    assert inside.sum() == (15 - 2) * (20 - 3)
    np.testing.assert_array_equal(label, np.where(inside, ADDONS["shifted_mask"], 255))


def test_gaussian_blur_has_the_same_weights():
    blur = ops.gaussian_blur(low=1.5, high=1.5, probability=1.0)
    found = blur({"image": ADDONS["image"], "label": ADDONS["mask"], "seed": (0, 0)})["image"]
    inner = np.s_[6:-6, 6:-6]  # Borders are zeros there, repeated pixels here.
    assert np.abs(found.numpy()[inner] - ADDONS["blurred"][inner]).max() <= 1


def trained(optimizer, step=lambda number, variable: None):
    variable = keras.Variable(ADDONS["start"])
    optimizer.build([variable])
    for number, gradient in enumerate(ADDONS["gradients"], start=1):
        optimizer.apply([keras.ops.convert_to_tensor(gradient)], [variable])
        step(number, keras.ops.convert_to_numpy(variable.value))
    return variable


def test_adamw_is_that_of_keras_with_the_learning_rate_in_the_decay():
    variable = trained(keras.optimizers.AdamW(0.01, weight_decay=0.3))
    np.testing.assert_allclose(np.array(variable.value), ADDONS["adamw"], atol=2e-6)


def test_moving_average_is_ema_of_keras_up_to_its_start():
    """It starts from the weights before the first step, 0.1 * g away from those after it."""
    optimizer = keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.8)
    variable = trained(optimizer)
    optimizer.finalize_variable_values([variable])
    first = 0.8**6 * 0.1 * ADDONS["gradients"][0]
    np.testing.assert_allclose(np.array(variable.value) + first, ADDONS["average"], atol=1e-6)


def test_stochastic_weight_average_is_the_mean_of_the_same_weights():
    image = keras.Input((7,))
    model = keras.Model(image, keras.layers.Dense(1, use_bias=False)(image))
    average = callbacks.StochasticWeightAverage(first_epoch=2)
    average.set_model(model)
    seen = {}
    trained(keras.optimizers.SGD(0.1), lambda number, value: seen.update({number: value}))
    for number, value in seen.items():  # One step is an epoch here.
        model.set_weights([value[:, None]])
        average.on_epoch_end(number - 1)
    np.testing.assert_allclose(model.get_weights()[0][:, 0], ADDONS["swa"], atol=1e-6)


def test_f1_is_the_dice_of_each_class():
    counts = confusion_matrix(ADDONS["f1_labels"], ADDONS["f1_predictions"], num_classes=4)
    found = Scores(np.array(counts), ["a", "b", "c", "d"]).dice
    np.testing.assert_allclose(found, ADDONS["f1"], atol=1e-6)
