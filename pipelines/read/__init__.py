"""Read files to arrays, without TensorFlow or Keras; all files of the project are read here."""

from pipelines.read.faults import FileFault
from pipelines.read.image import as_image, read_image
from pipelines.read.limits import limits
from pipelines.read.mask import read_colors, read_label
from pipelines.read.spec import InputSpec

__all__ = [
    "FileFault", "InputSpec", "as_image", "limits", "read_colors", "read_image", "read_label",
]  # fmt: skip
