"""Sources of pictures that have one class each: files, or arrays in memory.

The label of such a picture is its class id, an int32 scalar. Sources of this kind have the
attribute `class_ids`; sources of pictures and masks do not.
"""

from collections.abc import Sequence

import numpy as np

from pipelines.find.classes import Classes
from pipelines.find.fingerprint import fingerprint_of_arrays, fingerprint_of_files
from pipelines.find.sources import FileSource
from pipelines.read.image import read_image
from pipelines.read.spec import InputSpec, Range

MAX_CLASSES = 65_536


class ClassFiles:
    """Picture files of one class each.

    Attributes:
        class_ids: the class of each picture, int32 (n,).
        input_spec: how files are converted to pixels.
    """

    weights: np.ndarray | None = None

    def __init__(
        self,
        files: Sequence[str],
        class_ids: Sequence[int],
        classes: Classes,
        num_channels: int | None = None,
        value_range: Range = None,
        size: tuple[int, int] | None = None,
        bands: Sequence[int] | None = None,
    ):
        """Keep the paths; nothing is read yet.

        Args:
            files: paths of the pictures.
            class_ids: the class of each.
            classes: the classes.
            num_channels: 1 for gray, 3 for RGB, None for what the files hold.
            value_range: values in the files that are mapped to 0 and 255, None for their whole
                range.
            size: (height, width) that pictures are resized to; None keeps their own.
            bands: channels of the files to use, counted from 0; None for all.
        """
        pairs = [(file, "") for file in files]
        self._files = FileSource(pairs, classes, num_channels, value_range, bands=bands)
        self._names = classes.names
        self.class_ids = np.asarray(class_ids, np.int32)
        self.num_channels = self._files.num_channels
        self.dimensions = self._files.dimensions
        taken = None if bands is None else tuple(bands)
        self.input_spec = InputSpec(self.num_channels, self.dimensions, value_range, taken, size)

    def __len__(self) -> int:
        return len(self._files)

    def paths(self) -> list[tuple[str, str]]:
        """Return the path of each picture and the name of its class."""
        files = (path for path, _ in self._files.paths())
        return [(file, self._names[i]) for file, i in zip(files, self.class_ids, strict=True)]

    def sizes(self) -> np.ndarray:
        """Return heights and widths, int64 (n, 2), or with depths (n, 3), from the headers."""
        if self.input_spec.size is not None:
            return np.tile(np.array(self.input_spec.size, np.int64), (len(self), 1))
        return self._files.sizes()

    def read(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Read one picture, uint8 (h, w, c), and return it with its class id, int32 ().

        Raises:
            FileFault: a ValueError that names the file, if it is unreadable.
        """
        (path, _) = self._files.pairs[index]
        return read_image(path, self.input_spec), self.class_ids[index]

    def fingerprint(self) -> str:
        """Return a digest of the bytes of all files, their classes, and how they are read."""
        return fingerprint_of_files(
            ([path] for path, _ in self._files.paths()),
            self._names,
            self.class_ids.tolist(),
            self.input_spec,
        )


class ClassArrays:
    """Pictures of one size and one class each, in memory.

    Attributes:
        images: uint8 (n, h, w, c).
        class_ids: the class of each picture, int32 (n,).
    """

    weights: np.ndarray | None = None

    def __init__(self, name: str, images: np.ndarray, labels: np.ndarray, class_names: Sequence):
        """Check and keep the arrays, without a copy of the pictures.

        Args:
            name: name for errors, such as "digits/train".
            images: uint8 (n, h, w, c) with 1 or more channels; volumes (n, d, h, w, c).
            labels: class ids of any whole-number type, (n,).
            class_names: one name per class; ids must be below their number.

        Raises:
            ValueError: if shapes, types or ids do not fit.
        """
        images, labels = np.ascontiguousarray(images), np.asarray(labels)
        fits = images.ndim in (4, 5) and labels.shape == images.shape[:1] and len(images) > 0
        if not fits or images.dtype != np.uint8 or labels.dtype.kind not in "ui":
            raise ValueError(
                "Arrays of pictures with one class each need images uint8 (n, h, w, c) and whole "
                "numbers as labels (n,), n from 1 up. "
                f"Received: images {images.dtype} {images.shape}, labels {labels.dtype} "
                f"{labels.shape} in {name!r}. Convert with astype('uint8'); gray pictures "
                "(n, h, w) need a last axis: images[..., None]."
            )
        unknown = [int(i) for i in np.unique(labels) if not 0 <= i < len(class_names)]
        if unknown:
            raise ValueError(
                f"Labels must be class ids 0..{len(class_names) - 1}. "
                f"Received: ids {unknown[:12]} in {name!r}. Leave these pictures out, or name "
                "their classes."
            )
        self.images, self.class_ids = images, labels.astype(np.int32)
        self.num_channels = images.shape[-1]
        self.dimensions = images.ndim - 2
        self._name, self._class_names = name, tuple(class_names)

    def __len__(self) -> int:
        return len(self.images)

    def paths(self) -> list[tuple[str, str]]:
        """Return a name for each picture, and the name of its class; there are no files."""
        names = self._class_names
        return [(f"{self._name}/{i:05d}", names[c]) for i, c in enumerate(self.class_ids)]

    def sizes(self) -> np.ndarray:
        """Return heights and widths, int64 (n, 2), or with depths (n, 3)."""
        return np.tile(np.array(self.images.shape[1:-1], np.int64), (len(self), 1))

    def read(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Return one picture and its class id, int32 ()."""
        return self.images[index], self.class_ids[index]

    def fingerprint(self) -> str:
        """Return a digest of all pictures and classes."""
        return fingerprint_of_arrays(self.images, self.class_ids)
