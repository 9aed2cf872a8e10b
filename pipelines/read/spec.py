"""`InputSpec`: how a file is converted to pixels, in training and inference alike."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

Range = tuple[float, float] | None


@dataclass(frozen=True)
class InputSpec:
    """How the file of a picture or a volume is converted to uint8 pixels.

    It is part of the data set (`data.input_spec`), and stored in run.json and in the notes of every
    export.

    Args:
        channels: channels of the pixels. 3 for RGB and 1 for gray, which are converted to each
            other; 4 keeps the alpha channel; other numbers must be those of the files.
        dimensions: 2 for pictures (h, w, c), 3 for volumes (d, h, w, c).
        value_range: values in the file that are mapped to 0 and 255; others are clipped. None for
            the full range of 8 or 16 bits.
        bands: channels of the file to use, counted from 0, in this order; None for all.
        size: (height, width) that pictures are resized to; None keeps their own. Only for pictures
            with one class each.

    Raises:
        ValueError: if a value is out of range.

    >>> InputSpec(channels=1, value_range=(0, 4095)).to_dict()
    {'channels': 1, 'dimensions': 2, 'value_range': [0, 4095], 'bands': None}
    """

    channels: int = 3
    dimensions: int = 2
    value_range: Range = None
    bands: tuple[int, ...] | None = None
    size: tuple[int, int] | None = None

    def __post_init__(self):
        if not _is_whole(self.channels, 1):
            raise ValueError(
                "`channels` must be a whole number above 0. "
                f"Received: channels={self.channels!r}. Pass 3 for RGB or 1 for gray."
            )
        if not _is_whole(self.dimensions, 2) or self.dimensions > 3:
            raise ValueError(
                "`dimensions` must be 2 for pictures or 3 for volumes. "
                f"Received: dimensions={self.dimensions!r}. Pass one of the two."
            )
        if self.value_range is not None:
            object.__setattr__(self, "value_range", _checked_range(self.value_range))
        if self.bands is not None:
            object.__setattr__(self, "bands", _checked_bands(self.bands, self.channels))
        if self.size is not None:
            object.__setattr__(self, "size", _checked_size(self.size, self.dimensions))

    def to_dict(self) -> dict[str, Any]:
        """Return a dict for JSON; it has a size only if pictures are resized."""
        size = {} if self.size is None else {"size": list(self.size)}
        return {
            "channels": self.channels,
            "dimensions": self.dimensions,
            "value_range": None if self.value_range is None else list(self.value_range),
            "bands": None if self.bands is None else list(self.bands),
            **size,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Create a spec from the result of `to_dict`.

        Args:
            values: a dict with the names of the arguments; missing ones have their defaults.

        Raises:
            ValueError: if the dict is invalid.

        >>> InputSpec.from_dict({"channels": 1})
        InputSpec(channels=1, dimensions=2, value_range=None, bands=None, size=None)
        """
        names = ("channels", "dimensions", "value_range", "bands", "size")
        if not isinstance(values, Mapping) or set(values) - set(names):
            raise ValueError(
                f"An input spec must be a dict with the keys {', '.join(names)}. "
                f"Received: {values!r}. Pass what `InputSpec.to_dict` returned."
            )
        return cls(**values)


def _is_whole(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _checked_range(value_range: Any) -> tuple[float, float]:
    try:
        low, high = (float(value) for value in value_range)
        valid = math.isfinite(low) and math.isfinite(high) and low < high
    except (TypeError, ValueError):
        valid = False
    if not valid:
        raise ValueError(
            "`value_range` must be two numbers, the lower one first. "
            f"Received: value_range={value_range!r}. For example, pass (0, 4095)."
        )
    low, high = (value.item() if hasattr(value, "item") else value for value in value_range)
    return low, high


def _checked_bands(bands: Any, channels: int) -> tuple[int, ...]:
    taken = tuple(bands) if isinstance(bands, list | tuple | range) else ()
    if len(taken) != channels or not all(_is_whole(band, 0) for band in taken):
        raise ValueError(
            "`bands` must be one whole number from 0 for each of the channels. "
            f"Received: bands={bands!r} for channels={channels}. For example, pass (3, 2, 1)."
        )
    return taken


def _checked_size(size: Any, dimensions: int) -> tuple[int, int]:
    sides = tuple(size) if isinstance(size, list | tuple) else ()
    if dimensions != 2 or len(sides) != 2 or not all(_is_whole(side, 1) for side in sides):
        raise ValueError(
            "`size` must be (height, width) in pixels, for pictures only. "
            f"Received: size={size!r} for dimensions={dimensions}. For example, pass (224, 224)."
        )
    return sides
