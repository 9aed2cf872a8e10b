"""Command-line arguments; the commands are in `keras_seg.cli.main`."""

import argparse
import json

from keras_seg import __version__
from keras_seg.cli import demo_web, serving

PROGRAM = "python -m keras_seg"
FORMATS = ("saved_model", "fp32", "fp16", "int8_weights", "int8", "onnx", "openvino")
OUTPUTS = ("scores", "labels", "both")
ENGINES = ("auto", "keras", "graph", "litert", "litert-int8", "openvino")  # without importing Keras
INPUT_TYPES = ("float32", "uint8")
QUANTIZERS = ("tensorflow", "ai-edge", "best")
# The commands, and what each does.
HELP = {
    "models": "List the architectures, or write the README's tables.",
    "check": "Read every file of a data set and report what is wrong with it.",
    "fit": "Train a network, or continue an interrupted training.",
    "cross-validate": "Train on folds of a data set, and score the pictures held out.",
    "evaluate": "Compute the scores of a run, an exported file or a server on a data set.",
    "predict": "Segment pictures, videos and volumes; write label maps and overlays.",
    "export": "Write files for servers and phones, each compared with the Keras model.",
    "serve": "Start a server that segments pictures over HTTP and gRPC.",
    "benchmark": "Measure parameters, operations and frames per second of networks.",
    "demo": "Train, evaluate, export and predict on generated street scenes, in minutes.",
    "demo-web": "Serve a page that runs a network in the browser: on pictures, videos, the camera.",
}


def parser():
    """The argument parser with all commands.

    Returns:
        argparse.ArgumentParser.

    >>> parser().parse_args(["models"]).markdown
    False
    """
    root = argparse.ArgumentParser(
        PROGRAM,
        description="Semantic segmentation with Keras 3.",
        epilog=f"`{PROGRAM} <command> --help` lists the options of a command.",
    )
    root.add_argument("--version", action="version", version=f"keras_seg {__version__}")
    commands = root.add_subparsers(title="commands", required=True, metavar="<command>")

    models = _add(commands, "models")
    models.add_argument("--markdown", action="store_true", help="print tables in Markdown")
    models.add_argument(
        "--into", metavar="PAGE", help="write the tables between the marks of this page"
    )

    check = _add(commands, "check --data camvid --root path/to/CamVid")
    check.add_argument("--fix", metavar="FOLDER", help="write repaired masks to this new folder")
    _add_data(check)

    fit = _add(
        commands, "fit contextnet_cn14 --images pictures --labels masks --classes soil,crop,weed"
    )
    _add_fit(fit)

    folds = _add(
        commands,
        "cross-validate contextnet_cn14 --data camvid --root path/to/CamVid --fold-group auto",
    )
    folds.add_argument(
        "--fold-group",
        metavar="GROUP",
        help="pictures held out together: a regular expression for their paths; auto, for names "
        "without the number at their end; near_duplicates (default: each picture alone)",
    )
    folds.add_argument("--num-folds", type=int, help="number of folds (default: one per group)")
    folds.add_argument(
        "--split", default="train", help="split to divide into folds (default: %(default)s)"
    )
    _add_fit(folds)

    evaluate = _add(
        commands, "evaluate contextnet_cn14-camvid --data camvid --root path/to/CamVid --split test"
    )
    evaluate.add_argument(
        "network",
        help="a run's name in saved_models, or its folder; a .tflite, .onnx or OpenVINO .xml file; "
        "a SavedModel's folder; the address of a server",
    )
    evaluate.add_argument(
        "--split", default="val", help="split of the data set (default: %(default)s)"
    )
    _add_data(evaluate)

    predict = _add(
        commands, "predict contextnet_cn14-camvid street.jpg holiday_pictures drive.mp4 --out found"
    )
    predict.add_argument("run", help="a run's name in saved_models, or its folder")
    predict.add_argument("paths", nargs="+", help="pictures, videos or volumes, or folders of them")
    predict.add_argument(
        "--out", help="output folder (default: a folder `predicted` beside each file)"
    )
    predict.add_argument("--no-overlay", action="store_true", help="write label maps alone")
    predict.add_argument("--overwrite", action="store_true", help="replace earlier predictions")
    predict.add_argument(
        "--ray",
        action="store_true",
        help="many pictures, in several processes on Ray: label maps alone, into --out; the same "
        "command continues a job that was stopped",
    )
    predict.add_argument(
        "--flip", action="store_true", help="average with the prediction for the mirrored picture"
    )
    predict.add_argument(
        "--tile", type=int, help="process large pictures in tiles of this side, in pixels"
    )
    predict.add_argument(
        "--engine",
        choices=ENGINES,
        default="auto",
        help="what computes label maps: auto is the fastest of those with the same labels; "
        "litert-int8 uses the run's int8 file, and 1 to 2 %% of the pixels differ (default: "
        "%(default)s)",
    )

    export = _add(
        commands,
        "export contextnet_cn14-camvid saved_model int8 --data camvid --root path/to/CamVid",
    )
    _add_export(export)

    serving.add_arguments(_add(commands, "serve contextnet_cn14-camvid --single"))
    demo_web.add_arguments(_add(commands, "demo-web contextnet_cn14-camvid"))

    benchmark = _add(commands, "benchmark contextnet")
    benchmark.add_argument(
        "networks",
        nargs="+",
        help="names of architectures, families or runs; .tflite, .onnx and OpenVINO .xml files, "
        "SavedModel folders",
    )
    benchmark.add_argument(
        "--sizes",
        type=_size,
        nargs="+",
        default=[(1024, 2048), (512, 1024), (256, 512)],
        help="heights and widths of the frames (default: 1024x2048 512x1024 256x512)",
    )
    benchmark.add_argument(
        "--rounds", type=int, default=5, help="measurements of each network (default: %(default)s)"
    )
    benchmark.add_argument(
        "--split", default="val", help="split of the data set's pictures (default: %(default)s)"
    )
    _add_data(benchmark)

    demo = _add(commands, "demo")
    demo.add_argument(
        "--folder", default="saved_models", help="folder for the run (default: %(default)s)"
    )
    demo.add_argument(
        "--epochs",
        type=int,
        default=40,
        help="passes over the training pictures (default: %(default)s)",
    )
    demo.add_argument(
        "--num-images",
        type=int,
        default=240,
        help="number of generated pictures (default: %(default)s)",
    )
    return root


