"""Train networks with one budget of compute on CamVid; compare accuracy and latency.

    python docs/budget.py train fast_scnn --root path/to/CamVid
    python docs/budget.py table --root path/to/CamVid

`train` trains one network with the recipe `small_data`, seed 0, for the epochs that a quarter of
an hour of two cores allows (`EPOCHS`); called again, it continues. `table` times all networks, in
turns, scores the runs that are there, keeps the scores of the others that docs/budget.csv has, and
writes docs/budget.csv, docs/budget.png and the table of docs/budget.md.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402

import keras_seg  # noqa: E402
import pipelines  # noqa: E402
from keras_seg import analyse, export, models  # noqa: E402
from keras_seg.export import LiteRTSegmenter  # noqa: E402
from keras_seg.run_files import calibration_pictures  # noqa: E402

TAG = "15min"
# What a quarter of an hour allows: the 45 steps of an epoch took 35, 31, 79, 92, 122, 220, 261 and
# more than 1100 seconds on an otherwise idle AMD EPYC with two cores and AVX2.
EPOCHS = {
    "contextnet_cn14": 23,
    "fast_scnn": 24,
    "icnet": 10,
    "enet": 8,
    "deeplab_v3_plus": 7,
    "unet": 4,
    "erfnet": 3,
    "segnet_basic": 1,  # longer than its budget
}
ENCODERS = {"deeplab_v3_plus": "mobilenet_v2", "unet": "mobilenet_v2"}
GROUPS = {
    "flat": ("road", "pavement"),
    "construction": ("building", "fence"),
    "nature": ("tree",),
    "sky": ("sky",),
    "vehicle": ("car",),
    "human": ("pedestrian", "bicyclist"),
    "object": ("pole", "sign"),
}
SCORES = ["mean_iou", *GROUPS, "int8_mean_iou"]
SIZE, ROUNDS = (360, 480), 15
PAGE = Path(__file__).with_name("budget.md")
BEGIN, END = "<!-- `python docs/budget.py table` writes this table -->\n", "<!-- end of budget -->"


def folder_of(name):
    """Folder of a network's run."""
    words = filter(None, (name, ENCODERS.get(name), "camvid", TAG))
    return ROOT / "saved_models" / "-".join(words)


def options(name):
    """Options of a network's builder."""
    return {"encoder": ENCODERS[name]} if name in ENCODERS else {}


def train(name, data):
    """Train one network."""
    keras_seg.fit(
        name,
        data,
        "small_data",
        seed=0,
        tag=TAG,
        folder=ROOT / "saved_models",
        epochs=EPOCHS[name],
        options=options(name),
    )


def table(data, made):
    """Scores, costs and times by network; `made` is a folder for their files."""
    before = pd.read_csv(PAGE.with_suffix(".csv"), index_col="network")
    rows = {name: measured(name, data, made, before) for name in EPOCHS}
    timed = {(n, m): LiteRTSegmenter(path) for n in rows for m, path in files(n, made).items()}
    for (name, mode), milliseconds in latencies(timed).items():
        rows[name][f"{mode}_ms"] = milliseconds
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("network")


def files(name, made):
    """The .tflite files of a network."""
    return {mode: made / f"{name}_{mode}.tflite" for mode in ("fp32", "int8")}


def measured(name, data, made, before):
    """Scores and costs of a network; its scores of before if its run is not there."""
    run = keras_seg.Run(folder_of(name), data) if folder_of(name).is_dir() else None
    model = run.model if run else models.build(name, num_classes=data.num_classes, **options(name))
    pictures = calibration_pictures(data, 100)
    for mode, path in files(name, made).items():
        # As it comes out: a run's own export refuses an 8-bit file that loses too much.
        export.tflite(model, path, mode, size=SIZE, calibration=pictures, min_agreement=0.0)
    sizes = {f"{mode}_bytes": path.stat().st_size for mode, path in files(name, made).items()}
    scores = accuracy(run, files(name, made)["int8"], data) if run else before.loc[name, SCORES]
    return {
        "encoder": ENCODERS.get(name, ""),
        "epochs": EPOCHS[name],
        **scores,
        "parameters": export.fold(model).count_params(),
        "macs": int(analyse.summary(model, (*SIZE, 3)).loc["total", "macs"]),
        **sizes,
    }


