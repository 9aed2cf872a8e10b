"""Compare recipes for small data on drives of CamVid that were not trained on.

    python docs/drives.py color --root path/to/CamVid

trains contextnet_cn14 with one recipe, once for each of the three drives of the training pictures,
on the other two, and writes the scores into docs/drives.csv and the table of docs/drives.md.
Called again, it continues. Validation and test pictures take no part.
"""

import argparse
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import pandas as pd  # noqa: E402

import keras_seg  # noqa: E402
import pipelines  # noqa: E402
from keras_seg.training.cross_validation import CrossValidation  # noqa: E402

SCALE = ["random_scale_crop", {"low": 0.5, "high": 2.0}]
FLIP = ["random_flip", {}]
STRONG_COLOR = [
    ["color_jitter", {"hue": 0.02, "saturation": 0.7, "brightness": 0.6, "contrast": 0.5}],
    ["random_gamma", {"low": 0.5, "high": 2.0}],
]
# What differs from `small_data` with 40 epochs and crops of 240x320. The last two train the
# networks of `color` for 10 more epochs.
MORE = {"after": "color", "epochs": 10, "learning_rate": 1e-3}
RECIPES = {
    "base": {},
    "color": {"augmentation": [SCALE, FLIP, *STRONG_COLOR]},
}
RECIPES["more"] = RECIPES["color"] | MORE
RECIPES["dice"] = RECIPES["more"] | {"loss": [(1.0, "cross_entropy"), (1.0, "dice")]}
PAGE = Path(__file__).with_name("drives.md")
BEGIN, END = "<!-- `python docs/drives.py` writes this table -->\n", "<!-- end of drives -->"


def trained(name, root):
    """The networks of a recipe, trained on all drives but one each, and their scores."""
    folds = pipelines.load("camvid", root).folds(group="auto", num_folds=None)
    changes = {"epochs": 40, "crop_size": (240, 320)} | RECIPES[name]
    earlier = changes.pop("after", None)
    starts = trained(earlier, root).runs if earlier else [None] * len(folds)
    runs = [
        keras_seg.fit(
            "contextnet_cn14",
            fold,
            weights=start.folder if start else None,
            seed=0,
            tag=f"drives-{name}",
            folder=ROOT / "saved_models",
            **changes,
        )
        for fold, start in zip(folds, starts, strict=True)
    ]
    scores = [run.evaluate("held_out") for run in runs]
    return CrossValidation(runs, scores, [fold.held_out_groups for fold in folds])


def scores(found):
    """Mean IoU in percent by held-out drive, their mean and spread, and of all pictures."""
    drives = {group: x.mean_iou for (group,), x in zip(found.groups, found.scores, strict=True)}
    columns = {**drives, "mean": found.mean, "spread": found.spread, "all": found.pooled.mean_iou}
    return {key: 100 * value for key, value in columns.items()}


def written(name, row):
    """Write a recipe's scores into the file and the page."""
    file = PAGE.with_suffix(".csv")
    table = pd.read_csv(file, index_col="recipe") if file.exists() else pd.DataFrame()
    table = pd.concat([table.drop(name, errors="ignore"), pd.DataFrame(row, index=[name])])
    table = table.rename_axis("recipe").round(1)
    table.to_csv(file)
    lines = [["recipe", *table.columns], ["---"] * (1 + len(table.columns))]
    lines += [[f"`{name}`", *map(str, values)] for name, *values in table.itertuples()]
    text = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    before, rest = PAGE.read_text(encoding="utf8").split(BEGIN)
    PAGE.write_text(before + BEGIN + text + rest[rest.index(END) :], encoding="utf8")


def main():
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe", choices=RECIPES)
    parser.add_argument("--root", required=True, help="folder of CamVid")
    arguments = parser.parse_args()
    found = trained(arguments.recipe, arguments.root)
    written(arguments.recipe, scores(found))


if __name__ == "__main__":
    main()
