"""The card of a run: network, training and scores, written from the run's files."""

import pandas as pd

from keras_seg.run_files import write_text
from keras_seg.tasks import SCORES

# Terms of the data sets for networks that were trained on them.
TERMS = {
    "camvid": "CamVid (Brostow, Fauqueur, Cipolla 2009; split of SegNet's authors): for "
    "non-commercial research. These weights are derived from it; use them likewise.",
}
COLUMNS = ("iou", "dice", "accuracy", "f1", "precision", "recall")
DRAWN = (
    "street_scenes", "crop_rows", "brain_slices", "aerial_tiles", "scan_volumes", "shapes",
    "single_shapes",
)  # fmt: skip
TERMS |= dict.fromkeys(DRAWN, "Drawn by this project: free to use.")


def write_card(run, notes=""):
    """Write `card.md` of a run from run.json, history.csv and scores.csv.

    Args:
        run: a `Run` that has been evaluated, or that had no validation pictures.
        notes: Markdown to add at the end, such as limitations and comparisons.

    Returns:
        The path of the card.

    Raises:
        ValueError: if the run had validation pictures and has not been evaluated yet.

    >>> from keras_seg.run import Run
    >>> write_card(Run("saved_models/contextnet_cn14-mine"), "Seen: nights.")  # doctest: +SKIP
    PosixPath('saved_models/contextnet_cn14-mine/card.md')
    """
    scores = run.folder / "scores.csv"
    if not scores.is_file() and run.settings.get("best"):
        raise ValueError(
            "`write_card` needs the scores of a run. Received: a run without scores.csv in "
            f"'{run.folder}'. Call `run.evaluate(...)` first."
        )
    # "val" is scores.csv; other splits and data sets have their name appended: scores_test.csv.
    found = sorted(run.folder.glob("scores_*.csv"))
    more = [path for path in found if not path.stem.endswith("_confusion")]
    tables = [_scores(path) for path in (scores, *more) if path.is_file()]
    page = "\n\n".join(filter(None, (_head(run), *tables, _training(run), notes.strip())))
    path = run.folder / "card.md"
    write_text(path, page + "\n")
    return path


def _head(run):
    setup = run.settings["setup"]
    # By its name, `load` finds a run in saved_models only.
    name = run.folder.name if run.folder.parent.name == "saved_models" else run.folder.as_posix()
    return (
        f"# {run.folder.name}\n\n{_network(run)} for {setup['num_classes']} "
        f"classes, {setup['num_channels']} channels, any height and width of 32 pixels and up: "
        f'`keras_seg.load("{name}")`.\n\nData and terms: {_terms(setup["data"])}'
    )


def _terms(data):
    """Terms of a data set; folds and joined splits have its name first: "camvid-train-val"."""
    known = [name for name in TERMS if f"{data}-".startswith(f"{name}-")]
    return TERMS[known[0]] if known else f"Data set '{data}': see its owners."


def _network(run):
    """The network and its encoder."""
    encoder = run.settings["setup"]["recipe"].get("options", {}).get("encoder")
    return f"`{run.settings['architecture']}`" + (f" with encoder `{encoder}`" if encoder else "")


def _scores(path):
    table = pd.read_csv(path, index_col=0)
    columns = [name for name in COLUMNS if name in table]
    rows = [
        f"| {name} | " + " | ".join(f"{100 * row[c]:.1f}" for c in columns) + " |"
        for name, row in table.iterrows()
    ]
    head = f"| class | {' | '.join(columns)} |\n|---|{'---|' * len(columns)}"
    which = path.stem.removeprefix("scores").strip("_").replace("_", " ") or "validation"
    return "\n".join((f"## Scores on the {which} pictures, percent", "", head, *rows))


def _training(run):
    settings, setup = run.settings, run.settings["setup"]
    best, recipe = settings.get("best"), setup["recipe"]
    chosen = (
        f"weights of epoch {best['epoch']} of {recipe['epochs']}, chosen by {SCORES[run.task]} on "
        "the validation pictures"
        if best
        else f"weights of the last epoch, {settings['epochs_done']}, without validation pictures"
    )
    start = setup.get("weights")
    first = f"starting weights `{start['file']}`" if start else "nothing else"
    lines = [
        f"- {setup['train_pictures']} training pictures, {first}; seed {setup['seed']}; {chosen}.",
        f"- {settings['seconds'] / 3600:.2f} hours, {settings['backend']} backend, "
        f"{settings['machine']}; "
        + ", ".join(f"{name} {version}" for name, version in settings["versions"].items())
        + ".",
        f"- Recipe `{recipe['name']}`: "
        + ", ".join(f"{k}={v}" for k, v in recipe.items() if v not in (None, {}) and k != "name")
        + ".",
    ]
    return "\n".join(("## Training", "", *lines))
