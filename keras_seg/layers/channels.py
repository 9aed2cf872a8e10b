"""Layers on the channels of a map: selection, padding, local response normalization."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("keras_seg")
class SelectChannels(keras.layers.Layer):
    """Selects channels of a map by index, in any order and with repetitions.

    Args:
        channels: numbers of the channels, from 0.
        **kwargs: arguments of every Keras layer.

    Call arguments:
        inputs: float (b, h, w, c).

    Returns:
        Tensor (b, h, w, len(channels)).

    >>> x = keras.ops.reshape(keras.ops.arange(3.0), (1, 1, 1, 3))
    >>> keras.ops.convert_to_numpy(SelectChannels([2, 0, 2])(x)).ravel().tolist()
    [2.0, 0.0, 2.0]
    """

    def __init__(self, channels, **kwargs):
        super().__init__(**kwargs)
        self.channels = list(channels)

    def call(self, inputs):
        return ops.take(inputs, self.channels, axis=-1)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], len(self.channels))

    def get_config(self):
        return {**super().get_config(), "channels": self.channels}


@keras.saving.register_keras_serializable("keras_seg")
class PadChannels(keras.layers.Layer):
    """Appends channels of zeros to a map.

    Args:
        count: number of channels to add.
        **kwargs: arguments of every Keras layer.

    Call arguments:
        inputs: float (b, h, w, c).

    Returns:
        Tensor (b, h, w, c + count).

    >>> keras.ops.convert_to_numpy(PadChannels(2)(keras.ops.ones((1, 1, 1, 1)))).ravel().tolist()
    [1.0, 0.0, 0.0]
    """

    def __init__(self, count, **kwargs):
        super().__init__(**kwargs)
        self.count = count

    def call(self, inputs):
        return ops.pad(inputs, ((0, 0), (0, 0), (0, 0), (0, self.count)))

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], input_shape[-1] + self.count)

    def get_config(self):
        return {**super().get_config(), "count": self.count}


@keras.saving.register_keras_serializable("keras_seg")
class LocalResponseNormalization(keras.layers.Layer):
    """Divides each value by a power of the sum of squares over neighboring channels.

    x / (bias + alpha * (sum of squares over `depth` channels)) ** beta, as in A. Krizhevsky et
    al.: ImageNet Classification with Deep Convolutional Neural Networks, section 3.3. In Caffe
    and PyTorch, alpha is divided by the depth first.

    Args:
        depth: number of channels in a sum, odd; the channel itself is in the middle.
        bias: constant added to the sum, k in the paper.
        alpha: factor of the sum.
        beta: exponent.
        **kwargs: arguments of every Keras layer.

    Call arguments:
        inputs: float (b, h, w, c).

    Returns:
        Tensor of the input's shape.

    >>> x = keras.ops.ones((1, 1, 1, 4))
    >>> layer = LocalResponseNormalization(depth=3, bias=1, alpha=1, beta=1)
    >>> [round(float(v), 2) for v in layer(x)[0, 0, 0]]  # 1 / 3, 1 / 4, 1 / 4, 1 / 3
    [0.33, 0.25, 0.25, 0.33]
    """

    def __init__(self, depth=5, bias=2.0, alpha=1e-4, beta=0.75, **kwargs):
        super().__init__(**kwargs)
        self.depth, self.bias, self.alpha, self.beta = depth, bias, alpha, beta

    def call(self, inputs):
        channels, side = inputs.shape[-1], self.depth // 2
        # Squares of large values would leave the range of 16 bits.
        x = ops.cast(inputs, "float32")
        # Products and exponentials: LiteRT has no squares and powers in 8 bits.
        squares = ops.pad(x * x, ((0, 0), (0, 0), (0, 0), (side, side)))
        total = squares[..., :channels]
        for shift in range(1, self.depth):
            total = total + squares[..., shift : shift + channels]
        factor = ops.exp(-self.beta * ops.log(self.bias + self.alpha * total))
        return ops.cast(x * factor, inputs.dtype)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        own = {key: getattr(self, key) for key in ("depth", "bias", "alpha", "beta")}
        return {**super().get_config(), **own}
