"""The table of architectures that README.md shows, from the facts beside the code."""

import re

from keras_seg import models

BEGIN = "<!-- architectures: `make readme` writes this table -->"
END = "<!-- end of architectures -->"


def markdown_table():
    """Returns the table in Markdown: one line per architecture.

    Returns:
        str without a line break at its end.

    >>> print(markdown_table().splitlines()[0])
    | architecture | parameters | output stride | published mean IoU | paper |
    """
    lines = [
        "| architecture | parameters | output stride | published mean IoU | paper |",
        "|---|---|---|---|---|",
    ]
    for name in models.names():
        facts = models.facts(name)
        scores = "; ".join(f"{score} {dataset} {split}" for dataset, split, score in facts.scores)
        cells = (f"`{name}`", _count(facts), str(facts.output_stride), scores, _paper(facts.paper))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def with_table(page, table):
    """Returns a page's text with the table between its two marks.

    Args:
        page: text that holds the marks `BEGIN` and `END`, each on a line of its own.
        table: what `markdown_table` gave.

    Returns:
        str.

    Raises:
        ValueError: a mark is missing.

    >>> page = [BEGIN, "old", END]
    >>> with_table("".join(page), "new").splitlines()[1]
    'new'
    """
    if page.count(BEGIN) != 1 or page.count(END) != 1:
        raise ValueError(
            f"The page needs two lines to put the table between. Received: {page.count(BEGIN)} "
            f"times {BEGIN!r} and {page.count(END)} times {END!r}. Write each once."
        )
    before, rest = page.split(BEGIN)
    return f"{before}{BEGIN}\n{table}\n{END}{rest.split(END)[1]}"


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
