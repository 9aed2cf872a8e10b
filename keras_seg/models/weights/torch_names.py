"""State dicts of PyTorch matched by the names of their layers."""

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple


class Layout(NamedTuple):
    r"""How the layers of somebody's network are named, and the options that make ours the same.

    Attributes:
        networks: pattern of our networks' names.
        patterns: pairs of a pattern of their names and the name in ours, in which numbers in <>
            begin at 0 in theirs. The first one that matches counts. "" leaves a layer out.
        options: the builder's options with which our network is the same function.
        blue_first: whether the first kernel takes blue, green, red.
        order: by our layer's name, the function from the number of channels to the order of theirs
            behind a concatenation.

    >>> Layout("fcn8s", ((r"conv(\d)", r"block<\1>"),)).name_of("conv0")
    'block1'
    """

    networks: str
    patterns: tuple[tuple[str, str], ...]
    options: Mapping = {}
    blue_first: bool = False
    order: Mapping[str, Callable] = {}

    def name_of(self, theirs):
        """The name of our layer, "" for one that is left out, None for one that is not known.

        Args:
            theirs: place of the layer in the state dict.

        Returns:
            str or None.
        """
        for pattern, ours in self.patterns:
            if match := re.fullmatch(pattern, theirs):
                found = match.expand(ours)
                return re.sub(r"<(\d+)>", lambda number: str(int(number[1]) + 1), found)
        return None

    def place_of(self, unit):
        """Sorts a state dict as the patterns are, which begin with the network's first kernel.

        Args:
            unit: `Unit` of the state dict.

        Returns:
            (number of its pattern, name).
        """
        found = (i for i, (x, _) in enumerate(self.patterns) if re.fullmatch(x, unit.name))
        return next(found, len(self.patterns)), unit.name


def layout_of(name, units, layouts):
    """The layout in which every layer of a state dict has a name in ours.

    Args:
        name: of our network.
        units: list of `Unit` of the state dict.
        layouts: the layouts to choose from.

    Returns:
        `Layout`, or None.

    >>> layout_of("fcn8s", [], ()) is None
    True
    """
    for layout in layouts:
        if re.fullmatch(layout.networks, name) and units:
            found = [layout.name_of(unit.name) for unit in units]
            if None not in found:
                return layout
    return None


def arranged(ours, theirs, layout, about):
    """Units of a state dict in the order of our network's.

    Args:
        ours: `units_of` our network.
        theirs: list of `Unit` of the state dict.
        layout: `Layout`.
        about: description for messages.

    Returns:
        list of `Unit`.

    Raises:
        ValueError: a layer is missing in one of them.

    >>> arranged([], [], Layout("fcn8s", ()), "the state dict")
    []
    """
    found = {(layout.name_of(unit.name), unit.kind): unit for unit in theirs}
    found = {key: unit for key, unit in found.items() if key[0]}
    known = {(unit.name, unit.kind) for unit in ours}
    missing, unknown = known - set(found), set(found) - known
    if missing or unknown:
        raise ValueError(
            "Weights can only be copied between networks of the same structure. Received: "
            f"{about} without {_some(missing)} of the network, and with {_some(unknown)} that it "
            "does not have. Check the name and the options."
        )
    return [_reordered(found[unit.name, unit.kind], unit, layout) for unit in ours]


def _some(keys):
    names = sorted(name for name, _ in keys)
    return f"{len(names)} layers" + (f" ({', '.join(names[:3])}, ...)" if names else "")


def _reordered(given, unit, layout):
    """A unit whose kernel takes the channels of a concatenation in our order."""
    if unit.name not in layout.order:
        return given
    kernel = given.parts["kernel"]
    order = layout.order[unit.name](kernel.shape[2])
    given.parts = {**given.parts, "kernel": kernel[:, :, order]}
    return given
