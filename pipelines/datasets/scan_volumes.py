"""Synthetic scans of bodies, before and after a contrast agent, with exact labels.

The two channels stand for a scan before and after a contrast agent. In each body are an organ, the
vessels that branch within it, and up to four lesions. Other organs have the organ's gray, other
tissue that of lesions, bone is as bright as vessels: only its position distinguishes them. Borders
are blurred, the field is uneven, and there is noise. They are drawings for teaching, not medical
data.
"""

from pipelines.dataset import Dataset
from pipelines.drawn.dataset import drawn_dataset
from pipelines.drawn.scan.drawing import draw_scan


def scan_volumes(
    num_volumes: int = 24, size: tuple[int, int, int] = (48, 64, 64), seed: int = 0
) -> Dataset:
    """Draw scans of bodies; the same arguments give the same bytes on a machine.

    Each split has its own stream of volumes, and volume number i of a split depends only on the
    seed, the size and i.

    Args:
        num_volumes: volumes in all, at least 3: 70 % train, 15 % val, 15 % test.
        size: depth, height and width in voxels, at least 32 each.
        seed: whole number from 0 up.

    Returns:
        the dataset with the splits "train", "val" and "test", in memory; volumes have two
        channels: before and after a contrast agent.

    Raises:
        TypeError: if an argument is not a whole number, or size is not three of them.
        ValueError: if there are too few volumes, they are too small, or the seed is negative.

    >>> data = scan_volumes(num_volumes=3, size=(32, 32, 32))
    >>> data.dimensions, data.num_channels, data.class_names
    (3, 2, ('outside', 'body', 'organ', 'vessel', 'lesion'))
    """
    return drawn_dataset("scan_volumes", draw_scan, num_volumes, size, seed, dimensions=3)
