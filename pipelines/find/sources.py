"""Sources of a split's examples: pairs of files; arrays in memory are in `array_source`.

A source has `len(source)`, `num_channels`, `paths()`, `sizes()` and `read(index)`, which gives a
picture uint8 (h, w, c) and its mask uint8 (h, w) of class ids, 255 where ignored. Volumes have the
depth as an additional first axis, and their source has `dimensions` 3. Pictures of one class each
have `class_ids` and no masks; their sources are in `class_sources`.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cached_property
from itertools import islice
from typing import Protocol

import numpy as np

from pipelines.find.classes import IGNORE_CLASS, Classes
from pipelines.find.fingerprint import fingerprint_of_files
from pipelines.read import mask, volume
from pipelines.read.faults import SIZE, FileFault
from pipelines.read.image import read_header, read_image
from pipelines.read.mask import read_colors, read_label, read_two_valued
from pipelines.read.spec import InputSpec, Range

NUM_THREADS = 8
_VOTES = 5  # files whose axes are looked at; one of them may be damaged
Pair = tuple[str | tuple[str, ...], str]


class Source(Protocol):
    """The interface of a source."""

    num_channels: int
    weights: np.ndarray | None

    def __len__(self) -> int: ...

    def paths(self) -> list[tuple[str, str]]:
        """Return the names of each picture and mask, for errors and tables."""
        ...

    def sizes(self) -> np.ndarray:
        """Return heights and widths, int64 (n, 2), or with depths (n, 3), without decoding."""
        ...

    def read(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Return picture and mask number `index`."""
        ...

    def fingerprint(self) -> str:
        """Return a digest of all pictures and masks, without decoding them."""
        ...


