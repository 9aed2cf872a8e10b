"""Read a picture from the bytes of a PNG or JPEG file, as from the file itself."""

import io

import numpy as np

from pipelines.read import decode, pixels
from pipelines.read.faults import LARGE, FileFault, converted
from pipelines.read.spec import InputSpec

FORMATS = ("PNG", "JPEG")
NAME = "bytes of a picture"  # in place of a path in errors


def read_encoded(
    content: bytes, spec: InputSpec | None = None, max_pixels: int | None = None
) -> np.ndarray:
    """Read the bytes of a PNG or JPEG file as uint8 pixels, as `read_image` reads the file.

    Args:
        content: the whole file.
        spec: how files are converted to pixels; RGB pictures if None.
        max_pixels: most pixels that the file may declare; None for the limit of all files.

    Returns:
        uint8 array (h, w, channels), 0..255.

    Raises:
        FileFault: a ValueError, if the bytes are damaged, of another kind or too large.

    >>> from PIL import Image
    >>> file = io.BytesIO()
    >>> Image.new("RGB", (4, 2), (255, 0, 0)).save(file, "PNG")
    >>> read_encoded(file.getvalue())[0, 0].tolist()
    [255, 0, 0]
    """
    spec = spec or InputSpec()
    with converted(NAME):
        picture = decode.identified(io.BytesIO(content), NAME, FORMATS)
        declared = picture.width * picture.height
        if max_pixels is not None and declared > max_pixels:
            raise FileFault(
                LARGE, NAME,
                f"A picture may have at most {max_pixels:,} pixels. Received: {declared:,} pixels. "
                "Send a smaller one.",
                f"{declared:,} pixels, at most {max_pixels:,} are allowed",
            )  # fmt: skip
        numbers = decode.numbers(picture, content, spec.channels, NAME)
        return pixels.resized(pixels.to_pixels(numbers, spec, NAME), spec.size)
