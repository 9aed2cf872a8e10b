"""Repeated augmentation."""

from pipelines.ops.example import Example, Op, check_count


def repeat_augment(count: int = 2) -> Op:
    """Repeat every picture in its batch, each time augmented differently.

    Hoffer et al.: Augment your batch, arXiv 1901.09335. Batch size and number of steps per epoch do
    not change, so an epoch uses a part of the pictures, and the next epoch another part.

    Args:
        count: number of copies of each picture. The position in a list of ops does not matter: all
            ops draw new random numbers for every copy.

    Returns:
        op(example) -> the same example; the graph reads `op.repeats`.

    Raises:
        ValueError: if the count is not a whole number from 1 up.

    >>> repeat_augment(3).repeats
    3
    """
    check_count("repeat_augment", "count", count)

    def op(example: Example) -> Example:
        return example

    op.repeats = count  # type: ignore[attr-defined]
    return op
