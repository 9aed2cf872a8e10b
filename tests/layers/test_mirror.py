"""A mirrored margin."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_seg.layers import MirrorPadding2D


@pytest.mark.parametrize("size", [(5, 9), (3, 2), (32, 1)], ids=str)
def test_it_is_numpys_reflection_however_large_the_margin(size):
    x = np.random.default_rng(0).normal(size=(2, *size, 3)).astype("float32")
    found = np.array(MirrorPadding2D(margin=7, multiple=4, offset=3)(x))
    # The smallest numbers 4n + 3 that hold the size and 14 pixels.
    lengths = [next(n for n in range(3, 99, 4) if n >= side + 14) for side in size]
    around = [(7, n - side - 7) for n, side in zip(lengths, size, strict=True)]
    expected = np.pad(x, [(0, 0), *around, (0, 0)], mode="reflect")
    np.testing.assert_array_equal(found, expected)
    image = keras.Input((None, size[1], 3))
    assert MirrorPadding2D(7, 4, 3)(image).shape == (None, None, lengths[1], 3)


def test_sizes_may_be_unknown_and_the_layer_is_saved(tmp_path):
    image = keras.Input((None, None, 2))
    model = keras.Model(image, MirrorPadding2D(multiple=8, name="pad")(image))
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    function = tf.function(again, input_signature=[tf.TensorSpec((None, None, None, 2))])
    x = np.random.default_rng(0).normal(size=(1, 8, 5, 2)).astype("float32")
    np.testing.assert_array_equal(
        function(x), np.pad(x, [(0, 0)] * 2 + [(0, 3), (0, 0)], "reflect")
    )
