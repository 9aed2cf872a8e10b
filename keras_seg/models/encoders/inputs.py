"""Normalization of pixels 0..255, as the first layer of a network."""

from keras import layers

from keras_seg import _check
from keras_seg.models.pixel_ranges import RANGES, scale_and_offset


def normalized(image, kind, name):
    """The image in the range that a network expects; one layer, even if it is the identity.

    Args:
        image: KerasTensor of pixels 0..255 (b, h, w, c). Further channels repeat the normalization
            of the first three.
        kind: "unit" for 0..1; "symmetric" for -1..1; "torch" for ImageNet's means and standard
            deviations; "caffe" for its means alone, red first; "lenet" for -0.1..1.175.
        name: prefix of the layer's name.

    Returns:
        KerasTensor of the image's shape.

    >>> import keras, numpy as np
    >>> image = keras.Input((4, 4, 3))
    >>> model = keras.Model(image, normalized(image, "symmetric", ""))
    >>> float(model(np.full((1, 4, 4, 3), 255.0))[0, 0, 0, 0])
    1.0
    """
    _check.one_of("range of pixels", "input_range", kind, RANGES)
    scale, offset = scale_and_offset(kind, image.shape[-1])
    return layers.Rescaling(scale, offset, name=f"{name}normalize")(image)
