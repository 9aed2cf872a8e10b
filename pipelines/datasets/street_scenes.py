"""Synthetic street scenes with exact labels; no download.

Each picture is a street in perspective with its own plan, weather, camera and people. Picture and
label are drawn together, at twice the size, into one canvas; so a label is exact to the pixel, also
in foliage. Ten classes; no color belongs to a single class.
"""

from pipelines.dataset import Dataset
from pipelines.drawn.dataset import drawn_dataset
from pipelines.drawn.street.drawing import draw_street


def street_scenes(
    num_images: int = 300, size: tuple[int, int] = (240, 320), seed: int = 0
) -> Dataset:
    """Draw streets with exact labels; the same arguments give the same bytes.

    Each split has its own stream of pictures, and picture number i of a split depends only on
    the seed, the size and i: more pictures continue what fewer began.
    The bytes are the same on every machine that has the same version of OpenCV.

    Args:
        num_images: number of pictures, at least 3: 70 % train, 15 % val, 15 % test.
        size: height and width in pixels, at least 32 each.
        seed: whole number from 0 up.

    Returns:
        the dataset with the splits "train", "val" and "test", in memory.

    Raises:
        TypeError: if an argument is not a whole number, or size is not two of them.
        ValueError: if there are too few pictures, they are too small, or the seed is negative.

    >>> data = street_scenes(num_images=3, size=(64, 96))
    >>> data.class_names[:4], data.num_examples("train")
    (('road', 'pavement', 'marking', 'building'), 1)
    """
    return drawn_dataset("street_scenes", draw_street, num_images, size, seed)
