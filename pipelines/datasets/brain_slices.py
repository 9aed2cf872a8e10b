"""Synthetic MRI slices of heads in four contrasts, with exact labels.

The four channels stand for T1, T1 with contrast agent, T2 and FLAIR. Each slice has its own head,
folds, contrast, uneven field and noise; most have a tumor with a core, a rim that takes up the
agent, and edema around it. No gray value belongs to one class alone: fat, vessels and the plexus
in the ventricles are as bright as the rim, and age-worn white matter as edema. They are drawings
for teaching, not medical data.
"""

from pipelines.dataset import Dataset
from pipelines.drawn.brain.drawing import draw_brain
from pipelines.drawn.dataset import drawn_dataset


def brain_slices(
    num_images: int = 300, size: tuple[int, int] = (160, 160), seed: int = 0
) -> Dataset:
    """Draw slices of brains; the same arguments give the same bytes on a machine.

    Each split has its own stream of slices, and slice number i of a split depends only on the
    seed, the size and i.

    Args:
        num_images: slices in all, at least 3: 70 % train, 15 % val, 15 % test.
        size: height and width in pixels, at least 32 each.
        seed: whole number from 0 up.

    Returns:
        the dataset with the splits "train", "val" and "test", in memory; pictures have four
        channels: T1, T1 with contrast agent, T2, FLAIR.

    Raises:
        TypeError: if an argument is not a whole number, or size is not two of them.
        ValueError: if there are too few slices, they are too small, or the seed is negative.

    >>> data = brain_slices(num_images=3, size=(64, 64))
    >>> data.num_channels, data.class_names[-3:]
    (4, ('edema', 'tumor core', 'enhancing'))
    """
    return drawn_dataset("brain_slices", draw_brain, num_images, size, seed)
