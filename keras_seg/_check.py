"""Checks of arguments, with common error messages."""

import difflib
import math
from collections.abc import Sequence
from numbers import Real  # numpy's, too

from pipelines.read.spec import InputSpec


def one_of(subject, name, value, available, advice=""):
    """Raise ValueError unless `value` is one of `available`; a near miss is suggested.

    Args:
        subject: kind of name, such as "architecture".
        name: the argument's name.
        value: what was received.
        available: the names that are allowed.
        advice: a last sentence for the message.

    Raises:
        ValueError: `value` is not among `available`.

    >>> one_of("schedule", "name", "poly", ["poly", "cosine"])
    """
    available = sorted(available)
    if value in available:
        return
    near = difflib.get_close_matches(str(value), [x for x in available if isinstance(x, str)], n=1)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    message = f"Unknown {subject}.{hint} Received: {name}={value!r}. Available: {available}."
    raise ValueError(f"{message} {advice}".rstrip())


def positive_integer(subject, name, value, at_least=1):
    """Raise unless `value` is a whole number of at least `at_least`.

    Args:
        subject: name of the caller, such as "fit".
        name: the argument's name.
        value: what was received.
        at_least: the smallest value allowed.

    Raises:
        ValueError: it is not.

    >>> positive_integer("fit", "epochs", 3)
    """
    if isinstance(value, bool) or not hasattr(value, "__index__") or value < at_least:
        raise ValueError(
            f"`{subject}` needs {name} to be a whole number of at least {at_least}. "
            f"Received: {name}={value!r}."
        )


def share(subject, name, value, below_one=True):
    """Raise unless `value` is a number from 0 up to 1.

    Args:
        subject: name of the caller, such as "contextnet".
        name: the argument's name.
        value: what was received.
        below_one: whether 1 itself is refused.

    Raises:
        ValueError: it is not.

    >>> share("contextnet", "dropout_rate", 0.1)
    """
    if not isinstance(value, Real) or not 0 <= float(value) <= 1 or (below_one and value == 1):
        limit = "below" if below_one else "up to"
        raise ValueError(f"`{subject}` needs {name} from 0 {limit} 1. Received: {name}={value!r}.")


def number(subject, name, value, at_least=-math.inf, above=-math.inf, at_most=math.inf):
    """Raise unless `value` is a finite number within limits.

    Args:
        subject: name of the caller, such as "Poly".
        name: the argument's name.
        value: what was received.
        at_least: the smallest value allowed.
        above: a value that is too small.
        at_most: the largest value allowed.

    Raises:
        ValueError: it is not.

    >>> number("Poly", "power", 0.9, at_least=0)
    """
    received = float(value) if isinstance(value, Real) else math.nan
    fits = math.isfinite(received) and at_least <= received <= at_most and received > above
    if not fits:
        limits = {"of at least": at_least, "above": above, "up to": at_most}
        words = [f"{word} {limit:g}" for word, limit in limits.items() if math.isfinite(limit)]
        raise ValueError(
            f"`{subject}` needs {name} to be a finite number {' and '.join(words)}. "
            f"Received: {name}={value!r}."
        )


def port(subject, name, value):
    """Raise unless `value` is the number of a port, or 0 for a free one.

    Args:
        subject: name of the command, such as "serve".
        name: the option's name.
        value: whole number that was received.

    Raises:
        ValueError: it is not.

    >>> port("serve", "--port", 8501)
    """
    if not 0 <= value <= 65535:
        raise ValueError(
            f"`{subject}` needs a port from 0 to 65535 as {name}. Received: {value}. "
            "0 takes a free one."
        )


def input_shape(subject, shape, dimensions=(2,), smallest=32):
    """Raise unless `shape` is (height, width, channels) with large enough sizes, or None.

    Args:
        subject: name of the caller, such as an architecture's name.
        shape: what was received.
        dimensions: numbers of spatial dimensions allowed: 2 for pictures, 3 for volumes, whose
            shape is (depth, height, width, channels).
        smallest: least height and width in pixels.

    Raises:
        ValueError: it is not.

    >>> input_shape("contextnet_cn14", (None, None, 3))
    """
    wanted, sizes_of, example = {
        (2,): ("(height, width, channels)", "height and width", "(None, None, 3)"),
        (3,): (
            "(depth, height, width, channels)",
            "depth, height and width",
            "(None, None, None, 3)",
        ),
    }.get(
        tuple(dimensions),
        (
            "(height, width, channels) or (depth, height, width, channels)",
            "all sizes",
            "(None, None, 3)",
        ),
    )
    rule = (
        f"`{subject}` needs input_shape={wanted} with {sizes_of} of at "
        f"least {smallest} pixels or None (any size). Received: input_shape={shape!r}."
    )
    if not isinstance(shape, Sequence) or len(shape) - 1 not in dimensions:
        raise ValueError(rule + f" For example, pass {example}.")
    *sizes, channels = shape
    known = [size for size in sizes if size is not None]
    if any(not hasattr(size, "__index__") or size < smallest for size in known):
        raise ValueError(rule + f" Enlarge or pad smaller pictures to {smallest}.")
    if channels is None or not hasattr(channels, "__index__") or channels < 1:
        raise ValueError(rule + " The number of channels must be known, such as 3.")


def ignore_class(subject, value):
    """Raise unless a label id to ignore is None or a whole number that float32 holds exactly.

    Keras hands labels to losses as float32.

    Args:
        subject: name of the caller, such as "DiceLoss".
        value: the id.

    Raises:
        ValueError: it is not a whole number, or its absolute value is above 2**24.

    >>> ignore_class("DiceLoss", 255)
    """
    if value is not None and not (hasattr(value, "__index__") and abs(value) <= 2**24):
        raise ValueError(
            f"`{subject}` needs ignore_class to be a whole number from -2**24 to 2**24, which "
            f"float32 holds exactly, or None. Received: ignore_class={value!r}. For example, pass "
            "255."
        )


def input_spec(subject, spec, num_channels, dimensions):
    """The spec, if it has the channels and dimensions of a network; the default one for None.

    Args:
        subject: name of the caller, such as "Segmenter".
        spec: `InputSpec`, or None.
        num_channels: channels that the network takes.
        dimensions: 2 for pictures, 3 for volumes.

    Returns:
        `InputSpec`.

    Raises:
        ValueError: it is the spec of another network.
    """
    if spec is None:
        return InputSpec(num_channels, dimensions)
    if not isinstance(spec, InputSpec) or (spec.channels, spec.dimensions) != (
        num_channels,
        dimensions,
    ):
        raise ValueError(
            f"`{subject}` needs an InputSpec of {num_channels} channels and {dimensions} "
            f"dimensions, as the network has. Received: input_spec={spec!r}. "
            "Pass `data.input_spec` of the data set that the network was trained on."
        )
    return spec


def stage_counts(subject, name, value, count, what="the blocks of each stage", example=None):
    """Raise unless a value is `count` whole numbers above 0: the blocks of each stage.

    Args:
        subject: name of the caller, such as a network's name.
        name: the argument's name.
        value: what was received.
        count: number of stages.
        what: what the numbers mean.
        example: value that is suggested.

    Raises:
        ValueError: it is something else.

    >>> stage_counts("resnet", "blocks", (3, 4, 6, 3), 4)
    """
    whole = isinstance(value, tuple | list) and all(hasattr(x, "__index__") for x in value)
    if not whole or len(value) != count or min(value) < 1:
        raise ValueError(
            f"`{subject}` needs {name} to be {count} whole numbers from 1: {what}. "
            f"Received: {name}={value!r}. For example, pass {example or (2,) * count}."
        )
