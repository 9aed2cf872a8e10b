"""The tables of architectures that README.md shows, from the facts beside the code."""

import re
from pathlib import Path

import pandas as pd

from keras_seg import models
from keras_seg.run import Run

TASKS = {"segmentation": "architectures", "classification": "classifiers"}
# Written by docs/costs.py and docs/weights.py.
COSTS = {
    "segmentation": Path(__file__).with_name("costs_segmentation.csv"),
    "classification": Path(__file__).with_name("costs.csv"),
}
COMPARED = Path(__file__).with_name("compared.csv")
SHIPPED = Path(__file__).parents[2] / "saved_models"


def costs(task="classification"):
    """What the networks of a task cost, as `docs/costs.py` measured it.

    Args:
        task: "segmentation", at 512x1024 for 19 classes, or "classification", at the size of the
            network's paper.

    Returns:
        `pandas.DataFrame` with a row per network: `macs`, the multiply-accumulates for one image,
        and `tflite_bytes`, the size of the .tflite file with 16-bit weights; of segmentation
        networks also `tflite_ms`, milliseconds from an image to its labels with that file and two
        threads. nan if not measured.

    >>> int(costs().loc["lenet5_modern", "macs"])
    416520
    """
    return pd.read_csv(COSTS[task], index_col="network")


def markdown_table(task="segmentation"):
    """Returns the table of one task in Markdown: one line per architecture.

    Args:
        task: "segmentation" or "classification".

    Returns:
        str without a line break at its end.

    >>> print(markdown_table().splitlines()[0])
    | architecture | parameters | in the paper | output stride | ... | ours | paper |
    """
    rows = _classifiers() if task == "classification" else _segmenters()
    # A column is left out while nothing in it has been measured.
    kept = [column for column in zip(*rows, strict=True) if any(column[1:])]
    rows = list(zip(*kept, strict=True))
    lines = [f"| {' | '.join(cells)} |" for cells in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])


def _segmenters():
    """Rows of cells, the first one with titles."""
    titles = (
        "architecture", "parameters", "in the paper", "output stride", "multiply-adds",
        "TFLite fp16", "time", "compared with", "published mean IoU", "ours", "paper",
    )  # fmt: skip
    rows: list[tuple] = [titles]
    costs_of, results, compared = costs("segmentation"), _results(), pd.read_csv(COMPARED)
    for name in models.names("segmentation"):
        facts = models.facts(name)
        cost = costs_of.loc[name] if name in costs_of.index else {}
        cells = (
            _count(facts),
            facts.printed,
            str(facts.output_stride),
            _short(cost.get("macs")),
            _short(cost.get("tflite_bytes"), "B"),
            _milliseconds(cost.get("tflite_ms")),
            _compared(compared[compared["network"] == name]),
            _scores(facts),
            "; ".join(results.get(name, [])),
            _paper(facts.paper),
        )
        rows.append((f"`{name}`", *cells))
    return rows


def _classifiers():
    """Rows of cells, the first one with titles."""
    titles = (
        "architecture", "parameters", "in the paper", "multiply-adds", "TFLite fp16",
        "compared with", "published top-1 accuracy", "paper",
    )  # fmt: skip
    rows: list[tuple] = [titles]
    costs_of, compared = costs("classification"), pd.read_csv(COMPARED)
    for name in models.names("classification"):
        facts, cost = models.facts(name), costs_of.loc[name]
        size = facts.image_size
        cells = (
            _count(facts),
            facts.printed,
            f"{_short(cost['macs'])} at {size}x{size}",
            _short(cost["tflite_bytes"], "B"),
            _compared(compared[compared["network"] == name]),
            _scores(facts),
            _paper(facts.paper),
        )
        rows.append((f"`{name}`", *cells))
    return rows


def _short(number, unit=""):
    """Three digits, such as 4.09 G; nothing for nan."""
    if number is None or pd.isna(number):
        return ""
    factor, prefix = next(x for x in ((1e9, "G"), (1e6, "M"), (1e3, "k")) if number >= x[0])
    return f"{number / factor:.3g} {prefix}{unit}"


def _milliseconds(number):
    return "" if pd.isna(number) else f"{number:.3g} ms"


def _results():
    """What the shipped networks score on the validation split: {architecture: [words]}."""
    found: dict[str, list[str]] = {}
    for file in sorted(SHIPPED.glob("*/scores.csv")):
        setup = Run(file.parent).settings["setup"]
        encoder = setup["recipe"].get("options", {}).get("encoder")
        score = 100 * pd.read_csv(file, index_col="class").loc["mean", "iou"]
        data = "CamVid" if setup["data"] == "camvid" else setup["data"]
        words = f"{score:.1f} {data} val{f', {encoder}' if encoder else ''}"
        found.setdefault(setup["architecture"], []).append(words)
    return found


def _compared(rows):
    """The packages and repositories whose network was compared, with the largest difference."""
    if rows.empty:
        return ""
    places = rows["package"].where(
        rows["package"] != "repository", rows["theirs"].str.split().str[0]
    )
    packages = sorted(places.replace("timm_tf", "timm").unique())
    return f"{', '.join(packages)}: {rows['difference'].max():.0e}"


def _scores(facts):
    return "; ".join(f"{score} {dataset} {split}" for dataset, split, score in facts.scores)


def marks(task):
    """Returns the two lines of a page between which the table of a task stands.

    Args:
        task: "segmentation" or "classification".

    Returns:
        (str, str).

    >>> marks("classification")[1]
    '<!-- end of classifiers -->'
    """
    title = TASKS[task]
    return f"<!-- {title}: `make readme` writes this table -->", f"<!-- end of {title} -->"


def with_tables(page):
    r"""Returns a page's text with the table of each task between its two marks.

    Args:
        page: text that holds the two marks of each task, each on a line of its own.

    Returns:
        str.

    Raises:
        ValueError: a mark is missing.

    >>> page = "\n".join(line for task in TASKS for line in marks(task))
    >>> with_tables(page).splitlines()[1]
    '| architecture | parameters | in the paper | ... | ours | paper |'
    """
    for task in TASKS:
        begin, end = marks(task)
        if page.count(begin) != 1 or page.count(end) != 1:
            raise ValueError(
                f"The page needs two lines to put the table between. Received: {page.count(begin)} "
                f"times {begin!r} and {page.count(end)} times {end!r}. Write each once."
            )
        before, rest = page.split(begin)
        page = f"{before}{begin}\n{markdown_table(task)}\n{end}{rest.split(end)[1]}"
    return page


def _count(facts):
    """The first count that is known, with what it counts; no two papers count the same."""
    count = facts.counts[0]
    kinds = ("folded", "trainable", "total")
    kind, number = next((k, getattr(count, k)) for k in kinds if getattr(count, k) is not None)
    return f"{number:,} {kind}, {count.num_classes} classes"


def _paper(paper):
    """Authors and year, linked where there is an arXiv number."""
    first_author = re.split(r"[,:]", paper)[0]
    year = re.search(r"\b(19|20)\d\d\b", paper)
    words = f"{first_author} et al.{f' {year.group()}' if year else ''}"
    number = re.search(r"arXiv:(\d+\.\d+)", paper)
    return f"[{words}](https://arxiv.org/abs/{number.group(1)})" if number else words
