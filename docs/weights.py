"""Compare our networks with those of other packages; write the table in weights.md.

`python docs/weights.py` measures all, `python docs/weights.py resnet` those whose row says resnet;
`make readme` then takes the largest differences into README.md.
"""

import json
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import keras  # noqa: E402
import pandas as pd  # noqa: E402
from _authors import CASES, compared  # noqa: E402
from _reference import CASES as SECOND  # noqa: E402
from _reference import computed  # noqa: E402
from _weights import PORTS, difference, module, pixels, port_cases, ported, random_source  # noqa: E402

from keras_seg import models  # noqa: E402
from keras_seg.cli.table import COMPARED  # noqa: E402

PAGE = Path(__file__).with_name("weights.md")
BEGIN, END = "|---|---|---|---|\n", "<!-- end of weights -->"


def cases():
    """Rows of the table, each with the function that measures it."""
    found = {}
    for name in models.names():
        if theirs := models.facts(name).imagenet:
            found[name, "keras.applications", theirs] = lambda name=name: _keras_difference(name)
    for case in port_cases():
        stored = json.loads((PORTS / f"{case}.json").read_text())
        row = (stored["ours"], stored["package"], stored["theirs"])
        found[row] = lambda case=case: _port_difference(case)
    for case, about in CASES.items():
        found[about.name, about.package, about.source] = lambda case=case: difference(
            *compared(case)
        )
    for family, case in SECOND:
        name = case if case in models.names() else f"{family}_{case}"
        if name in models.names():  # The others are of options.
            row = (name, "second implementation", f"tests/reference/{family}.py")
            found[row] = lambda which=(family, case): _second_difference(*which)
    return found


def _keras_difference(name):
    theirs = models.facts(name).imagenet
    side = 224
    source = random_source(theirs, side)
    before = getattr(keras.applications, theirs)
    setattr(keras.applications, theirs, lambda **_: source)
    try:
        model = models.build(name, (side, side, 3), 1000, weights="imagenet")
    finally:
        setattr(keras.applications, theirs, before)
    x = pixels(side)
    return difference(model(x), source(module(theirs).preprocess_input(x.copy())))


def _port_difference(case):
    model, images, logits = ported(case)
    return difference(model(images), logits)


def _second_difference(family, case):
    """That of a narrow network and, where there is one, that of the whole one."""
    cases = [one for one in SECOND if one in ((family, case), (family, f"{case}_full"))]
    return max(difference(*computed(*one)) for one in cases)


def markdown():
    """The table's rows in Markdown."""
    rows = pd.read_csv(COMPARED, dtype=str).itertuples(index=False)
    return "".join(f"| `{a}` | {b} | `{c}` | {d} |\n" for a, b, c, d in rows)


def write(row, difference):
    """Store a difference in its row, which is added if there is none, and write the page."""
    known = pd.read_csv(COMPARED, dtype=str).set_index(["network", "package", "theirs"])
    known.loc[row, "difference"] = f"{difference:.0e}"
    known.sort_index().to_csv(COMPARED)
    head, _, rest = PAGE.read_text().partition(BEGIN)
    PAGE.write_text(head + BEGIN + markdown() + END + rest.partition(END)[2])


if __name__ == "__main__":
    for row, measure in cases().items():
        if all(word in " ".join(row) for word in sys.argv[1:]):
            write(row, measure())
            keras.backend.clear_session()
