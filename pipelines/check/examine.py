"""Examine one pair of a dataset: class counts, fingerprint and faults."""

import zlib
from typing import NamedTuple

import cv2
import numpy as np

from pipelines.find.sources import FileSource, Source
from pipelines.read.faults import COLORS, SIZE, UNKNOWN_IDS, FileFault
from pipelines.read.mask import read_label

BINARY = "0/255 mask"
SMOOTHED_BINARY = "0/255 mask, smoothed"
SMOOTHED = "smoothed mask"
_EDGE = 12  # largest distance to 0 or 255 of most pixels in a smoothed binary mask
_FEW = 8  # unknown colors that may be missing in `classes`; soft edges have more


class Exam(NamedTuple):
    """The result of examining one pair.

    Attributes:
        size: height and width, of volumes depth first; None if the picture cannot be read.
        counts: pixels by class id, int64 (256,); 255 is ignored.
        print: fingerprint of how the picture looks, 64 bits.
        checksum: of its pixels.
        brightest: its largest value.
        faults: (kind, path, short description, message).
        mismatch: picture, its size and that of its mask, where these differ.
    """

    size: tuple[int, ...] | None = None
    counts: np.ndarray | None = None
    print: int = 0
    checksum: int = 0
    brightest: int = 255
    faults: tuple[tuple[str, str, str, str], ...] = ()
    mismatch: tuple = ()


def examine(source: Source, index: int) -> Exam:
    """Read one pair; faults of files are noted, not raised."""
    try:
        image, label = source.read(index)
    except FileFault as fault:
        faults = [fault]
        label_path = source.paths()[index][1]
        if isinstance(source, FileSource) and fault.path != label_path and label_path:
            try:  # the picture is faulty; the mask may be too
                source.read_classes(label_path)
            except FileFault as other:
                faults.append(other)
        mismatch = fault.values if fault.kind == SIZE else ()
        return Exam(faults=tuple(_named(fault) for fault in faults), mismatch=mismatch)
    return Exam(
        image.shape[:-1],
        np.bincount(label.reshape(-1), minlength=256),
        fingerprint(image),
        zlib.crc32(image.data),
        int(image.max()),
    )


def fingerprint(image: np.ndarray) -> int:
    """Return a 64-bit perceptual hash; similar pictures of any size have similar hashes.

    Each bit says whether a cell of 8x8 is darker than the one to its right (difference hash).

    >>> picture = np.tile(np.arange(64, dtype=np.uint8), (64, 1))[..., None]
    >>> hex(fingerprint(picture))
    '0xffffffffffffffff'
    """
    small = _cells(image, 8, 9)
    bits = np.packbits(small[:, 1:] > small[:, :-1])
    return int.from_bytes(bits.tobytes(), "big")


def looks(image: np.ndarray) -> np.ndarray:
    """Return a picture as 32x32 gray cells with a mean of 0, float32, for comparison."""
    cells = _cells(image, 32, 32)
    return cells - cells.mean()


def _cells(image: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Return the mean of a picture's channels over cells, float32 (rows, columns).

    Of volumes, the mean of their slices.
    """
    if image.ndim == 4:
        image = image.mean(axis=0).astype(np.uint8)
    image = image if image.shape[-1] in (1, 3, 4) else image[..., :1]
    small = cv2.resize(image, (columns, rows), interpolation=cv2.INTER_AREA)
    return small.reshape(rows, columns, -1).mean(axis=-1, dtype=np.float32)


def _named(fault: FileFault) -> tuple[str, str, str, str]:
    """Return kind, path, detail and message of a fault; smoothed masks get a kind of their own."""
    return smoothed_kind(fault) or fault.kind, fault.path, fault.detail, str(fault)


def smoothed_kind(fault: FileFault) -> str | None:
    """Return BINARY or SMOOTHED, if the unknown values of a mask suggest it; else None."""
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
