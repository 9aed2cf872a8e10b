"""Looking at one pair of a dataset: what `check` counts, and what it calls a fault."""

import zlib
from typing import NamedTuple

import cv2
import numpy as np

from pipelines.faults import COLORS, UNKNOWN_IDS, FileFault
from pipelines.files import read_label
from pipelines.find.sources import FileSource, Source

BINARY = "0/255 mask"
SMOOTHED_BINARY = "0/255 mask, smoothed"
SMOOTHED = "smoothed mask"
_EDGE = 12  # so far from 0 or 255 a smoothed binary mask may be, in most of its pixels
_FEW = 8  # colors that a person may have forgotten to name; a soft edge has more


class Exam(NamedTuple):
    """What there is to know of one pair.

    Attributes:
        size: height and width, of volumes depth first; None if the picture cannot be read.
        counts: pixels by class id, int64 (256,); 255 is ignored.
        print: fingerprint of how the picture looks, 64 bits.
        checksum: of its pixels.
        brightest: its largest value.
        faults: (kind, path, what is wrong in a few words, the whole message).
    """

    size: tuple[int, ...] | None = None
    counts: np.ndarray | None = None
    print: int = 0
    checksum: int = 0
    brightest: int = 255
    faults: tuple[tuple[str, str, str, str], ...] = ()


def examine(source: Source, index: int) -> Exam:
    """Read one pair; faults of files are noted, not raised."""
    try:
        image, label = source.read(index)
    except FileFault as fault:
        faults = [fault]
        label_path = source.paths()[index][1]
        if isinstance(source, FileSource) and fault.path != label_path and label_path:
            try:  # the picture is at fault; the mask may be too
                source.read_classes(label_path)
            except FileFault as other:
                faults.append(other)
        return Exam(faults=tuple(_named(fault) for fault in faults))
    return Exam(
        image.shape[:-1],
        np.bincount(label.reshape(-1), minlength=256),
        fingerprint(image),
        zlib.crc32(image.data),
        int(image.max()),
    )


def fingerprint(image: np.ndarray) -> int:
    """Return 64 bits that are alike for pictures that look alike, whatever their size.

    Each bit says whether a cell of 8x8 is darker than the one to its right (difference hash).

    >>> picture = np.tile(np.arange(64, dtype=np.uint8), (64, 1))[..., None]
    >>> hex(fingerprint(picture))
    '0xffffffffffffffff'
    """
    small = _cells(image, 8, 9)
    bits = np.packbits(small[:, 1:] > small[:, :-1])
    return int.from_bytes(bits.tobytes(), "big")


def looks(image: np.ndarray) -> np.ndarray:
    """Return a picture as 32x32 gray cells around a mean of 0, float32, to compare it closely."""
    cells = _cells(image, 32, 32)
    return cells - cells.mean()


def _cells(image: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Return the mean of a picture's channels over cells, float32 (rows, columns).

    Volumes are seen from above: as the mean of their slices.
    """
    if image.ndim == 4:
        image = image.mean(axis=0).astype(np.uint8)
    image = image if image.shape[-1] in (1, 3, 4) else image[..., :1]
    small = cv2.resize(image, (columns, rows), interpolation=cv2.INTER_AREA)
    return small.reshape(rows, columns, -1).mean(axis=-1, dtype=np.float32)


def _named(fault: FileFault) -> tuple[str, str, str, str]:
    """Return kind, path and words of a fault, with a mask's disease by its name."""
    return disease(fault) or fault.kind, fault.path, fault.detail, str(fault)


def disease(fault: FileFault) -> str | None:
    """Return BINARY, that smoothed, or SMOOTHED, if a mask's strange values look so; else None."""
    if fault.kind == COLORS:
        return SMOOTHED if len(fault.values) > _FEW else None
    if fault.kind != UNKNOWN_IDS:
        return None
    values, counts = np.unique(read_label(fault.path), return_counts=True)
    if set(values.tolist()) <= {0, 255}:
        return BINARY
    extreme = (values <= _EDGE) | (values >= 255 - _EDGE)
    middle = len(values) - extreme.sum()
    if values[0] <= _EDGE and values[-1] in range(255 - _EDGE, 256) and middle > 2:
        if counts[extreme].sum() > 0.7 * counts.sum():
            return SMOOTHED_BINARY
    return SMOOTHED if len(fault.values) > 2 * _FEW else None
