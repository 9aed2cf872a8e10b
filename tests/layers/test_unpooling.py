"""Indices of max pooling and unpooling by them."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_seg.layers import MaxPoolingIndices2D, MaxUnpooling2D

SIZES = [(4, 6), (5, 7), (1, 1), (2, 3)]


def maps(height, width, kind):
    random = np.random.default_rng(0)
    shape = (2, height, width, 3)
    # Two values make ties in most blocks; a map of one value, in all.
    return {
        "different": random.normal(size=shape),
        "ties": random.integers(0, 2, shape),
        "equal": np.full(shape, -7.0),
    }[kind].astype("float32")


def by_hand(x):
    """Pooled values, indices and the unpooled map, pixel by pixel."""
    batch, height, width, channels = x.shape
    small = (batch, -(-height // 2), -(-width // 2), channels)
    pooled, indices, sparse = np.zeros(small), np.zeros(small, int), np.zeros(x.shape)
    for b, i, j, c in np.ndindex(small):
        block = x[b, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2, c]
        row, column = np.unravel_index(block.argmax(), block.shape)  # the first one
        pooled[b, i, j, c], indices[b, i, j, c] = block.max(), 2 * row + column
        sparse[b, 2 * i + row, 2 * j + column, c] = block.max()
    return pooled, indices, sparse


@pytest.mark.parametrize("kind", ["different", "ties", "equal"])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_each_maximum_goes_back_to_the_first_place_where_it_was(size, kind):
    x = maps(*size, kind)
    pooled, expected, sparse = by_hand(x)
    indices = MaxPoolingIndices2D()(x)
    assert keras.backend.standardize_dtype(indices.dtype) == "int32"
    np.testing.assert_array_equal(indices, expected)
    np.testing.assert_array_equal(MaxUnpooling2D()([pooled.astype("float32"), indices, x]), sparse)
    np.testing.assert_array_equal(keras.layers.MaxPooling2D(2, padding="same")(x), pooled)


def test_indices_are_those_of_tensorflow_where_sizes_are_even():
    x = maps(4, 6, "different")
    _, flat = tf.nn.max_pool_with_argmax(x, 2, 2, "VALID")
    rows, columns = flat.numpy() // 3 // 6, flat.numpy() // 3 % 6
    np.testing.assert_array_equal(MaxPoolingIndices2D()(x), 2 * (rows % 2) + columns % 2)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_both_work_while_sizes_are_unknown(size):
    def both(x):
        pooled = keras.layers.MaxPooling2D(2, padding="same")(x)
        return MaxUnpooling2D()([pooled, MaxPoolingIndices2D()(x), x])

    function = tf.function(both, input_signature=[tf.TensorSpec((None, None, None, 3))])
    x = maps(*size, "ties")
    np.testing.assert_array_equal(function(x), by_hand(x)[2])


def test_the_gradient_goes_to_the_values_that_were_put_back():
    x = tf.constant(maps(5, 7, "different"))
    pooled, _, sparse = by_hand(x.numpy())
    values = tf.constant(pooled, "float32")
    with tf.GradientTape() as tape:
        tape.watch(values)
        found = MaxUnpooling2D()([values, MaxPoolingIndices2D()(x), x])
        loss = tf.reduce_sum(found * tf.constant(sparse, "float32"))
    np.testing.assert_allclose(tape.gradient(loss, values), pooled, rtol=1e-6)


def test_both_are_saved_with_their_shapes(tmp_path):
    image = keras.Input((None, 7, 2))
    indices = MaxPoolingIndices2D(name="indices")(image)
    pooled = keras.layers.MaxPooling2D(2, padding="same", name="pool")(image)
    model = keras.Model(image, MaxUnpooling2D(name="unpool")([pooled, indices, image]))
    assert (indices.shape, indices.dtype) == ((None, None, 4, 2), "int32")
    assert model.output_shape == (None, None, 7, 2)
    model.save(tmp_path / "model.keras")
    x = np.random.default_rng(0).normal(size=(1, 5, 7, 2)).astype("float32")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(model(x), again(x))
