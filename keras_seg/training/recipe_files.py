"""A recipe from a file: JSON, TOML, or the run.json of an earlier run."""

import json
import tomllib
from pathlib import Path

from keras_seg import _check
from keras_seg.training.recipe import Recipe


def read_recipe(path):
    r"""The recipe in a file.

    Args:
        path: a .json or .toml file with fields of `Recipe` by name, or a run's run.json. The name
            of the file is that of the recipe, if it has none.

    Returns:
        `Recipe`.

    Raises:
        ValueError: there is no such file, it is damaged, a field is unknown, missing or out of
            range.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "mine.toml"
    >>> _ = path.write_text('epochs = 10\nbatch_size = 4\ncrop_size = [64, 96]\n')
    >>> read_recipe(path).name
    'mine'
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(
            f"A recipe's file must exist. Received: recipe='{path}'. Check the path, or pass a "
            "name of `keras_seg.recipes.RECIPES`."
        )
    fields = _contents(path)
    if isinstance(fields, dict) and isinstance(fields.get("setup"), dict):
        fields = fields["setup"].get("recipe")
    if not isinstance(fields, dict):
        raise ValueError(
            f"A recipe's file must hold fields by name. Received: '{path}' with "
            f"{type(fields).__name__}. For example, write epochs and batch_size."
        )
    fields = {"name": path.stem, **fields}
    for field in fields:
        _check.one_of(f"field in '{path}'", "field", field, Recipe.__dataclass_fields__)
    missing = [field for field in ("epochs", "batch_size") if fields.get(field) is None]
    if missing:
        raise ValueError(
            f"A recipe needs {' and '.join(missing)}. Received: '{path}' without. For "
            f"example, add {missing[0]} = 8."
        )
    try:
        return Recipe(**fields)
    except (ValueError, TypeError) as error:
        error.add_note(f"This is in the recipe '{path}'.")
        raise


def _contents(path):
    try:
        text = path.read_text(encoding="utf-8")
        return tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except ValueError as error:  # Those of Unicode, JSON and TOML are ValueErrors.
        kind = path.suffix[1:].upper()
        raise ValueError(
            f"A recipe's file must be valid {kind}. Received: '{path}' ({error}). Correct it."
        ) from None
