"""What masks hold, where nobody has said it: binary masks, classes by id or by colour."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
from tqdm import tqdm

from pipelines import _decode
from pipelines.class_tables import color_classes, id_classes
from pipelines.classes import IGNORE_CLASS, MAX_CLASSES, Classes, color_codes, color_of
from pipelines.faults import FileFault
from pipelines.files import read_colors, read_label

_NUM_THREADS = 8
_SAMPLE = 32
_MAX_COLORS = 4096


def binary(classes: Classes, labels: Sequence[str]) -> tuple[Classes, str]:
    """Recognise masks of 0 and 255 where there are two classes; 255 is then the second.

    Looks at 32 masks, spread evenly. A mask that does not fit is refused by name when it is read.

    Args:
        classes: what the person has said.
        labels: paths of the masks.

    Returns:
        the classes, and a sentence that says so, or "".
    """
    if classes.colors or classes.file_ids != (0, 1) or classes.ignored_ids != (IGNORE_CLASS,):
        return classes, ""
    chosen = np.unique(np.linspace(0, len(labels) - 1, _SAMPLE).astype(int))
    seen: set[int] = set()
    for index in chosen.tolist():
        try:
            seen |= set(np.unique(read_label(labels[int(index)])).tolist())
        except FileFault:
            continue  # `check` and training name it
    if 255 not in seen or not seen <= {0, 255}:
        return classes, ""
    first, second = classes.names
    return replace(classes, file_ids=(0, 255), ignored_ids=()), (
        f"The masks hold 0 and 255: 0 is read as {first!r}, 255 as {second!r}."
    )


def discover(labels: Sequence[str]) -> tuple[Classes, str]:
    """Find the classes of masks by reading them all.

    Args:
        labels: paths of the masks.

    Returns:
        the classes, named after their ids or colours, and a sentence that says so.

    Raises:
        ValueError: if there are more than 255, as in smoothed masks.
    """
    with ThreadPoolExecutor(_NUM_THREADS) as pool:
        bar = tqdm(pool.map(_values, labels), "classes", len(labels), leave=False, unit="mask")
        found = [values for values in bar if values is not None]
    colored = any(is_color for is_color, _ in found)
    if colored:
        codes = {code for is_color, values in found for code in values if is_color}
        codes |= {
            value * 0x010101 for is_color, values in found for value in values if not is_color
        }
    else:
        codes = {value for _, values in found for value in values}
    kind = "colours" if colored else "ids"
    if not colored and codes == {0, 255}:
        classes = Classes(("background", "foreground"), ((0, 0, 0), (255, 255, 255)), (0, 255), ())
        return classes, "The masks hold 0 and 255: read as 'background' and 'foreground'."
    codes -= set() if colored else {IGNORE_CLASS}
    if not 1 <= len(codes) <= MAX_CLASSES:
        raise ValueError(
            f"Masks must hold 1..{MAX_CLASSES} different {kind} for classes to be found in them. "
            f"Received: {len(codes)} {kind} in {len(found)} masks, the first {labels[0]!r}. "
            "Give `classes`; masks that were smoothed or stored as JPEG have too many."
        )
    note = f"{len(codes)} classes were found in the {kind} of {len(found)} masks. "
    if colored:
        return color_classes([color_of(code) for code in sorted(codes)]), (
            note + "Give `classes` as {(red, green, blue): name} to name them."
        )
    return id_classes(sorted(codes), _palette(labels[0])), (
        note + "255, if there, is ignored. Give `classes` as {id: name} to name them."
    )


def _values(path: str) -> tuple[bool, set[int]] | None:
    """Return whether a mask holds colours, and its ids or colour codes; None if unreadable."""
    try:
        return False, set(np.unique(read_label(path)).tolist())
    except FileFault:
        pass
    try:
        codes = np.unique(color_codes(read_colors(path)))
    except FileFault:
        return None  # `check` and training name it
    return True, set(codes[:_MAX_COLORS].tolist())


def _palette(path: str) -> dict:
    """Return the colours of a palette PNG by index, or nothing."""
    if _decode.is_npy(path):
        return {}
    try:
        with _decode.opened(path) as picture:
            colors = picture.getpalette() if picture.mode == "P" else None
    except FileFault:
        return {}
    triples = np.reshape(colors or [], (-1, 3))
    return {i: tuple(int(value) for value in color) for i, color in enumerate(triples)}
