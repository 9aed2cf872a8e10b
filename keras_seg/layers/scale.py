"""A learned factor per channel."""

import keras


@keras.saving.register_keras_serializable("keras_seg")
class LayerScale(keras.layers.Layer):
    """Multiplies each channel by a learned factor with a small initial value.

    H. Touvron et al.: Going Deeper with Image Transformers, arXiv 2103.17239, section 2.

    Args:
        initial: initial value of the factors.
        **kwargs: arguments of every Keras layer.

    >>> import numpy as np
    >>> float(LayerScale(0.5)(np.ones((1, 2, 2, 3), "float32"))[0, 0, 0, 0])
    0.5
    """

    def __init__(self, initial=1e-6, **kwargs):
        super().__init__(**kwargs)
        self.initial = initial

    def build(self, input_shape):
        self.gamma = self.add_weight(
            shape=(input_shape[-1],),
            initializer=keras.initializers.Constant(self.initial),
            name="gamma",
        )

    def call(self, inputs):
        return inputs * keras.ops.cast(self.gamma, inputs.dtype)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "initial": self.initial}
