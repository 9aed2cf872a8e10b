"""NIfTI files, with the package nibabel."""

import logging
import math
import os
import threading
from typing import Any

import numpy as np

from pipelines.read.faults import Path, guarded, wrong_kind
from pipelines.read.limits import require_size

SUFFIXES = (".nii", ".nii.gz")
_logger = logging.getLogger(__name__)
_reported: set[str] = set()
_loading = threading.local()  # messages of nibabel while this thread loads a file


def _collect(record: logging.LogRecord) -> bool:
    """Collect nibabel's messages, which it prints without the name of the file."""
    messages = getattr(_loading, "messages", None)
    if messages is not None:
        messages.append(record.getMessage())
    return messages is None


logging.getLogger("nibabel.global").addFilter(_collect)


def nibabel_for(path: Path) -> Any:
    """Return the package that reads NIfTI files.

    Raises:
        ImportError: if it is not installed.
    """
    try:
        import nibabel  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ImportError(
            "NIfTI files are read by the package nibabel, which is not installed. "
            f"Received: {os.fspath(path)!r}. Install it "
            '(pip install "keras_seg[medical]"), or save '
            "the volume as .npy."
        ) from error
    return nibabel


def nifti_shape(path: Path) -> tuple[int, ...]:
    """Return depth, height, width and further axes, from the header.

    Raises:
        FileFault: a ValueError that names the file, if it is damaged or too large.
        ImportError: if nibabel is not installed.
    """
    nibabel = nibabel_for(path)
    with guarded(path):
        return _canonical_shape(_opened(nibabel, path))


def read_nifti(path: Path) -> np.ndarray:
    """Read a volume: slices from feet to head, rows from front to back, columns from right to left.

    This is the radiological view. Files with another orientation are rotated to it.

    Raises:
        FileFault: a ValueError that names the file, if it is damaged or too large.
        ImportError: if nibabel is not installed.
    """
    nibabel = nibabel_for(path)
    with guarded(path):
        image = _opened(nibabel, path)
        array = np.asanyarray(image.dataobj)  # x to the right, y to the front, z up
        if array.dtype.kind not in "buif":
            raise wrong_kind(path, "Arrays must hold numbers.", array.dtype, "Save it as uint8.")
        array = array[::-1, ::-1]
        array = array.transpose(2, 1, 0, *range(3, array.ndim))
        return array.reshape(_without_time(array.shape))


def load_nifti(nibabel: Any, path: Path) -> Any:
    """Load an image without its data; repairs of its header are logged once per file."""
    name = os.fspath(path)
    _loading.messages = messages = []
    try:
        image = nibabel.load(name)
    finally:
        _loading.messages = None
    if messages and name not in _reported:
        _reported.add(name)
        repairs = "; ".join(messages)
        _logger.warning("%s: invalid NIfTI header, repaired in memory: %s.", name, repairs)
    return image


def _opened(nibabel: Any, path: Path) -> Any:
    image = load_nifti(nibabel, path)
    if len(image.shape) < 3 or min(image.shape) < 1:
        raise ValueError(f"an image of the shape {image.shape}")
    voxels = math.prod(int(size) for size in image.shape)
    require_size(path, voxels, voxels * image.get_data_dtype().itemsize)
    return nibabel.as_closest_canonical(image)


def _canonical_shape(image: Any) -> tuple[int, ...]:
    return _without_time((*image.shape[2::-1], *image.shape[3:]))


def _without_time(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Remove axes of length 1 after the third, such as a single point in time."""
    return (*shape[:3], *(size for size in shape[3:] if size != 1))