class FileSource:
    """Pairs of picture and mask files."""

    def __init__(
        self,
        pairs: Sequence[Pair],
        classes: Classes,
        num_channels: int | None = None,
        value_range: Range = None,
        weights: Sequence[float] | None = None,
        bands: Sequence[int] | None = None,
    ):
        """Keep the pairs; nothing is read yet.

        Args:
            pairs: paths of picture and mask. A picture may be a tuple of files, whose channels are
                concatenated. A mask may be "": all of its pixels are then ignored.
            classes: the classes, with their ids in the masks.
            num_channels: 1 for gray, 3 for RGB, any number for files that have it, None for what
                the files hold (RGB if some have color and some have not).
            value_range: values in the files that are mapped to 0 and 255, None for their whole
                range.
            weights: relative sampling frequency of each picture in training, above 0; None for
                equal ones.
            bands: channels of the files to use, counted from 0; None for all.
        """
        self._pairs = list(pairs)
        self.classes = classes
        self._value_range = value_range
        self._bands = None if bands is None else tuple(bands)
        self._sizes: np.ndarray | None = None
        self.weights = None if weights is None else np.asarray(weights, np.float64)
        self.plain: set[str] = set()  # masks of class ids and 255, read without `classes`
        self.num_channels = num_channels or (len(bands) if bands else self._find_channels())

    def __len__(self) -> int:
        return len(self._pairs)

    @cached_property
    def dimensions(self) -> int:
        """3 for volumes, 2 for pictures: what most of the first masks that can be read have."""
        masks = (label for _, label in self._pairs if label and label not in self.plain)
        pictures = (first_path(image) for image, _ in self._pairs)
        for is_volume, files in ((mask.is_volume, masks), (volume.is_volume, pictures)):
            votes = list(islice(_votes(is_volume, files), _VOTES))
            if votes:
                return 3 if 2 * sum(votes) > len(votes) else 2
        return 2

    @cached_property
    def input_spec(self) -> InputSpec:
        """How files are converted to pixels."""
        return InputSpec(self.num_channels, self.dimensions, self._value_range, self._bands)

    @property
    def pairs(self) -> list[Pair]:
        """Paths of each picture, or of the files of its channels, and of its mask."""
        return list(self._pairs)

    def paths(self) -> list[tuple[str, str]]:
        """Return the paths of each picture (its first channel's) and mask ("" for none)."""
        return [(first_path(image), label) for image, label in self._pairs]

    def sizes(self) -> np.ndarray:
        """Return heights and widths, int64 (n, 2), or with depths (n, 3), from the headers."""
        if self._sizes is None:
            with ThreadPoolExecutor(NUM_THREADS) as pool:
                headers = pool.map(self._header, [image for image, _ in self._pairs])
                self._sizes = np.array([header[:-1] for header in headers], np.int64)
        return self._sizes

    def read(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Read one pair.

        Raises:
            FileFault: a ValueError that names the file, if one is unreadable, holds unknown ids,
                or the sizes differ.
        """
        image_path, label_path = self._pairs[index]
        image = read_image(image_path, self.input_spec)
        if not label_path:
            return image, np.full(image.shape[:-1], IGNORE_CLASS, np.uint8)
        label = self.read_classes(label_path)
        if image.shape[:-1] != label.shape:
            raise FileFault(
                SIZE, label_path,
                "A mask must have the size of its picture. "
                f"Received: {first_path(image_path)!r} of {image.shape[:-1]} and {label_path!r} of "
                f"{label.shape} (height, width). Resize the mask with nearest neighbor, "
                "check that the two belong together, or copy the file that is damaged again.",
                f"{label.shape}, its picture {first_path(image_path)!r} {image.shape[:-1]}",
                (first_path(image_path), image.shape[:-1], label.shape),
            )  # fmt: skip
        return image, label

    def fingerprint(self) -> str:
        """Return a digest of the bytes of all files and of how they are read."""
        files = [
            ([image] if isinstance(image, str) else image, label) for image, label in self._pairs
        ]
        weights = None if self.weights is None else self.weights.tolist()
        return fingerprint_of_files(
            ([*images, label] for images, label in files),
            self.classes,
            self.num_channels,
            self._value_range,
            weights,
            [label in self.plain for _, label in files],
            *([self._bands] if self._bands else []),  # runs from before there were bands
        )

    def read_classes(self, path: str) -> np.ndarray:
        """Read one mask as class ids uint8 (h, w), 255 where ignored.

        Raises:
            FileFault: a ValueError that names the file, if it does not fit.
        """
        if path in self.plain:
            return read_label(path).astype(np.uint8)
        if self.classes.colors:
            return self.classes.from_colors(read_colors(path), path)
        return self.classes.from_file_ids(read_ids(path, self.classes), path)

    def subset(self, indices: Sequence[int], repaired: Mapping[int, str]) -> "FileSource":
        """Return a source of some of the pairs, a few of them with masks of class ids and 255."""
        pairs = [(self._pairs[i][0], repaired.get(i, self._pairs[i][1])) for i in indices]
        weights = None if self.weights is None else self.weights[list(indices)].tolist()
        part = FileSource(
            pairs, self.classes, self.num_channels, self._value_range, weights, self._bands
        )
        part.plain = self.plain | set(repaired.values())
        return part

    def _find_channels(self) -> int:
        """Return the number of channels of the readable files; others raise when they are read."""
        with ThreadPoolExecutor(NUM_THREADS) as pool:
            every = list(pool.map(self._channels, [image for image, _ in self._pairs]))
        found = set(every) - {0}
        several = found - {1, 3}
        if len(several) > 1 or (several and len(found) > 1 and several != {4}):
            # Gray and RGB become each other. A file that most others differ from may be damaged:
            # `check` and training name it.
            kinds = Counter(3 if count == 1 else count for count in every if count)
            usual, number = kinds.most_common(1)[0]
            if 2 * number <= kinds.total():
                named = [f"{self.paths()[every.index(count)][0]!r} of {count}" for count in found]
                raise ValueError(
                    "All pictures of a dataset need the same number of channels. Received: "
                    f"pictures of {sorted(found)} channels, such as {' and '.join(named)}. "
                    "Give `num_channels`, or split them into two datasets."
                )
            found &= {1, 3} if usual == 3 else {usual}
            several = found - {1, 3}
        if several:
            return 3 if 3 in found or 1 in found else several.pop()
        return 3 if 3 in found or not found else 1

    def _header(self, image: str | Sequence[str]) -> tuple[int, ...]:
        return read_header(image, self.dimensions)

    def _channels(self, image: str | Sequence[str]) -> int:
        try:
            return self._header(image)[-1]
        except FileFault:
            return 0


def read_ids(path: str, classes: Classes) -> np.ndarray:
    """Read the ids in a mask; of two classes of 0 and 255, a black and white JPEG has them, too.

    Raises:
        FileFault: a ValueError that names the file, if it cannot be read.
    """
    return read_two_valued(path) if classes.file_ids == (0, 255) else read_label(path)


def _votes(is_volume: Callable[[str], bool], files: Iterable[str]) -> Iterator[bool]:
    """Say of each file that can be read whether it is a volume; `check` names the others."""
    for path in files:
        with suppress(FileFault):
            yield is_volume(path)


def first_path(image: str | Sequence[str]) -> str:
    """Return a picture's path, or that of its first channel."""
    return image if isinstance(image, str) else image[0]
