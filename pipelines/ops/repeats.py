"""Repeated augmentation."""

from pipelines.ops.example import Example, Op, check_count


def repeat_augment(count: int = 2) -> Op:
    """Put every picture into its batch several times, each time augmented differently.

    Hoffer et al.: Augment your batch, arXiv 1901.09335. Batches stay as large and an epoch as
    long, so an epoch sees a part of the pictures, another part in the next one.

    Args:
        count: times that each picture comes up in a row. It may stand anywhere in a list of ops:
            all of them draw new random numbers for every copy.

    Returns:
        op(example) -> the same example; `op.repeats` tells the graph.

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
