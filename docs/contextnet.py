"""Repeat the comparisons of ContextNet's paper on CamVid, at small scale.

    python docs/contextnet.py --root path/to/CamVid

trains the networks of `TRAINED` and writes each score into docs/contextnet.csv and the tables of
docs/contextnet.md. Called again, it continues. The validation pictures only score: no epoch is
chosen by them.
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
from keras_seg import inference  # noqa: E402

EPOCHS = 24
# The share of the paper's epochs for each width is not known.
PRUNED = {
    "epochs": 9,
    "validate_every": 9,
    "prune_from": 2.0,
    "after_pruning": {"epochs": 5, "validate_every": 5, "warmup_epochs": 0, "learning_rate": 1e-3},
}
ALONE = {"auxiliary_weight": 0.0}  # Only both branches together have an auxiliary head.
SEEDS = (0, 1, 2)
# Row of the tables: seeds, architecture, and what differs from the recipe.
TRAINED = {
    "contextnet_cn14": (SEEDS, "contextnet_cn14", {}),
    "pruned from 2x": (SEEDS, "contextnet_cn14", PRUNED),
    "context branch alone": ((0,), "contextnet_cn14", ALONE | {"options": {"branch": "context"}}),
    "detail branch alone": ((0,), "contextnet_cn14", ALONE | {"options": {"branch": "detail"}}),
    "contextnet_cn18": ((0,), "contextnet_cn18", {}),
    "contextnet_cn14_160": ((0,), "contextnet_cn14_160", {}),
    "contextnet_cn14_500": ((0,), "contextnet_cn14_500", {}),
    "contextnet_cn124": ((0,), "contextnet_cn124", {}),
    "contextnet_cn12": ((0,), "contextnet_cn12", {}),
}
ENSEMBLE = "ensemble of the two branches"
# The paper's mean IoU in percent on the validation pictures of Cityscapes; the two in brackets on
# its test pictures, where cn14 trained at once has 64.2.
PAPER = {
    "contextnet_cn14": "65.9 (64.2)",
    "pruned from 2x": "(66.1)",
    "context branch alone": "63.3",
    "detail branch alone": "25.1",
    ENSEMBLE: "60.3",
    "contextnet_cn18": "60.1",
    "contextnet_cn14_160": "57.7",
    "contextnet_cn14_500": "62.1",
    "contextnet_cn124": "67.3",
    "contextnet_cn12": "68.7",
}
PAGE = Path(__file__).with_name("contextnet.md")
BEGIN, END = "<!-- `python docs/contextnet.py` writes this table -->\n", "<!-- end of table -->"


def trained(row, seed, data):
    """The run of a row of the tables and a seed."""
    _, name, changes = TRAINED[row]
    changes = {"epochs": EPOCHS, "crop_size": (180, 240), "validate_every": EPOCHS} | changes
    tag = f"paper-{row.replace(' ', '_')}-{seed}"
    folder = ROOT / "saved_models"
    return keras_seg.fit(name, data, "small_data", seed=seed, tag=tag, folder=folder, **changes)


def scored(data):
    """Train all networks; write mean IoU in percent by row and seed after each."""
    table = pd.DataFrame()
    for row, (seeds, _, _) in TRAINED.items():
        for seed in seeds:
            table.loc[row, f"seed {seed}"] = 100 * trained(row, seed, data).evaluate("val").mean_iou
            written(table)
    both = [trained(f"{name} branch alone", 0, data) for name in ("context", "detail")]
    joined = inference.ensemble([run.segmenter() for run in both])
    table.loc[ENSEMBLE, "seed 0"] = 100 * keras_seg.evaluate(joined, data, "val").mean_iou
    written(table)


def written(table):
    """Write the scores into the file and the page."""
    table = table.rename_axis("network").round(1)
    table.to_csv(PAGE.with_suffix(".csv"))
    means = table.assign(mean=table.mean(axis=1).round(1), spread=table.std(axis=1).round(1))
    means["paper"] = means.index.map(PAPER)
    lines = [["network", *means.columns], ["---"] * (1 + len(means.columns))]
    lines += [
        [name, *("" if pd.isna(value) else str(value) for value in values)]
        for name, *values in means.itertuples()
    ]
    text = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    before, rest = PAGE.read_text(encoding="utf8").split(BEGIN)
    PAGE.write_text(before + BEGIN + text + rest[rest.index(END) :], encoding="utf8")


def main():
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", required=True, help="folder of CamVid")
    scored(pipelines.load("camvid", parser.parse_args().root))


if __name__ == "__main__":
    main()
