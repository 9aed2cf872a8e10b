"""Infer classes from masks: binary masks, classes by id or by color."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
from tqdm import tqdm

from pipelines.find.class_tables import color_classes, id_classes
from pipelines.find.classes import IGNORE_CLASS, MAX_CLASSES, Classes, color_codes, color_of
from pipelines.read import decode
from pipelines.read.faults import FileFault
from pipelines.read.mask import read_colors, read_two_valued

_NUM_THREADS = 8
_SAMPLE = 32
_MAX_COLORS = 4096
_EDGE, _FEW = 12, 8
_MIDDLE = 128
_WHITES = (255, 65535)  # of 8 and of 16 bits


def binary(classes: Classes, labels: Sequence[str]) -> tuple[Classes, str]:
    """Recognize masks of 0 and 255, or 65535, where there are two classes; white is the second.

    Masks that were stored as JPEG, or resized with interpolation, have other grays along the edges:
    those below 128 are the first class, the others the second.

    Looks at 32 masks, spread evenly. A mask with other values raises an error when it is read.

    Args:
        classes: the classes as given.
        labels: paths of the masks.

    Returns:
        the classes, and a note about them, or "".
    """
    if classes.colors or classes.file_ids != (0, 1) or classes.ignored_ids != (IGNORE_CLASS,):
        return classes, ""
    counts = np.zeros(_WHITES[-1] + 1, np.int64)
    for label in _sample(labels):
        try:
            ids = read_two_valued(label)
        except FileFault:
            continue  # `check` and training name it
        if ids.min() < 0 or ids.max() >= len(counts):
            return classes, ""
        counts += np.bincount(ids.reshape(-1), minlength=len(counts))
    first, second = classes.names
    if not counts[256:].any() and is_smoothed(counts[:256]):
        return _halves(classes), (
            "The masks hold 0 and 255 with gray edges, as JPEG leaves them: below 128 is read as "
            f"{first!r}, the rest as {second!r}."
        )
    white = next((value for value in _WHITES if counts[value]), 0)
    if not white or counts.sum() > counts[0] + counts[white]:
        return classes, ""
    return replace(classes, file_ids=(0, white), ignored_ids=()), (
        f"The masks hold 0 and {white}: 0 is read as {first!r}, {white} as {second!r}."
    )


def is_smoothed(counts: np.ndarray) -> bool:
    """Return whether a histogram, int64 (256,), is that of 0/255 masks with soft edges.

    Classes do not have ids near 0 and near 255 only.
    """
    near = counts[: _EDGE + 1].sum() + counts[255 - _EDGE :].sum()
    both = counts[1 : _EDGE + 1].any() and counts[255 - _EDGE : 255].any()
    return bool(both and np.count_nonzero(counts) > _FEW and near > 0.7 * counts.sum())


def _halves(classes: Classes) -> Classes:
    """Return two classes that share the values 0..255."""
    rest = ((i, int(i >= _MIDDLE)) for i in range(1, 255))
    return replace(classes, file_ids=(0, 255), ignored_ids=(), merged=tuple(rest))


def discover(labels: Sequence[str]) -> tuple[Classes, str]:
    """Find the classes of masks by reading them all.

    Args:
        labels: paths of the masks.

    Returns:
        the classes, named after their ids or colors, and a note about them.

    Raises:
        ValueError: if there are more than 255, as in smoothed masks.
    """
    with ThreadPoolExecutor(_NUM_THREADS) as pool:
        bar = tqdm(pool.map(_values, labels), "classes", len(labels), leave=False, unit="mask")
        found = [values for values in bar if values is not None]
    if labels and not found:
        read_two_valued(labels[0])  # raises, and says what is wrong
    colored = any(is_color for is_color, _ in found)
    if colored:
        codes = {code for is_color, values in found for code in values if is_color}
        codes |= {
            value * 0x010101 for is_color, values in found for value in values if not is_color
        }
    else:
        codes = {value for _, values in found for value in values}
    kind = "colors" if colored else "ids"
    if not colored and len(codes) == 2 and max(codes) in _WHITES and 0 in codes:
        ids = (0, max(codes))
        classes = Classes(("background", "foreground"), ((0, 0, 0), (255, 255, 255)), ids, ())
        return classes, f"The masks hold 0 and {ids[1]}: read as 'background' and 'foreground'."
    if not colored and len(codes) > _FEW:
        two = Classes.make(("background", "foreground"), palette=((0, 0, 0), (255, 255, 255)))
        classes, note = binary(two, labels)
        if note:
            return classes, note
    codes -= set() if colored else {IGNORE_CLASS}
    if not 1 <= len(codes) <= MAX_CLASSES:
        raise ValueError(
            f"Masks must hold 1..{MAX_CLASSES} different {kind} for classes to be found in them. "
            f"Received: {len(codes)} {kind} in {len(found)} masks, the first {labels[0]!r}. "
            "Give `classes`; masks that were smoothed, as JPEG does it, have too many."
        )
    note = f"{len(codes)} classes were found in the {kind} of {len(found)} masks. "
    if colored:
        return color_classes([color_of(code) for code in sorted(codes)]), (
            note + "Give `classes` as {(red, green, blue): name} or a table to name them."
        )
    return id_classes(sorted(codes), _palette(labels[0])), (
        note + "255, if there, is ignored. Give `classes` as {id: name} or a table to name them."
    )


def hold_colors(labels: Sequence[str]) -> bool:
    """Return whether one of 32 masks, spread evenly, holds colors, not ids.

    A mask may be black or gray all over although its classes have colors.
    """
    found = (_values(label) for label in _sample(labels))
    return any(values is not None and values[0] for values in found)


def _sample(labels: Sequence[str]) -> list[str]:
    """Return at most 32 masks, spread evenly."""
    chosen = np.linspace(0, len(labels) - 1, min(len(labels), _SAMPLE)).astype(int)
    return [labels[int(index)] for index in chosen]


def _values(path: str) -> tuple[bool, set[int]] | None:
    """Return whether a mask holds colors, and its ids or color codes; None if unreadable."""
    try:
        return False, set(np.unique(read_two_valued(path)).tolist())
    except FileFault:
        pass
    try:
        codes = np.unique(color_codes(read_colors(path)))
    except FileFault:
        return None  # `check` and training name it
    return True, set(codes[:_MAX_COLORS].tolist())


def _palette(path: str) -> dict:
    """Return the colors of a palette PNG by index, or nothing."""
    try:
        with decode.opened(path) as picture:
            colors = picture.getpalette() if picture.mode == "P" else None
    except FileFault:
        return {}
    triples = np.reshape(colors or [], (-1, 3))
    return {i: tuple(int(value) for value in color) for i, color in enumerate(triples)}
