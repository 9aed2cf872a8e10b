"""The command line: `python -m keras_seg <command>`. Each command is a few calls of the library."""

import argparse
import contextlib
import importlib
import json
import logging
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # Before TensorFlow is imported.

PROGRAM = "python -m keras_seg"
FORMATS = ("saved_model", "fp32", "fp16", "int8")


def main(arguments=None):
    """Runs one command.

    Args:
        arguments: list of words; those of the command line if None.

    Returns:
        exit code: 0, 2 for a wrong argument or file, 130 after Ctrl-C.
    """
    logging.basicConfig(format="%(message)s")
    options = parser().parse_args(arguments)
    _import_tensorflow_quietly()
    try:
        options.command(options)
    except (ValueError, OSError, FloatingPointError, ImportError) as error:
        print(f"keras_seg: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as stop:
        print("\nStopped.", *getattr(stop, "__notes__", ()), file=sys.stderr)
        return 130
    return 0


def models_command(options):
    """Lists the architectures, or writes the README's table."""
    from keras_seg import _table, models

    if options.into:
        page = Path(options.into)
        page.write_text(_table.with_table(page.read_text(), _table.markdown_table()))
    elif options.markdown:
        print(_table.markdown_table())
    else:
        for name in models.names():
            print(f"{name:<24}{models.facts(name).paper}")


def check_command(options):
    """Reads every file of a data set and reports."""
    print(_data(options).check())


def fit_command(options):
    """Trains, or continues a training."""
    import keras_seg
    from keras_seg.card import write_card

    given = ("epochs", "batch_size", "crop_size", "learning_rate")
    changes = {name: getattr(options, name) for name in given}
    changes = {name: value for name, value in changes.items() if value is not None}
    changes |= dict(options.set)
    run = keras_seg.fit(
        options.architecture,
        _data(options),
        options.recipe,
        seed=options.seed,
        folder=options.folder,
        tag=options.tag,
        **changes,
    )
    run.show_curves()
    if "val" in run.data.splits:
        print(run.evaluate("val"))
        run.show_pictures("val")
        write_card(run)
    print(f"Everything is in {run.folder}. Use it: {PROGRAM} predict {run.folder} picture.jpg")


def evaluate_command(options):
    """Scores a run on a split."""
    from keras_seg.run import Run, find_run

    print(Run(find_run(options.run), _data(options)).evaluate(options.split))


def predict_command(options):
    """Writes label maps and overlays for files."""
    import keras_seg
    from keras_seg._predict_files import predict_files

    segmenter = keras_seg.load(options.run)
    if options.flip:
        segmenter = keras_seg.inference.augmented(segmenter, "horizontal")
    if options.tile:
        segmenter = keras_seg.inference.tiled(segmenter, options.tile)
    for path in predict_files(segmenter, options.paths, options.out, options.overwrite):
        print(path)


def export_command(options):
    """Writes SavedModel and TFLite files, each proven."""
    from keras_seg.run import Run, find_run

    folder = find_run(options.run)
    # 8 bits are calibrated on training pictures; else a data set only makes the proof better.
    run = Run(folder, _data(options) if _given(options) or "int8" in options.formats else None)
    for name in options.formats:
        if name == "saved_model":
            print(run.export_saved_model())
        else:
            print(run.export_tflite(name, size=options.size))


def demo_command(options):
    """Goes the whole way once, on drawn street scenes."""
    import pipelines
    from keras_seg._demo import demo

    data = pipelines.street_scenes(num_images=options.num_images, size=(180, 240), seed=0)
    demo(data, options.folder, {"epochs": options.epochs, "batch_size": 4}, print)


def parser():
    """The argument parser with all commands.

    Returns:
        argparse.ArgumentParser.

    >>> parser().parse_args(["models"]).markdown
    False
    """
    root = argparse.ArgumentParser(PROGRAM, description="Semantic segmentation with Keras 3.")
    commands = root.add_subparsers(title="commands", required=True, metavar="<command>")

    models = _add(commands, "models", models_command, "models")
    models.add_argument("--markdown", action="store_true", help="as a table in Markdown")
    models.add_argument("--into", metavar="PAGE", help="write that table between a page's marks")

    check = _add(commands, "check", check_command, "check --data camvid --root path/to/CamVid")
    _add_data(check)

    fit = _add(
        commands,
        "fit",
        fit_command,
        "fit contextnet_cn14 --images pictures --labels masks --classes soil,crop,weed",
    )
    _add_fit(fit)

    evaluate = _add(
        commands,
        "evaluate",
        evaluate_command,
        "evaluate contextnet_cn14-camvid --data camvid --root path/to/CamVid --split test",
    )
    evaluate.add_argument("run", help="a run's name in saved_models, or its folder")
    evaluate.add_argument("--split", default="val", help="part of the data set (%(default)s)")
    _add_data(evaluate)

    predict = _add(
        commands,
        "predict",
        predict_command,
        "predict contextnet_cn14-camvid street.jpg holiday_pictures drive.mp4 --out found",
    )
    predict.add_argument("run", help="a run's name in saved_models, or its folder")
    predict.add_argument("paths", nargs="+", help="pictures, videos, folders of those")
    predict.add_argument("--out", help="folder to write to (a folder `predicted` beside each file)")
    predict.add_argument("--overwrite", action="store_true", help="replace earlier predictions")
    predict.add_argument("--flip", action="store_true", help="average with the mirror image")
    predict.add_argument("--tile", type=int, help="side of tiles in pixels, for large pictures")

    export = _add(
        commands,
        "export",
        export_command,
        "export contextnet_cn14-camvid saved_model int8 --data camvid --root path/to/CamVid",
    )
    export.add_argument("run", help="a run's name in saved_models, or its folder")
    export.add_argument("formats", nargs="+", choices=FORMATS, help=f"of {', '.join(FORMATS)}")
    export.add_argument("--size", type=_size, help="TFLite's picture size, such as 360x480")
    _add_data(export)

    demo = _add(commands, "demo", demo_command, "demo")
    demo.add_argument("--folder", default="saved_models", help="where to keep it (%(default)s)")
    demo.add_argument("--epochs", type=int, default=40, help="passes (%(default)s)")
    demo.add_argument("--num-images", type=int, default=240, help="drawings (%(default)s)")
    return root


def _add(commands, name, command, example):
    """Adds a command whose help ends with an example."""
    added = commands.add_parser(
        name,
        help=command.__doc__,
        description=command.__doc__,
        epilog=f"example:\n  {PROGRAM} {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    added.set_defaults(command=command)
    return added


def _add_fit(fit):
    fit.add_argument("architecture", help=f"a name that `{PROGRAM} models` lists")
    fit.add_argument(
        "--recipe",
        default="small_data",
        help="small_data (default), contextnet, fc_densenet, fc_densenet_short or tiramisu_guide",
    )
    fit.add_argument("--epochs", type=int, help="passes over the training pictures")
    fit.add_argument("--batch-size", type=int, help="pictures per step")
    fit.add_argument("--crop-size", type=_size, help="what the network sees, such as 360x480")
    fit.add_argument("--learning-rate", type=float, help="rate after the warm-up")
    fit.add_argument(
        "--set",
        nargs="+",
        action="extend",
        default=[],
        type=_field,
        metavar="FIELD=VALUE",
        help="other fields of the recipe: precision=mixed_bfloat16 patience=20 loss=focal",
    )
    fit.add_argument("--seed", type=int, default=0, help="same seed, same weights (%(default)s)")
    fit.add_argument("--folder", default="saved_models", help="where runs are kept (%(default)s)")
    fit.add_argument("--tag", help="added to the run's name")
    _add_data(fit)


def _add_data(command):
    """The ways to name a data set."""
    group = command.add_argument_group("data set")
    group.add_argument("--data", help="camvid, cityscapes, ..., or street_scenes, which is drawn")
    group.add_argument("--root", help="folder of a data set that has a name, or of a table's paths")
    group.add_argument("--images", help="folder of your pictures")
    group.add_argument("--labels", help="folder of their masks")
    group.add_argument("--table", help="csv file with a picture and its mask in each row")
    group.add_argument(
        "--classes",
        help="names in the order of their ids: soil,crop,weed; or a csv file with a class in each "
        "row; masks with a palette or colours also go without",
    )
    group.add_argument("--ignore", type=int, default=255, help="id that does not count (255)")
    group.add_argument("--label-offset", type=int, default=0, help="id of the first class (0)")


def _import_tensorflow_quietly():
    """Keeps TensorFlow's four lines of greeting, which no setting turns off, from the terminal."""
    sys.stderr.flush()
    terminal = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        with contextlib.suppress(ImportError):  # Another backend does without it.
            importlib.import_module("tensorflow")
    finally:
        os.dup2(terminal, 2)
        os.close(terminal)
        os.close(nowhere)


def _data(options):
    """The data set that the options name."""
    import pipelines

    given = _given(options)
    if tuple(given) not in (("data",), ("images", "labels"), ("table",)):
        words = " ".join(f"--{name} {value}" for name, value in given.items()) or "none of them"
        raise ValueError(
            "The data set is one of `--data NAME --root FOLDER`, `--images FOLDER --labels FOLDER` "
            f"and `--table FILE`. Received: {words}. Give one of the three."
        )
    if options.data:
        return pipelines.load(options.data, options.root)
    classes = options.classes
    if classes and not Path(classes).is_file():
        classes = [name.strip() for name in classes.split(",")]
    more = {"ignore": options.ignore, "label_offset": options.label_offset}
    if options.table:
        return pipelines.from_csv(options.table, classes, root=options.root, **more)
    return pipelines.from_folders(options.images, options.labels, classes, **more)


def _given(options):
    """Those of the options that say where the data set is, by name."""
    ways = ("data", "images", "labels", "table")
    return {name: getattr(options, name) for name in ways if getattr(options, name)}


def _size(text):
    """Height and width from words such as 360x480; depth, height and width of volumes."""
    sides = text.lower().split("x")
    if len(sides) not in (2, 3) or not all(side.isdecimal() for side in sides):
        raise argparse.ArgumentTypeError(
            "needs height x width in pixels, such as 360x480, or depth x height x width. "
            f"Received: {text!r}."
        )
    return tuple(int(side) for side in sides)


def _field(text):
    """A field of a recipe and its value, from words such as patience=20."""
    name, sign, value = text.partition("=")
    if not sign:
        raise argparse.ArgumentTypeError(
            f"needs FIELD=VALUE, such as precision=mixed_bfloat16. Received: {text!r}."
        )
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value  # A word, which JSON would want in quotes.


if __name__ == "__main__":
    sys.exit(main())
