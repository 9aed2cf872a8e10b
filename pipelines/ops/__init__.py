"""Ops: functions that change one example, picture and mask together.

An op factory takes numbers and returns `op(example) -> example`. An example is a dict of
`image` uint8 (h, w, c), `label` uint8 (h, w) and `seed` int32 (2,). The same seed gives the
same result; ops are pure TensorFlow, so they also run in tf.data service workers.
"""

import difflib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipelines.ops.color import color_jitter
from pipelines.ops.crops import center_crop, pad, random_crop, random_scale_crop
from pipelines.ops.geometry import random_flip, random_scale, resize

if TYPE_CHECKING:
    from pipelines.ops._example import Op

__all__ = [
    "center_crop",
    "color_jitter",
    "pad",
    "random_crop",
    "random_flip",
    "random_scale",
    "random_scale_crop",
    "resize",
]


def resolve(ops: "Sequence[Op | tuple[str, dict]] | None") -> "list[Op]":
    """Turn a list of ops into functions; an op may be given as data, as in a recipe.

    Args:
        ops: ops, or pairs of an op's name and its arguments, or None for no ops.

    Returns:
        list of `op(example) -> example`.

    Raises:
        ValueError: if there is no op of a name.

    >>> len(resolve([("random_flip", {}), center_crop(32, 32)]))
    2
    """
    return [op if callable(op) else _by_name(*op) for op in ops or ()]


def _by_name(name: str, arguments: dict) -> "Op":
    if name not in __all__:
        near = difflib.get_close_matches(name, __all__, n=1)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        raise ValueError(f"Unknown op.{hint} Received: {name!r}. Available: {__all__}.")
    return globals()[name](**arguments)
