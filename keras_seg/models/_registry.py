"""The facts of an architecture stand beside its code; look-ups and tests read them from here."""

import dataclasses
import functools
import inspect

import keras

from keras_seg import _check


@dataclasses.dataclass(frozen=True)
class Facts:
    """What is known of an architecture from its paper or its reference implementation.

    Attributes:
        name: the builder's name.
        paper: authors, title, year and arXiv number.
        parameters: counts by kind ("folded", "trainable", "total") for `parameters_classes`.
        parameters_classes: the number of classes those counts are for.
        output_stride: pixels of input per pixel of the coarsest map; other sizes work as well,
            multiples of it lose nothing to rounding.
        scores: published results: (dataset, split, mean IoU in percent).
        recipe: the name of the paper's own recipe in `keras_seg.recipes`.
        dimensions: numbers of spatial dimensions it can be built for: 2 for pictures, 3 for
            volumes (depth, height, width, channels). The first one is the builder's default.
    """

    name: str
    paper: str
    parameters: dict
    parameters_classes: int = 19
    output_stride: int = 32
    scores: tuple = ()
    recipe: str | None = None
    dimensions: tuple = (2,)


_BUILDERS = {}
_FACTS = {}


def architecture(options=None, **facts):
    """Register a builder under its own name, with its facts, and hold it to the contract.

    Args:
        options: a NamedTuple with the variant's own defaults, where a family shares its options;
            its fields become keyword arguments, and the builder gets the tuple. None for a
            builder with keyword arguments of its own.
        **facts: the fields of `Facts`, but for the name.

    Returns:
        A decorator. It takes `f(image, num_classes, options)` or `f(image, num_classes, *, ...)`,
        which returns logits (or a dict of "logits" and "aux_..." while training) for the
        KerasTensor `image`, and gives back `f(input_shape, num_classes, **options) ->
        keras.Model`, with its arguments checked.

    >>> sorted(Facts.__dataclass_fields__)[:3]
    ['dimensions', 'name', 'output_stride']
    """

    def register(builder):
        name = builder.__name__
        dimensions = facts.get("dimensions", (2,))
        any_size = (*(None for _ in range(dimensions[0])), 3)
        known = _options_of(builder, options)

        @functools.wraps(builder)
        def build(input_shape=any_size, num_classes=19, **given):
            _check.input_shape(name, input_shape, dimensions)
            _check.positive_integer(name, "num_classes", num_classes)
            for option in given:
                _check.one_of(f"option of `{name}`", "option", option, known)
            image = keras.Input(tuple(input_shape), name="image")
            if options is not None:
                given = {"options": options._replace(**given)}
            return keras.Model(image, builder(image, int(num_classes), **given), name=name)

        build.__signature__ = _public_signature(any_size, known)  # pyright: ignore
        _BUILDERS[name] = build
        _FACTS[name] = Facts(name=name, **facts)
        return build

    return register


def _options_of(builder, options):
    """Keyword-only parameters by name."""
    if options is None:
        own = list(inspect.signature(builder).parameters.values())[2:]
        return {option.name: option for option in own}
    keyword = inspect.Parameter.KEYWORD_ONLY
    return {
        name: inspect.Parameter(name, keyword, default=value)
        for name, value in options._asdict().items()
    }


def _public_signature(any_size, options):
    """`(input_shape=(None, None, 3), num_classes=19, *, options)`, for help() and editors."""
    ordinary = inspect.Parameter.POSITIONAL_OR_KEYWORD
    return inspect.Signature(
        [
            inspect.Parameter("input_shape", ordinary, default=any_size),
            inspect.Parameter("num_classes", ordinary, default=19),
            *options.values(),
        ]
    )


def builders():
    """Every registered builder by name.

    Returns:
        dict of name to function.

    >>> isinstance(builders(), dict)
    True
    """
    return _BUILDERS


def facts(name):
    """The facts of one architecture.

    Args:
        name: the builder's name.

    Returns:
        `Facts`.

    Raises:
        ValueError: there is no architecture of that name.

    >>> from keras_seg import models
    >>> models.facts("contextnet_cn14").parameters["folded"]
    846179
    """
    _check.one_of("architecture", "name", name, _FACTS)
    return _FACTS[name]
