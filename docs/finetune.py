"""What `finetune_int8` brings, beside as many more epochs without rounding.

    python docs/finetune.py --root path/to/CamVid [--epochs 2] [--seeds 0 1 2]

Starts from `fast_scnn-camvid-30min` with batch normalization merged, whose int8 file with 100
calibration pictures loses four points; the recipe, the learning rate and the pictures of both
trainings are the same. Runs go to saved_models; called again, it continues. Writes the table
of docs/deploy.md.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import keras_seg  # noqa: E402
import pipelines  # noqa: E402
from keras_seg import export  # noqa: E402
from keras_seg.run_files import calibration_pictures  # noqa: E402

RUN, SIZE, COUNT = "fast_scnn-camvid-30min", (360, 480), 100
PAGE = Path(__file__).with_name("deploy.md")
BEGIN = "<!-- `python docs/finetune.py` writes this table -->\n"
END = "<!-- end of finetune -->"


def file_score(model, data, folder):
    """Mean IoU of a network's int8 file on the validation pictures, in percent."""
    path = Path(folder, "model.tflite")
    pictures = calibration_pictures(data, COUNT)
    # As it comes out: the default refuses a file that loses too much.
    export.tflite(model, path, "int8", size=SIZE, calibration=pictures, min_agreement=0.0)
    return 100 * keras_seg.evaluate(path, data).mean_iou


def without_rounding(run, data, epochs, seed):
    """The same training as that of `finetune_int8`, in floating point."""
    recipe = keras_seg.recipe(run.folder / "run.json")
    recipe = keras_seg.recipe(
        recipe, epochs=epochs, learning_rate=recipe.learning_rate / 10, warmup_epochs=0,
        averaging=0.0, options={},
    )  # fmt: skip
    network = export.fold(run.model)
    return keras_seg.fit(
        network, data, recipe, seed=seed, tag=f"float-{epochs}-{seed}", folder=ROOT / "saved_models"
    )


def rows(data, epochs, seeds):
    """Label, then mean IoU of the network and of its int8 file, of each training."""
    run = keras_seg.Run(ROOT / "saved_models" / RUN, data)
    with tempfile.TemporaryDirectory() as folder:
        yield "before", 100 * run.evaluate("val").mean_iou, file_score(run.model, data, folder)
        for seed in seeds:
            made = without_rounding(run, data, epochs, seed)
            score = 100 * made.evaluate("val").mean_iou
            yield f"without rounding, seed {seed}", score, file_score(made.model, data, folder)
            tag = f"int8-{epochs}-{seed}"
            tuned = keras_seg.finetune_int8(
                run, data, epochs=epochs, seed=seed, num_calibration=COUNT, tag=tag
            )
            score = 100 * tuned.evaluate("val").mean_iou
            yield f"`finetune_int8`, seed {seed}", score, file_score(tuned.model, data, folder)


def main():
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", required=True, help="folder of CamVid")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    arguments = parser.parse_args()
    data = pipelines.load("camvid", arguments.root)
    lines = ["| training | network | int8 file |", "|---|---|---|"]
    for label, network, file in rows(data, arguments.epochs, arguments.seeds):
        lines.append(f"| {label} | {network:.2f} | {file:.2f} |")
    before, rest = PAGE.read_text(encoding="utf8").split(BEGIN)
    text = "\n".join(lines) + "\n"
    PAGE.write_text(before + BEGIN + text + rest[rest.index(END) :], encoding="utf8")


if __name__ == "__main__":
    main()
