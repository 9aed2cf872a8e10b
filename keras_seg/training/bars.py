"""Progress bars of what happens between two epochs."""

from tqdm.auto import tqdm


def unobtrusive_bar(batches, description):
    """A progress bar around batches that appears after a second and vanishes at the end.

    Args:
        batches: an iterable; the length of a `tf.data.Dataset` is read from it.
        description: what is done with the batches.

    Returns:
        an iterable of the same batches.

    >>> list(unobtrusive_bar([1, 2], "Validation"))
    [1, 2]
    """
    total = int(batches.cardinality()) if hasattr(batches, "cardinality") else None
    total = total if total is None or total >= 0 else None
    return tqdm(batches, description, total=total, unit="batch", leave=False, delay=1)
