"""The tables of architectures that README.md shows, from the facts beside the code."""

import re
from pathlib import Path

import pandas as pd

from keras_seg import models

TASKS = {"segmentation": "architectures", "classification": "classifiers"}
# Written by docs/costs.py and docs/weights.py.
COSTS = Path(__file__).with_name("costs.csv")
COMPARED = Path(__file__).with_name("compared.csv")


def costs():
    """What classifiers cost at their papers' sizes, as `docs/costs.py` measured it.

    Returns:
        `pandas.DataFrame` with a row per network: `macs`, the multiply-accumulates for one image,
        and `tflite_bytes`, the size of the .tflite file with 16-bit weights, nan if not measured.

    >>> int(costs().loc["lenet5_modern", "macs"])
    416520
    """
    return pd.read_csv(COSTS, index_col="network")


def markdown_table(task="segmentation"):
    """Returns the table of one task in Markdown: one line per architecture.

    Args:
        task: "segmentation" or "classification".

    Returns:
        str without a line break at its end.

    >>> print(markdown_table().splitlines()[0])
    | architecture | parameters | output stride | published mean IoU | paper |
    """
    rows = _classifiers() if task == "classification" else _segmenters()
    lines = [f"| {' | '.join(cells)} |" for cells in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])


def _segmenters():
    """Rows of cells, the first one with titles."""
    rows: list[tuple] = [
        ("architecture", "parameters", "output stride", "published mean IoU", "paper")
    ]
    for name in models.names("segmentation"):
        facts = models.facts(name)
        cells = (_count(facts), str(facts.output_stride), _scores(facts), _paper(facts.paper))
        rows.append((f"`{name}`", *cells))
    return rows


def _classifiers():
    """Rows of cells, the first one with titles."""
    titles = (
        "architecture", "parameters", "in the paper", "multiply-adds", "TFLite fp16",
        "compared with", "published top-1 accuracy", "paper",
    )  # fmt: skip
    rows: list[tuple] = [titles]
    costs_of, compared = costs(), pd.read_csv(COMPARED)
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
    if pd.isna(number):
        return ""
    factor, prefix = next(x for x in ((1e9, "G"), (1e6, "M"), (1e3, "k")) if number >= x[0])
    return f"{number / factor:.3g} {prefix}{unit}"


def _compared(rows):
    """The packages whose network was compared, with the largest difference."""
    if rows.empty:
        return ""
    packages = sorted(rows["package"].replace("timm_tf", "timm").unique())
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
    '| architecture | parameters | output stride | published mean IoU | paper |'
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
