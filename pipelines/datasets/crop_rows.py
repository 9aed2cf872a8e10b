"""Synthetic pictures of crop rows and weeds from above, with exact labels.

A field robot's view of sugar beet: plants in rows on soil that is dry or wet, in sun or under
clouds, with stones and straw. Weeds of five kinds stand between them; one kind has the crop's
leaves, and differs only in where it grows. Most pixels are soil, few are weeds.
"""

from pipelines.dataset import Dataset
from pipelines.drawn.crop.drawing import draw_crop_rows
from pipelines.drawn.dataset import drawn_dataset


def crop_rows(num_images: int = 300, size: tuple[int, int] = (240, 320), seed: int = 0) -> Dataset:
    """Draw rows of crop with weeds; the same arguments give the same bytes on a machine.

    Each split has its own stream of pictures, and picture number i of a split depends only on
    the seed, the size and i. A picture shows about a meter of ground, whatever its size.

    Args:
        num_images: number of pictures, at least 3: 70 % train, 15 % val, 15 % test.
        size: height and width in pixels, at least 32 each.
        seed: whole number from 0 up.

    Returns:
        the dataset with the splits "train", "val" and "test", in memory.

    Raises:
        TypeError: if an argument is not a whole number, or size is not two of them.
        ValueError: if there are too few pictures, they are too small, or the seed is negative.

    >>> data = crop_rows(num_images=3, size=(64, 96))
    >>> data.class_names, data.num_examples("train")
    (('soil', 'crop', 'weed'), 1)
    """
    return drawn_dataset("crop_rows", draw_crop_rows, num_images, size, seed)
