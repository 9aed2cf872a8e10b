"""Attention between the positions of a feature map."""

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable("keras_seg")
class PositionAttention(layers.Layer):
    """Adds to every position a mixture of all positions, weighted by similarity.

    The block of SAGAN and DANet: queries and keys of an eighth of the channels, values of all,
    and a learned factor gamma, initially 0, so that the layer is initially the identity.

    H. Zhang et al.: Self-Attention Generative Adversarial Networks, arXiv 1805.08318;
    J. Fu et al.: Dual Attention Network for Scene Segmentation, arXiv 1809.02983.

    Args:
        query_channels: channels of queries and keys; None for an eighth of the input's.
        **kwargs: name, dtype and the like, see `keras.layers.Layer`.

    Call arguments:
        inputs: float (b, ..., c) with two or three spatial dimensions and at least 8 channels.
            Memory grows with the square of the number of positions.

    Returns:
        Tensor of the input's shape.

    Raises:
        ValueError: the input has fewer than 8 channels.

    >>> layer = PositionAttention()
    >>> tuple(layer(keras.ops.ones((1, 4, 5, 240))).shape), layer.count_params()
    ((1, 4, 5, 240), 72301)
    """

    def __init__(self, query_channels=None, **kwargs):
        super().__init__(**kwargs)
        self.query_channels = query_channels

    def build(self, input_shape):
        channels = input_shape[-1]
        queries = self.query_channels or channels // 8
        if not queries:
            raise ValueError(
                "`PositionAttention` needs at least 8 channels: queries have an eighth of them. "
                f"Received: {channels} channels. Leave it out, or raise `growth_rate`."
            )
        for part, units in (("query", queries), ("key", queries), ("value", channels)):
            # A dense layer on the last axis is a 1x1 convolution, in any number of dimensions.
            dense = layers.Dense(
                units, kernel_initializer="he_uniform", dtype=self.dtype_policy, name=part
            )
            dense.build(input_shape)
            setattr(self, part, dense)
        self.gamma = self.add_weight(shape=(1,), initializer="zeros", name="gamma")

    def call(self, inputs):
        channels = inputs.shape[-1]
        query, key, value = (
            ops.reshape(part(inputs), (ops.shape(inputs)[0], -1, part.units))
            for part in (self.query, self.key, self.value)
        )
        likeness = ops.softmax(ops.matmul(query, ops.transpose(key, (0, 2, 1))), axis=-1)
        mixed = ops.matmul(likeness, value)
        mixed = ops.reshape(mixed, (*ops.shape(inputs)[:-1], channels))
        return inputs + ops.cast(self.gamma, inputs.dtype) * mixed

    def compute_output_shape(self, input_shape):
        return input_shape

    def compute_output_spec(self, inputs):
        if not self.built:
            self.build(inputs.shape)
        return keras.KerasTensor(inputs.shape, dtype=self.compute_dtype)

    def get_config(self):
        return {**super().get_config(), "query_channels": self.query_channels}
