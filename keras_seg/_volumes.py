"""Reading one volume from a file or an array, as the values a model takes."""

import os
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from keras_seg._pictures import as_pixels

NIFTI = (".nii", ".nii.gz")
ENDINGS = (".npy", ".npz", *NIFTI, ".tif", ".tiff")
_MOST_CHANNELS = 16  # in front of the depth, in files


def read_volume(volume, num_channels: int = 1) -> np.ndarray:
    """Return a path or an array as uint8 values with the wanted number of channels.

    Args:
        volume: path of a .npy, .npz or NIfTI file or a stack of TIFF pages, or array (d, h, w) or
            (d, h, w, c) in 0..255. A file may hold (c, d, h, w) with at most 16 channels, and 16
            bits, whose 0..65535 become 0..255.
        num_channels: channels that the model takes; one becomes three where it wants three.

    Returns:
        uint8 array (d, h, w, num_channels). Volumes of NIfTI files have their slices from the feet
        up, rows from front to back, columns from the right to the left, however they are stored.

    Raises:
        ValueError: if the file is missing or no volume, or shape, range or channels do not fit.
        TypeError: if the volume is neither a path nor an array of numbers.
        ImportError: if it is a NIfTI file, and nibabel is not installed.

    >>> read_volume(np.full((2, 5, 6), 7, "uint8")).shape
    (2, 5, 6, 1)
    """
    if isinstance(volume, str | Path):
        volume = channels_last(_load(Path(volume)))
        if volume.dtype == np.uint16:
            volume = ((volume.astype(np.uint32) + 128) // 257).astype(np.uint8)
    return with_channels(as_pixels(np.asarray(volume), 3), num_channels)


def with_channels(values: np.ndarray, num_channels: int) -> np.ndarray:
    """Return (d, h, w) or (d, h, w, c) as (d, h, w, num_channels).

    >>> with_channels(np.zeros((2, 5, 6)), 3).shape
    (2, 5, 6, 3)
    """
    values = values[..., None] if values.ndim == 3 else values
    have = values.shape[-1]
    if have == num_channels:
        return values
    if have == 1 and num_channels == 3:
        return np.repeat(values, 3, axis=-1)
    raise ValueError(
        f"This model takes volumes with {num_channels} channels. Received: shape={values.shape}. "
        f"Pass (d, h, w, {num_channels}), or build the model with "
        f"input_shape=(None, None, None, {have})."
    )


def channels_last(values: np.ndarray) -> np.ndarray:
    """Return what a file holds with its channels last, if they are first.

    >>> channels_last(np.zeros((4, 20, 64, 64))).shape
    (20, 64, 64, 4)
    """
    first = values.ndim == 4 and values.shape[0] <= _MOST_CHANNELS < values.shape[-1]
    return np.moveaxis(values, 0, -1) if first else values


def ending_of(path: str | os.PathLike) -> str:
    """Return a file's ending in small letters, ".nii.gz" as one.

    >>> ending_of("scans/A.nii.gz")
    '.nii.gz'
    """
    name = os.fspath(path).lower()
    return ".nii.gz" if name.endswith(".nii.gz") else os.path.splitext(name)[1]


def _load(path: Path) -> np.ndarray:
    ending = ending_of(path)
    if ending not in ENDINGS:
        raise ValueError(
            f"A volume must be a file of one of the kinds {', '.join(ENDINGS)}. "
            f"Received: '{path}'. Save it with np.save."
        )
    if not path.is_file():
        raise ValueError(f"A volume must be a file. Received: '{path}'. Check the path.")
    if ending in NIFTI:
        nibabel = nibabel_for(path)
    try:
        if ending in NIFTI:
            return _from_nifti(nibabel.as_closest_canonical(nibabel.load(path)))
        if ending in (".tif", ".tiff"):
            return _from_pages(path)
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return loaded
        with loaded as archive:
            (name,) = archive.files  # one array
            return archive[name]
    except Exception as error:  # On damaged bytes, readers raise whatever they like.
        raise ValueError(
            f"A volume's file must hold one array of numbers. Received: '{path}' ({error}). "
            "Check that it is complete, or write it with np.save."
        ) from error


def _from_nifti(image: Any) -> np.ndarray:
    """Turn (x to the right, y to the front, z up) as radiologists look at slices."""
    values = np.asanyarray(image.dataobj)[::-1, ::-1]
    values = values.transpose(2, 1, 0, *range(3, values.ndim))
    return values.reshape(*values.shape[:3], *(size for size in values.shape[3:] if size != 1))


def _from_pages(path: Path) -> np.ndarray:
    pages = []
    with Image.open(path) as picture:
        for index in range(getattr(picture, "n_frames", 1)):
            picture.seek(index)
            pages.append(np.asarray(picture))
    return np.stack(pages)


def nibabel_for(path: Path) -> Any:
    """Return the package that reads NIfTI files, or say how to get it."""
    try:
        import nibabel  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ImportError(
            "NIfTI files are read by the package nibabel, which is not installed. "
            f"Received: '{path}'. Install it (pip install nibabel), or save the volume as .npy."
        ) from error
    return nibabel
