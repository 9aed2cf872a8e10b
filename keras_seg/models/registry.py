"""The facts of every network, stated in its file; look-ups, tests and README tables use them."""

import dataclasses
import functools
import inspect
from collections.abc import Mapping

import keras

from keras_seg import _check

TASKS = ("segmentation", "classification")
PARTS_TO_FREEZE = ("encoder", "encoder_batch_norm")
ENCODER_PREFIX = "encoder_"  # of the names of an encoder's layers in segmentation networks


@dataclasses.dataclass(frozen=True)
class Count:
    """Parameters of one form of a network, from its paper or a reference implementation.

    Attributes:
        num_classes: classes that the counts are for.
        trainable: kernels, biases and the scales and offsets of normalization.
        total: the same with the moving statistics; Keras's `count_params()`.
        folded: kernels and one bias per output channel, with normalization merged into them.
        channels: channels of the input.
        options: the builder's options that the counts are for, where they are not its defaults,
            such as {"encoder": "resnet101"}.
    """

    num_classes: int
    trainable: int | None = None
    total: int | None = None
    folded: int | None = None
    channels: int = 3
    options: Mapping = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Facts:
    """Facts about a network from its paper or its reference implementation.

    Attributes:
        name: the builder's name.
        paper: authors, title, year and arXiv number.
        counts: parameter counts; the first one is of the default options.
        task: "segmentation" (logits at the input's size) or "classification" (logits per image).
        output_stride: pixels of input per pixel of the coarsest feature map. Sizes that are
            multiples of it need no rounding; others work as well.
        smallest: smallest height and width in pixels.
        image_size: height and width of the paper's images in pixels, None if not stated.
        printed: number of parameters as the paper, or a later one in a comparison, prints it, such
            as "68.9 M", or "".
        dimensions: numbers of spatial dimensions it can be built for: 2 for images, 3 for
            volumes (depth, height, width, channels). The first one is the builder's default.
        scores: published results: (data set, split, mean IoU or top-1 accuracy in percent).
        recipe: name of the paper's own recipe in `keras_seg.recipes`.
        tiny: options of a small network of the same structure, for tests.
        family: name of the function that builds all networks of the family.
        num_classes: the builder's default.
        channels: channels of the builder's default input.
        features: reductions of an encoder's feature maps, such as (2, 4, 8, 16, 32).
        branches: pairs (name, layer whose output is that of the branch), of networks with branches
            that are fused, see `keras_seg.analyse.branches`.
        imagenet: name in `keras.applications` of the same network with weights, if there is one.
        imagenet_options: options of the builder that make both networks the same function.
    """

    name: str
    paper: str
    counts: tuple[Count, ...] = ()
    task: str = "segmentation"
    output_stride: int = 32
    smallest: int = 32
    image_size: int | None = None
    printed: str = ""
    dimensions: tuple[int, ...] = (2,)
    scores: tuple[tuple[str, str, float], ...] = ()
    recipe: str | None = None
    tiny: Mapping = dataclasses.field(default_factory=dict)
    family: str = ""
    num_classes: int = 19
    channels: int = 3
    features: tuple[int, ...] = ()
    branches: tuple[tuple[str, str], ...] = ()
    imagenet: str | None = None
    imagenet_options: Mapping = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Variant:
    """A row of a family's table: a named network.

    Attributes:
        name: the builder's name, as the paper calls it.
        about: first sentence of the builder's docstring.
        options: options that differ from the family's defaults.
        facts: fields of `Facts` that differ from the family's.
    """

    name: str
    about: str
    options: Mapping = dataclasses.field(default_factory=dict)
    facts: Mapping = dataclasses.field(default_factory=dict)


_BUILDERS = {}
_FACTS = {}


def architecture(options=None, variants=(), **facts):
    """Register the networks of a family, each with its facts.

    Args:
        options: a NamedTuple with the family's defaults; its fields become keyword arguments of
            the builders, and the family's function gets the tuple. None for a function with
            its own keyword arguments.
        variants: `Variant`s; none for a function that builds one network of the same name.
        **facts: fields of `Facts` shared by all of them.

    Returns:
        A decorator. It takes `f(image, num_classes, options)` or `f(image, num_classes, *, ...)`,
        which returns logits for the KerasTensor `image` (or a dict of "logits" and "aux_..." for
        training). For each variant, `keras_seg.models` has a builder
        `f(input_shape, num_classes, **options) -> keras.Model` whose arguments and output are
        checked.

    >>> sorted(Facts.__dataclass_fields__)[:3]
    ['branches', 'channels', 'counts']
    """

    def register(function):
        sentence, _, rest = inspect.cleandoc(function.__doc__ or "").partition("\n")
        for variant in variants or (Variant(function.__name__, sentence),):
            own = {"name": variant.name, "family": function.__name__}
            known = Facts(**{**facts, **variant.facts, **own})
            build = _builder(function, known, options, variant.options)
            build.__doc__ = f"{variant.about}\n{rest}"
            _BUILDERS[variant.name], _FACTS[variant.name] = build, known
        return function

    return register


