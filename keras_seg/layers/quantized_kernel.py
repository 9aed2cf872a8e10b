"""Convolutions and dense layers with kernels of 8 bits."""

import keras
from keras import layers, ops

from keras_seg.layers.fake_quantization import step_of


@keras.saving.register_keras_serializable("keras_seg")
class QuantizedKernel(layers.Wrapper):
    """Computes a convolution or a dense layer with its kernel rounded to 8 bits.

    Each output channel has a scale of its own: its largest absolute weight is 127 steps, the
    smallest value -127. The bias is rounded to products of a step of the input and a step of the
    kernel, which is what a file adds up in 32 bits. Gradients pass the rounding unchanged.

    Except in training, the layer adds up whole numbers as a file does, and rounds the sum to steps
    of the result by the same multiplication in float32 (XNNPACK's, which LiteRT calls).

    Args:
        layer: `Conv2D`, `DepthwiseConv2D`, `Conv2DTranspose` or `Dense`.
        **kwargs: name, dtype and the like, see `keras.layers.Layer`.

    Call arguments:
        inputs: as the layer's.
        bounds: tensor (2,), smallest and largest of the 256 values of the input, see
            `FakeQuantization`; None to leave the bias as it is.
        result: tensor (2,), the same of the result.
        training: whether only kernel and bias are rounded.

    Returns:
        As the layer's.

    >>> layer = QuantizedKernel(layers.Dense(1, kernel_initializer=keras.initializers.Constant(2)))
    >>> keras.ops.convert_to_numpy(layer(keras.ops.ones((1, 3)))).round(4).tolist()
    [[6.0]]
    """

    def call(self, inputs, bounds=None, result=None, training=False):
        weights = rounded_weights(self.layer, bounds)
        if training or bounds is None or result is None:
            return _with_weights(self.layer, weights, inputs)
        step, made = step_of(bounds), step_of(result)
        scale = largest_weights(self.layer, self.layer.weights[0]) / 127.0
        unit = step * scale
        kernel, *bias = weights
        whole = [
            _whole(x) for x in (_by_channel(self.layer, kernel, scale), *(b / unit for b in bias))
        ]
        activation, self.layer.activation = self.layer.activation, keras.activations.linear
        try:
            total = _with_weights(self.layer, whole, _whole(inputs / step))
        finally:
            self.layer.activation = activation
        return activation(_passed(total * unit, ops.round(total * (unit / made)) * made))

    def compute_output_spec(self, inputs, bounds=None, result=None, training=False):
        shape = self.layer.compute_output_shape(inputs.shape)
        return keras.KerasTensor(shape, dtype=self.compute_dtype)


def rounded_weights(layer, bounds=None):
    """A layer's kernel and bias as a file has them.

    Args:
        layer: `keras.layers.Layer` with a kernel, and a bias or none.
        bounds: tensor (2,), smallest and largest of the 256 values of its input, to whose step
            times that of the kernel the bias is rounded; None to leave it as it is.

    Returns:
        list of tensors. Gradients pass the rounding unchanged.

    >>> layer = layers.Dense(1, kernel_initializer="ones", bias_initializer="ones")
    >>> layer.build((None, 2))
    >>> kernel, bias = rounded_weights(layer, keras.ops.array([0.0, 255.0]))  # steps of 1/127
    >>> keras.ops.convert_to_numpy(bias).tolist()
    [1.0]
    """
    kernel, *bias = layer.weights
    if bounds is not None:
        unit = step_of(bounds) * (largest_weights(layer, kernel) / 127.0)
        bias = [_passed(x, ops.round(x / unit) * unit) for x in bias]
    return [rounded_kernel(layer, kernel), *bias]


def rounded_kernel(layer, kernel):
    """A kernel rounded to 8 bits with a scale for each output channel.

    Args:
        layer: the `keras.layers.Layer` that it belongs to.
        kernel: tensor or variable of its shape.

    Returns:
        Tensor of the same shape.

    >>> kernel = keras.ops.array([[127.0, 254.0], [0.4, 2.9]])
    >>> keras.ops.convert_to_numpy(rounded_kernel(layers.Dense(2), kernel)).tolist()
    [[127.0, 254.0], [0.0, 2.0]]
    """
    kernel = ops.convert_to_tensor(kernel)
    shape, largest = kernel.shape, largest_weights(layer, kernel)
    kernel, axis = _channels_of(layer, kernel)
    found = keras.quantizers.fake_quant_with_min_max_vars(
        kernel, -largest, largest, narrow_range=True, axis=axis
    )
    return ops.reshape(found, shape)


def largest_weights(layer, kernel):
    """The largest absolute weight of each output channel, to which no gradient flows.

    Args:
        layer: the `keras.layers.Layer` that it belongs to.
        kernel: tensor or variable of its shape.

    Returns:
        Tensor (channels,).

    >>> found = largest_weights(layers.Dense(2), keras.ops.array([[1.0, -4.0], [-2.0, 3.0]]))
    >>> keras.ops.convert_to_numpy(found).tolist()
    [2.0, 4.0]
    """
    kernel, axis = _channels_of(layer, ops.convert_to_tensor(kernel))
    others = [x for x in range(len(kernel.shape)) if x != axis]
    return ops.stop_gradient(ops.maximum(ops.max(ops.abs(kernel), others), 1e-9))


def _channels_of(layer, kernel):
    """The kernel with one axis for its output channels, and that axis."""
    if isinstance(layer, layers.DepthwiseConv2D):
        return ops.reshape(kernel, (*kernel.shape[:2], -1)), 2
    axis = 2 if isinstance(layer, layers.Conv2DTranspose) else len(kernel.shape) - 1
    return kernel, axis


def _by_channel(layer, kernel, scale):
    """The kernel divided by a scale for each output channel."""
    shape = kernel.shape
    kernel, axis = _channels_of(layer, kernel)
    sides = [-1 if place == axis else 1 for place in range(len(kernel.shape))]
    return ops.reshape(kernel / ops.reshape(scale, sides), shape)


def _with_weights(layer, weights, inputs):
    """The layer's result with other weights than its own."""
    given = (weights, []) if layer.trainable else ([], weights)
    return layer.stateless_call(*given, inputs)[0]


def _whole(values):
    """The nearest whole numbers."""
    return _passed(values, ops.round(values))


def _passed(values, rounded):
    """The rounded values; the gradient is that of the others."""
    return values + ops.stop_gradient(rounded - values)
