"""Progress bars for work between two epochs."""

from tqdm.auto import tqdm


def unobtrusive_bar(batches, description):
    """Show a progress bar for an iterable after one second, and remove it at the end.

    Args:
        batches: an iterable; the length of a `tf.data.Dataset` is read from it.
        description: text of the bar.

    Returns:
        an iterable of the same batches.

    >>> list(unobtrusive_bar([1, 2], "Validation"))
    [1, 2]
    """
    total = int(batches.cardinality()) if hasattr(batches, "cardinality") else None
    total = total if total is None or total >= 0 else None
    return tqdm(batches, description, total=total, unit="batch", leave=False, delay=1)
