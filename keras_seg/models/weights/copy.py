"""Weights of one network in another one of the same structure."""

import math
from typing import NamedTuple

import numpy as np

from keras_seg.models.weights.torch_names import Layout, arranged

KINDS = {
    "kernel": "convolutions and dense layers",
    "batch_norm": "batch normalizations",
    "layer_norm": "layer normalizations",
    "factors": "layers of factors",
    "slopes": "PReLUs",
}


class Donor(NamedTuple):
    """Weights of another network, and the details needed to copy them.

    Attributes:
        about: description for messages.
        units: list of `Unit` in the order in which they compute.
        options: the builder's options with which our network is the same function.
        blue_first: whether the first kernel takes blue, green, red.
        channels_first: whether maps were flattened channel by channel, as PyTorch does.
        layout: `Layout` by which layers are matched by name; None to match them by their order.

    >>> Donor("a file", []).options
    {}
    """

    about: str
    units: list
    options: dict = {}  # noqa: RUF012  not a class variable, and never changed
    blue_first: bool = False
    channels_first: bool = False
    layout: Layout | None = None

    def options_with(self, given):
        """The caller's options in place of the donor's, and those of an encoder one by one.

        Args:
            given: the caller's options.

        Returns:
            dict of options.

        >>> ours = {"encoder_options": {"stride_on": "3x3", "input_range": "torch"}}
        >>> Donor("a file", [], ours).options_with({"encoder_options": {"input_range": "unit"}})
        {'encoder_options': {'stride_on': '3x3', 'input_range': 'unit'}}
        """
        found = {**self.options, **given}
        chosen, own = self.options.get("encoder_options"), given.get("encoder_options")
        if isinstance(chosen, dict) and isinstance(own, dict):
            found["encoder_options"] = {**chosen, **own}
        return found


def fill(units, donor, part=False):
    """Copy the weights of a donor to a network, unit by unit.

    A bias before batch normalization that our network lacks is merged into the moving mean, and a
    different epsilon into the moving variance; neither changes the output. With other than three
    channels, the first kernel's slices for red, green and blue are repeated in turn, scaled to the
    same sum. With other classes, the last layer is not changed.

    Args:
        units: `units_of` our network.
        donor: `Donor`.
        part: whether the network is an encoder, the first part of the donor's.

    Raises:
        ValueError: the two networks differ.

    >>> import keras
    >>> from keras_seg.models.weights.units import units_of
    >>> models = [keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]) for _ in range(2)]
    >>> fill(units_of(models[0]), Donor("the other", units_of(models[1])))
    >>> bool(np.all(models[0].get_weights()[0] == models[1].get_weights()[0]))
    True
    """
    if donor.layout is not None:
        named = arranged(units, donor.units, donor.layout, donor.about)
        donor = donor._replace(units=named)
    pairs = _pairs(units, donor, part)
    first = next(unit for unit in units if unit.kind == "kernel")
    biases, before = [], None
    for unit in units:
        given = pairs.get(id(unit))
        if given is None:
            continue
        values = {name: np.array(value) for name, value in given.parts.items()}
        if unit.kind == "kernel":
            kernel = _channels(values["kernel"].reshape(given.shape), unit, first, donor)
            values["kernel"] = _rows(kernel, unit, before, donor)
            before = unit
            if "bias" in values and "bias" not in unit.parts:
                biases.append((unit, values.pop("bias")))
        elif unit.kind == "batch_norm":
            if missing := sorted({"mean", "variance"} - set(values)):
                raise ValueError(
                    "Batch normalization needs its mean and its variance. Received: "
                    f"'{given.name}' of {donor.about} without its {missing[0]}. Pass the whole "
                    "`model.state_dict()`."
                )
            if biases and biases[-1][0].shape[-1:] == unit.shape:
                values["mean"] = values["mean"] - biases.pop()[1]
            values["variance"] = _variance(values["variance"], unit, given, donor)
        _assign(unit, values)
    if biases:
        raise ValueError(
            f"A bias can only be left out before batch normalization. Received: "
            f"'{biases[0][0].name}', to which {donor.about} has a bias. Build the network with it."
        )


