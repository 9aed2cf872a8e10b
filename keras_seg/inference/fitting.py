"""Pictures resized for a file that takes one size, and its maps resized back."""

import cv2
import numpy as np

_MOST_CHANNELS = 4  # that OpenCV averages at once


def fitted(values, size):
    """Resize a picture or a map of scores: averages where it shrinks, bilinear where it grows.

    Args:
        values: uint8 or float32 (h, w, c).
        size: (height, width).

    Returns:
        Array (height, width, c) of the same dtype.

    >>> fitted(np.full((4, 6, 1), 7, "uint8"), (2, 3)).ravel().tolist()
    [7, 7, 7, 7, 7, 7]
    """
    if values.shape[:2] == tuple(size):
        return values
    shrinks = size[0] <= values.shape[0] and size[1] <= values.shape[1]
    way = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    if values.shape[-1] <= _MOST_CHANNELS:
        return resized(values, size, way)
    channels = [np.ascontiguousarray(channel) for channel in np.moveaxis(values, -1, 0)]
    return np.stack([resized(channel, size, way) for channel in channels], axis=-1)


def resized(values, size, way):
    """Resize a picture or a map.

    Args:
        values: array (h, w) or (h, w, c) of at most four channels.
        size: (height, width).
        way: OpenCV's name of the interpolation.

    Returns:
        Array (height, width) or (height, width, c) of the same dtype.
    """
    height, width = size
    found = cv2.resize(values, (width, height), interpolation=way)
    return found.reshape(height, width, *values.shape[2:])
