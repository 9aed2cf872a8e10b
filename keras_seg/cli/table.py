"""The tables of architectures that README.md shows, from the facts beside the code."""

import re

from keras_seg import models

TASKS = {"segmentation": "architectures", "classification": "classifiers"}


def markdown_table(task="segmentation"):
    """Returns the table of one task in Markdown: one line per architecture.

    Args:
        task: "segmentation" or "classification".

    Returns:
        str without a line break at its end.

    >>> print(markdown_table().splitlines()[0])
    | architecture | parameters | output stride | published mean IoU | paper |
    """
    published = "mean IoU" if task == "segmentation" else "top-1 accuracy"
    lines = [
        f"| architecture | parameters | output stride | published {published} | paper |",
        "|---|---|---|---|---|",
    ]
    for name in models.names(task):
        facts = models.facts(name)
        scores = "; ".join(f"{score} {dataset} {split}" for dataset, split, score in facts.scores)
        cells = (f"`{name}`", _count(facts), str(facts.output_stride), scores, _paper(facts.paper))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


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
