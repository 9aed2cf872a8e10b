"""Ops: functions that transform one example, picture and mask together.

An op factory takes numbers and returns `op(example) -> example`. An example is a dict of
`image` uint8 (h, w, c), `label` uint8 (h, w) and `seed` int32 (2,). The same seed gives the
same result; ops are pure TensorFlow, so they also run in tf.data service workers.

Volumes, `image` uint8 (d, h, w, c) and `label` uint8 (d, h, w), go through the same ops. Ops with
an output size take a `depth`; ops for pictures only raise an error.

Ops that need several pictures, such as `cutmix`, carry `op.on_batch = True` and take a batch:
`image` (b, h, w, c), `label` (b, h, w) and one `seed`. They come last in a list of ops:

>>> augmentation = [random_scale_crop(360, 480), random_flip(), color_jitter(), classmix()]
"""

import difflib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipelines.ops.batches import classmix, cutmix, mosaic, multi_scale
from pipelines.ops.color import color_jitter, grayscale, random_gamma
from pipelines.ops.crops import center_crop, class_crop, pad, random_crop, random_scale_crop
from pipelines.ops.erase import coarse_dropout, cutout
from pipelines.ops.geometry import (
    random_flip,
    random_scale,
    random_turn,
    random_vertical_flip,
    resize,
)
from pipelines.ops.quality import gaussian_blur, gaussian_noise, jpeg_artifacts
from pipelines.ops.repeats import repeat_augment
from pipelines.ops.warp import elastic, random_affine, random_perspective, random_rotation

if TYPE_CHECKING:
    from pipelines.ops.example import Op

__all__ = [
    "center_crop",
    "class_crop",
    "classmix",
    "coarse_dropout",
    "color_jitter",
    "cutmix",
    "cutout",
    "elastic",
    "gaussian_blur",
    "gaussian_noise",
    "grayscale",
    "jpeg_artifacts",
    "mosaic",
    "multi_scale",
    "pad",
    "random_affine",
    "random_crop",
    "random_flip",
    "random_gamma",
    "random_perspective",
    "random_rotation",
    "random_scale",
    "random_scale_crop",
    "random_turn",
    "random_vertical_flip",
    "repeat_augment",
    "resize",
]


def resolve(ops: "Sequence[Op | tuple[str, dict]] | None") -> "list[Op]":
    """Resolve a list of ops to functions; an op may be a pair (name, arguments), as in a recipe.

    Args:
        ops: ops, or pairs of an op's name and its arguments, or None for no ops.

    Returns:
        list of `op(example) -> example`, those on batches last.

    Raises:
        ValueError: if an op is unknown, or one on examples follows one on batches.

    >>> len(resolve([("random_flip", {}), center_crop(32, 32)]))
    2
    """
    found = [op if callable(op) else _by_name(*op) for op in ops or ()]
    marks = [getattr(op, "on_batch", False) for op in found]
    if marks != sorted(marks):
        raise ValueError(
            "Ops on batches must come last, after all ops on examples. "
            f"Received: an op on examples after op number {marks.index(True)} (from 0). "
            "Move cutmix, classmix, mosaic and multi_scale to the end."
        )
    return found


def _by_name(name: str, arguments: dict) -> "Op":
    if name not in __all__:
        near = difflib.get_close_matches(name, __all__, n=1)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        raise ValueError(f"Unknown op.{hint} Received: {name!r}. Available: {__all__}.")
    return globals()[name](**arguments)
