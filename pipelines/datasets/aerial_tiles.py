"""Synthetic aerial pictures at half a meter per pixel, with exact labels.

Each picture is cut from a plan of its own: roads, houses with gardens, halls with parking, fields,
woods, parks, a river or a lake, under a sun from any side. A tile of 128 pixels shows 64 meters; a
picture of 1024 pixels shows a whole village, drawn at the same scale. Gray is roof or road, green
is tree, grass or field, dark is water or shadow: color alone does not determine the class.
"""

from pipelines.dataset import Dataset
from pipelines.drawn.aerial.drawing import draw_aerial
from pipelines.drawn.dataset import drawn_dataset


def aerial_tiles(
    num_images: int = 300, size: tuple[int, int] = (128, 128), seed: int = 0
) -> Dataset:
    """Draw aerial pictures; the same arguments give the same bytes on a machine.

    Each split has its own stream of pictures, and picture number i of a split depends only on
    the seed, the size and i. Scale does not change with size: large pictures show more land.

    Args:
        num_images: number of pictures, at least 3: 70 % train, 15 % val, 15 % test.
        size: height and width in pixels of half a meter, at least 32 each.
        seed: whole number from 0 up.

    Returns:
        the dataset with the splits "train", "val" and "test", in memory.

    Raises:
        TypeError: if an argument is not a whole number, or size is not two of them.
        ValueError: if there are too few pictures, they are too small, or the seed is negative.

    >>> data = aerial_tiles(num_images=3, size=(64, 96))
    >>> data.class_names[:4], data.num_examples("train")
    (('road', 'building', 'tree', 'grass'), 1)
    """
    return drawn_dataset("aerial_tiles", draw_aerial, num_images, size, seed)