def _add(commands, example):
    """Adds the command that an example begins with; its help ends with the example."""
    name = example.split()[0]
    added = commands.add_parser(
        name,
        help=HELP[name],
        description=HELP[name],
        epilog=f"example:\n  {PROGRAM} {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    added.set_defaults(command=name)
    return added


def _add_export(export):
    export.add_argument("run", help="a run's name in saved_models, or its folder")
    export.add_argument(
        "formats",
        nargs="+",
        choices=FORMATS,
        help="one or more formats; saved_model is for servers, fp32 to int8 are TFLite files",
    )
    export.add_argument(
        "--size", type=_size, nargs="+", help="input sizes of the TFLite files, such as 360x480"
    )
    export.add_argument(
        "--outputs",
        choices=OUTPUTS,
        default="scores",
        help="outputs of the TFLite files (default: %(default)s)",
    )
    export.add_argument(
        "--input-type",
        choices=INPUT_TYPES,
        help="type of the pixels that the TFLite files take (default: uint8 for int8, else "
        "float32)",
    )
    export.add_argument(
        "--quantizer",
        choices=QUANTIZERS,
        default="tensorflow",
        help="what finds the value ranges of int8 files; best tries both and keeps the file with "
        "the higher score on the validation pictures (default: %(default)s)",
    )
    _add_data(export)


def _add_fit(fit):
    fit.add_argument("architecture", help=f"name of a network; `{PROGRAM} models` lists all")
    fit.add_argument(
        "--recipe",
        default="small_data",
        help="small_data (default), fc_densenet_short or tiramisu_guide; those of papers: "
        "contextnet, fc_densenet, fast_scnn, enet, erfnet, unet, segnet, fcn, deeplab_v2, "
        "deeplab_v3_plus, pspnet, icnet, hrnet, refinenet; "
        "or a .json or .toml file with the fields of one",
    )
    fit.add_argument("--weights", help="starting weights: a run's name or folder, or a .keras file")
    fit.add_argument("--epochs", type=int, help="passes over the training pictures")
    fit.add_argument("--batch-size", type=int, help="pictures per step")
    fit.add_argument(
        "--crop-size", type=_size, help="height and width of training crops, such as 360x480"
    )
    fit.add_argument("--learning-rate", type=float, help="learning rate after the warm-up")
    fit.add_argument(
        "--set",
        nargs="+",
        action="extend",
        default=[],
        type=_field,
        metavar="FIELD=VALUE",
        help="other fields of the recipe: precision=mixed_bfloat16 patience=20 loss=focal",
    )
    fit.add_argument(
        "--devices",
        type=_devices,
        metavar="N",
        help="devices that share each batch: their number, or names such as gpu:0,gpu:2",
    )
    fit.add_argument(
        "--seed", type=int, default=0, help="seed of all random numbers (default: %(default)s)"
    )
    fit.add_argument(
        "--folder", default="saved_models", help="folder for runs (default: %(default)s)"
    )
    fit.add_argument("--tag", help="added to the run's name")
    fit.add_argument(
        "--join",
        metavar="SPLITS",
        type=lambda text: text.split(","),
        help="also train on the pictures of these splits, such as val, which then have no score",
    )
    _add_data(fit)


def _add_data(command):
    """The ways to name a data set."""
    group = command.add_argument_group(
        "data set",
        "Name one of: --data, --images with --labels, --table, --class-folders.\n"
        "By default, `evaluate` and `export` take the data set that the run has recorded.",
    )
    group.add_argument(
        "--data",
        help="name of a data set: camvid, cityscapes, ..., or street_scenes, which is generated",
    )
    group.add_argument(
        "--root", help="folder of the data set of --data, or of the paths in a table"
    )
    group.add_argument("--images", help="folder of your pictures")
    group.add_argument("--labels", help="folder of their masks")
    group.add_argument("--table", help="CSV file with a picture and its mask in each row")
    group.add_argument(
        "--class-folders",
        help="folder with one subfolder of pictures per class, for classification",
    )
    group.add_argument(
        "--classes",
        help="class names in the order of their ids: soil,crop,weed; or their number; or a CSV "
        "file with one class per row (default: every id or color that the masks hold)",
    )
    group.add_argument("--ignore", type=int, help="label id to ignore (default: 255)")
    group.add_argument("--label-offset", type=int, help="id of the first class (default: 0)")
    group.add_argument(
        "--splits",
        type=_shares,
        help="fractions for train, val and test (default: folders of these names, else "
        "0.8,0.1,0.1)",
    )
    group.add_argument(
        "--group",
        metavar="PATTERN",
        help="regular expression for the paths of pictures: those with the same match stay in "
        "one split",
    )
    group.add_argument(
        "--value-range",
        type=_range,
        metavar="LOW,HIGH",
        help="values in the files that are mapped to 0 and 255, such as 0,4095 for 12 bits",
    )
    group.add_argument(
        "--bands", type=_bands, help="channels of the files to use, counted from 0, such as 3,2,1"
    )
    group.add_argument("--channels", type=int, help="3 for RGB, 1 for gray, 4 with alpha")
    group.add_argument(
        "--picture-size",
        type=_size,
        help="height and width to which pictures of class folders are resized, such as 224x224",
    )


def _size(text):
    """Height and width from text such as 360x480; depth, height and width of volumes."""
    sides = text.lower().split("x")
    if len(sides) not in (2, 3) or not all(side.isdecimal() for side in sides):
        raise argparse.ArgumentTypeError(
            "needs height x width in pixels, such as 360x480, or depth x height x width. "
            f"Received: {text!r}."
        )
    return tuple(int(side) for side in sides)


def _numbers(text, what):
    """Numbers that commas divide."""
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"needs {what}. Received: {text!r}.") from None


def _shares(text):
    """Shares of the splits from text such as 0.8,0.2."""
    return _numbers(text, "shares with commas between them, such as 0.7,0.2,0.1")


def _range(text):
    """Two numbers from text such as 0,4095."""
    found = _numbers(text, "two numbers LOW,HIGH, such as 0,4095")
    if len(found) != 2:
        raise argparse.ArgumentTypeError(
            f"needs two numbers LOW,HIGH, such as 0,4095. Received: {text!r}."
        )
    return found


def _bands(text):
    """Channels of files from text such as 3,2,1."""
    parts = text.split(",")
    if not all(part.isdecimal() for part in parts):
        raise argparse.ArgumentTypeError(f"needs channels such as 3,2,1. Received: {text!r}.")
    return tuple(map(int, parts))


def _devices(text):
    """A number of devices, or their names."""
    return int(text) if text.isdecimal() else text.split(",")


def _field(text):
    """A field of a recipe and its value, from text such as patience=20."""
    name, sign, value = text.partition("=")
    if not sign:
        raise argparse.ArgumentTypeError(
            f"needs FIELD=VALUE, such as precision=mixed_bfloat16. Received: {text!r}."
        )
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value  # A word, which JSON would want in quotes.
