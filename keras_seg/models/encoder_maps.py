"""Feature maps of an encoder for the decoder of a segmentation network."""

import inspect
from collections.abc import Mapping

from keras_seg import _check
from keras_seg.models import encoders
from keras_seg.models.registry import builders, facts


def encoder_maps(subject, image, options, needed=()):
    """The feature maps of the encoder that a network's options name.

    Args:
        subject: name of the network.
        image: KerasTensor of pixels 0..255 (b, h, w, c).
        options: has `encoder`, `encoder_weights`, `encoder_options` (a mapping, or None) and
            `output_stride`.
        needed: reductions that the decoder requires.

    Returns:
        dict of KerasTensors by reduction.

    Raises:
        ValueError: there is no such encoder, it lacks a feature map, needs larger images, or has no
            such options.

    >>> import keras
    >>> from typing import NamedTuple
    >>> Options = NamedTuple("Options", encoder=str, encoder_weights=str, encoder_options=dict,
    ...                      output_stride=int)
    >>> options = Options("resnet18", None, {"width": 0.25}, 32)
    >>> list(encoder_maps("unet", keras.Input((64, 64, 3)), options))
    [2, 4, 8, 16, 32]
    """
    name, able = options.encoder, set(encoders.names())
    _check.one_of(f"encoder of `{subject}`", "encoder", name, able)
    for reduction in needed:
        able &= set(encoders.names(reduction))
    missing = [reduction for reduction in needed if reduction not in facts(name).features]
    if missing:
        raise ValueError(
            f"`{subject}` needs feature maps of {_sizes(needed)} of the image's size. Received: "
            f"encoder={name!r}, which has none of {_sizes(missing)}. Encoders that have them: "
            f"{', '.join(sorted(able))}."
        )
    _require_size(subject, image, name)
    _require_options(subject, options)
    return encoders.features(
        name,
        image,
        options.output_stride,
        weights=options.encoder_weights,
        **(options.encoder_options or {}),
    )


def _require_size(subject, image, name):
    """Raise where a known size is too small for the encoder's kernels."""
    smallest = facts(name).smallest
    if any(side is not None and side < smallest for side in image.shape[1:3]):
        raise ValueError(
            f"`{subject}` needs images of {smallest} pixels or more with encoder {name!r}. "
            f"Received: {image.shape[1]}x{image.shape[2]} pixels. Enlarge them, or choose "
            "another encoder."
        )


def _require_options(subject, options):
    """Raise unless `encoder_options` is a dict of options of the encoder."""
    given = options.encoder_options
    if given is None:
        return
    if not isinstance(given, Mapping):
        raise ValueError(
            f"`{subject}` needs encoder_options to be a dict of the encoder's own options, or "
            f'None. Received: encoder_options={given!r}. For example, pass {{"width": 0.5}}.'
        )
    if "output_stride" in given:
        raise ValueError(
            f"`{subject}` has output_stride among its own options. Received: "
            f"encoder_options={dict(given)!r}. Pass output_stride={given['output_stride']!r} "
            "beside encoder_options."
        )
    known = set(list(inspect.signature(builders()[options.encoder]).parameters)[2:])
    known -= {"output_stride"}
    for option in given:
        _check.one_of(f"option of `{options.encoder}`", "option", option, known)


def refuse_without_encoder(subject, options):
    """Raise where options of an encoder are given, but no encoder.

    Args:
        subject: name of the network, which can be built with an encoder or without.
        options: as those of `encoder_maps`; `encoder` is None.

    Raises:
        ValueError: they are.

    >>> from typing import NamedTuple
    >>> Options = NamedTuple("Options", encoder_weights=str, encoder_options=dict,
    ...                      output_stride=int)
    >>> refuse_without_encoder("unet", Options(None, None, 32))
    """
    for name, absent in (
        ("encoder_weights", None),
        ("encoder_options", None),
        ("output_stride", 32),
    ):
        value = getattr(options, name)
        if value != absent:
            raise ValueError(
                f"`{subject}` has {name} with an encoder only. Received: {name}={value!r} and "
                f"encoder=None. Pass encoder='resnet50', for example, or leave {name} out."
            )


def _sizes(reductions):
    return ", ".join(f"1/{reduction}" for reduction in reductions)