def accuracy(run, file, data):
    """IoU on the validation pictures: of all classes, by group, and of the file in 8 bits."""
    scores = run.evaluate("val")
    iou = dict(zip(scores.class_names, scores.iou, strict=True))
    return {
        "mean_iou": scores.mean_iou,
        **{group: np.mean([iou[each] for each in names]) for group, names in GROUPS.items()},
        "int8_mean_iou": keras_seg.evaluate(file, data).mean_iou,
    }


def latencies(segmenters):
    """Least milliseconds from a picture to its labels, in rounds that take turns."""
    picture = np.random.default_rng(0).integers(0, 256, (1, *SIZE, 3), "uint8")
    times = dict.fromkeys(segmenters, np.inf)
    for _ in range(ROUNDS):
        for key, segmenter in segmenters.items():
            start = time.perf_counter()
            segmenter.labels(picture)
            times[key] = min(times[key], 1000 * (time.perf_counter() - start))
    return times


def markdown(rows):
    """The table of the page."""
    titles = ("network", "epochs", "mean IoU", *GROUPS, "int8", "parameters", "multiply-adds",
              "fp32", "int8", "fp32", "int8")  # fmt: skip
    lines = [f"| {' | '.join(titles)} |", "|" + "---|" * len(titles)]
    for name, row in rows.sort_values("mean_iou", ascending=False).iterrows():
        percents = [100 * row[key] for key in SCORES]
        cells = (
            f"`{name}`" + (f", {row['encoder']}" if row["encoder"] else ""),
            row["epochs"],
            *("" if np.isnan(x) else f"{x:.1f}" for x in percents),
            f"{row['parameters'] / 1e6:.2f} M",
            f"{row['macs'] / 1e9:.3g} G",
            *(f"{row[f'{mode}_bytes'] / 1e6:.2f} MB" for mode in ("fp32", "int8")),
            *(f"{row[f'{mode}_ms']:.1f} ms" for mode in ("fp32", "int8")),
        )
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines) + "\n"


def chart(rows, path):
    """Accuracy against latency."""
    rows = rows.dropna(subset="mean_iou")
    figure, axes = plt.subplots(figsize=(9, 5), layout="constrained")
    for mode, score, marker in (("fp32", "mean_iou", "o"), ("int8", "int8_mean_iou", "s")):
        axes.plot(rows[f"{mode}_ms"], 100 * rows[score], marker, label=f"TFLite {mode}")
    for name, row in rows.iterrows():
        ends = [(row.fp32_ms, 100 * row.mean_iou), (row.int8_ms, 100 * row.int8_mean_iou)]
        axes.plot(*zip(*ends, strict=True), color="gray", linewidth=0.8, zorder=0)
        # The line to the 8-bit file's point goes down from a label above it, and up from one below.
        above = row.mean_iou > row.int8_mean_iou
        place = {"xytext": (0, 7), "ha": "left"} if above else {"xytext": (0, -15), "ha": "center"}
        axes.annotate(name, ends[0], textcoords="offset points", **place)
    axes.set_xscale("log")
    axes.set_xticks((10, 30, 100, 300, 1000))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.minorticks_off()
    axes.margins(0.12)
    axes.set_xlabel("ms from a picture of 360x480 to its labels, two cores")
    axes.set_ylabel("mean IoU on CamVid's validation pictures, %")
    axes.set_title("A quarter of an hour of training on two cores")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=110)


def main():
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("train", "table"))
    parser.add_argument("name", nargs="?", choices=list(EPOCHS))
    parser.add_argument("--root", required=True, help="folder of CamVid")
    arguments = parser.parse_args()
    data = pipelines.load("camvid", arguments.root)
    if arguments.what == "train":
        if arguments.name is None:
            parser.error("train needs the name of a network")
        train(arguments.name, data)
        return
    with tempfile.TemporaryDirectory() as made:
        rows = table(data, Path(made))
    rows.to_csv(PAGE.with_suffix(".csv"), float_format="%.5g")
    chart(rows, PAGE.with_suffix(".png"))
    before, rest = PAGE.read_text(encoding="utf8").split(BEGIN)
    after = rest[rest.index(END) :]
    PAGE.write_text(before + BEGIN + markdown(rows) + after, encoding="utf8")


if __name__ == "__main__":
    main()