def _pairs(units, donor, part):
    """The donor's unit for each of ours, by the id of ours; none for the classifier of others."""
    found = {}
    for kind, words in KINDS.items():
        ours = [unit for unit in units if unit.kind == kind]
        theirs = [unit for unit in donor.units if unit.kind == kind]
        if len(ours) > len(theirs) or (len(ours) < len(theirs) and not part):
            raise ValueError(
                "Weights can only be copied between networks of the same structure. Received: "
                f"{len(theirs)} {words} in {donor.about} for {len(ours)} in the network. Check the "
                "name and the options."
            )
        for number, (unit, given) in enumerate(zip(ours, theirs, strict=False)):
            head = kind == "kernel" and number == len(ours) - 1 and not part
            if head and unit.shape[:-1] == given.shape[:-1] and unit.shape != given.shape:
                continue
            if not _fits(unit, given, first=kind == "kernel" and number == 0):
                raise ValueError(
                    "Weights can only be copied between networks of the same widths and kernel "
                    f"sizes. Received: '{given.name}' of {donor.about} with shape {given.shape} "
                    f"for '{unit.name}' with shape {unit.shape}. Leave widths and depths at their "
                    "defaults."
                )
            found[id(unit)] = given
    return found


def _fits(unit, given, first):
    """Same shape, or one is a dense layer over a flattened map, or other channels of images."""
    if unit.kind != "kernel" or unit.shape == given.shape:
        return unit.shape == given.shape
    height, width, _, filters = unit.shape
    if first and given.shape == (height, width, 3, filters):
        return True
    ours, theirs = ((1, 1, int(np.prod(x.shape[:3])), x.shape[3]) for x in (unit, given))
    return ours == theirs and ours in (unit.shape, given.shape)


def _channels(kernel, unit, first, donor):
    """The first kernel for red, green and blue, or for another number of channels."""
    if unit is not first or kernel.shape[2] != 3:
        return kernel
    kernel = kernel[:, :, ::-1] if donor.blue_first else kernel
    channels = unit.shape[2]
    if channels == 1:
        return kernel.sum(axis=2, keepdims=True)
    return kernel if channels == 3 else kernel[:, :, np.arange(channels) % 3] * (3 / channels)


def _rows(kernel, unit, before, donor):
    """The rows of a dense layer over a map that was flattened channel by channel, in our order."""
    if not donor.channels_first or kernel.shape[:2] != (1, 1):
        return kernel
    height, width, channels, filters = unit.shape
    if height * width > 1:  # A dense layer as a convolution.
        return kernel.reshape(channels, height, width, filters).transpose(1, 2, 0, 3)
    if not unit.flattened:
        return kernel
    channels = before.shape[3]
    side = math.isqrt(kernel.shape[2] // channels)
    return kernel.reshape(channels, side, side, -1).transpose(1, 2, 0, 3)


def _variance(variance, unit, given, donor):
    """The variance that gives the same result with our epsilon."""
    if given.epsilon is None or given.epsilon == unit.epsilon:
        return variance
    moved = variance.astype("float64") + (given.epsilon - unit.epsilon)
    if moved.min() < 0:
        raise ValueError(
            f"Batch normalization must have the epsilon that its weights were trained with. "
            f"Received: epsilon={unit.epsilon} in '{unit.name}', {given.epsilon} in {donor.about}. "
            f"Build the network with bn_epsilon={given.epsilon}."
        )
    return moved


def _assign(unit, values):
    for name, variable in unit.parts.items():
        default = np.ones if name in ("gamma", "variance") else np.zeros
        value = values[name] if name in values else default(variable.shape)
        variable.assign(np.asarray(value, "float32").reshape(variable.shape))
