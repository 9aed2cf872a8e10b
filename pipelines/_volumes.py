"""Volumes in files: NumPy arrays, NIfTI, and stacks of TIFF pages.

A mask says by its number of axes whether a data set is one of volumes: a mask (d, h, w) is, one
(h, w) is none. An array with a first axis of 1, or a last one of 1..4, is a mask of a picture whose
channels were kept. Pictures of volumes are (d, h, w), (d, h, w, c), or (c, d, h, w) with at most 16
channels.
"""

import os
import zipfile
from typing import Any

import numpy as np

from pipelines import _decode
from pipelines._decode import Path
from pipelines.faults import wrong_kind

NIFTI = (".nii", ".nii.gz")
SUFFIXES = (".npz", *NIFTI)  # of files that hold volumes and nothing else
_MOST_CHANNELS = 16
_ONE_ARRAY = "Save it with np.savez_compressed(path, array)."


def suffix_of(path: Path) -> str:
    """Return a file's ending in small letters, ".nii.gz" as one.

    >>> suffix_of("scans/A.nii.gz")
    '.nii.gz'
    """
    name = os.fspath(path).lower()
    return ".nii.gz" if name.endswith(".nii.gz") else os.path.splitext(name)[1]


def is_label(path: Path) -> bool:
    """Say whether a mask's file holds a volume.

    Raises:
        FileFault: a ValueError that names the file, if its header cannot be read.
    """
    suffix = suffix_of(path)
    if suffix in NIFTI:
        return True
    if suffix in (".tif", ".tiff") and not _decode.is_bands(path):
        with _decode.opened(path) as picture:
            return _decode.num_pages(picture) > 1
    if suffix not in (".npy", ".npz"):
        return False
    shape = _array_shape(path)
    volume = len(shape) == 3 and shape[0] > 1 and shape[-1] > 4
    if suffix == ".npz" and not volume:
        raise wrong_kind(
            path, "Masks in .npz files must be volumes (depth, height, width).", f"{shape}",
            "Save masks of pictures as .npy or PNG.",
        )  # fmt: skip
    return volume


def is_image(path: Path) -> bool:
    """Say whether a picture's file can only be a volume, where there is no mask to say it."""
    suffix = suffix_of(path)
    return suffix in SUFFIXES or (suffix == ".npy" and len(_array_shape(path)) == 4)


def require_picture(path: Path) -> None:
    """Refuse files that hold volumes in a data set of pictures.

    Raises:
        FileFault: a ValueError that names the file.
    """
    if suffix_of(path) in SUFFIXES:
        raise wrong_kind(
            path, "Files .npz, .nii and .nii.gz hold volumes, and so must their masks.",
            "one with a mask (height, width)", "Save masks as arrays (depth, height, width).",
        )  # fmt: skip


def read_label(path: Path) -> np.ndarray:
    """Read a mask (d, h, w) as it is stored."""
    return _read(path)


def read_image(path: Path) -> np.ndarray:
    """Read a volume (d, h, w, c) as it is stored."""
    image_shape(path)  # refuses what is none
    return _channels_last(_read(path))


def image_shape(path: Path) -> tuple[int, int, int, int]:
    """Return depth, height, width and channels, from the header where there is one.

    Raises:
        FileFault: a ValueError that names the file, if it holds no volume.
    """
    suffix = suffix_of(path)
    if suffix in (".npy", ".npz"):
        shape = _array_shape(path)
    elif suffix in NIFTI:
        shape = _nifti_shape(path)
    elif suffix in (".tif", ".tiff") and not _decode.is_bands(path):
        with _decode.opened(path) as picture:
            count = _decode.num_pages(picture)
            shape = (count, *picture.size[::-1]) if count > 1 else picture.size[::-1]
    else:
        shape = ()
    if len(shape) not in (3, 4) or 0 in shape:
        raise wrong_kind(
            path, "In a data set of volumes, pictures must be volumes: .npy or .npz arrays, NIfTI "
            "files or TIFF stacks of the axes (d, h, w) or (d, h, w, c).",
            f"{shape}" if shape else f"a file {suffix}", "Save it as such an array.",
        )  # fmt: skip
    depth, height, width, channels = (*shape, 1)[:4]
    if _is_channels_first(shape):
        return height, width, channels, depth
    return depth, height, width, channels


def _read(path: Path) -> np.ndarray:
    suffix = suffix_of(path)
    if suffix in NIFTI:
        return _read_nifti(path)
    if suffix in (".tif", ".tiff"):
        with _decode.opened(path) as picture:
            return np.moveaxis(_decode.read_pages(picture), -1, 0)  # pyright: ignore
    with _decode.guarded(path):
        array = np.load(path, allow_pickle=False)
        if isinstance(array, np.lib.npyio.NpzFile):
            with array as archive:
                array = archive[archive.files[0]]
    return _numbers(path, array)


def _numbers(path: Path, array: np.ndarray) -> np.ndarray:
    if array.dtype.kind not in "buif":
        raise wrong_kind(path, "Arrays must hold numbers.", array.dtype, "Save it as uint8.")
    return array


def _channels_last(array: np.ndarray) -> np.ndarray:
    if array.ndim == 3:
        return array[..., None]
    return np.moveaxis(array, 0, -1) if _is_channels_first(array.shape) else array


def _is_channels_first(shape: tuple[int, ...]) -> bool:
    return len(shape) == 4 and shape[0] <= _MOST_CHANNELS < shape[-1]


def _array_shape(path: Path) -> tuple[int, ...]:
    """Return the shape of a .npy file, or of the one array of a .npz file."""
    if suffix_of(path) == ".npy":
        with _decode.guarded(path), open(path, "rb") as file:
            return _header(file)
    with _decode.guarded(path), zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        if len(names) != 1:
            raise wrong_kind(path, "A .npz file must hold one array.", names, _ONE_ARRAY)
        with archive.open(names[0]) as file:
            return _header(file)


def _header(file) -> tuple[int, ...]:
    if np.lib.format.read_magic(file) == (1, 0):
        return np.lib.format.read_array_header_1_0(file)[0]
    return np.lib.format.read_array_header_2_0(file)[0]


def _nibabel(path: Path) -> Any:
    try:
        import nibabel  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ImportError(
            f"NIfTI files are read by the package nibabel, which is not installed. "
            f"Received: {os.fspath(path)!r}. Install it (pip install nibabel), or save the "
            "volume as .npy."
        ) from error
    return nibabel


def _nifti_shape(path: Path) -> tuple[int, ...]:
    nibabel = _nibabel(path)
    with _decode.guarded(path):
        image = nibabel.as_closest_canonical(nibabel.load(os.fspath(path)))
        return _without_time((*image.shape[2::-1], *image.shape[3:]))


def _read_nifti(path: Path) -> np.ndarray:
    """Return slices from the feet up, rows from front to back, columns from the right to the left.

    That is how radiologists look at them. All files are turned so, however they were stored.
    """
    nibabel = _nibabel(path)
    with _decode.guarded(path):
        image = nibabel.as_closest_canonical(nibabel.load(os.fspath(path)))
        array = np.asanyarray(image.dataobj)  # x to the right, y to the front, z up
    array = array[::-1, ::-1]
    array = array.transpose(2, 1, 0, *range(3, array.ndim))
    return _numbers(path, array.reshape(_without_time(array.shape)))


def _without_time(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Take out axes of 1 behind the third, as of a single point in time."""
    return (*shape[:3], *(size for size in shape[3:] if size != 1))
