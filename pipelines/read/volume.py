"""Volumes in files: NumPy arrays, NIfTI, and stacks of TIFF pages, as they are stored.

Volumes are (d, h, w), (d, h, w, c), or (c, d, h, w) with at most 16 channels.
"""

import numpy as np

from pipelines.read import arrays, nifti, tiff
from pipelines.read.arrays import suffix_of
from pipelines.read.faults import Path, wrong_kind

ONLY = (".npz", *nifti.SUFFIXES)  # suffixes of files that hold only volumes
SUFFIXES = (".npy", *ONLY, ".tif", ".tiff")
_MOST_CHANNELS = 16


def is_volume(path: Path) -> bool:
    """Return whether a picture's file is a volume by its suffix, if there is no mask."""
    suffix = suffix_of(path)
    return suffix in ONLY or (suffix == ".npy" and len(arrays.array_shape(path)) == 4)


def require_picture(path: Path) -> None:
    """Raise for files that hold volumes in a data set of pictures.

    Raises:
        FileFault: a ValueError that names the file.
    """
    if suffix_of(path) in ONLY:
        raise wrong_kind(
            path, "Files .npz, .nii and .nii.gz hold volumes, and so must their masks.",
            "one with a mask (height, width)", "Save masks as arrays (depth, height, width).",
        )  # fmt: skip


def read_volume(path: Path) -> np.ndarray:
    """Read a volume (d, h, w, c) as it is stored.

    Raises:
        FileFault: a ValueError that names the file, if it is damaged or holds no volume.
    """
    volume_shape(path)  # raises if it is no volume
    values = read_numbers(path)
    return channels_last(values) if values.ndim == 4 else values[..., None]


def mapped_volume(path: Path) -> np.ndarray:
    """Return the volume (d, h, w, c) of a .npy file of any size as a memory map.

    Raises:
        FileFault: a ValueError that names the file, if it is damaged or holds no volume.
    """
    layout = arrays.npy_layout(path)
    _checked(path, layout.shape)
    values = layout.mapped(path)
    return channels_last(values) if values.ndim == 4 else values[..., None]


def volume_shape(path: Path) -> tuple[int, int, int, int]:
    """Return depth, height, width and channels, from the header.

    Raises:
        FileFault: a ValueError that names the file, if it holds no volume.
    """
    suffix = suffix_of(path)
    shape: tuple[int, ...] = ()
    if suffix in (".npy", ".npz"):
        shape = arrays.array_shape(path)
    elif suffix in nifti.SUFFIXES:
        shape = nifti.nifti_shape(path)
    elif tiff.is_tiff(path):
        header = tiff.tiff_header(path)
        shape = (header.height, header.width)
        if header.pages > 1:
            shape = (header.pages, *shape)
    return _checked(path, shape)


def _checked(path: Path, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Return depth, height, width and channels of an array, if it is a volume."""
    if len(shape) not in (3, 4) or 0 in shape:
        raise wrong_kind(
            path, "In a data set of volumes, pictures must be volumes: .npy or .npz arrays, NIfTI "
            "files or TIFF stacks of the axes (d, h, w) or (d, h, w, c).",
            f"{shape}" if shape else f"a file {suffix_of(path)}", "Save it as such an array.",
        )  # fmt: skip
    depth, height, width, channels = (*shape, 1)[:4]
    if _is_channels_first(shape):
        return height, width, channels, depth
    return depth, height, width, channels


def read_numbers(path: Path) -> np.ndarray:
    """Return the array of a volume's file as it is stored."""
    if suffix_of(path) in nifti.SUFFIXES:
        return nifti.read_nifti(path)
    if suffix_of(path) in (".npy", ".npz"):
        return arrays.read_array(path)
    return tiff.read_tiff(path, as_stored=True)


def channels_last(values: np.ndarray) -> np.ndarray:
    """Move the channels of a volume to the last axis, if they are first.

    >>> channels_last(np.zeros((4, 20, 64, 64))).shape
    (20, 64, 64, 4)
    """
    return np.moveaxis(values, 0, -1) if _is_channels_first(values.shape) else values


def _is_channels_first(shape: tuple[int, ...]) -> bool:
    return len(shape) == 4 and shape[0] <= _MOST_CHANNELS < shape[-1]