def _builder(function, facts, options, changes):
    """The public builder of one network."""
    any_size = (*(None for _ in range(facts.dimensions[0])), facts.channels)
    defaults = options._replace(**changes) if options is not None else None
    known = _parameters(function, defaults, changes)

    @functools.wraps(function)
    def build(input_shape=any_size, num_classes=facts.num_classes, **given):
        _check.input_shape(facts.name, input_shape, facts.dimensions, facts.smallest)
        _check.positive_integer(facts.name, "num_classes", num_classes)
        for option in given:
            if option == "freeze" and option not in known:
                _refuse_to_freeze(facts.name, given[option])
            _check.one_of(f"option of `{facts.name}`", "option", option, known)
        given = (
            {**changes, **given} if defaults is None else {"options": defaults._replace(**given)}
        )
        image = keras.Input(tuple(input_shape), name="image")
        outputs = function(image, int(num_classes), **given)
        _check_outputs(facts, image, outputs, int(num_classes))
        model = keras.Model(image, outputs, name=facts.name)
        if getattr(given.get("options"), "freeze", None) is not None:
            _freeze(model, given["options"].freeze)
        return model

    build.__name__ = build.__qualname__ = facts.name
    build.__signature__ = _public_signature(any_size, facts.num_classes, known)  # pyright: ignore
    return build


def _freeze(model, part):
    """Keep the weights and the batch statistics of a network's encoder as they are, or a part."""
    _check.one_of(f"part of `{model.name}` to freeze", "freeze", part, PARTS_TO_FREEZE)
    encoder = [layer for layer in model.layers if layer.name.startswith(ENCODER_PREFIX)]
    if not encoder:
        _refuse_to_freeze(model.name, part)
    if part == "encoder_batch_norm":
        encoder = [x for x in encoder if isinstance(x, keras.layers.BatchNormalization)]
        if not encoder:
            raise ValueError(
                f"`{model.name}` has no batch normalization in its encoder. Received: "
                f"freeze={part!r}. Leave it out, or pass freeze='encoder' to freeze all of it."
            )
    for layer in encoder:
        layer.trainable = False


def _refuse_to_freeze(name, part):
    """Raise for a network that has no encoder."""
    able = [
        other
        for other, build in _BUILDERS.items()
        if "encoder" in inspect.signature(build).parameters
    ]
    advice = "Pass encoder='resnet50', for example" if name in able else "Leave freeze out"
    raise ValueError(
        f"`{name}` is built without an encoder that could be frozen. Received: freeze={part!r}. "
        f"{advice}. Networks with an encoder: {', '.join(sorted(able))}."
    )


def _check_outputs(facts, image, outputs, num_classes):
    """Raise unless a network gives what its task requires: shape, channels and float32."""
    sizes = tuple(image.shape[1:-1]) if facts.task == "segmentation" else ()
    wanted = (None, *sizes, num_classes)
    heads = outputs if isinstance(outputs, dict) else {"logits": outputs}
    logits = heads.get("logits")
    names = all(name == "logits" or name.startswith("aux_") for name in heads)
    fits = logits is not None and tuple(logits.shape) == wanted
    if not fits or not names or any(head.dtype != "float32" for head in heads.values()):
        received = {name: (tuple(head.shape), head.dtype) for name, head in heads.items()}
        raise ValueError(
            f"`{facts.name}` is registered for {facts.task} and must return float32 logits of "
            f"shape {wanted}, or a dict of them as 'logits' and of heads named 'aux_...' for "
            f"training. Received: {received}. Mend the function that builds it, or its `task`."
        )


def _parameters(function, defaults, changes):
    """The options as keyword-only parameters, by name."""
    if defaults is None:
        own = list(inspect.signature(function).parameters.values())[2:]
        return {x.name: x.replace(default=changes.get(x.name, x.default)) for x in own}
    keyword = inspect.Parameter.KEYWORD_ONLY
    return {
        name: inspect.Parameter(name, keyword, default=value)
        for name, value in defaults._asdict().items()
    }


def _public_signature(any_size, num_classes, options):
    """`(input_shape=(None, None, 3), num_classes=19, *, options)`, for help() and editors."""
    ordinary = inspect.Parameter.POSITIONAL_OR_KEYWORD
    return inspect.Signature(
        [
            inspect.Parameter("input_shape", ordinary, default=any_size),
            inspect.Parameter("num_classes", ordinary, default=num_classes),
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
    """The facts of one network.

    Args:
        name: the builder's name.

    Returns:
        `Facts`.

    Raises:
        ValueError: there is no network of that name.

    >>> from keras_seg import models
    >>> models.facts("contextnet_cn14").counts[0].folded
    846179
    """
    _check.one_of("architecture", "name", name, _FACTS)
    return _FACTS[name]
