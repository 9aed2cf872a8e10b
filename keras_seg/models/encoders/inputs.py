"""Pixels 0..255 to what a network was trained on, as its first layer."""

from keras import layers

from keras_seg import _check

# Means and standard deviations of ImageNet's pixels 0..255: red, green, blue.
_MEAN = (123.675, 116.28, 103.53)
_DEVIATION = (58.395, 57.12, 57.375)
# Those of VGG's authors, who only subtract.
_CAFFE_MEAN = (123.68, 116.779, 103.939)

_SCALES = {
    "unit": ((1 / 255,) * 3, (0.0,) * 3),
    "symmetric": ((1 / 127.5,) * 3, (-1.0,) * 3),
    "torch": (
        tuple(1 / s for s in _DEVIATION),
        tuple(-m / s for m, s in zip(_MEAN, _DEVIATION, strict=True)),
    ),
    "caffe": ((1.0,) * 3, tuple(-m for m in _CAFFE_MEAN)),
}


def normalized(image, kind, name):
    """The image in the range that a network expects; one layer, also where it changes nothing.

    Args:
        image: KerasTensor of pixels 0..255 (b, h, w, c). Channels beyond the third are treated as
            the first three in turn.
        kind: "unit" for 0..1; "symmetric" for -1..1; "torch" for ImageNet's means and standard
            deviations; "caffe" for its means alone, red first.
        name: prefix of the layer's name.

    Returns:
        KerasTensor of the image's shape.

    >>> import keras, numpy as np
    >>> image = keras.Input((4, 4, 3))
    >>> model = keras.Model(image, normalized(image, "symmetric", ""))
    >>> float(model(np.full((1, 4, 4, 3), 255.0))[0, 0, 0, 0])
    1.0
    """
    _check.one_of("input range", "kind", kind, _SCALES)
    channels = image.shape[-1]
    scale, offset = ([part[i % 3] for i in range(channels)] for part in _SCALES[kind])
    return layers.Rescaling(scale, offset, name=f"{name}normalize")(image)
