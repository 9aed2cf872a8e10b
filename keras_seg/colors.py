"""Colors of classes."""

import colorsys
from collections.abc import Sequence

Palette = Sequence[Sequence[int]] | None


def class_colors(palette: Palette, num_classes: int) -> Sequence[Sequence[int]]:
    """Return the palette, or hues a golden ratio apart, which differ clearly.

    Args:
        palette: one color (r, g, b) in 0..255 per class, or None.
        num_classes: number of classes.

    Returns:
        colors (r, g, b) in the order of ids.

    Raises:
        ValueError: the palette has fewer colors than there are classes.

    >>> class_colors(None, 2)
    [(242, 148, 61), (70, 45, 178)]
    """
    if palette is None:
        hues = [(0.08 + 0.618034 * index) % 1 for index in range(num_classes)]
        values = [(0.95, 0.7, 0.45)[index % 3] for index in range(num_classes)]
        triples = [
            colorsys.hsv_to_rgb(hue, 0.75, value) for hue, value in zip(hues, values, strict=True)
        ]
        return [tuple(round(255 * part) for part in triple) for triple in triples]
    if len(palette) < num_classes:
        raise ValueError(
            f"A palette needs one color (r, g, b) per class. Received: {len(palette)} colors "
            f"for {num_classes} classes. Pass the dataset's palette, or None."
        )
    return palette
