"""Normalization of pixels 0..255: a factor and an offset per channel."""

# Means and standard deviations of ImageNet's pixels 0..255: red, green, blue.
_MEAN = (123.675, 116.28, 103.53)
_DEVIATION = (58.395, 57.12, 57.375)
# Those of VGG's authors, who only subtract the means.
_CAFFE_MEAN = (123.68, 116.779, 103.939)

RANGES = {
    "unit": ((1 / 255,) * 3, (0.0,) * 3),
    "symmetric": ((1 / 127.5,) * 3, (-1.0,) * 3),
    "torch": (
        tuple(1 / s for s in _DEVIATION),
        tuple(-m / s for m, s in zip(_MEAN, _DEVIATION, strict=True)),
    ),
    # LeNet's paper has -0.1 for the background and 1.175 for the ink.
    "lenet": ((1.275 / 255,) * 3, (-0.1,) * 3),
    "caffe": ((1.0,) * 3, tuple(-m for m in _CAFFE_MEAN)),
}


def scale_and_offset(kind, channels):
    """Factors and offsets of a range; further channels repeat those of the first three.

    Args:
        kind: one of `RANGES`.
        channels: number of channels.

    Returns:
        two lists of float.

    >>> scale_and_offset("caffe", 4)
    ([1.0, 1.0, 1.0, 1.0], [-123.68, -116.779, -103.939, -123.68])
    """
    scale, offset = ([part[i % 3] for i in range(channels)] for part in RANGES[kind])
    return scale, offset


def range_of(scale, offset):
    """The range that has these factors and offsets.

    Args:
        scale: factors by channel.
        offset: offsets by channel.

    Returns:
        one of `RANGES`, or None.

    >>> range_of([1 / 255] * 3, [0] * 3)
    'unit'
    """
    for kind in RANGES:
        known = scale_and_offset(kind, len(scale))
        pairs = zip((*scale, *offset), (*known[0], *known[1]), strict=True)
        if all(abs(a - b) <= 1e-6 * max(1.0, abs(b)) for a, b in pairs):
            return kind
    return None
