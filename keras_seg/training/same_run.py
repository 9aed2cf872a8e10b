"""Whether a folder holds the run that is asked for, and what differs if not."""

import dataclasses
import json

from keras_seg.training.recipe import Recipe
from pipelines.read import InputSpec

WORDS = {
    "content.train": "content of the training pictures or masks",
    "content.val": "content of the validation pictures or masks",
    "first_weights": "first weights of the model",
    "network": "layers of the network",
}


def is_same(settings, wanted, unfinished=False):
    """Whether a run was made with a set-up.

    A finished run also needs the same first weights of a built model: those before its training, or
    those after it. An unfinished run continues with its own.

    Args:
        settings: contents of its run.json.
        wanted: the set-up, see `run_folder.setup`.
        unfinished: whether a second training of the same model is under way.

    Returns:
        bool.
    """
    stored = complete(settings.get("setup"))
    if not isinstance(stored, dict):
        return False
    left = settings.get("weights_left")
    known = left is not None and left == wanted.get("first_weights")
    if known or unfinished or not settings.get("finished", True):
        wanted = wanted | {"first_weights": stored.get("first_weights")}
    return stored == wanted


def ends(settings):
    """The epochs after which the trainings of a run ended: the first one, and its continuations.

    Args:
        settings: contents of its run.json.

    Returns:
        list of int; empty for a training that has not ended.
    """
    finished = [settings["epochs_done"]] if settings.get("finished") else []
    return settings.get("ends") or finished


def is_trained(settings, more_epochs=0):
    """Whether a run has ended.

    Args:
        settings: contents of its run.json.
        more_epochs: epochs that should follow those of its recipe.

    Returns:
        bool.
    """
    return bool(ends(settings)) and more_epochs <= settings.get("more_epochs", 0)


def difference(settings, wanted):
    """Describe the difference between a run and a set-up.

    Args:
        settings: contents of its run.json.
        wanted: the set-up, see `run_folder.setup`.

    Returns:
        str.
    """
    stored = complete(settings.get("setup"))
    if not isinstance(stored, dict):
        return "something other than a run"
    old, new = _flat(stored), _flat(wanted)
    if "content.train" not in old:
        return "a run of an earlier version, which did not record the content of its pictures"
    names = [name for name in new | old if old.get(name) != new.get(name)]
    words = [
        WORDS.get(name) or f"{name.removeprefix('recipe.')} {old.get(name)!r} -> {new.get(name)!r}"
        for name in names
    ]
    return "another run: " + ", ".join(words)


def _flat(values, before=""):
    """A nested dict as one with dotted names."""
    flat = {}
    for name, value in values.items():
        nested = isinstance(value, dict)
        flat |= _flat(value, f"{before}{name}.") if nested else {f"{before}{name}": value}
    return flat


def complete(stored):
    """A set-up with the defaults of fields that were added after the run.

    Args:
        stored: the value of `setup` in run.json.

    Returns:
        dict, or `stored` itself if it is no set-up.
    """
    if not isinstance(stored, dict) or not isinstance(stored.get("recipe"), dict):
        return stored
    defaults = json.loads(json.dumps(dataclasses.asdict(Recipe("", epochs=1, batch_size=1))))
    known = {"recipe": defaults | stored["recipe"]}
    if "input_spec" not in stored and isinstance(stored.get("num_channels"), int):
        dimensions = len(known["recipe"]["crop_size"] or (0, 0))
        known["input_spec"] = InputSpec(stored["num_channels"], dimensions).to_dict()
    return stored | known
