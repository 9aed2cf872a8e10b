"""Pairs of files that TensorFlow decodes without Python: faster, and possible in any worker.

Pictures are 8-bit PNG or JPEG files that stand upright, and masks are gray 8-bit PNG files. The
decoded pixels are compared with those of the dataset's reader: for masks in every file, which also
yields the table of ids, and for pictures in the first few files.
"""

from threading import Lock

import numpy as np
import tensorflow as tf
from PIL import Image

_COMPARED = 4  # pictures of a split
_DEPTH = 24  # the byte of a PNG that says how many bits a value has
_ORIENTATION = 0x0112
# A PNG with one of these chunks may have an orientation, before or after its pixels.
_TURNED = (b"eXIf", b"Raw profile", b"adobe")
_UNUSED = -1


class Plain:
    """Determines, file by file, whether TensorFlow can decode a split, and decodes it.

    Attributes:
        usable: whether TensorFlow can decode every pair seen so far.
    """

    def __init__(self, paths: list, num_channels: int, masks: bool = True):
        self.usable = num_channels in (1, 3)
        self._masks = masks
        self._paths = paths
        self._num_channels = num_channels
        self._formats: set[str | None] = set()
        self._table = np.full(256, _UNUSED, np.int16)
        self._lock = Lock()

    def learn(self, index: int, image: np.ndarray, label: np.ndarray) -> None:
        """Compare the files of one pair with the result of the reader."""
        if not self.usable:
            return
        image_path, label_path = self._paths[index]
        formats = _format(image_path), _format(label_path) if self._masks else "PNG L"
        self._formats.add(formats[0])
        wanted = "L" if self._num_channels == 1 else "RGB"
        fits = formats[0] in (f"PNG {wanted}", f"JPEG {wanted}") and formats[1] == "PNG L"
        plain = (
            fits
            and len(self._formats) == 1
            and (not self._masks or self._learn_ids(label_path, label))
            and (index >= _COMPARED or np.array_equal(self._read_image(image_path), image))
        )
        if not plain:  # final: threads arrive in any order
            self.usable = False

    def reader(self, kept: np.ndarray):
        """Return a function: index, an int64 tensor -> image uint8 (h, w, c), label (h, w)."""
        paths = tf.constant([self._paths[index] for index in kept.tolist()])
        table = np.where(self._table == _UNUSED, 255, self._table).astype(np.uint8)
        moved = np.flatnonzero((self._table != np.arange(256)) & (self._table != _UNUSED))

        def read(index):
            image_path, label_path = tf.unstack(tf.gather(paths, index))
            if not self._masks:
                return self._read_image(image_path), None
            label = tf.io.decode_png(tf.io.read_file(label_path), channels=1)[..., 0]
            if len(moved) > 2:
                return self._read_image(image_path), tf.gather(table, tf.cast(label, tf.int32))
            moved_label = label  # the common case, and faster
            for number in moved.tolist():
                moved_label = tf.where(label == number, table[number], moved_label)
            return self._read_image(image_path), moved_label

        return read

    def _read_image(self, path):
        data = tf.io.read_file(path)
        if any(name is not None and name.startswith("PNG") for name in self._formats):
            return tf.io.decode_png(data, channels=self._num_channels)
        return tf.io.decode_jpeg(data, channels=self._num_channels, dct_method="INTEGER_ACCURATE")

    def _learn_ids(self, path: str, label: np.ndarray) -> bool:
        """Record the class of each id in the file; return whether it is consistent."""
        with Image.open(path) as picture:
            ids = np.asarray(picture)
        if ids.shape != label.shape:
            return False
        both = np.bincount((ids.astype(np.uint16) * 256 + label).reshape(-1), minlength=65536)
        old, new = np.divmod(np.flatnonzero(both), 256)
        with self._lock:
            agrees = (self._table[old] == _UNUSED) | (self._table[old] == new)
            self._table[old] = new
        return bool(agrees.all()) and len(np.unique(old)) == len(old)


def _format(path: str) -> str | None:
    """Return "PNG L", "PNG RGB", "JPEG L" or "JPEG RGB" for an upright 8-bit picture."""
    try:
        with open(path, "rb") as file:
            data = file.read()
        with Image.open(path) as picture:
            plain = picture.mode in ("L", "RGB") and "transparency" not in picture.info
            plain = plain and getattr(picture, "n_frames", 1) == 1
            if picture.format == "PNG":
                plain = plain and data[_DEPTH] == 8 and not any(word in data for word in _TURNED)
            elif picture.format == "JPEG":
                plain = plain and picture.getexif().get(_ORIENTATION, 1) == 1
            else:
                plain = False
            return f"{picture.format} {picture.mode}" if plain else None
    except OSError:  # not readable by Pillow, or no mask
        return None
