"""Label volumes for volume files, in the format of each file."""

from pathlib import Path

import numpy as np
from PIL import Image

from keras_seg.inference.predictor import TOO_LARGE
from keras_seg.show import overlay
from keras_seg.whole_files import draft
from pipelines.read.arrays import suffix_of
from pipelines.read.memory import fitting
from pipelines.read.nifti import SUFFIXES, load_nifti, nibabel_for


def label_file(source):
    """File extension of the label volume of a file: NIfTI stays NIfTI.

    Args:
        source: path of a volume.

    Returns:
        ".nii.gz" or ".npy".

    >>> label_file("scan.nii"), label_file("stack.tif")
    ('.nii.gz', '.npy')
    """
    return ".nii.gz" if suffix_of(source) in SUFFIXES else ".npy"


def predict_volume(segmenter, source, labels_path, overlay_path=None):
    """Write the class ids of a volume, and an overlay of the classes on its middle slice.

    Args:
        segmenter: a `Segmenter` of volumes, with a palette.
        source: path of the volume.
        labels_path: file for the uint8 ids (d, h, w): .npy, or .nii.gz with the affine of the
            source.
        overlay_path: file for the slice, .png; None for none.

    Raises:
        ValueError: if the file is not a volume that the network can process, or does not fit into
            memory.
    """
    volume = segmenter.read(source)
    with fitting(f"'{source}' of {' x '.join(map(str, volume.shape[:-1]))} voxels", TOO_LARGE):
        labels = segmenter(volume)
    with draft("predict", labels_path) as file:
        if suffix_of(labels_path) in SUFFIXES:
            _save_nifti(labels, Path(source), file)
        else:
            np.save(file, labels)
    if overlay_path is None:
        return
    middle = len(labels) // 2
    drawn = overlay(volume[middle], labels[middle], segmenter.palette)
    with draft("predict", overlay_path) as file:
        Image.fromarray(drawn).save(file)


def _save_nifti(labels, source, path):
    """Write with the axes of the source, the inverse of `read_nifti`."""
    nibabel = nibabel_for(source)
    image = load_nifti(nibabel, source)
    canonical = nibabel.as_closest_canonical(image)
    # From (d, h, w), columns to the left and rows to the back, to (x, y, z).
    turned = nibabel.Nifti1Image(labels.transpose(2, 1, 0)[::-1, ::-1], canonical.affine)
    there = nibabel.io_orientation(image.affine)
    back = nibabel.orientations.ornt_transform(nibabel.io_orientation(canonical.affine), there)
    nibabel.save(turned.as_reoriented(back), path)
