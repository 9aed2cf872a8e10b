"""Label maps as PNG files, as the signature "encoded" of a SavedModel writes them."""

import io

import numpy as np
from PIL import Image

_LEVEL = 1  # of compression: the default takes longer than the network for the last tenth


def label_png(labels, palette=None):
    """A label map as the bytes of a PNG file whose pixels are class ids.

    Args:
        labels: uint8 (h, w); or int32 beyond 256 classes, which gives a gray file of 16 bits.
        palette: colors (r, g, b) 0..255 in the order of ids; None for a gray file.

    Returns:
        bytes.

    >>> file = label_png(np.array([[0, 1]], "uint8"), [(128, 64, 128), (0, 0, 255)])
    >>> np.asarray(Image.open(io.BytesIO(file))).tolist()
    [[0, 1]]
    """
    if labels.dtype != np.uint8:
        picture = Image.fromarray(labels.astype(np.uint16))
    else:
        picture = Image.fromarray(labels)
        if palette is not None:
            picture.putpalette([value for color in palette for value in color])
    file = io.BytesIO()
    picture.save(file, "PNG", compress_level=_LEVEL)
    return file.getvalue()
