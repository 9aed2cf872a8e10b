"""Open the data set of the command line, or the one recorded by a run."""

from pathlib import Path

WAYS = ("data", "images", "labels", "table", "class_folders")
DETAILS = (
    "root", "classes", "ignore", "label_offset", "splits", "group", "value_range", "channels",
    "bands", "picture_size",
)  # fmt: skip
TABLES = (".csv", ".json", ".txt")  # endings of tables of classes: not names of a class
_OWN = DETAILS[1:-1]
# The options of each way to name a data set.
KNOWN = {
    "data": ("root",),
    "images": _OWN,
    "table": ("root", *(name for name in _OWN if name != "group")),  # the table has a column for it
    "class_folders": (
        "classes", "splits", "group", "value_range", "channels", "bands", "picture_size",
    ),
}  # fmt: skip


def names_dataset(options):
    """Whether any option describes a data set.

    Args:
        options: the command line, parsed by `keras_seg.cli.arguments.parser()`.

    Returns:
        bool.
    """
    return bool(_given(options, WAYS) or _given(options, DETAILS))


def open_dataset(options, remembered=None):
    """Open the data set that the options name.

    Args:
        options: the command line, parsed by `keras_seg.cli.arguments.parser()`.
        remembered: the data set recorded in a run's run.json, used if the options name none.

    Returns:
        `pipelines.Dataset`.

    Raises:
        ValueError: the options name none or several, or an option does not apply to it.
    """
    import pipelines

    if remembered and not names_dataset(options):
        return pipelines.reopen(remembered)
    given, details = _given(options, WAYS), _given(options, DETAILS)
    if tuple(given) not in (("data",), ("images", "labels"), ("table",), ("class_folders",)):
        words = " ".join(f"{_flag(name)} {value}" for name, value in given.items())
        raise ValueError(
            "The data set must be given as `--data NAME --root FOLDER`, `--images FOLDER --labels "
            "FOLDER`, `--table FILE` or, for classification, `--class-folders FOLDER`. "
            f"Received: {words or 'none of them'}. Pass one of the four."
        )
    (way, *_) = given
    for name, value in details.items():
        if name not in KNOWN[way]:
            raise ValueError(
                f"A data set by `{_flag(way)}` takes {' '.join(map(_flag, KNOWN[way]))} and no "
                f"`{_flag(name)}`. Received: {_flag(name)} {value}. Leave it out."
            )
    if options.data:
        return pipelines.load(options.data, options.root)
    if "channels" in details:
        details["num_channels"] = details.pop("channels")
    classes = _classes(details.pop("classes", None))
    if options.class_folders:
        details["size"] = details.pop("picture_size", None)
        return pipelines.from_class_folders(options.class_folders, classes, **details)
    if options.table:
        return pipelines.from_csv(options.table, classes, **details)
    return pipelines.from_folders(options.images, options.labels, classes, **details)


def _classes(text):
    """A number of classes, a table's path, or names."""
    if not text or Path(text).is_file() or Path(text).suffix.lower() in TABLES:
        return text
    return int(text) if text.isdecimal() else [name.strip() for name in text.split(",")]


def _given(options, names):
    """Those of the options that were given, by name."""
    return {name: getattr(options, name) for name in names if getattr(options, name) is not None}


def _flag(name):
    return f"--{name.replace('_', '-')}"
