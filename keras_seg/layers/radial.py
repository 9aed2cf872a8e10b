"""An output layer that compares vectors with fixed codes."""

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable("keras_seg")
class RadialBasis(keras.layers.Layer):
    """Euclidean radial basis functions: squared distances from a vector to the code of each class.

    The codes consist of -1 and +1, are drawn from a fixed seed, and are not trained.

    Y. LeCun et al.: Gradient-Based Learning Applied to Document Recognition, 1998, section II.B.

    Args:
        num_classes: number of codes.
        **kwargs: arguments of every Keras layer.

    Call arguments:
        inputs: float (b, n).

    Returns:
        Tensor (b, num_classes): minus the squared distances, so that the nearest code has the
        largest value.

    >>> layer = RadialBasis(2)
    >>> layer.build((None, 8))
    >>> code = keras.ops.transpose(layer.codes)[:1]
    >>> float(layer(-code)[0, 0])  # 8 differences of 2
    -32.0
    """

    def __init__(self, num_classes, **kwargs):
        super().__init__(**kwargs)
        self.num_classes = num_classes

    def build(self, input_shape):
        self.codes = self.add_weight(
            shape=(input_shape[-1], self.num_classes),
            initializer=_codes,
            trainable=False,
            name="codes",
        )

    def call(self, inputs):
        codes = ops.cast(self.codes, inputs.dtype)
        inputs = inputs[:, :, None]
        # The minus is in one of the factors: LiteRT has no negation in 8 bits.
        return ops.sum((inputs - codes) * (codes - inputs), axis=1)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.num_classes)

    def get_config(self):
        return {**super().get_config(), "num_classes": self.num_classes}


def _codes(shape, dtype=None):
    """-1 and +1 with equal probability; those of a class do not depend on how many there are."""
    inputs, classes = shape
    # RandomState draws the same numbers with every version of NumPy.
    drawn = np.random.RandomState(5).randint(0, 2, (classes, inputs))
    return ops.convert_to_tensor(2.0 * drawn.T - 1.0, dtype=dtype)
