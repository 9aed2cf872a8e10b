"""The command line: `python -m keras_seg <command>`. Each command is a few calls of the library."""

import contextlib
import importlib
import logging
import math
import os
import shlex
import sys
from pathlib import Path

from keras_seg.cli.arguments import PROGRAM, parser
from keras_seg.cli.dataset import names_dataset, open_dataset
from keras_seg.cli.demo_web import demo_web_command
from keras_seg.cli.serving import serve_command

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # Before TensorFlow is imported.


def main(arguments=None):
    """Runs one command.

    Args:
        arguments: list of words; those of the command line if None.

    Returns:
        exit status: 0; 1 if `check` found files that cannot be used; 2 for a wrong argument or
        file; 130 after Ctrl-C.
    """
    logging.basicConfig(format="%(message)s")
    options = parser().parse_args(arguments)
    if options.command not in WITHOUT_TENSORFLOW:
        _import_tensorflow_quietly()
    try:
        return COMMANDS[options.command](options) or 0
    except (ValueError, OSError, TypeError, FloatingPointError, ImportError) as error:
        print(f"keras_seg: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as stop:
        print("\nStopped.", *getattr(stop, "__notes__", ()), file=sys.stderr)
        return 130


def models_command(options):
    """Lists the architectures, or writes the README's table."""
    from keras_seg import models
    from keras_seg.cli import table

    if options.into:
        page = Path(options.into)
        page.write_text(table.with_tables(page.read_text()))
    elif options.markdown:
        print("\n\n".join(table.markdown_table(task) for task in table.TASKS))
    else:
        for name in models.names():
            print(f"{name:<28}{models.facts(name).paper}")


def check_command(options):
    """Reads every file of a data set and reports; status 1 if files cannot be used."""
    report = open_dataset(options).check(options.fix)
    print(report)
    return int(len(report.faults) > 0 and report.fixed is None)


def fit_command(options):
    """Trains, or continues a training."""
    import keras_seg
    from keras_seg.card import write_card

    data = _open_for_training(options)
    run = keras_seg.fit(options.architecture, data, options.recipe, **_fit_arguments(options))
    run.show_curves()
    if "val" in run.data.splits:
        print(run.evaluate("val"))
        run.show_pictures("val")
    write_card(run)
    folder = shlex.quote(str(run.folder))
    print(f"Everything is in {folder}. Use it: {PROGRAM} predict {folder} picture.jpg")


def _open_for_training(options):
    """The data set, with the splits of --join in one."""
    data = open_dataset(options)
    return data.joined(*options.join) if options.join else data


def _fit_arguments(options):
    """The arguments of `keras_seg.fit` after the recipe."""
    given = ("epochs", "batch_size", "crop_size", "learning_rate", "devices")
    changes = {name: getattr(options, name) for name in given}
    changes = {name: value for name, value in changes.items() if value is not None}
    always = ("seed", "folder", "tag", "weights")
    return {name: getattr(options, name) for name in always} | changes | dict(options.set)


def cross_validate_command(options):
    """Trains on folds and scores the pictures held out."""
    import keras_seg

    folds = _open_for_training(options).folds(
        options.fold_group, options.num_folds, options.split, options.seed
    )
    arguments = _fit_arguments(options)
    print(keras_seg.cross_validate(options.architecture, folds, options.recipe, **arguments))


def evaluate_command(options):
    """Scores a run, a file or a server on a split."""
    from keras_seg.evaluation import evaluate, is_run
    from keras_seg.find_run import find_run, run_around
    from keras_seg.run import Run

    if not is_run(options.network):
        folder = run_around(options.network)
        remembered = Run(folder).settings.get("opened_by") if folder else None
        print(evaluate(options.network, open_dataset(options, remembered), options.split))
        return
    run = Run(find_run(options.network))
    data = open_dataset(options, run.settings.get("opened_by"))
    print(run.evaluate(options.split, data))


def predict_command(options):
    """Writes label maps and overlays for files; for classifiers, a table of classes."""
    import keras_seg
    from keras_seg.inference.class_files import predict_classes
    from keras_seg.inference.files import predict_files

    if options.ray:
        _predict_on_ray(options)
        return
    segmenter = keras_seg.load(options.run, options.engine)
    if isinstance(segmenter, keras_seg.Classifier):
        if options.flip or options.tile:
            raise ValueError(
                "`--flip` and `--tile` are for label maps. "
                f"Received: '{options.run}', which gives one class per picture. Leave them out."
            )
        print(predict_classes(segmenter, options.paths, options.out, options.overwrite))
        return
    if options.flip:
        segmenter = keras_seg.inference.augmented(segmenter, "horizontal")
    if options.tile:
        segmenter = keras_seg.inference.tiled(segmenter, options.tile)
    overlays = not options.no_overlay
    for path in predict_files(segmenter, options.paths, options.out, options.overwrite, overlays):
        print(path)


def _predict_on_ray(options):
    from keras_seg.ray_files import predict_paths

    if not options.out or options.flip or options.tile or options.overwrite:
        raise ValueError(
            "`predict --ray` needs --out FOLDER, and takes neither --flip, --tile nor --overwrite. "
            f"Received: out={options.out!r}, flip={options.flip}, tile={options.tile}, "
            f"overwrite={options.overwrite}. Leave these out, or leave out --ray."
        )
    for path in predict_paths(options.paths, options.run, options.out, options.engine):
        print(path)


def export_command(options):
    """Writes exports, each compared with the Keras model."""
    from keras_seg.find_run import find_run
    from keras_seg.run import Run

    folder = find_run(options.run)
    # 8 bits are calibrated on training pictures; else a data set only adds scores to the report.
    remembered = Run(folder).settings.get("opened_by")
    wanted = names_dataset(options) or remembered or "int8" in options.formats
    run = Run(folder, open_dataset(options, remembered) if wanted else None)
    of_any_size = {
        "saved_model": run.export_saved_model,
        "onnx": run.export_onnx,
        "openvino": run.export_openvino,
    }
    for name in options.formats:
        if name in of_any_size:
            print(of_any_size[name]())
        else:
            for size in options.size or [None]:
                kinds = {"outputs": options.outputs, "input_type": options.input_type}
                if name == "int8" or "int8" not in options.formats:  # an error without int8
                    kinds["quantizer"] = options.quantizer
                print(run.export_tflite(name, size=size, **kinds))


def benchmark_command(options):
    """Measures networks, and prints a row for each network and size."""
    from keras_seg.benchmarking import NUM_FRAMES, benchmark
    from keras_seg.run_files import pick_examples

    pictures = None
    if names_dataset(options):
        pictures, _ = pick_examples(open_dataset(options), options.split, NUM_FRAMES)
    table = benchmark(options.networks, options.sizes, pictures, options.rounds)
    shown = table.fillna(math.nan)  # to_string shows None as None
    print(f"{table.attrs['machine']}\n{shown.to_string(index=False, na_rep='-')}")


def demo_command(options):
    """Trains, scores, draws and exports on generated street scenes."""
    import pipelines
    from keras_seg.cli.demo import demo

    data = pipelines.street_scenes(num_images=options.num_images, size=(180, 240), seed=0)
    demo(data, options.folder, {"epochs": options.epochs, "batch_size": 4}, print)


COMMANDS = {
    "models": models_command,
    "check": check_command,
    "fit": fit_command,
    "cross-validate": cross_validate_command,
    "evaluate": evaluate_command,
    "predict": predict_command,
    "export": export_command,
    "serve": serve_command,
    "benchmark": benchmark_command,
    "demo": demo_command,
    "demo-web": demo_web_command,
}
# A server needs a tenth of the memory without it.
WITHOUT_TENSORFLOW = ("serve", "demo-web")


def _import_tensorflow_quietly():
    """Imports TensorFlow without its start-up messages, which no setting turns off."""
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
