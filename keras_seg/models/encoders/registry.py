"""Registers a family of encoders: its feature maps for decoders, and its classifiers."""

import functools
from typing import NamedTuple

import keras
from keras import layers

from keras_seg import _check
from keras_seg.models.encoders.strides import Strides
from keras_seg.models.registry import ENCODER_PREFIX, Count, architecture, facts
from keras_seg.models.weights import donor_of, fill, units_of


class _Family(NamedTuple):
    """The function that builds the feature maps of one network, and its options."""

    function: object
    options: tuple


_ENCODERS = {}


def encoder(options, variants, head=None, **family_facts):
    """Register the networks of a family as encoders and as classifiers.

    Args:
        options: a NamedTuple with the family's defaults. Families with dilated forms have a field
            `output_stride`; those with a dropout before their classifier, a field `dropout_rate`.
        variants: `Variant`s of `keras_seg.models.registry`.
        head: `f(maps, num_classes, options)` that returns logits (b, num_classes) for the maps by
            reduction; global average pooling, dropout and a dense layer if None.
        **family_facts: fields of `Facts` shared by all of them, such as paper, features.

    Returns:
        A decorator. It takes `f(image, name, strides, options)`, which returns a dict of feature
        maps by reduction for the KerasTensor `image` of pixels 0..255, and by name those that only
        its own head reads. `name` is the prefix of all layer names, "" for classifiers; `strides`
        is a `Strides`.
    """

    def register(function):
        @functools.wraps(function)
        def classifier(image, num_classes, options):
            strides = Strides(getattr(options, "output_stride", 32))
            maps = function(image, "", strides, options)
            return (head or pooled_head)(maps, num_classes, options)

        own = {"task": "classification", "num_classes": 1000, "image_size": 224}
        own |= family_facts
        architecture(options, variants, **own)(classifier)
        for variant in variants:
            _ENCODERS[variant.name] = _Family(function, options._replace(**variant.options))
        return function

    return register


def dense_counts(trainable, statistics, inputs, **options):
    """Parameter counts for 1000, 100 and 10 classes of a network that ends in one dense layer.

    Args:
        trainable: published number of trainable parameters for 1000 classes.
        statistics: moving means and variances of batch normalization.
        inputs: inputs of the dense layer, which has inputs + 1 parameters per class.
        **options: the builder's options that the counts are for, where they are not its defaults.

    Returns:
        tuple of `Count`.

    >>> [count.trainable for count in dense_counts(4_231_976, 21_888, 1024)]
    [4231976, 3309476, 3217226]
    """
    found = []
    for classes in (1000, 100, 10):
        own = trainable - (1000 - classes) * (inputs + 1)
        found.append(Count(classes, trainable=own, total=own + statistics, options=options))
    return tuple(found)


def pooled_head(maps, num_classes, options):
    """Global average pooling of the coarsest map, dropout, and a dense layer in float32.

    Args:
        maps: feature maps by reduction.
        num_classes: number of classes.
        options: the family's options; `dropout_rate` is used if there is one.

    Returns:
        KerasTensor of logits (b, num_classes).
    """
    x = layers.GlobalAveragePooling2D(name="pool")(maps[max(maps)])
    rate = getattr(options, "dropout_rate", 0.0)
    if rate:
        x = layers.Dropout(rate, name="dropout")(x)
    return layers.Dense(num_classes, dtype="float32", name="predictions")(x)


def names(reduction=None):
    """The names of all encoders.

    Args:
        reduction: those that have a feature map of this reduction only; None for all.

    Returns:
        Sorted list of str.

    >>> "resnet50" in names(reduction=2)
    True
    """
    return sorted(n for n in _ENCODERS if reduction is None or reduction in facts(n).features)


def features(name, image, output_stride=32, prefix=ENCODER_PREFIX, weights=None, **options):
    """The feature maps of an encoder, as layers of the network that is being built.

    Args:
        name: one of `names()`.
        image: KerasTensor of pixels 0..255 (b, h, w, c), any number of channels.
        output_stride: 8, 16 or 32; with less than 32 the coarser maps keep their keys, and are
            as large as that of the output stride.
        prefix: prefix of the layers' names.
        weights: initial weights of the layers: None for random ones, "imagenet", or the path of a
            file, see `keras_seg.models.build`. Segmentation networks pass their `encoder_weights`.
        **options: options of the family in place of its defaults.

    Returns:
        dict of KerasTensors by nominal reduction: 2 for half the image's size, 4, 8, ...

    Raises:
        ValueError: the name or an option is not known, the encoder supports no other output stride,
            or the weights do not exist or do not fit.

    >>> import keras
    >>> maps = features("resnet18", keras.Input((64, 96, 3)), output_stride=8)
    >>> {reduction: tensor.shape[1:3] for reduction, tensor in maps.items()}
    {2: (32, 48), 4: (16, 24), 8: (8, 12), 16: (8, 12), 32: (8, 12)}
    """
    _check.one_of("encoder", "encoder", name, _ENCODERS)
    family = _ENCODERS[name]
    for option in options:
        _check.one_of(f"option of `{name}`", "option", option, family.options._fields)
    if output_stride != 32 and "output_stride" not in family.options._fields:
        able = [n for n, other in _ENCODERS.items() if "output_stride" in other.options._fields]
        raise ValueError(
            f"Encoder `{name}` supports output stride 32 only. Received: "
            f"output_stride={output_stride}. Omit it, or use one of these: "
            f"{', '.join(sorted(able))}."
        )
    donor = None if weights is None else donor_of(name, weights, options, top=False)
    if donor is not None:
        options = {**donor.options, **options}
    maps = family.function(
        image, prefix, Strides(output_stride), family.options._replace(**options)
    )
    # Families keep maps that only their own heads read by name.
    maps = dict(sorted((key, x) for key, x in maps.items() if isinstance(key, int)))
    if donor is not None:
        fill(units_of(keras.Model(image, list(maps.values()))), donor, part=True)
    return maps
